"""What the handlers need of the wire. ``server.render`` implements it; a test may, too."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import attrs


class Kind(StrEnum):
    """What a piece of a streamed answer is."""

    ANSWER = "answer"
    REASONING = "reasoning"
    TOOL = "tool"


class Phase(StrEnum):
    """How far a job has come. The last three end it."""

    QUEUED = "queued"
    LOADING = "loading"
    WARMING = "warming"
    PREFILL = "prefill"
    GENERATING = "generating"
    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Nothing follows."""
        return self in (Phase.DONE, Phase.ERROR, Phase.CANCELLED)


@attrs.frozen
class Place:
    """Where an answer goes: one turn of the chat document at ``path``. ``turn`` is its number, from 1 on."""

    chat: str
    turn: int
    turn_id: str
    job: str
    path: Path


@attrs.frozen
class State:
    """How a job is doing. Counts are tokens; ``done_tokens`` are those evaluated, then those generated."""

    job: str
    phase: Phase
    chat: str = ""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    done_tokens: int | None = None
    tps: float | None = None
    message: str = ""


class Report(Protocol):
    """How far something has come, for a progress display."""

    def __call__(self, message: str, percent: int | None = None) -> None:
        """Say what is done now, and how much of all."""
        ...


class Stream(Protocol):
    """One answer on its way into the document, which has its stop line already.

    ``finish`` must be called, also after an error: until then tasks wait for more.
    """

    @property
    def stopped(self) -> asyncio.Event:
        """Set when the person deletes the stop line."""
        ...

    def write(self, text: str, kind: Kind = Kind.ANSWER) -> None:
        """Append to the answer. Never blocks: pieces are merged for editors that are slow."""
        ...

    async def finish(self, footer: str, ending: str = "") -> None:
        """Bring the rest, then ``footer`` in place of the stop line, and ``ending`` if nothing stands below.

        Returns when the document says so, or after some seconds if it cannot be made to.
        """
        ...


class Editor(Protocol):
    """The editor at the other end."""

    @property
    def mode(self) -> str:
        """How answers come to its screen, as replies tell it: M1 to M4."""
        ...

    def text(self, path: Path) -> str | None:
        """The text of an open document, unsaved changes included; ``None`` if it is not open."""
        ...

    async def change(self, path: Path, make: Callable[[str | None], str | None]) -> bool:
        """Change a chat document, in the editor if it is open there, else on disk.

        ``make`` gets the text as it is (``None``: there is no such file) and gives the new one (``None``:
        leave it); it may be called more than once.

        True if the document says what was made; so not if it has unsaved changes in an editor that takes no
        edits.
        """
        ...

    async def show(self, chat: str, path: Path) -> None:
        """Bring a chat document to the screen unless it was before; say where it is if the editor cannot."""
        ...

    async def open(self, chat: str, path: Path) -> None:
        """As ``show``, also if it was shown before: the person asked for it."""
        ...

    def stream(self, place: Place) -> Stream:
        """Begin to write an answer."""
        ...

    def message(self, text: str) -> None:
        """Tell the person something."""
        ...

    def warn(self, text: str) -> None:
        """Tell the person that something went wrong, the same thing once."""
        ...

    def state(self, state: State) -> None:
        """Tell clients that asked for it how a job is doing."""
        ...

    def progress(self, title: str, cancel: Callable[[], None]) -> AbstractAsyncContextManager[Report]:
        """Show progress while the block runs, if the editor can; its cancel button calls ``cancel``."""
        ...
