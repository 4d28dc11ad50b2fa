"""What ``context`` needs of the rooms above it, handed in as callables."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

CountTokens: TypeAlias = Callable[[str], Awaitable[int]]
"""Tokens of a text, exact or estimated from above."""

OpenText: TypeAlias = Callable[[Path], str | None]
"""Text of a document as the editor has it, ``None`` for one that is not open there."""


def nothing_open(_path: Path) -> str | None:
    """For callers without an editor: everything is read from disk."""
    return None
