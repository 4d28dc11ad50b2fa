"""Files that a person names: paths, folders and patterns such as ``src/**/*.py``.

A path is the person's own decision, whatever it holds. What a pattern or a folder stands for is looked for
among the files of the project alone, so nothing that is ignored, secret or binary is swept up by it.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import attrs

from context.errors import Unreadable
from context.ignored import glob
from context.listing import MAX_BYTES, Listing, listed

MOST = 200
"""Of more files than this at once, nobody means each."""

_MAGIC = re.compile(r"[*?\[{]")
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MOST_PATTERNS = 64


def named(
    names: Iterable[str], folder: Path, root: Path | None, max_bytes: int = MAX_BYTES, most: int = MOST
) -> tuple[Path, ...]:
    """The files that names stand for, once each, in the order of the names and sorted within a pattern.

    Relative ones begin at ``folder``. ``Unreadable`` when a pattern stands for nothing or for too much; a
    plain path is given back whether it exists or not.
    """
    search = _Search(root, max_bytes)
    found: dict[Path, None] = {}
    for name in names:
        paths = _found(name, folder, search)
        if len(paths) > most:
            raise Unreadable(
                f"{name} stands for {len(paths)} files; at most {most} are sent by name.",
                hint="Narrow it, or ask about the project.",
            )
        found.update(dict.fromkeys(paths))
    return tuple(found)


@attrs.frozen
class _Search:
    """Listings of folders, each made once."""

    root: Path | None
    max_bytes: int
    _known: dict[Path, Listing] = attrs.field(factory=dict[Path, Listing], init=False)

    def listing(self, folder: Path) -> tuple[Path, Listing]:
        """The listing that has what is in a folder, and the folder that it lists."""
        top = self.root if self.root is not None and folder.is_relative_to(self.root) else folder
        if top not in self._known:
            self._known[top] = listed(top, self.max_bytes)
        return top, self._known[top]


def _found(name: str, folder: Path, search: _Search) -> list[Path]:
    path = _absolute(name, folder)
    if not _is_folder(path) and (not _MAGIC.search(name) or os.path.lexists(path)):
        return [path]
    pattern = f"{path}/**" if _is_folder(path) else str(path)
    found = sorted({file for one in _alternatives(pattern) for file in _matching(one, search)})
    if not found:
        raise Unreadable(f"{name} stands for no file of text in {folder}.", hint=_hint(pattern, search))
    return found


def _matching(pattern: str, search: _Search) -> list[Path]:
    folder, rest = _split(pattern)
    _, listing = search.listing(folder)
    matches = re.compile(glob(rest), re.DOTALL)
    return [
        file.path
        for file in listing.files
        if file.path.is_relative_to(folder) and matches.match(file.path.relative_to(folder).as_posix())
    ]


def _hint(pattern: str, search: _Search) -> str:
    """What the pattern would stand for, were it not left out."""
    for one in _alternatives(pattern):
        folder, rest = _split(one)
        top, listing = search.listing(folder)
        matches = re.compile(glob(rest), re.DOTALL)
        within = f"{folder.relative_to(top).as_posix()}/" if folder != top else ""
        for reason, names in listing.left_out.items():
            for name in names:
                if name.startswith(within) and matches.match(name[len(within) :]):
                    return f"{name} is left out: {reason}. Name it in full to send it."
    return "Ignored files are found by their full names only."


def _split(pattern: str) -> tuple[Path, str]:
    """The folder in which a pattern begins to vary, and the rest."""
    parts = Path(pattern).parts
    first = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
    return Path(*parts[:first]), "/".join(parts[first:])


def _alternatives(pattern: str) -> list[str]:
    """The patterns that one with ``{a,b}`` stands for."""
    found, waiting = list[str](), [pattern]
    while waiting and len(found) + len(waiting) <= _MOST_PATTERNS:
        one = waiting.pop()
        if (match := _BRACES.search(one)) is None:
            found.append(one)
        else:
            waiting += [one[: match.start()] + each + one[match.end() :] for each in match[1].split(",")]
    if waiting:
        raise Unreadable(f"{pattern} stands for too many patterns.", hint="Write fewer braces.")
    return found


def _absolute(name: str, folder: Path) -> Path:
    try:
        path = folder / Path(name).expanduser()
    except RuntimeError as error:
        raise Unreadable(f"{name} begins in the home folder of nobody known here.") from error
    # Not resolved: a link stays what it was called.
    return Path(os.path.normpath(path))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
