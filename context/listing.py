"""Which files belong to a project, and how much each counts.

git knows best: what it tracks and what is new and not ignored, in submodules too. Without git the folders
are walked and the same ignore files read. ``.kvasirignore``, in the same syntax and nested likewise, comes on
top: it leaves out more, and a line ``!path`` brings back what our own rules would leave out, never what git
ignores. Links are never followed, so nothing outside the folder is reached and no loop is walked.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TypeAlias

import attrs

from context.files import project_root, unified
from context.git_process import GitFailed, run
from context.ignored import Ignores, Rules, rules, text_of
from context.nature import HEAD_BYTES, Nature, is_installed, is_lock, is_vendored, nature
from context.secrets import is_secret

IGNORE_FILE = ".kvasirignore"
MAX_BYTES = 512 * 1024
MAX_FILES = 500_000
"""Of more files than this, found by walking, the rest is left out: nobody works on so many."""

_VENDORED_WEIGHT = 0.5
_GENERATED_WEIGHT = 0.3
_OURS = frozenset({".git", ".kvasir"})
_SECONDS = 60.0


class Reason(StrEnum):
    """Why a file is not part of the project for us."""

    IGNORED = "named in .kvasirignore"
    SECRET = "likely to hold secrets"  # noqa: S105 - a reason
    LINK = "a link"
    LOCK = "a list of versions"
    BINARY = "binary"
    OVERSIZED = "too large"
    MINIFIED = "minified"
    INSTALLED = "installed or made by a program"
    WORKTREE = "another worktree"
    TOO_MANY = "beyond the number of files that are looked at"


@attrs.frozen
class Listed:
    """A file of the project.

    ``weight`` is 1 for what the project's people wrote, less for generated files and those of others, which
    can be found but are not packed. ``allowed``: ``.kvasirignore`` says that it is sent as it is.
    """

    path: Path
    weight: float = 1.0
    allowed: bool = False

    @property
    def packed(self) -> bool:
        """Whether it goes with the whole project."""
        return self.weight >= 1


@attrs.frozen
class Listing:
    """The files of a project, sorted by name, and the names of those left out; a folder's ends with ``/``."""

    files: tuple[Listed, ...]
    left_out: Mapping[Reason, tuple[str, ...]]


Peek: TypeAlias = Callable[[Path, os.stat_result], Nature]
"""Tells what a file is. An index that knows the file can answer without opening it."""


def peeked(path: Path, _found: os.stat_result) -> Nature:
    """What a file is, from its first bytes. ``OSError`` when it has gone."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        head = os.read(handle, HEAD_BYTES)
    finally:
        os.close(handle)
    return nature(path.name, head)


def listed(root: Path, max_bytes: int = MAX_BYTES, peek: Peek = peeked) -> Listing:
    """The files of the project in a folder. Files that vanish meanwhile are not in it; nothing is raised."""
    found = _Found(root, max_bytes, peek)
    found.fill()
    return found.listing()


def is_allowed(path: Path, root: Path) -> bool:
    """Whether ``.kvasirignore`` says that a file is sent as it is, keys and all."""
    if not path.is_relative_to(root):
        return False
    return Ignores(root, IGNORE_FILE).verdict(path.relative_to(root).as_posix()) is False


@attrs.frozen
class _Folder:
    """``real``: no link leads there. ``installed``: the outermost folder around that a program has filled."""

    real: bool = True
    ours: bool = False
    installed: str = ""


class _Found:
    """Sorts what is in a folder into files of the project and those left out. Names are relative to it."""

    def __init__(self, root: Path, max_bytes: int, peek: Peek) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._peek = peek
        self._ignores = Ignores(root, IGNORE_FILE)
        self._folders: dict[str, _Folder] = {"": _Folder()}
        self._files: dict[str, Listed] = {}
        self._left_out: dict[Reason, set[str]] = {}

    def listing(self) -> Listing:
        """What was found so far."""
        files = tuple(self._files[name] for name in sorted(self._files))
        left_out = {reason: tuple(sorted(map(unified, names))) for reason, names in self._left_out.items()}
        return Listing(files, MappingProxyType(left_out))

    def fill(self) -> None:
        """List the folder, and every repository in it by itself."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            at = self._root / folder
            try:
                names = _tracked_and_new(at)
            except GitFailed:
                names = self._walked(folder, project_root(at) or at)
            else:
                if not names and not _exists(at / ".git"):
                    # A repository further out that ignores all of it, as those of home folders do.
                    names = self._walked(folder, at)
            prefix = f"{folder}/" if folder else ""
            for name in names:
                waiting += self._added(prefix + name.removesuffix("/"))

    def _added(self, name: str) -> tuple[str, ...]:
        """Take in a name; give it back when it is that of a repository, to be listed by itself."""
        above, _, base = name.rpartition("/")
        folder = self._folder(above)
        if folder.ours or base in _OURS:
            return ()
        if folder.installed:
            self._leave_out(folder.installed, Reason.INSTALLED)
            return ()
        try:
            found = os.lstat(os.path.join(self._root, name))  # noqa: PTH118 - for each of many files
            if stat.S_ISLNK(found.st_mode) or not folder.real:
                self._leave_out(name, Reason.LINK)
            elif stat.S_ISREG(found.st_mode):
                self._sort(name, base, found)
            elif stat.S_ISDIR(found.st_mode):
                return self._repository(name)
        except (OSError, ValueError):
            pass  # gone since it was listed
        return ()

    def _repository(self, name: str) -> tuple[str, ...]:
        path = self._root / name
        if self._ignores.verdict(name, folder=True) is True:
            self._leave_out(f"{name}/", Reason.IGNORED)
        elif _is_linked_worktree(path):
            # What is in it is in the project already, as another branch has it.
            self._leave_out(f"{name}/", Reason.WORKTREE)
        elif _exists(path / ".git"):
            return (name,)
        return ()

    def _sort(self, name: str, base: str, found: os.stat_result) -> None:
        verdict = self._ignores.verdict(name)
        if verdict is True:
            self._leave_out(name, Reason.IGNORED)
        elif verdict is None and is_secret(PurePath(base)):
            self._leave_out(name, Reason.SECRET)
        elif verdict is None and is_lock(base):
            self._leave_out(name, Reason.LOCK)
        elif found.st_size > self._max_bytes:
            self._leave_out(name, Reason.OVERSIZED)
        else:
            self._weigh(name, found, allowed=verdict is False)

    def _weigh(self, name: str, found: os.stat_result, *, allowed: bool) -> None:
        path = self._root / name
        match self._peek(path, found):
            case Nature.BINARY:
                self._leave_out(name, Reason.BINARY)
            case _ if allowed:
                self._files[name] = Listed(path, allowed=True)
            case Nature.MINIFIED:
                self._leave_out(name, Reason.MINIFIED)
            case Nature.GENERATED:
                self._files[name] = Listed(path, _GENERATED_WEIGHT)
            case Nature.WRITTEN:
                vendored = is_vendored(name.rpartition("/")[0])
                self._files[name] = Listed(path, _VENDORED_WEIGHT if vendored else 1.0)

    def _leave_out(self, name: str, reason: Reason) -> None:
        self._left_out.setdefault(reason, set()).add(name)

    def _folder(self, name: str) -> _Folder:
        """What is known of a folder. Not recursive: it may be deeper than Python's stack."""
        missing: list[str] = []
        while name not in self._folders:
            missing.append(name)
            name = name.rpartition("/")[0]
        for each in reversed(missing):
            self._folders[each] = self._looked_at(each, self._folders[each.rpartition("/")[0]])
        return self._folders[missing[0] if missing else name]

    def _looked_at(self, name: str, above: _Folder) -> _Folder:
        path = self._root / name
        ours = above.ours or path.name in _OURS
        installed = above.installed
        if (
            not installed
            and _is_filled_by_a_program(path)
            and self._ignores.verdict(name, folder=True) is not False
        ):
            installed = f"{name}/"
        return _Folder(above.real and _is_folder(path), ours, installed)

    def _walked(self, folder: str, base: Path) -> Iterator[str]:
        """What is below a folder, relative to it, and not ignored by the ignore files from ``base`` on."""
        top = self._root / folder
        within = f"{top.relative_to(base).as_posix()}/" if top != base else ""
        ignores = Ignores(base, ".gitignore", _outer_rules(base))
        waiting, seen = [""], 0
        while waiting:
            below = waiting.pop()
            for entry in _entries(top / below):
                seen += 1
                if seen > MAX_FILES:
                    self._leave_out(f"{folder}/", Reason.TOO_MANY)
                    return
                name = f"{below}/{entry.name}" if below else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if ignores.verdict(within + name, folder=is_folder) is True:
                    continue
                if is_folder and self._is_walked(f"{folder}/{name}" if folder else name):
                    waiting.append(name)
                else:
                    yield name

    def _is_walked(self, name: str) -> bool:
        """Whether a folder is part of the one that is walked: no repository, and not left out whole."""
        folder = self._folder(name)
        if folder.installed:
            self._leave_out(folder.installed, Reason.INSTALLED)
        elif self._ignores.verdict(name, folder=True) is True:
            self._leave_out(f"{name}/", Reason.IGNORED)
        return not (folder.ours or folder.installed or _exists(self._root / name / ".git")) and (
            self._ignores.verdict(name, folder=True) is not True
        )


def _tracked_and_new(folder: Path) -> list[str]:
    """What git tracks below a folder and what is new and not ignored; other repositories as one name."""
    command = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return list(dict.fromkeys(run(folder, *command, seconds=_SECONDS).names))


def _outer_rules(base: Path) -> list[Rules]:
    """What git would ignore by files that lie elsewhere, the nearest first."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    found = [rules(text_of(path)) for path in (base / ".git/info/exclude", config / "git/ignore")]
    return [each for each in found if each is not None]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # gone, or not ours to read


def _is_filled_by_a_program(folder: Path) -> bool:
    """By its name, or by what Python's environments and caches (cachedir.org) have in them."""
    return is_installed(folder.name) or _exists(folder / "pyvenv.cfg") or _exists(folder / "CACHEDIR.TAG")


def _is_linked_worktree(folder: Path) -> bool:
    """Whether ``.git`` is the file that ``git worktree add`` makes."""
    named = text_of(folder / ".git").removeprefix("gitdir:").strip()
    return PurePath(named).parent.name == "worktrees"


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True
