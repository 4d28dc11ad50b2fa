"""From what the person chose to segments: a stable base and a tail that follows it."""

from collections.abc import Iterable
from pathlib import Path

import attrs

from context import selection as selections
from context.errors import Unreadable
from context.files import Files, source, tracked
from context.ports import CountTokens
from context.segment import Kind, Segment
from context.selection import Selection


@attrs.frozen
class Wanted:
    """The context that goes with a question.

    Of ``paths``, those in ``if_readable`` were not asked for by name: they are left out when they cannot be
    shown whole.
    """

    root: Path | None = None
    selection: Selection | None = None
    paths: tuple[Path, ...] = ()
    project: bool = False
    if_readable: tuple[Path, ...] = ()


@attrs.frozen
class Gathered:
    """``base`` stays in front of all turns, ``tail`` goes with one question; ``notes``: what was left out."""

    base: tuple[Segment, ...] = ()
    tail: tuple[Segment, ...] = ()
    notes: tuple[str, ...] = ()


async def gather(wanted: Wanted, files: Files, count: CountTokens, budget_tokens: int) -> Gathered:
    """Read what is wanted.

    A named file that cannot be read is an error (``Unreadable``); one of a project is left out and noted.
    """
    named, notes = _named(wanted, files)
    tail = (selections.segment(wanted.selection, wanted.root, files),) if wanted.selection else ()
    if not wanted.project:
        return Gathered(named, tail, notes)
    if wanted.root is None:
        raise Unreadable("There is no project: the editor has no folder open.", hint="Name files instead.")
    left = budget_tokens - await count("".join(part.block for part in (*named, *tail)))
    packed, left_out = await _packed(wanted.root, files, count, left)
    named_sources = {part.source for part in named}
    base = (*(part for part in packed if part.source not in named_sources), *named)
    return Gathered(base, tail, (*notes, *left_out))


def changes(known: Iterable[Segment], root: Path | None, files: Files) -> tuple[Segment, ...]:
    """The files among ``known`` whose text is another by now, whole, in the order in which they came.

    What was sent is never edited in place: the new text is appended, and the prefix stays warm.
    A file that has gone or can no longer be read stays as it was known.
    """
    latest: dict[str, str] = {}
    for part in known:
        if part.kind in (Kind.FILE, Kind.PROJECT, Kind.CHANGE):
            latest[part.source] = part.text
    found: list[Segment] = []
    for name, text in latest.items():
        path = Path(name) if root is None else root / name
        try:
            now = files.read(path)
        except Unreadable:
            continue
        if now != text:
            found.append(Segment(Kind.CHANGE, name, now))
    return tuple(found)


def _named(wanted: Wanted, files: Files) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    found: list[Segment] = []
    notes: list[str] = []
    for path in dict.fromkeys(wanted.paths):
        try:
            found.append(_file(path, wanted.root, files, Kind.FILE))
        except Unreadable as error:
            if path not in wanted.if_readable or not wanted.selection:
                raise
            notes.append(f"Only the selection was sent: {error.message}")
    return tuple(found), tuple(notes)


def _file(path: Path, root: Path | None, files: Files, kind: Kind) -> Segment:
    return Segment(kind, source(path, root), files.read(path))


async def _packed(
    root: Path, files: Files, count: CountTokens, budget_tokens: int
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    readable: list[Segment] = []
    skipped: list[str] = []
    for path in tracked(root):
        try:
            readable.append(_file(path, root, files, Kind.PROJECT))
        except Unreadable:
            skipped.append(source(path, root))
    fitting = await _fitting(readable, count, budget_tokens)
    notes: list[str] = []
    if skipped:
        notes.append(f"Left out as not text or too large: {_some(skipped)}.")
    if len(fitting) < len(readable):
        names = [part.source for part in readable[len(fitting) :]]
        notes.append(f"Left out because the model's window is full: {_some(names)}.")
    return tuple(fitting), tuple(notes)


async def _fitting(segments: list[Segment], count: CountTokens, budget_tokens: int) -> list[Segment]:
    """The longest run of leading segments within the budget; by bisection, as counting asks a server."""
    low, high = 0, len(segments)
    if await count("".join(part.block for part in segments)) <= budget_tokens:
        return segments
    while low < high - 1:
        middle = (low + high) // 2
        if await count("".join(part.block for part in segments[:middle])) <= budget_tokens:
            low = middle
        else:
            high = middle
    return segments[:low]


def _some(names: list[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
