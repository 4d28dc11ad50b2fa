"""How a changed file is told: a reader who applies what is said gets the file as it is now."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context import deltas
from context.deltas import change, ended
from context.segment import Kind, Segment

HEADING = re.compile(
    r"--- (?:lines (?P<first>\d+)-(?P<last>\d+) are (?:gone|now lines (?P<now>\d+)-(?P<end>\d+):)"
    r"|new after line (?P<after>\d+), now lines (?P<new>\d+)-(?P<new_end>\d+):)"
)


def applied(before: str, told: str) -> str:
    """Do what a change says, by its headings alone."""
    old, lines = ended(before).split("\n")[:-1], told.split("\n")[:-1]
    result: list[str] = []
    taken = at = 0
    while at < len(lines):
        heading = HEADING.fullmatch(lines[at])
        assert heading, lines[at]
        at += 1
        first = int(heading["after"] or int(heading["first"] or 0) - 1)
        last = first if heading["after"] else int(heading["last"])
        begin, end = heading["now"] or heading["new"], heading["end"] or heading["new_end"]
        assert first >= taken, "changes are told in order, each line once"
        result += old[taken:first]
        if begin:
            assert len(result) == int(begin) - 1, "the new numbers are those of the new text"
            shown = int(end) - int(begin) + 1
            result += lines[at : at + shown]
            at += shown
        taken = last
    return "".join(f"{line}\n" for line in (*result, *old[taken:]))


def source(sizes: list[int]) -> list[str]:
    """Functions of so many lines, a constant behind each."""
    lines: list[str] = []
    for number, size in enumerate(sizes):
        body = (f"    value = value + {number} * {line}" for line in range(size))
        lines += [
            f"def function_{number}(value):",
            *body,
            "    return value",
            "",
            f"CONSTANT_{number} = 1",
            "",
        ]
    return lines


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, str]:
    before = source(draw(st.lists(st.integers(1, 70), min_size=3, max_size=12)))
    after = list(before)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(after)))
        gone = draw(st.integers(0, 4))
        # With what ends a line elsewhere, and what looks like a heading or a line that is there already.
        new = draw(
            st.lists(
                st.sampled_from(["", "x = 1\x0c", "\u2028y", "def g():", "    return value"]), max_size=4
            )
        )
        after[at : at + gone] = new
    end = draw(st.sampled_from(["", "\n"]))
    return "\n".join(before) + "\n", "\n".join(after) + end


@given(edits())
def test_who_applies_a_change_has_the_new_text(edit: tuple[str, str]) -> None:
    before, after = edit
    told = change("a.py", before, after)
    assert told.content == after
    now = applied(before, told.text) if told.whole else told.text
    assert ended(now) == ended(after)


@pytest.fixture
def text() -> str:
    return "\n".join(source([10] * 8))


def test_a_change_within_a_function_shows_the_function(text: str) -> None:
    after = text.replace("value + 3 * 4", "value - 3 * 4")
    told = change("a.py", text, after)
    assert told.text.startswith("--- lines 46-57 are now lines 46-57:\ndef function_3(value):\n")
    assert told.text.endswith("    return value\n")
    assert "function_2" not in told.text
    assert "function_4" not in told.text


def test_a_change_beside_functions_shows_the_lines_around(text: str) -> None:
    told = change("a.txt", text, text.replace("CONSTANT_3 = 1", "CONSTANT_3 = 2"))
    assert told.text.split("\n")[:5] == [
        "--- lines 56-62 are now lines 56-62:",
        "    value = value + 3 * 9",
        "    return value",
        "",
        "CONSTANT_3 = 2",
    ]


def test_what_is_gone_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deltas, "AROUND", 0)
    after = text.replace("CONSTANT_3 = 1\n", "")
    assert change("a.txt", text, after).text == "--- lines 59-59 are gone\n"
    back = change("a.txt", after, text).text
    assert back == "--- new after line 58, now lines 59-59:\nCONSTANT_3 = 1\n"


def test_small_files_and_new_ones_are_told_whole(text: str) -> None:
    assert change("a.py", "x = 1\n", "x = 2\n") == Segment(Kind.CHANGE, "a.py", "x = 2\n")
    other = text.replace("value", "number")
    assert change("a.py", text, other) == Segment(Kind.CHANGE, "a.py", other)
