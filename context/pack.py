"""A project as a whole: its files as segments, as many as a window takes."""

from pathlib import Path

import attrs

from context.budget import FILES_WINDOWS
from context.errors import Unreadable
from context.files import Files, is_inside, source
from context.listing import Reason, listed
from context.ports import CountTokens, Size
from context.segment import Kind, Segment


@attrs.frozen
class Project:
    """The files that were read, their tokens (estimated from above) and the names of what is no text.

    ``is_cut``: reading ended where it was clear that they do not go whole.
    """

    files: tuple[Segment, ...]
    tokens: int
    left_out: tuple[str, ...] = ()
    is_cut: bool = False


def read(root: Path, files: Files, size: Size, window_tokens: int) -> Project:
    """Read the project in a folder, no more of it than makes it a large one for this window."""
    listing = listed(root, files.max_bytes)
    left_out = [
        name for reason in (Reason.BINARY, Reason.OVERSIZED) for name in listing.left_out.get(reason, ())
    ]
    found: list[Segment] = []
    tokens = 0
    for path in (file.path for file in listing.files if file.packed):
        try:
            # A link that was put there since the listing leads nowhere that anybody asked for.
            text = files.read(path) if is_inside(path, root) else None
        except Unreadable:
            text = None
        if text is None:
            left_out.append(source(path, root))
            continue
        found.append(Segment(Kind.PROJECT, source(path, root), text))
        tokens += size(found[-1].block)
        if tokens > FILES_WINDOWS * window_tokens:
            return Project(tuple(found), tokens, tuple(sorted(left_out)), is_cut=True)
    return Project(tuple(found), tokens, tuple(sorted(left_out)))


async def fitting(
    project: Project, count: CountTokens, budget_tokens: int
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """The leading files that fit, and notes about the others."""
    kept = await _fitting(project.files, count, budget_tokens)
    notes: list[str] = []
    if project.left_out:
        notes.append(f"Left out as not text or too large: {_some(project.left_out)}.")
    if len(kept) < len(project.files):
        names = tuple(part.source for part in project.files[len(kept) :])
        notes.append(f"Left out because the model's window is full: {_some(names)}.")
    return kept, tuple(notes)


async def _fitting(
    segments: tuple[Segment, ...], count: CountTokens, budget_tokens: int
) -> tuple[Segment, ...]:
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


def _some(names: tuple[str, ...], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
