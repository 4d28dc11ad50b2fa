"""Modes M4 and M2: the file is written, and for M2 a virtual document shows it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types

from server.render import disk
from server.render.answer import Answer, Sink
from server.render.marks import Closing, completed, continued
from server.render.screen import Screen
from server.render.wire import Wire


class DiskSink(Sink):
    """The file, while the editor does not have it open.

    With ``writes_open`` (mode M4) also then, as long as the editor's copy is a text that the file had (its
    hash is among ``versions``): such an editor takes no edits, and reads the file again by itself or when it
    is told to.
    """

    writes_open = False

    def __init__(
        self,
        answer: Answer,
        screen: Screen,
        interval_s: float,
        warn: Callable[[str], None],
        versions: set[int],
    ) -> None:
        super().__init__(answer, interval_s)
        self._screen = screen
        self._warn = warn
        self._versions = versions
        self._position = 0
        self._written = 0
        """The hash of the text that has ``_position`` of the answer."""
        self._failed = False
        self._read: str | None = None
        """What the editor has just read from the file."""

    def opened(self) -> None:
        """Look whether the file was written after the editor had read it."""
        self._read = self._screen.text(self.answer.place.path)
        self.wake()

    async def flush(self) -> None:
        """Carry what is new."""
        await self._write(None)

    async def close(self, closing: Closing) -> None:
        """Carry the rest and the closing."""
        await self._write(closing)

    async def _write(self, closing: Closing | None) -> bool:
        """Bring the file up to date; True if it was written."""
        path = self.answer.place.path
        if self._failed:
            return False
        try:
            if self._screen.document(path) and not self.writes_open:
                await self._take_back(path)
                return False
            text = await asyncio.to_thread(disk.read, path)
            if text is None or not self._may_write(text):
                return False
            return await self._continue(path, text, closing)
        except OSError as error:
            self._failed = True
            self._warn(unwritable(path, error))
            return False

    async def _continue(self, path: Path, text: str, closing: Closing | None) -> bool:
        turn = self.answer.place.turn_id
        self.answer.seen(text)
        if hash(text) != self._written:
            self._position = self.answer.part_in(text, self._position)
        end = len(self.answer.text)
        rest = self.answer.text[self._position : end]
        edit = continued(text, turn, rest) if closing is None else completed(text, turn, rest, closing)
        if edit is None:
            return False
        new = edit.applied(text)
        self._versions.add(hash(new))
        self.answer.reach(end)
        await asyncio.to_thread(disk.write, path, new)
        self._written = hash(new)
        self._position = end
        return True

    async def _take_back(self, path: Path) -> None:
        """Let the file say again what the editor has read: it would refuse to save over what is newer."""
        read, self._read = self._read, None
        if read is None or hash(read) not in self._versions or hash(read) == self._written:
            return
        text = await asyncio.to_thread(disk.read, path)
        if text is not None and hash(text) == self._written:
            await asyncio.to_thread(disk.write, path, read)

    def _may_write(self, on_disk: str) -> bool:
        self._versions.add(hash(on_disk))
        shown = self._screen.text(self.answer.place.path)
        return shown is None or (self.writes_open and hash(shown) in self._versions)


class OpenDiskSink(DiskSink):
    """Mode M4."""

    writes_open = True


class VirtualSink(OpenDiskSink):
    """Mode M2: the file, and a virtual document that shows it, refreshed one request at a time."""

    def __init__(
        self,
        answer: Answer,
        screen: Screen,
        interval_s: float,
        warn: Callable[[str], None],
        versions: set[int],
        wire: Wire,
    ) -> None:
        super().__init__(answer, screen, interval_s, warn, versions)
        self._wire = wire
        self._refreshing: asyncio.Task[Any] | None = None

    async def flush(self) -> None:
        """Carry what is new."""
        if await self._write(None) and (self._refreshing is None or self._refreshing.done()):
            # Not awaited: the file does not wait for a slow client.
            self._refreshing = asyncio.create_task(self._refresh())

    async def close(self, closing: Closing) -> None:
        """Carry the rest and the closing."""
        await self._write(closing)
        if self._refreshing:
            await self._refreshing
        await self._refresh()

    async def _refresh(self) -> None:
        uri = virtual_uri(self.answer.place.chat)
        params = types.TextDocumentContentRefreshParams(uri=uri)
        await self._wire.ask(types.WORKSPACE_TEXT_DOCUMENT_CONTENT_REFRESH, params)


def virtual_uri(chat: str) -> str:
    """With an authority and a path: coc and VS Code lose any other form."""
    return f"kvasir://chat/{chat}.md"


def unwritable(path: Path, error: OSError) -> str:
    """What is said when a document cannot be written."""
    reason = error.strerror or type(error).__name__
    return (
        f"{path} cannot be written ({reason}). The answer is kept: open the chat again when that is mended."
    )
