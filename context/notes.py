"""Project notes: what a project tells everyone who works on it, in the files where tools look for it."""

from pathlib import Path

import attrs

from context.errors import Unreadable
from context.files import Files, is_inside, source
from context.ignored import Ignores
from context.listing import IGNORE_FILE
from context.segment import Kind, Segment

NAMES = ("AGENTS.md", "CLAUDE.md", "CONVENTIONS.md", ".cursorrules", ".github/copilot-instructions.md")
"""In this order, where a folder has several."""


@attrs.frozen
class Notes:
    """The notes, from the project's folder inwards, so that the nearest ones come last and win."""

    segments: tuple[Segment, ...] = ()
    left_out: tuple[str, ...] = ()
    """Sentences about notes that are there and cannot be sent."""


def notes(root: Path, files: Files, near: Path | None = None) -> Notes:
    """The notes of a project and of the folders on the way to ``near``, each text once.

    What leads out of the project by a link, and what ``.kvasirignore`` names, is not read.
    """
    ignores = Ignores(root, IGNORE_FILE)
    found: dict[str, Segment] = {}
    left_out: list[str] = []
    for path in (folder / name for folder in _folders(root, near) for name in NAMES):
        if not _is_there(path, root) or ignores.verdict(path.relative_to(root).as_posix()) is True:
            continue
        try:
            text = files.read(path)
        except Unreadable as error:
            left_out.append(f"Notes were left out: {error.message}")
            continue
        if text.strip():
            # One file is often a link to, or a copy of, another.
            found.setdefault(text, Segment(Kind.NOTES, source(path, root), text))
    return Notes(tuple(found.values()), tuple(left_out))


def _folders(root: Path, near: Path | None) -> list[Path]:
    if near is None or not near.is_relative_to(root):
        return [root]
    between = [folder for folder in near.parents if folder.is_relative_to(root)]
    return between[::-1] or [root]


def _is_there(path: Path, root: Path) -> bool:
    try:
        return path.is_file() and is_inside(path, root)
    except (OSError, ValueError):
        return False
