"""The edits that let an open chat document follow its chat, without touching what a person types in it."""

import re
from collections.abc import Sequence

import attrs

from sessions.chat import Turn
from sessions.transcript.front import model_entry
from sessions.transcript.markdown import EMPTY_QUESTION, answer_section, context_quotes, footer, turn_section
from sessions.transcript.marks import STOP_SENTENCE, comparable, content, question_heading
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


def closing(document: Document, turn: Turn) -> tuple[LineEdit, ...]:
    """Put the footer where the stop line is or was, and an empty question at the end if there is none.

    None if the document does not have the turn any more.
    """
    section = document.section(turn.id)
    if section is None or section.answer is None:
        return ()
    answer = section.answer
    start = max(answer.span.end, answer.thinking.end if answer.thinking else 0, answer.heading + 1)
    close = answer.stop if answer.stop is not None else answer.footer
    end = start if close is None else close + 1
    joined = document.lines[close].partition(STOP_SENTENCE) if close is not None else ("", "", "")
    before = f"{joined[0].strip()}\n\n" if joined[1] and joined[0].strip() else "\n"
    text = f"{_line_end(document, start)}{before}{footer(turn)}\n"
    if document.unsent or section is not document.sections[-1]:
        return (LineEdit(start, end, text if close is not None else f"{text}\n"),)
    if any(line.strip() for line in document.lines[end:]):
        return (LineEdit(start, end, text), _appended(document, EMPTY_QUESTION))
    return (LineEdit(start, len(document.lines), f"{text}\n{EMPTY_QUESTION}"),)


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
