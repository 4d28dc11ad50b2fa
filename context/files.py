"""Files as text: what the editor has open wins over the disk; what cannot be shown is refused in words."""

import contextlib
import os
import stat
import sys
import time
from collections.abc import Generator
from pathlib import Path

import attrs

from context.decoding import decoded
from context.errors import Unreadable
from context.ports import OpenText, nothing_open

SETTLED_SECONDS = 2.0
_BLOCK_BYTES = 1024 * 1024


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
        found = _found(path)
        if found.st_size > self.max_bytes:
            raise _too_large(path, found.st_size, self.max_bytes)
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if (known := self._read.get(path)) is not None and known[0] == stamp:
            return known[1]
        text = unified(decoded(self._bytes(path), path))
        # A file that was just written may be written again without a later time.
        if time.time() - found.st_mtime > SETTLED_SECONDS:
            self._read[path] = (stamp, text)
        return text

    def lines(self, path: Path, first: int, last: int) -> list[str]:
        """Lines ``first`` to ``last`` (0-based, end exclusive) without their ends, fewer at the file's end.

        Of a file too large to be read whole only these lines are kept. ``Unreadable`` when there are none,
        or when they are too large themselves.
        """
        if self.open_text(path) is not None or _found(path).st_size <= self.max_bytes:
            lines = self.read(path).split("\n")
            lines = lines[: len(lines) - (lines[-1] == "")]
            found, count = lines[first:last], len(lines)
        else:
            data, count = self._cut(path, first, last)
            text = unified(decoded(data, path))
            found = text.removesuffix("\n").split("\n") if text else []
        if found:
            return found
        raise Unreadable(
            f"{path} has {count} lines; there is no line {first + 1} to {last}.",
            hint="Select again: the file may have changed.",
        )

    def _bytes(self, path: Path) -> bytes:
        """The bytes of a file that was found small enough, and may have grown since."""
        with _told(path), path.open("rb") as file:
            data = file.read(self.max_bytes + 1)
        if len(data) > self.max_bytes:
            raise _too_large(path, len(data), self.max_bytes)
        return data

    def _cut(self, path: Path, first: int, last: int) -> tuple[bytes, int]:
        """The bytes of some lines, and how many lines there are before their end.

        One pass in blocks, which ends with the last line.
        """
        kept = bytearray()
        line, ended = 0, True
        # A range without lines becomes an error that tells how many there are, so all are counted.
        begin, end = (first, last) if first < last else (sys.maxsize, sys.maxsize)
        with _told(path), path.open("rb", buffering=0) as file:
            while line < end and (block := file.read(_BLOCK_BYTES)):
                inside, line = _within(block, line, begin, end)
                ended = block.endswith(b"\n")
                kept += inside
                if len(kept) > self.max_bytes:
                    raise Unreadable(
                        f"Lines {first + 1} to {last} of {path} have more than {self.max_bytes // 1024} KiB.",
                        hint="Select fewer lines.",
                    )
        return bytes(kept), line + (not ended)


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


def is_inside(path: Path, root: Path) -> bool:
    """Whether a file really lies below a folder, whatever links lead to it. A loop of links lies nowhere."""
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _within(block: bytes, line: int, first: int, last: int) -> tuple[bytes, int]:
    """The part of a block that belongs to some lines, and the number of the line after it.

    ``line`` is the number of the line with which the block begins.
    """
    start = 0
    while line < first:
        end = block.find(b"\n", start)
        if end < 0:
            return b"", line
        start, line = end + 1, line + 1
    end = start
    while line < last:
        found = block.find(b"\n", end)
        if found < 0:
            return block[start:], line
        end, line = found + 1, line + 1
    return block[start:end], line


def _too_large(path: Path, size: int, max_bytes: int) -> Unreadable:
    return Unreadable(
        f"{path} has {size // 1024} KiB; files over {max_bytes // 1024} KiB are not sent whole.",
        hint="Select the lines that matter.",
    )


def _found(path: Path) -> os.stat_result:
    """A file that can be read."""
    with _told(path):
        found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(f"{path} is a folder.", hint="Name its files, or ask about the project.")
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is not a file but a device or a pipe.", hint="Only text can be sent.")
    return found


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
