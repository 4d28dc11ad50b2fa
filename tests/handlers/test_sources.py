"""What the words of a chat's front matter ask for, and how diagnostics are told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from context.gather import Git
from context.selection import Selection
from handlers import diagnostics
from handlers.arguments import Arguments, Include, parse
from handlers.desk import Focus
from handlers.sources import WORDS, included, missing, wanted
from sessions.errors import BadRequest


def complaint(line: int, message: str, **more: object) -> types.Diagnostic:
    span = types.Range(types.Position(line, 0), types.Position(line, 1))
    return types.Diagnostic(span, message, **more)  # pyright: ignore[reportArgumentType] - as each test says


def test_words_and_paths_are_told_apart():
    found = included(["src/*.py", "@diff", "@related", "a.py", "@diff"])
    assert (found.paths, found.include) == (("src/*.py", "a.py"), Include(diff=True, related=True))


@given(st.sets(st.sampled_from(WORDS)))
def test_every_word_is_a_key_that_says_yes(words: set[str]):
    assert included(words) == Arguments(include=Include(**{word[1:]: True for word in words}))


def test_an_unknown_word_is_refused_with_the_nearest():
    with pytest.raises(BadRequest, match='no source "@stages"') as told:
        included(["@stages"])
    assert told.value.hint == 'Did you mean "@staged"?'


def test_everything_that_is_asked_for_is_wanted(tmp_path: Path):
    names = ("project", "related", "map", "retrieval", "notes", "diff", "staged", "blame", "log")
    given = parse([{"include": dict.fromkeys(names, True), "diagnostics": ["L1: wrong"]}])
    selection = Selection(tmp_path / "a.py", 0, 1)
    found = wanted(given, tmp_path, selection, (), focus=None)
    assert (found.project, found.related, found.map, found.retrieval, found.notes) == (True,) * 5
    assert found.git == (Git.DIFF, Git.STAGED, Git.BLAME, Git.LOG)
    assert (found.diagnostics, found.selection) == (("L1: wrong",), selection)
    assert wanted(Arguments(), tmp_path, None, (), focus=None).git == ()


def test_remembered_diagnostics_are_sent_only_when_asked_for():
    focus = Focus(Path("a.py"), diagnostics=("L1: wrong",))

    def said(include: Include, own: tuple[str, ...] = ()) -> tuple[str, ...]:
        return wanted(Arguments(include=include, diagnostics=own), None, None, (), focus=focus).diagnostics

    assert said(Include()) == ()
    assert said(Include(diagnostics=True)) == ("L1: wrong",)
    assert said(Include(diagnostics=True), ("L2: worse",)) == ("L2: worse",)
    assert said(Include(diagnostics=False), ("L2: worse",)) == ()


@pytest.mark.parametrize(
    ("include", "sentence"),
    [
        (Include(file=True), "Which file?"),
        (Include(selection=True), "Nothing is selected."),
        (Include(diagnostics=True), "The editor told of no diagnostics here."),
        (Include(selection=False, related=True, diff=True), None),
    ],
)
def test_what_nothing_stands_behind_is_told(include: Include, sentence: str | None):
    given = Arguments(include=include)
    found = missing(given, wanted(given, None, None, (), focus=None), None)
    assert (found and found.message) == sentence


def test_diagnostics_are_lines_in_order_and_none_comes_twice():
    found = diagnostics.told(
        [
            complaint(4, "later", severity=types.DiagnosticSeverity.Warning, source="ruff", code="E501"),
            complaint(0, "on two\n   lines"),
            complaint(0, "on two lines"),
            complaint(2, "by number", severity=types.DiagnosticSeverity.Error, code=17),
        ]
    )
    assert found == ("L1: on two lines", "L3: error: by number (17)", "L5: warning: later (ruff E501)")


def test_diagnostics_are_few_and_short():
    found = diagnostics.told(complaint(line, f"{line} {'x' * 1000}") for line in range(200))
    assert len(found) == diagnostics.MOST
    assert all(len(line) < 520 and line.endswith("…") for line in found)
