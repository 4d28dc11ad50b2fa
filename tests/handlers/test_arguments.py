"""The arguments of commands, in every form in which a client writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from handlers.arguments import Arguments, Flag, Include, Preset, Typed, View, WordsKey, parse, typed_question
from sessions.errors import BadRequest
from sessions.modes import INSTRUCTIONS


def test_every_preset_is_a_mode():
    assert set(Preset) == set(INSTRUCTIONS)


FORMS: list[tuple[list[object] | None, Arguments]] = [
    (None, Arguments()),
    ([], Arguments()),
    ([{}], Arguments()),
    (["why", "is", "it", "slow?"], Arguments(question="why is it slow?")),
    (["why is it  slow?"], Arguments(question="why is it  slow?")),
    (
        ["-wst", "@llama", "why?"],
        Arguments(flags=(Flag.WARM, Flag.SELECTION, Flag.RELATED), model="llama", question="why?"),
    ),
    (
        [{"file": "a.py", "lines1": [4, 5]}, "why?"],
        Arguments(file="a.py", lines1=(4, 5), question="why?"),
    ),
    ([{"file": "a.py"}, ""], Arguments(file="a.py")),
    (
        [{"flags": ["s"], "model": "small"}, "-ps @big why?"],
        Arguments(flags=(Flag.SELECTION, Flag.PROJECT), model="big", question="why?"),
    ),
    ([{"question": "why?"}, "why?"], Arguments(question="why?")),
    (
        [{"preset": "explain", "new": True, "model": None, "view": "none"}],
        Arguments(preset=Preset.EXPLAIN, new=True, view=View.NONE),
    ),
    (
        [{"include": {"project": True}, "paths": ["b.py"]}],
        Arguments(include=Include(project=True), paths=("b.py",)),
    ),
    (
        [
            {
                "uri": "file:///a",
                "range": {"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 0}},
                "text": "x",
                "version": 3,
            }
        ],
        Arguments(
            uri="file:///a",
            range=types.Range(
                start=types.Position(line=1, character=0), end=types.Position(line=2, character=0)
            ),
            text="x",
            version=3,
        ),
    ),
]


@pytest.mark.parametrize(("arguments", "expected"), FORMS)
def test_forms(arguments: list[object] | None, expected: Arguments):
    assert parse(arguments) == expected


@pytest.mark.parametrize("key", ["model", "title", "query", "session", "job"])
def test_words_of_other_commands_are_taken_as_they_stand(key: WordsKey):
    assert getattr(parse(["-p", "of all"], key), key) == "-p of all"
    with pytest.raises(BadRequest, match="given twice"):
        parse([{key: "a"}, "b"], key)


MISTAKES: list[tuple[list[object], str]] = [
    ([{"questin": "x"}], 'The arguments cannot be used: questin: unknown key; did you mean "question"?.'),
    ([{"lines": [3]}], "The arguments cannot be used: lines: expected 2 elements, not 1."),
    (
        [{"preset": "explainn"}],
        'The arguments cannot be used: preset: unknown "explainn"; did you mean "explain"?.',
    ),
    ([{"flags": ["x"]}], "The arguments cannot be used: flags[0]: expected one of w, s, t, f, p, n."),
    ([{"flags": ["w", "w"]}], "The arguments cannot be used: flags: each may be given once."),
    ([{"turn": -1}], "The arguments cannot be used: turn: expected 0 or more, not -1."),
    ([{"v": 2}], "The arguments cannot be used: version 2 of the arguments is not known, only 1."),
    (
        [{"uri": "file:///a", "file": "a", "lines": [3, 1], "lines1": [0, 1]}],
        (
            "The arguments cannot be used: uri and file exclude each other; lines and lines1 exclude each other;"
            " lines: expected two line numbers from 0 on, the second not the smaller one;"
            " lines1: expected two line numbers from 1 on, the second not the smaller one."
        ),
    ),
    (
        [{"range": {"start": {"line": -1, "character": 0}, "end": {"line": 0, "character": 0}}}],
        "The arguments cannot be used: range.start: Position.line should be in range [0:2147483647], but was -1.",
    ),
    ([{"question": "a"}, "b"], 'The question was given twice: "a" and "b".'),
    ([3], "The arguments of a command are an object, words, or an object and then words."),
    ([{}, {}], "The arguments of a command are an object, words, or an object and then words."),
    (["why", {}], "The arguments of a command are an object, words, or an object and then words."),
    (
        ["-wx why"],
        'There is no option "-x" (in "-wx"). There are -w, -s, -t, -f, -p, -n; write -- in front of a question that begins with a dash.',
    ),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_mistakes_are_told_in_one_sentence(arguments: list[object], said: str):
    with pytest.raises(BadRequest) as caught:
        parse(arguments)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Typed()),
        ("why?", Typed(question="why?")),
        ("-w", Typed((Flag.WARM,))),
        ("-w -n @m", Typed((Flag.WARM, Flag.NEW), "m")),
        ("@m -w why", Typed((Flag.WARM,), "m", "why")),
        ("@m @you are right", Typed((), "m", "@you are right")),
        ("-- -w is an option", Typed((), None, "-w is an option")),
        ("-w -- @m why", Typed((Flag.WARM,), None, "@m why")),
        ("why -w @m", Typed(question="why -w @m")),
        ("- a list", Typed(question="- a list")),
        ("@ home", Typed(question="@ home")),
        ("-s two\n  lines ", Typed((Flag.SELECTION,), None, "two\n  lines")),
    ],
)
def test_grammar(text: str, expected: Typed):
    assert typed_question(text) == expected


@given(st.text())
def test_any_text_can_be_asked_behind_two_dashes(text: str):
    assert typed_question(f"-- {text}").question == text.strip()


def test_flags_and_keys_say_the_same():
    by_flags, by_keys = (
        parse(["-stfpnw"]),
        parse([{"include": {"selection": True, "tags": True, "file": True, "project": True}, "new": True}]),
    )
    for arguments in (by_flags, by_keys):
        assert arguments.wants_selection
        assert arguments.wants_related
        assert arguments.wants_file
        assert arguments.wants_project
        assert arguments.wants_new_chat
    assert by_flags.warms_first
    assert not by_keys.warms_first


def test_a_key_that_says_no_wins_over_a_flag():
    assert not parse([{"include": {"file": False}}, "-f why"]).wants_file


def test_lines_are_counted_from_zero_inside():
    assert parse([{"lines1": [4, 5]}]).line_span == (3, 5)
    assert parse([{"lines": [3, 5]}]).line_span == (3, 5)
    assert parse([]).line_span is None
