"""Which of the files that a chat knows read otherwise by now, and how that is told."""

from collections.abc import Iterable
from pathlib import Path

import attrs

from context.deltas import change, ended
from context.errors import Unreadable
from context.files import Files, is_inside
from context.masking import safe_text
from context.segment import WHOLE_FILES, Kind, Segment


def changes(known: Iterable[Segment], root: Path | None, files: Files) -> tuple[Segment, ...]:
    """How the files among ``known`` read now, of those that changed, in the order in which they came.

    What was sent is never edited in place: what is new is appended, and the prefix stays warm.
    A file that has gone or can no longer be read stays as it was known.
    """
    found: list[Segment] = []
    for part in latest(known).values():
        now = current(part, root, files)
        if now is not None and ended(now) != ended(part.text):
            found.append(change(part.source, part.text, now))
    return tuple(found)


def latest(known: Iterable[Segment]) -> dict[str, Segment]:
    """The files by source as they were last told, each with the kind that it came as."""
    found: dict[str, Segment] = {}
    for part in known:
        if part.kind in WHOLE_FILES:
            first = found.get(part.source)
            kind = first.kind if first else Kind.FILE if part.kind is Kind.CHANGE else part.kind
            found[part.source] = Segment(kind, part.source, part.content)
    return found


def current(part: Segment, root: Path | None, files: Files) -> str | None:
    """How a file reads now, without keys; ``None`` if it cannot be read.

    A file of the project that has become a link out of it is not followed: nobody asked for what is there.
    """
    path = Path(part.source) if root is None else root / part.source
    if part.kind is Kind.PROJECT and root is not None and not is_inside(path, root):
        return None
    try:
        return safe_text(files.read(path), path, root)
    except Unreadable:
        return None


def as_now(part: Segment, root: Path | None, files: Files) -> Segment:
    """A file as it reads now, or as it was known if it cannot be read."""
    now = current(part, root, files)
    return part if now is None else attrs.evolve(part, text=now, whole="")
