"""Files as text: what the editor has open wins over the disk; what cannot be shown is refused in words."""

import contextlib
import fnmatch
import os
import stat
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import attrs

from context.errors import Unreadable
from context.ports import OpenText, nothing_open

SNIFF_BYTES = 8192
SETTLED_SECONDS = 2.0

SECRET_NAMES = (
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "id_rsa*", "id_ed25519*",
    ".netrc", ".npmrc", ".pypirc", "credentials*", "secrets.*", "*.tfstate",
)  # fmt: skip
"""Never part of a project pack; naming such a file is the person's own decision."""


@attrs.frozen
class Files:
    """Where texts come from. Files on disk that are larger than ``max_bytes`` are refused."""

    open_text: OpenText = nothing_open
    max_bytes: int = 512 * 1024
    _read: dict[Path, tuple[tuple[int, int, int], str]] = attrs.field(
        factory=dict[Path, tuple[tuple[int, int, int], str]], init=False, repr=False, eq=False
    )
    """What was read, by the file's number, size and time."""

    def read(self, path: Path) -> str:
        """The text of a file with plain line feeds; ``Unreadable`` when it is not a text to show."""
        text = self.open_text(path)
        if text is not None:
            return unified(text)
        found = _found(path, self.max_bytes)
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if (known := self._read.get(path)) is not None and known[0] == stamp:
            return known[1]
        text = unified(_decoded(path, _bytes(path)))
        # A file that was just written may be written again without a later time.
        if time.time() - found.st_mtime > SETTLED_SECONDS:
            self._read[path] = (stamp, text)
        return text


def unified(text: str) -> str:
    """The text with plain line feeds for line ends, and ``?`` for what UTF-8 cannot say.

    Editors can send halves of surrogate pairs, and names of files can hold any byte.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace").decode()


def source(path: Path, root: Path | None) -> str:
    """How a file is named in the prompt: relative to the workspace when it lies in it, with ``/``."""
    inside = root is not None and path.is_relative_to(root)
    return unified((path.relative_to(root) if inside and root else path).as_posix())


def project_root(path: Path) -> Path | None:
    """The nearest folder with a ``.git`` that holds a path, ``None`` outside of every repository."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), None)


def tracked(root: Path) -> list[Path]:
    """The files of a project that git tracks, sorted; links, secrets and our own folder left out."""
    # A repository's own configuration may name a program as its monitor; a stranger's must not run here.
    command = ["git", "-c", "core.fsmonitor=", "-C", str(root), "ls-files", "-z", "--cached"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreadable(
            f"{root} is not a git repository, so its files cannot be told from the rest.",
            hint='Name the files, or run "git init" and add them.',
        ) from error
    names = sorted({name for name in listed.decode(errors="surrogateescape").split("\0") if name})
    paths = [root / name for name in names if not name.startswith(".kvasir/")]
    return [path for path in paths if path.is_file() and not path.is_symlink() and not is_secret(path)]


def is_secret(path: Path) -> bool:
    """Whether a file is likely to hold keys, by its name."""
    return any(fnmatch.fnmatch(path.name.lower(), pattern) for pattern in SECRET_NAMES)


def _found(path: Path, max_bytes: int) -> os.stat_result:
    """A file that can be read whole."""
    with _told(path):
        found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(f"{path} is a folder.", hint="Name its files, or ask about the project.")
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is not a file but a device or a pipe.", hint="Only text can be sent.")
    if found.st_size > max_bytes:
        size, most = found.st_size // 1024, max_bytes // 1024
        raise Unreadable(
            f"{path} has {size} KiB; files over {most} KiB are not sent whole.",
            hint="Select the lines that matter.",
        )
    return found


def _bytes(path: Path) -> bytes:
    with _told(path):
        return path.read_bytes()


@contextlib.contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Unreadable(f"{path} does not exist.", hint="Save it, or choose another file.") from error
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise Unreadable(f"{str(path)!r} is no name that a file can have.") from error


def _decoded(path: Path, data: bytes) -> str:
    if b"\0" in data[:SNIFF_BYTES]:
        raise Unreadable(f"{path} is a binary file.", hint="Only text can be sent.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"{path} is not UTF-8 (byte {error.start}).", hint="Convert it, or select text in the editor."
        ) from error
