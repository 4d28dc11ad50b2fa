"""The edits that continue and close an answer, as texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.render.marks import (
    Closing,
    arrived,
    completed,
    continued,
    difference,
    has_stop,
    is_closed,
    rewritten,
)
from sessions.chat import Chat, Status, Turn
from sessions.events import Delta
from sessions.transcript.markdown import EMPTY_QUESTION, Streamed, footer, render

TURN = "t1abcdef"
CHAT = Chat(
    id="k7f3qa", title="", root="", model="demo", turns=(Turn(id=TURN, parent=None, question="why?"),)
)
OPEN = render(CHAT)
CLOSING = Closing(footer(Turn(id=TURN, parent=None, question="why?", status=Status.DONE)), EMPTY_QUESTION)
LINES = st.text(st.sampled_from("ab\n"), max_size=12)


def grown(text: str, *pieces: str) -> str:
    for piece in pieces:
        edit = continued(text, TURN, piece)
        assert edit is not None
        text = edit.applied(text)
    return text


def closed(text: str, piece: str = "", closing: Closing = CLOSING) -> str:
    edit = completed(text, TURN, piece, closing)
    assert edit is not None
    return edit.applied(text)


def test_pieces_grow_the_answer_above_the_stop_line():
    text = grown(OPEN, "It is ", "slow.\n\nBecause", "")
    assert text.startswith(OPEN[: OPEN.index("*Kvasir is answering")].rstrip("\n"))
    assert text.endswith(
        "## Kvasir <!-- kv t1abcdef -->\n\nIt is slow.\n\nBecause\n\n"
        "*Kvasir is answering. Delete this line to stop.* <!-- kv stop t1abcdef -->\n"
    )
    assert has_stop(text, TURN)


def test_a_piece_in_a_document_that_lacks_what_came_before_is_replaced_by_the_whole():
    torn = continued(OPEN, TURN, "behind it")
    whole = continued(OPEN, TURN, "what was before and behind it")
    assert torn is not None
    assert whole is not None
    mended = rewritten(torn.applied(OPEN), TURN, "what was before and behind it")
    assert mended is not None
    assert mended.applied(torn.applied(OPEN)) == whole.applied(OPEN)
    assert rewritten("no stop line", TURN, "text") is None


def test_closing_takes_the_place_of_the_stop_line():
    text = closed(grown(OPEN, "It is "), "slow.")
    assert text.endswith("It is slow.\n\n*Done.* <!-- kv end t1abcdef -->\n\n## You\n\n")
    assert not has_stop(text, TURN)
    assert is_closed(text, TURN)
    assert completed(text, TURN, "more", CLOSING) is None


@given(st.lists(st.text(st.sampled_from("ab\n<#"), min_size=1, max_size=6), max_size=8))
def test_a_streamed_document_is_the_rendered_one(pieces: list[str]):
    """What is appended piece by piece is what ``render`` shows for the turn, but for blank lines at the end."""
    text, state = OPEN, Streamed()
    for piece in pieces:
        shown, state = state.write(Delta(piece))
        text = grown(text, shown) if shown else text
    turn = Turn(id=TURN, parent=None, question="why?", answer="".join(pieces), status=Status.DONE)
    streamed = closed(text, state.end())
    wanted = render(Chat(id="k7f3qa", title="", root="", model="demo", turns=(turn,)))
    assert streamed.split() == wanted.split()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("text\n\n<!-- kv stop t1abcdef -->\n", "text+\n\n<!-- kv stop t1abcdef -->\n"),
        ("text\n<!-- kv stop t1abcdef -->\n", "text+\n<!-- kv stop t1abcdef -->\n"),
        ("<!-- kv stop t1abcdef -->", "+<!-- kv stop t1abcdef -->"),
        ("\n<!-- kv stop t1abcdef -->", "+\n<!-- kv stop t1abcdef -->"),
        ("text\r\n\r\n<!-- kv stop t1abcdef -->\r\n", "text+\r\n\r\n<!-- kv stop t1abcdef -->\r\n"),
        (
            "## Kvasir <!-- kv t1abcdef -->\n\nstop <!-- kv stop t1abcdef -->\n",
            "## Kvasir <!-- kv t1abcdef -->\n\n+\n\nstop <!-- kv stop t1abcdef -->\n",
        ),
        (
            "text\n\n<!--kv stop t1abcdef-->\nand a next question",
            "text+\n\n<!--kv stop t1abcdef-->\nand a next question",
        ),
    ],
)
def test_documents_that_a_person_changed(before: str, after: str):
    assert grown(before, "+") == after


def test_a_draft_below_stays_and_needs_no_empty_question():
    text = closed(grown(f"{OPEN}\n## You\n\nand then?", "slow"))
    assert text.endswith("slow\n\n*Done.* <!-- kv end t1abcdef -->\n\n## You\n\nand then?")


def test_line_ends_of_the_document_are_kept():
    before = OPEN.replace("\n", "\r\n")
    text = closed(grown(before, "one\n", "two"))
    assert "one\r\ntwo\r\n\r\n*Done.*" in text
    assert "\n" not in text.replace("\r\n", "")


def test_without_the_stop_line_nothing_is_appended_but_the_footer():
    stopped = "## Kvasir <!-- kv t1abcdef -->\n\nIt is\n\n## You\n\nnext"
    assert continued(stopped, TURN, "+") is None
    assert (
        closed(stopped, "", Closing("*Stopped.*", EMPTY_QUESTION))
        == "## Kvasir <!-- kv t1abcdef -->\n\nIt is\n\n*Stopped.*\n\n## You\n\nnext"
    )
    assert completed("## You\n\nall gone", TURN, "", CLOSING) is None


@given(st.lists(LINES, max_size=6), st.integers(0, 6))
def test_how_much_arrived_is_known_by_the_text(pieces: list[str], count: int):
    answer, ends = "".join(pieces), [0]
    for piece in pieces:
        ends.append(ends[-1] + len(piece))
    shown = grown(OPEN, *(piece for piece in pieces[:count] if piece))
    position = arrived(shown, TURN, answer, ends)
    assert position is not None
    assert grown(OPEN, answer[:position]).split() == shown.split()
    assert position >= ends[min(count, len(pieces))]


def test_what_a_person_wrote_into_an_answer_is_not_taken_for_it():
    assert arrived(grown(OPEN, "It is fast"), TURN, "It is slow", [0, 5, 10]) is None
    assert arrived(OPEN, TURN, "It is slow", [0, 5, 10]) == 0
    assert arrived("nothing", TURN, "It is slow", [0, 5, 10]) is None


@given(LINES, LINES)
def test_a_difference_makes_one_text_into_the_other(old: str, new: str):
    assert difference(old, new).applied(old) == new


def test_a_difference_touches_only_lines_that_differ():
    edit = difference("a\nb\nc\n", "a\nB\nc\n")
    assert (edit.start, edit.end, edit.text) == (2, 4, "B\n")
    assert difference("a\r\nb\r\n", "a\nb\nc\n").applied("a\r\nb\r\n") == "a\r\nb\r\nc\r\n"
