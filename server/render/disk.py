"""Chat documents on disk, always whole: a reader sees the text before or after a write, never a half."""

import contextlib
import os
import tempfile
from pathlib import Path


def read(path: Path) -> str | None:
    """The text with its line ends as they are, ``None`` if there is no such file; else ``OSError``."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path: Path, text: str) -> None:
    """Replace the file in one step, keeping its mode, or make it and its folder. ``OSError`` if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()  # a link stays a link
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _umask() -> int:
    """The process's mask can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
