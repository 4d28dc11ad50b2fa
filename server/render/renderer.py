"""The handlers' ``Editor`` on one client."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import attrs
from lsprotocol import types

from handlers.editor import Place, Report, State
from server.client import Client, Feature, Mode
from server.documents import Workspace
from server.protocol import Protocol
from server.render import disk
from server.render.answer import Answer, Sink
from server.render.edit import EditSink, all_of, whole_lines
from server.render.files import DiskSink, OpenDiskSink, VirtualSink, unwritable, virtual_uri
from server.render.marks import Edit, difference
from server.render.notify import NotifySink
from server.render.paces import Paces
from server.render.progress import Progress, hidden
from server.render.screen import Screen, real
from server.render.wire import STALLED_BYTES, Wire
from server.tasks import Tasks
from sessions.transcript.marks import unix

STATE = "kvasir/state"
_REMEMBERED = 16


class Renderer:
    """Everything that is shown, in the way that suits the client. Made when ``initialize`` arrives.

    ``opened``, ``changed``, ``closed`` and ``cancelled`` are to be called by the server when the client says
    so, after pygls has handled it.
    """

    def __init__(
        self,
        protocol: Protocol,
        client: Client,
        tasks: Tasks,
        *,
        limit_s: float = 3.0,
        paces: Paces | None = None,
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._paces = paces or Paces()
        self._wire = Wire(protocol, limit_s, self._came_late)
        self._screen = Screen(self._wire, lambda: _ours(protocol))
        self._progress = Progress(self._wire, tasks)
        self._answers: set[Answer] = set()
        self._finished: deque[Answer] = deque(maxlen=_REMEMBERED)
        self._had: defaultdict[Path, set[int]] = defaultdict(set)
        """Hashes of the texts that a file had: a copy with one of them may be old, but nobody changed it."""
        self._shown: set[Path] = set()
        self._warned: set[str] = set()
        self._virtual: dict[str, Path] = {}

    @property
    def mode(self) -> str:
        """How answers come to the screen."""
        return self._client.mode.value

    def text(self, path: Path) -> str | None:
        """The text of an open document."""
        return self._screen.text(path)

    async def change(self, path: Path, make: Callable[[str | None], str | None]) -> bool:
        """Make a document say something else, in the editor or on disk."""
        shown = self._screen.text(path)
        if shown is None:
            return await self._rewrite(path, make)
        if make(shown) in (None, shown):
            return True
        if self._client.applies_edits and self._screen.takes_edits:
            return await self._screen.edit(path, partial(_edit, make))
        return await self._has(path, shown) and await self._rewrite(path, make)

    async def show(self, chat: str, path: Path) -> None:
        """Bring a chat to the screen, once."""
        if real(path) not in self._shown and self._screen.document(path) is None:
            await self.open(chat, path)

    async def open(self, chat: str, path: Path) -> None:
        """Bring a chat to the screen."""
        self._shown.add(real(path))
        uri = path.as_uri()
        if self._client.mode is Mode.VIRTUAL:
            uri = virtual_uri(chat)
            self._virtual[uri] = path
        params = types.ShowDocumentParams(uri=uri, take_focus=self._client.take_focus)
        if self._client.shows_documents:
            result = await self._wire.ask(types.WINDOW_SHOW_DOCUMENT, params)
            if isinstance(result, types.ShowDocumentResult) and result.success:
                return
        if not self._client.announces(Feature.OPEN):
            self.message(f"The chat is in {path}")

    def stream(self, place: Place) -> Answer:
        """Begin to write an answer."""
        answer = Answer(place)
        if (text := self._screen.text(place.path)) is not None:
            answer.seen(text)
        self._virtual[virtual_uri(place.chat)] = place.path
        self._answers.add(answer)
        answer.start(self._sinks(answer), self._tasks)
        self._tasks.start(self._forget(answer), f"{place.chat} turn {place.turn}")
        return answer

    def message(self, text: str) -> None:
        """Show a message of the lowest kind that this client shows."""
        self._wire.show_message(text, self._client.message_type)

    def warn(self, text: str) -> None:
        """Each warning is shown once in a session."""
        if text not in self._warned:
            self._warned.add(text)
            self._wire.show_message(text, types.MessageType.Warning)

    def state(self, state: State) -> None:
        """Send ``kvasir/state``, unless the client is behind and a newer one will follow."""
        if not self._client.announces(Feature.STATE):
            return
        if self._wire.backlog_bytes > STALLED_BYTES and not state.phase.final:
            return
        self._wire.notify(STATE, _state(state))

    def progress(self, title: str, cancel: Callable[[], None]) -> AbstractAsyncContextManager[Report]:
        """Show progress while the block runs."""
        return self._progress.shown(title, cancel) if self._client.shows_progress else hidden()

    async def opened(self, uri: str) -> None:
        """``textDocument/didOpen``."""
        await self._looked_at(uri)
        for answer in self._showing(uri):
            answer.opened()
        for answer in list(self._finished):
            if self._screen.is_at(uri, answer.place.path):
                answer.opened()
                self._tasks.start(self._catch_up(answer), f"the end of {answer.place.chat}")

    async def changed(self, uri: str) -> None:
        """``textDocument/didChange``."""
        await self._looked_at(uri)

    async def closed(self, uri: str) -> None:
        """``textDocument/didClose``: from now on the file is ours to write."""
        await self._screen.changed()
        for answer in self._showing(uri):
            answer.closed()

    def cancelled(self, token: int | str) -> None:
        """``window/workDoneProgress/cancel``."""
        self._progress.cancel(token)

    def virtual_text(self, uri: str) -> str | None:
        """The content for ``workspace/textDocumentContent``, ``None`` for a chat not shown here."""
        path = self._virtual.get(uri)
        return disk.read(path) if path else None

    def file_uri(self, uri: str) -> str:
        """The file behind a virtual document, or the document itself."""
        path = self._virtual.get(uri)
        return path.as_uri() if path else uri

    async def _looked_at(self, uri: str) -> None:
        if await self._screen.changed():
            self._came_late(types.WORKSPACE_APPLY_EDIT)
        for answer in self._showing(uri):
            if (text := self._screen.text(answer.place.path)) is not None:
                answer.seen(text)

    def _showing(self, uri: str) -> list[Answer]:
        return [answer for answer in self._answers if self._screen.is_at(uri, answer.place.path)]

    async def _forget(self, answer: Answer) -> None:
        await answer.ended.wait()
        await answer.carried()
        self._answers.discard(answer)
        self._finished.append(answer)
        await self._catch_up(answer)

    async def _catch_up(self, answer: Answer) -> None:
        """Mend a document that the editor read from disk just before the answer's end was written there."""
        path = answer.place.path
        if answer.is_behind(self._screen.text(path) or "") and not await answer.mended():
            await self.change(path, answer.caught_up)

    def _came_late(self, method: str) -> None:
        self._tasks.start(self._revive(method), f"{method} is answered again")

    async def _revive(self, method: str) -> None:
        """Go on with a client that was only busy, once its documents are known again."""
        await asyncio.sleep(self._paces.settle_s)
        self._wire.revive(method)
        for answer in list(self._finished):
            await self._catch_up(answer)

    def _sinks(self, answer: Answer) -> list[Sink]:
        screen, paces = self._screen, self._paces
        had = self._had[real(answer.place.path)]
        on_disk = DiskSink(answer, screen, paces.disk_s, self.warn, had)
        match self._client.mode:
            case Mode.NOTIFY:
                return [NotifySink(answer, self._wire, screen, paces), on_disk]
            case Mode.EDIT:
                ready = whole_lines if self._client.edits_whole_lines else all_of
                return [EditSink(answer, screen, self._client.edit_interval_s, ready), on_disk]
            case Mode.VIRTUAL:
                return [VirtualSink(answer, screen, paces.disk_s, self.warn, had, self._wire)]
            case Mode.DISK:
                return [OpenDiskSink(answer, screen, paces.disk_s, self.warn, had)]

    async def _has(self, path: Path, text: str) -> bool:
        """Whether the file says ``text``, or did: the editor's copy has no changes of its own.

        Editors may tell every line end as LF, whatever the file has.
        """
        try:
            now = await asyncio.to_thread(disk.read, path)
            return unix(text) == unix(now or "") or hash(text) in self._had[real(path)]
        except OSError:
            return False

    async def _rewrite(self, path: Path, make: Callable[[str | None], str | None]) -> bool:
        try:
            old = await asyncio.to_thread(disk.read, path)
            new = make(old)
            if new is not None and new != old:
                await asyncio.to_thread(disk.write, path, new)
                self._had[real(path)] |= {hash(old), hash(new)}
        except OSError as error:
            self.warn(unwritable(path, error))
            return False
        return True


def _edit(make: Callable[[str | None], str | None], old: str) -> Edit | None:
    new = make(old)
    return None if new is None else difference(old, new)


def _ours(protocol: Protocol) -> Workspace:
    workspace = protocol.workspace
    assert isinstance(workspace, Workspace)  # noqa: S101 (Protocol puts it there)
    return workspace


def _state(state: State) -> dict[str, object]:
    names = {
        "chat": "session",
        "prompt_tokens": "promptTokens",
        "cached_tokens": "cachedTokens",
        "done_tokens": "doneTokens",
    }
    values = attrs.asdict(state).items()
    return {"v": 1, **{names.get(name, name): value for name, value in values if value is not None}}
