"""The edits that let an open chat document follow its chat, without touching what a person types in it."""

import re
from collections.abc import Sequence

import attrs

from sessions.chat import Turn
from sessions.transcript.front import model_entry
from sessions.transcript.markdown import answer_section, context_quotes, turn_section
from sessions.transcript.marks import comparable, content, question_heading
from sessions.transcript.parser import Document, Section

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")


@attrs.frozen
class LineEdit:
    """Replace lines ``start`` to ``end`` (exclusive) by ``text``, which is empty or ends with LF.

    A line equal to the number of lines means the end of the text, behind the last character.
    """

    start: int
    end: int
    text: str


def opening(document: Document, turn: Turn) -> tuple[LineEdit, ...]:
    """Show a turn that starts: its question unless it was typed here, and the place for its answer.

    An unsent question with the same text becomes the turn and keeps its place. Any other draft stays as it
    is, below the new turn. Edits are in order, and their lines are those before any of them is made.
    None if the turn is shown already.
    """
    if document.section(turn.id):
        return ()
    unsent = document.unsent
    if unsent is None or unsent.heading is None:
        return (_appended(document, turn_section(turn)),)
    if unsent.turn == turn.id or (unsent.question and _same(unsent.question, turn.question)):
        return _sent(document, unsent, unsent.heading, turn)
    if unsent.question or unsent.references:
        return (LineEdit(unsent.heading, unsent.heading, f"{turn_section(turn)}\n"),)
    return (LineEdit(unsent.heading, len(document.lines), turn_section(turn)),)


def without(document: Document, turn: str) -> tuple[LineEdit, ...]:
    """Remove a turn; none if the document does not have it."""
    section = document.section(turn)
    return () if section is None else (LineEdit(section.span.start, section.span.end, ""),)


def with_model(document: Document, name: str) -> tuple[LineEdit, ...]:
    """Name another model in the front matter; none if it names no model."""
    line = document.front.model_line
    return () if line is None else (LineEdit(line, line + 1, f"{model_entry(name)}\n"),)


def applied(text: str, edits: Sequence[LineEdit]) -> str:
    """Make the edits in a text that lies on disk."""
    lines = [match[0] for match in _LINE.finditer(text)]
    for edit in reversed(edits):
        lines[edit.start : edit.end] = [edit.text]
    return "".join(lines)


def _sent(document: Document, unsent: Section, heading: int, turn: Turn) -> tuple[LineEdit, ...]:
    quotes = "" if unsent.references else context_quotes(turn)
    named = f"{question_heading(turn.id)}\n" + (f"\n{quotes}\n" if quotes else "")
    end = unsent.question_span.end
    answer = f"{_line_end(document, end)}\n{answer_section(turn)}"
    return LineEdit(heading, heading + 1, named), LineEdit(end, len(document.lines), answer)


def _appended(document: Document, text: str) -> LineEdit:
    """Add a section behind the last line that is not blank."""
    count = len(document.lines)
    first, last = content(document.lines, 0, count)
    if first == last:
        return LineEdit(0, count, text)
    return LineEdit(last, count, f"{_line_end(document, last)}\n{text}")


def _line_end(document: Document, line: int) -> str:
    """Give what the last line lacks if an edit starts behind it."""
    return "\n" if line == len(document.lines) else ""


def _same(left: str, right: str) -> bool:
    return comparable(left) == comparable(right)
