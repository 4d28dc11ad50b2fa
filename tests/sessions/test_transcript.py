from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.segment import Kind, Segment
from sessions.chat import Chat, Status, Turn, Usage
from sessions.events import Delta
from sessions.transcript.changes import Change, ChangedTurn, changed_turn
from sessions.transcript.edits import applied, opening
from sessions.transcript.markdown import Streamed, document_name, footer, render
from sessions.transcript.marks import (
    comparable,
    escape,
    escape_delta,
    escape_question,
    lines_of,
    stop_line,
    trimmed,
    unescape,
    unescape_question,
)
from sessions.transcript.parser import Document, Link, Section, links, parse, symbols, turn_at

USAGE = Usage(
    prompt=1812, cached=1790, new=22, out=120, ttft_ms=45, tokens_per_second=210, expected=1790, saved_ms=2600
)
SELECTION = Segment(Kind.SELECTION, "src/a.py#L3-L9", "def slow(): ...\n")
EXPLAIN = Segment(Kind.MODE, "explain", "Explain it.\n")
FIRST = Turn(
    id="t0000001",
    parent=None,
    question="why is it slow?",
    tail=(SELECTION, EXPLAIN),
    answer="It sorts in a loop.",
    status=Status.DONE,
    model="demo",
    usage=USAGE,
)
SECOND = Turn(
    id="t0000002",
    parent="t0000001",
    question="and now?",
    answer="Use a heap:\n\n```py\nheap = []\n```",
    reasoning="A heap, then.",
    status=Status.STOPPED,
    model="demo",
)
CHAT = Chat(
    id="k7f3qa",
    title="Why is it slow?",
    root="/work",
    model="org/demo:7b",
    base=(Segment(Kind.FILE, "src/a.py", "..."), Segment(Kind.PROJECT, "@project", "...")),
    turns=(FIRST, SECOND),
    created=1795219200.0,
)
DOCUMENT = """\
---
kvasir: 1
chat: k7f3qa
model: org/demo:7b
context: [src/a.py, "@project"]
---

## You <!-- kv t0000001 -->

> src/a.py#L3-L9 (selection)
> explain (mode)

why is it slow?

## Kvasir <!-- kv t0000001 -->

It sorts in a loop.

*demo · 1812 prompt tokens (1790 cached + 22 new) · 120 out · first token 45 ms · 210 tokens/s · 2.6 s saved* \
<!-- kv end t0000001 -->

## You <!-- kv t0000002 -->

and now?

## Kvasir <!-- kv t0000002 -->

<details><summary>Thinking</summary> <!-- kv thinking -->

A heap, then.

</details> <!-- kv answer -->

Use a heap:

```py
heap = []
```

*Stopped: this answer is incomplete. demo* <!-- kv end t0000002 -->

## You

"""

HOSTILE = [
    "",
    "  ",
    "text",
    "## You",
    "## you  ",
    "\\## You",
    "\\\\## Kvasir <!-- note -->",
    "## Kvasir",
    "## You <!-- kv t0000001 -->",
    "## Kvasir <!-- kv t0000001 -->",
    "## Kvasir <!-- kv t0000002 -->",
    "## You <!-- kv tzzzzzzz -->",
    "## You <!-- \\kv t0000002 -->",
    "*done* <!-- kv end t0000001 -->",
    "x <!-- kv end t0000002 -->",
    stop_line("t0000001"),
    "<!--kv stop t0000002-->",
    "<!-- kv",
    "<!-- \\\\kv end t0000002 -->",
    "<details><summary>Thinking</summary> <!-- kv thinking -->",
    "</details> <!-- kv answer -->",
    "> src/a.py#L1 (file)",
    "\\> src/a.py#L1 (file)",
    "> quoted",
    "```",
    "```md",
    "~~~~",
    "---",
    "chat: zzzzzz",
    "\x0c",
    "\u2028",
    "\ufeff",
]
LINES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12))
ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r", ""])
TEXTS = st.lists(st.builds("{}{}".format, LINES, ENDS), max_size=6).map("".join)
SEGMENTS = st.builds(Segment, st.sampled_from(Kind), TEXTS, st.just(""))
FINAL = [status for status in Status if status.final]


def turns(status: st.SearchStrategy[Status]) -> st.SearchStrategy[Turn]:
    return st.builds(
        Turn,
        id=st.just(""),
        parent=st.none(),
        question=TEXTS,
        tail=st.lists(SEGMENTS, max_size=2).map(tuple),
        answer=TEXTS,
        reasoning=st.one_of(st.just(""), TEXTS),
        status=status,
        model=TEXTS,
        usage=st.sampled_from([USAGE, None]),
        error=TEXTS,
    )


def chat_of(turns: Sequence[Turn], last: Sequence[Turn], base: Sequence[Segment], model: str) -> Chat:
    numbered = tuple(attrs.evolve(turn, id=f"t{n:07}") for n, turn in enumerate([*turns, *last], 1))
    return attrs.evolve(CHAT, turns=numbered, base=tuple(base), model=model)


CHATS = st.builds(
    chat_of,
    st.lists(turns(st.sampled_from(FINAL)), max_size=3),
    st.lists(turns(st.sampled_from(Status)), max_size=1),
    st.lists(SEGMENTS, max_size=2),
    TEXTS,
)


def told(document: Document) -> list[tuple[str | None, str, str | None]]:
    return [told_by(section) for section in document.sections]


def told_by(section: Section) -> tuple[str | None, str, str | None]:
    return section.turn, section.question, section.answer.text if section.answer else None


def stored(chat: Chat) -> list[tuple[str | None, str, str | None]]:
    return [(turn.id, trimmed(turn.question), trimmed(turn.answer)) for turn in chat.turns]


def test_a_chat_is_shown_as_markdown():
    assert render(CHAT) == DOCUMENT


def test_a_chat_without_turns_is_ready_to_type_into():
    assert render(attrs.evolve(CHAT, turns=(), base=())).endswith("context: []\n---\n\n## You\n\n")


def test_an_unfinished_answer_ends_with_the_stop_line():
    turn = attrs.evolve(SECOND, status=Status.ANSWERING, reasoning="", answer="Use\n")
    lines = lines_of(render(attrs.evolve(CHAT, turns=(turn,))))
    assert lines[-7:] == ["## Kvasir <!-- kv t0000002 -->", "", "Use", "", "", stop_line(turn.id), ""]


@pytest.mark.parametrize("answer", ["", "Use", "Use\n", "Use\n\n```py\n"])
def test_deltas_go_to_the_end_of_the_line_two_above_the_stop_line(answer: str):
    before = attrs.evolve(CHAT, turns=(attrs.evolve(FIRST, status=Status.ANSWERING, answer=answer),))
    after = attrs.evolve(before, turns=(attrs.evolve(before.turns[0], answer=f"{answer} a heap"),))
    text = render(before)
    answering = parse(text).sections[0].answer
    assert answering is not None
    assert answering.stop is not None
    lines = lines_of(text)
    shown, _ = Streamed().write(Delta(f"{answer} a heap"))
    lines[answering.stop - 2] += shown.removeprefix(answer)
    assert "\n".join(lines) == render(after)


def test_a_parsed_document_tells_ids_texts_and_places():
    document = parse(DOCUMENT)
    assert (document.chat, document.model) == ("k7f3qa", "org/demo:7b")
    assert document.context == ("src/a.py", "@project")
    assert told(document) == [
        ("t0000001", "why is it slow?", "It sorts in a loop."),
        ("t0000002", "and now?", "Use a heap:\n\n```py\nheap = []\n```"),
    ]
    assert document.sections[0].context == ("src/a.py#L3-L9", "explain")
    assert document.draft == ""
    lines = lines_of(DOCUMENT)
    second = document.sections[1]
    assert second.answer is not None
    assert second.answer.thinking is not None
    assert second.answer.reasoning == "A heap, then."
    assert second.answer.footer is not None
    assert second.heading == lines.index("## You <!-- kv t0000002 -->")
    assert lines[second.question_span.start : second.question_span.end] == ["and now?"]
    assert second.answer.heading == lines.index("## Kvasir <!-- kv t0000002 -->")
    assert lines[second.answer.thinking.start].startswith("<details>")
    assert lines[second.answer.thinking.end - 1].startswith("</details>")
    assert lines[second.answer.span.start : second.answer.span.end] == second.answer.text.split("\n")
    assert lines[second.answer.footer].startswith("*Stopped")
    assert document.unsent is not None
    assert second.span.end == document.unsent.heading == lines.index("## You")


def test_turns_are_found_by_line():
    document = parse(DOCUMENT)
    found = [turn_at(document, line) for line in range(len(document.lines))]
    first, second = document.sections
    assert document.unsent is not None
    assert found == [
        *[None] * first.span.start,
        *[0] * (first.span.end - first.span.start),
        *[1] * (second.span.end - second.span.start),
        *[None] * (len(document.lines) - document.unsent.span.start),
    ]


def test_symbols_are_named_after_the_first_line_of_the_question():
    long = attrs.evolve(SECOND, question=f"{'x' * 200}\nmore")
    document = parse(render(attrs.evolve(CHAT, turns=(FIRST, long))))
    first, second = symbols(document)
    assert (first.name, first.heading, first.span) == ("why is it slow?", 7, document.sections[0].span)
    assert second.name == f"{'x' * 79}…"


def test_links_are_files_of_the_front_matter_and_the_context_lines():
    assert links(parse(DOCUMENT)) == (
        Link(4, 10, 18, "src/a.py"),
        Link(9, 2, 16, "src/a.py", 3, 9),
    )
    assert links(parse("---\ncontext:\n  - 'b c.py#L7'\n---\n\n## You\n\n> d.py#L1-L2 (file)\nwhy?")) == (
        Link(2, 4, 15, "b c.py", 7, 7),
        Link(7, 2, 12, "d.py", 1, 2),
    )


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (
            attrs.evolve(
                FIRST,
                usage=Usage(
                    prompt=41200,
                    cached=0,
                    new=41200,
                    out=9999,
                    ttft_ms=61234,
                    tokens_per_second=4.26,
                    saved_ms=0.2,
                ),
            ),
            "*demo · 41 200 prompt tokens (0 cached + 41 200 new) · 9999 out · first token 61.2 s · 4.3 tokens/s*",
        ),
        (
            attrs.evolve(FIRST, status=Status.FAILED, usage=None, error="No llama-server.\nStart it."),
            "*Failed: No llama-server. Start it. demo*",
        ),
        (
            attrs.evolve(FIRST, status=Status.INTERRUPTED, usage=None, model=""),
            "*Interrupted: the process that was answering ended.*",
        ),
        (attrs.evolve(FIRST, usage=None, model=""), "*Done.*"),
    ],
)
def test_the_footer_has_the_numbers_and_why_an_answer_is_incomplete(turn: Turn, expected: str):
    assert footer(turn) == f"{expected} <!-- kv end t0000001 -->"


@pytest.mark.parametrize(
    ("title", "question", "expected"),
    [
        ("Why is it slow?", "", "2026-11-21-why-is-it-slow.md"),
        ("../../etc/passwd", "", "2026-11-21-etc-passwd.md"),
        ("Größe & Maß: да?", "", "2026-11-21-größe-maß-да.md"),
        ("…", "what / then", "2026-11-21-what-then.md"),
        ("", "?", "2026-11-21-k7f3qa.md"),
        ("x" * 300, "", f"2026-11-21-{'x' * 48}.md"),
        (f"{'word ' * 9}longer", "", f"2026-11-21-{'-'.join(['word'] * 9)}.md"),
    ],
)
def test_documents_are_named_by_day_and_title(title: str, question: str, expected: str):
    chat = attrs.evolve(CHAT, title=title, turns=(attrs.evolve(FIRST, question=question),))
    assert document_name(chat) == expected


def test_a_taken_name_gets_the_id_of_the_chat():
    assert document_name(CHAT, ["2026-11-21-why-is-it-slow.md"]) == "2026-11-21-why-is-it-slow-k7f3qa.md"


@given(st.text(), st.text())
def test_any_title_gives_one_file_name(title: str, question: str):
    name = document_name(attrs.evolve(CHAT, title=title, turns=(attrs.evolve(FIRST, question=question),)))
    assert len(name.encode()) < 255
    assert not set(name) & set("/\\\0\n\r:*?\"<>| '")
    assert name.removeprefix("2026-11-21-").removesuffix(".md")


@given(CHATS)
def test_a_rendered_chat_is_read_back_and_has_no_changed_turn(chat: Chat):
    text = render(chat)
    document = parse(text)
    assert "\r" not in text
    assert document.chat == chat.id
    assert document.model == (" ".join(chat.model.split()) or None)
    assert document.context == tuple(" ".join(segment.source.split()) for segment in chat.base)
    finals = [turn for turn in chat.turns if turn.status.final]
    assert told(document)[: len(finals)] == stored(attrs.evolve(chat, turns=tuple(finals)))
    assert [section.turn for section in document.sections] == [turn.id for turn in chat.turns]
    assert [section.question for section in document.sections] == [trimmed(t.question) for t in chat.turns]
    for section, turn in zip(document.sections, chat.turns, strict=True):
        assert section.context == tuple(" ".join(segment.source.split()) for segment in turn.tail)
        assert section.answer is not None
        assert section.answer.streaming is not turn.status.final
        if turn.status.final:
            assert section.answer.reasoning == trimmed(turn.reasoning)
    assert document.draft == ""
    assert changed_turn(document, chat) is None


@given(CHATS, TEXTS)
def test_a_rendered_draft_is_read_back_and_changes_no_turn(chat: Chat, draft: str):
    document = parse(render(chat, draft))
    assert document.draft == trimmed(draft).strip()
    assert told(document) == told(parse(render(chat)))
    assert changed_turn(document, chat) is None


@given(CHATS, TEXTS)
def test_a_typed_draft_never_changes_the_turns(chat: Chat, draft: str):
    chat = attrs.evolve(chat, turns=tuple(attrs.evolve(turn, status=Status.DONE) for turn in chat.turns))
    document = parse(render(chat) + draft)
    assert told(document)[: len(chat.turns)] == stored(chat)
    change = changed_turn(document, chat)
    assert change is None or (change.index, change.kind) == (len(chat.turns), Change.ADDED)


@given(CHATS)
def test_crlf_a_bom_and_trimmed_lines_change_nothing(chat: Chat):
    text = render(chat)
    assert told(parse(f"\ufeff{text}".replace("\n", "\r\n"))) == told(parse(text))
    shaved = "\n".join(line.rstrip() for line in lines_of(text))
    assert changed_turn(parse(shaved), chat) is None


@given(st.one_of(TEXTS, st.text(), st.lists(TEXTS).map("".join), TEXTS.map(lambda text: DOCUMENT + text)))
def test_any_text_is_a_document(text: str):
    document = parse(text)
    count = len(document.lines)
    assert count == len(lines_of(text))
    at = document.front.end
    unsent = [document.unsent] if document.unsent else []
    for section in [*document.sections, *unsent]:
        assert at <= section.span.start <= section.question_span.start <= section.question_span.end
        assert section.question_span.end <= section.span.end <= count
        if section.answer:
            assert section.question_span.end <= section.answer.heading < section.answer.span.start
            assert section.answer.span.end <= section.span.end
        at = section.span.end
    assert at in (count, document.front.end)
    assert len(symbols(document)) == len(document.sections)
    for link in links(document):
        assert document.lines[link.line][link.start : link.end]
    changed_turn(document, CHAT)
    unseen = attrs.evolve(SECOND, id="t9999999", status=Status.QUEUED)
    opened = applied(text, opening(document, unseen))
    assert parse(opened).section(unseen.id)
    assert applied(text, ()) == text


@given(TEXTS)
def test_escaping_is_reversible(text: str):
    assert unescape(escape(text)) == "\n".join(lines_of(text))
    assert unescape_question(escape_question(text)) == trimmed(text)
    assert comparable(escape_question(text)) == comparable(text)


@given(st.lists(st.one_of(TEXTS, st.sampled_from(["<", "!--", " ", "\\", "k", "v", " e", "\r", "\n"]))))
def test_a_text_in_pieces_is_escaped_like_the_whole(pieces: list[str]):
    written, held = "", ""
    for piece in pieces:
        shown, held = escape_delta(held, piece)
        written += shown
    assert written + escape(held) == escape("".join(pieces))


@given(
    st.lists(st.one_of(TEXTS, st.sampled_from(["<", "!--", " k", "v", " \n"])), max_size=3),
    st.lists(st.one_of(TEXTS, st.sampled_from(["<", "!--", " k", "v", " \n"])), max_size=4),
)
def test_deltas_write_what_a_rendered_unfinished_turn_shows(thoughts: list[str], answers: list[str]):
    streamed, written = Streamed(), ""
    for delta in [*(Delta(text, reasoning=True) for text in thoughts), *map(Delta, answers)]:
        shown, streamed = streamed.write(delta)
        written += shown
    turn = attrs.evolve(
        FIRST, status=Status.ANSWERING, reasoning="".join(thoughts), answer="".join(answers), tail=()
    )
    chat = attrs.evolve(CHAT, turns=(turn,))
    assert render(chat).endswith(
        f"## Kvasir <!-- kv t0000001 -->\n\n{written}\n\n{stop_line('t0000001')}\n",
    )
    ended = render(chat).replace(
        f"\n\n{stop_line('t0000001')}\n", f"{streamed.end()}\n\n{stop_line('t0000001')}\n"
    )
    section = parse(ended.replace(stop_line(FIRST.id), footer(FIRST))).sections[0]
    assert section.answer is not None
    assert comparable(section.answer.text) == comparable(turn.answer)
    assert comparable(section.answer.reasoning) == comparable(turn.reasoning)


def test_reasoning_after_the_answer_began_is_left_to_the_store():
    _, streamed = Streamed().write(Delta("Use"))
    assert streamed.write(Delta("hm", reasoning=True)) == ("", streamed)


def test_raw_deltas_that_look_like_headings_stay_in_their_answer():
    hostile = "a\n\n## You\n\nb\n\n## Kvasir <!-- kv tzzzzzzz -->\n```"
    text = DOCUMENT.replace("It sorts in a loop.", hostile)
    chat = attrs.evolve(CHAT, turns=(attrs.evolve(FIRST, answer=hostile), SECOND))
    assert changed_turn(parse(text), chat) is None


def changed(text: str, chat: Chat = CHAT) -> ChangedTurn | None:
    return changed_turn(parse(text), chat)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-->\n\n", "-->\n"),
        ("\n\n## ", "\n## "),
        ("\n\n*", "\n*"),
        ("(mode)\n\n", "(mode)\n"),
        (" <!-- kv end t0000002 -->", ""),
        (" <!-- kv end t0000001 -->", ""),
        ("*Stopped: this answer is incomplete. demo* <!-- kv end t0000002 -->\n", ""),
        ("> src/a.py#L3-L9 (selection)\n> explain (mode)\n", ""),
        ("## You <!-- kv t0000002 -->", "## You"),
        ("## You <!-- kv t0000002 -->", "##  you <!-- mine -->  "),
        ("## You <!-- kv t0000002 -->\n", ""),
        ("## Kvasir <!-- kv t0000002 -->", "## Kvasir"),
        (" <!-- kv t0000001 -->", ""),
        ("It sorts in a loop.", "  \nIt sorts in a loop.  \n\n"),
        ("---\n\n## You <!-- kv t0000001", "---\n\nMy notes.\n\n# Title\n## You <!-- kv t0000001"),
        ("context: [src/a.py", "model: other\ntags: [a]\ncontext: [src/b.py"),
        (DOCUMENT[: DOCUMENT.index("## You")], ""),
        ("</details> <!-- kv answer -->\n", "</details> <!-- kv answer -->"),
    ],
)
def test_hand_edits_around_the_texts_change_no_turn(old: str, new: str):
    assert old in DOCUMENT
    assert changed(DOCUMENT.replace(old, new)) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "why is it slow?",
            "why is it fast?",
            ChangedTurn(0, Change.QUESTION, "why is it fast?", "It sorts in a loop."),
        ),
        (
            "It sorts in a loop.",
            "It waits.",
            ChangedTurn(0, Change.ANSWER, "why is it slow?", "It waits."),
        ),
        (
            DOCUMENT[DOCUMENT.index("## You <!-- kv t0000001") : DOCUMENT.index("## You <!-- kv t0000002")],
            "",
            ChangedTurn(0, Change.REMOVED, "and now?", SECOND.answer),
        ),
        (
            DOCUMENT[DOCUMENT.index("## You <!-- kv t0000002") : DOCUMENT.index("## You\n")],
            "",
            ChangedTurn(1, Change.CUT),
        ),
        (
            DOCUMENT[DOCUMENT.index("## Kvasir <!-- kv t0000002") : DOCUMENT.index("## You\n")],
            "",
            ChangedTurn(1, Change.ANSWER, "and now?"),
        ),
        (
            DOCUMENT[DOCUMENT.index("## Kvasir <!-- kv t0000002") :],
            "",
            ChangedTurn(1, Change.CUT),
        ),
        (
            "## You <!-- kv t0000002",
            "## You\nwait\n## Kvasir\nI do.\n## You <!-- kv t0000002",
            ChangedTurn(1, Change.ADDED, "wait", "I do."),
        ),
        (
            "## You <!-- kv t0000002",
            "## You\nwait\n\n## You <!-- kv t0000002",
            ChangedTurn(1, Change.ADDED, "wait"),
        ),
        (
            "## You\n\n",
            "## You\n\nbye\n\n## Kvasir\n\nBye.\n",
            ChangedTurn(2, Change.ADDED, "bye", "Bye."),
        ),
        (
            "kv t0000002",
            "kv tzzzzzzz",
            ChangedTurn(1, Change.ADDED, "and now?", SECOND.answer),
        ),
        (
            "## You <!-- kv t0000002 -->\n\nand now?",
            "## You\n\nand then?",
            ChangedTurn(1, Change.QUESTION, "and then?", SECOND.answer),
        ),
    ],
)
def test_an_edited_turn_is_where_the_chat_forks(old: str, new: str, expected: ChangedTurn):
    assert old in DOCUMENT
    assert changed(DOCUMENT.replace(old, new)) == expected


def test_an_unfinished_answer_is_not_compared_and_may_be_missing():
    answering = attrs.evolve(CHAT, turns=(FIRST, attrs.evolve(SECOND, status=Status.ANSWERING)))
    assert changed(render(answering).replace("Use a heap", "Use"), answering) is None
    assert changed(render(attrs.evolve(CHAT, turns=(FIRST,))), answering) is None
    assert changed(render(answering), CHAT) is None


@pytest.mark.parametrize(
    ("text", "draft"),
    [
        ("", ""),
        ("garbage", ""),
        ("## You\nwhy?", "why?"),
        ("## You\r\n\r\n  why?  \r\n", "why?"),
        ("## You\n\nold\n\n## You\n\nnew\n", "new"),
        ("## You\n\n```md\n## You\n```\n", "```md\n## You\n```"),
        ("## You\n\n\\## You\n", "## You"),
        ("## You\n\n> src/a.py (file)\n\nwhy?", "why?"),
        (f"{DOCUMENT}next", "next"),
        (f"{DOCUMENT}## You <!-- kv t0000001 -->\nagain", "again"),
        (DOCUMENT.removesuffix("## You\n\n"), ""),
        (
            "## You\n\nq\n\n## Kvasir\n\n```\nopen fence\n\n*m* <!-- kv end t0000001 -->\n\n## You\nnext",
            "next",
        ),
    ],
)
def test_the_draft_is_the_last_question_without_an_answer(text: str, draft: str):
    assert parse(text).draft == draft


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\nchat: 'k7f3qa'\nmodel: \"a: b\" # mine\n", ("k7f3qa", "a: b", ())),
        ("\n---\nchat:k7f3qa\nchat: nonsense!\nmodel: a\nmodel: b c\n...\n", ("k7f3qa", "b c", ())),
        ("---\ncontext:\n- a.py\n-   'b c.py' # why\n# note\n---\n", (None, None, ("a.py", "b c.py"))),
        ('---\ncontext: [a.py,\n  "b, c.py"]\n---\n', (None, None, ("a.py", "b, c.py"))),
        ("---\nmodel: a\nTo be read.\nmodel: b\n", (None, "a", ())),
        ("---\nmodel:\ncontext: [a.py\n", (None, None, ("a.py",))),
        ("model: a\n", (None, None, ())),
    ],
)
def test_front_matter_written_by_hand_is_read(
    text: str, expected: tuple[str | None, str | None, tuple[str, ...]]
):
    document = parse(text)
    assert (document.chat, document.model, document.context) == expected


STARTED = attrs.evolve(SECOND, status=Status.QUEUED, answer="", reasoning="", tail=(SELECTION,))
ONE = render(attrs.evolve(CHAT, turns=(FIRST,)))


def test_opening_a_turn_fills_the_empty_question():
    expected = render(attrs.evolve(CHAT, turns=(FIRST, STARTED)))
    assert applied(ONE, opening(parse(ONE), STARTED)) == expected
    without = ONE.removesuffix("## You\n\n")
    assert applied(without, opening(parse(without), STARTED)) == expected


@pytest.mark.parametrize("typed", ["and now?", "and now?\n", "and now?\n\n\n"])
def test_opening_a_typed_question_names_it_and_appends_its_answer(typed: str):
    text = f"{ONE}{typed}"
    edits = opening(parse(text), STARTED)
    assert applied(text, edits) == render(attrs.evolve(CHAT, turns=(FIRST, STARTED)))
    assert edits[0].text == "## You <!-- kv t0000002 -->\n\n> src/a.py#L3-L9 (selection)\n"


def test_opening_leaves_another_draft_below_the_new_turn():
    text = f"{ONE}half a thou"
    opened = applied(text, opening(parse(text), STARTED))
    assert opened == render(attrs.evolve(CHAT, turns=(FIRST, STARTED))) + "\n## You\n\nhalf a thou"
    assert parse(opened).draft == "half a thou"


def test_opening_an_empty_text_and_a_shown_turn():
    assert opening(parse(""), STARTED)[0].start == 0
    assert opening(parse(DOCUMENT), STARTED) == ()


@given(CHATS, TEXTS)
def test_a_turn_that_opens_is_shown_as_it_is_rendered(chat: Chat, draft: str):
    done = [attrs.evolve(turn, status=Status.DONE) for turn in chat.turns]
    chat = attrs.evolve(chat, turns=tuple(done))
    turn = attrs.evolve(SECOND, id="t0000009", question=draft, reasoning="", answer="", status=Status.QUEUED)
    text = render(chat)
    opened = applied(text, opening(parse(text), turn))
    assert opened == render(attrs.evolve(chat, turns=(*done, turn)))
