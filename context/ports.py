"""What ``context`` needs of the rooms above it, handed in as callables."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

CountTokens: TypeAlias = Callable[[str], Awaitable[int]]
"""Tokens of a text, exact or estimated from above."""

OpenText: TypeAlias = Callable[[Path], str | None]
"""Text of a document as the editor has it, ``None`` for one that is not open there."""

ReadText: TypeAlias = Callable[[str], str | None]
"""Text of a file by its path relative to the workspace, the editor's where it is open there; ``None`` for one
that may not be shown or is gone."""

Embed: TypeAlias = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
"""The vectors of texts, in their order. Texts recur from question to question: who answers may remember."""

Rerank: TypeAlias = Callable[[str, Sequence[str]], Awaitable[Sequence[float]]]
"""By text, how well it answers to a question: larger is better, on any scale."""

Walked: TypeAlias = Callable[[], Awaitable[bool]]
"""Whether the index of a workspace has had all its files: begun if it was not, and waited for a while."""

Size: TypeAlias = Callable[[str], int]
"""Tokens of a text, estimated from above: for what is weighed piece by piece."""


def nothing_open(_path: Path) -> str | None:
    """For callers without an editor: everything is read from disk."""
    return None
