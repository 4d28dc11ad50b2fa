"""A selection: lines of a file, or text that came with the request."""

from pathlib import Path

import attrs

from context.errors import Unreadable
from context.files import Files, source, unified
from context.segment import Kind, Segment


@attrs.frozen
class Selection:
    """Lines ``first`` to ``last`` (0-based, end exclusive) of a file.

    ``text`` is what the editor had selected; it wins over the lines, which may have moved since.
    """

    path: Path | None
    first: int = 0
    last: int = 0
    text: str | None = None


def segment(selection: Selection, root: Path | None, files: Files) -> Segment:
    """The selection as a segment; ``Unreadable`` when the range lies outside the file."""
    text, last = selection.text, selection.last
    if text is None:
        lines = _lines(selection, files)
        text, last = "".join(f"{line}\n" for line in lines), selection.first + len(lines)
    name = source(selection.path, root) if selection.path else "text"
    span = f"#L{selection.first + 1}-L{last}" if last > selection.first else ""
    return Segment(Kind.SELECTION, name + span, unified(text))


def _lines(selection: Selection, files: Files) -> list[str]:
    if selection.path is None:
        raise Unreadable("A selection needs a file or its text.")
    return files.lines(selection.path, selection.first, selection.last)
