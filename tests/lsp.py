"""An editor in the server's own event loop: raw JSON in both directions, and documents as an editor keeps them.

It answers what it is asked as a well-behaved editor does, unless told to be ``silent`` or ``refusing``, and records
everything. It computes positions by itself, from the specification, so that it does not share the server's mistakes.
"""

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs
from lsprotocol import converters, types
from pygls.uris import to_fs_path

from server.messages import read_message, read_messages
from server.protocol import Server

Value: TypeAlias = Any
"""Any JSON value."""
Json: TypeAlias = dict[str, Value]
LIMIT_S = 20.0
CLIENTS = Path(__file__).parent / "clients"

_UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data: Value = error.get("data")


class Pipe:
    """One direction of the connection. While it is held, the reader has stopped reading."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(limit=1 << 24)
        self._held: list[bytes] | None = None

    @property
    def backlog_bytes(self) -> int:
        return sum(map(len, self._held or ()))

    def write(self, data: bytes) -> None:
        if self._held is None:
            self.reader.feed_data(data)
        else:
            self._held.append(data)

    def hold(self) -> None:
        self._held = self._held or []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for data in held:
            self.reader.feed_data(data)

    def close(self) -> None:
        self.release()
        self.reader.feed_eof()


@attrs.define
class OpenDocument:
    text: str
    version: int = 1


@attrs.define
class Pending:
    """A request on its way."""

    id: int | str
    answer: asyncio.Future[Value]


class Editor:
    """The client's side. Documents are known by their URI."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.requests: list[Json] = []
        """What the server asked, oldest first: ``{"method", "params"}``."""
        self.notifications: list[Json] = []
        self.unsolicited: list[Json] = []
        """Replies to no request of ours."""
        self.documents: dict[str, OpenDocument] = {}
        self.virtual: dict[str, list[str]] = {}
        """Every state of each virtual document that was fetched."""
        self.server: Json = {}
        """The result of ``initialize``."""
        self.silent: set[str] = set()
        self.refusing: set[str] = set()
        self.tells_late = False
        """Send ``didChange`` after the reply to ``applyEdit``, as Neovim does, not before it."""
        self.pretending = False
        """Answer edits as applied, and apply none."""
        self.encoding = "utf-16"
        self.settings: Value = None
        self.write = write
        """Send bytes as they are."""
        self._ids = itertools.count(1)
        self._pending: dict[int | str, asyncio.Future[Value]] = {}
        self._news = asyncio.Condition()

    def send(self, message: Json) -> None:
        body = json.dumps(message).encode()
        self.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def notify(self, method: str, params: Value = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def begin(self, method: str, params: Value = None) -> Pending:
        pending = Pending(next(self._ids), asyncio.get_running_loop().create_future())
        self._pending[pending.id] = pending.answer
        self.send({"jsonrpc": "2.0", "id": pending.id, "method": method, "params": params})
        return pending

    async def request(self, method: str, params: Value = None) -> Value:
        """The result; ``Refused`` if it is an error."""
        return await asyncio.wait_for(self.begin(method, params).answer, LIMIT_S)

    async def command(self, name: str, *arguments: Value) -> Value:
        return await self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})

    def cancel(self, pending: Pending) -> None:
        self.notify("$/cancelRequest", {"id": pending.id})

    def open(self, path: Path, text: str | None = None, language: str = "markdown") -> str:
        """Open a file as it is on disk, or with ``text``; gives its URI."""
        uri = path.as_uri()
        if text is None:
            text = path.read_bytes().decode()
        self.documents[uri] = OpenDocument(text)
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def change(self, uri: str, text: str) -> None:
        """Replace the whole text."""
        self._changed(uri, text, [{"text": text}])

    def edit(self, uri: str, start: int, end: int, text: str) -> None:
        """Replace ``[start, end)``, in characters, as a person types."""
        old = self.documents[uri].text
        span = {"start": self.position(old, start), "end": self.position(old, end)}
        self._changed(uri, old[:start] + text + old[end:], [{"range": span, "text": text}])

    def save(self, uri: str) -> None:
        path = to_fs_path(uri)
        assert path is not None
        Path(path).write_bytes(self.documents[uri].text.encode())
        self.notify("textDocument/didSave", {"textDocument": {"uri": uri}})

    def close(self, uri: str) -> None:
        del self.documents[uri]
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def text(self, path: Path) -> str:
        return self.documents[path.as_uri()].text

    def position(self, text: str, offset: int) -> Json:
        lines = _LINE.findall(text[:offset])
        if not lines or lines[-1].endswith(("\n", "\r")):
            return {"line": len(lines), "character": 0}
        return {"line": len(lines) - 1, "character": self._units(lines[-1])}

    def offset(self, text: str, position: Json) -> int:
        lines = _LINE.findall(text)
        line, units = position["line"], position["character"]
        if line >= len(lines):
            return len(text)
        content = lines[line].rstrip("\r\n")
        before = next((n for n in range(len(content)) if self._units(content[:n]) >= units), len(content))
        return sum(map(len, lines[:line])) + before

    def received(self, method: str) -> list[Value]:
        """The params of every notification and request of this method."""
        return [one["params"] for one in (*self.notifications, *self.requests) if one["method"] == method]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at after each message."""
        async with asyncio.timeout(LIMIT_S), self._news:
            await self._news.wait_for(condition)

    async def take(self, message: Json) -> None:
        if "method" not in message:
            self._take_answer(message)
        elif "id" in message:
            self.requests.append(message)
            await self._answer(message)
        else:
            self.notifications.append(message)
        async with self._news:
            self._news.notify_all()

    def _take_answer(self, message: Json) -> None:
        pending = self._pending.pop(message.get("id") or 0, None)
        if pending is None:
            self.unsolicited.append(message)
        elif not pending.done():
            if "error" in message:
                pending.set_exception(Refused(message["error"]))
            else:
                pending.set_result(message.get("result"))

    async def _answer(self, message: Json) -> None:
        method, params = message["method"], message["params"]
        if method in self.silent:
            return
        reply: Json = {"jsonrpc": "2.0", "id": message["id"]}
        if method == "workspace/applyEdit":
            self._apply(params, reply)
            return
        if method in self.refusing or method not in _ANSWERS:
            self.send({**reply, "error": {"code": -32601, "message": f"no {method} here"}})
            return
        self.send({**reply, "result": _ANSWERS[method](self, params)})

    async def answer_late(self) -> None:
        """Answer what it was silent on, as an editor that was busy."""
        asked = [request for request in self.requests if request["method"] in self.silent]
        self.silent.clear()
        for request in asked:
            await self._answer(request)

    def _apply(self, params: Json, reply: Json) -> None:
        if "workspace/applyEdit" in self.refusing:
            self.send({**reply, "result": {"applied": False}})
            return
        changes = cast("dict[str, list[Json]]", params["edit"]["changes"])
        if self.tells_late:
            self.send({**reply, "result": {"applied": True}})
        for uri, edits in changes.items():
            for edit in edits:
                self._apply_one(uri, edit)
        if not self.tells_late:
            self.send({**reply, "result": {"applied": True}})

    def _apply_one(self, uri: str, edit: Json) -> None:
        if self.pretending:
            return
        if uri not in self.documents:
            path = to_fs_path(uri)
            assert path is not None
            self.open(Path(path))
        old = self.documents[uri].text
        start, end = (self.offset(old, edit["range"][side]) for side in ("start", "end"))
        new = old[:start] + edit["newText"] + old[end:]
        self._changed(uri, new, [{"range": edit["range"], "text": edit["newText"]}])

    def _changed(self, uri: str, text: str, changes: list[Json]) -> None:
        document = self.documents[uri]
        document.text = text
        document.version += 1
        identifier = {"uri": uri, "version": document.version}
        self.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})

    def show(self, params: Json) -> Json:
        path = to_fs_path(params["uri"]) if params["uri"].startswith("file:") else None
        if path and params["uri"] not in self.documents:
            self.open(Path(path))
        return {"success": True}

    def configuration(self, params: Json) -> list[Value]:
        return [self.settings for _ in params["items"]]

    def refresh(self, params: Json) -> None:
        self._fetching = asyncio.create_task(self._fetch(params["uri"]))

    async def _fetch(self, uri: str) -> None:
        content = await self.request("workspace/textDocumentContent", {"uri": uri})
        self.virtual.setdefault(uri, []).append(content["text"])
        async with self._news:
            self._news.notify_all()

    def _units(self, text: str) -> int:
        codec, size = _UNITS[self.encoding]
        return len(text.encode(codec)) // size

    def nothing(self, params: Json) -> None:
        """The reply where the result says nothing."""


_ANSWERS: dict[str, Callable[[Editor, Json], Value]] = {
    "window/showDocument": Editor.show,
    "window/workDoneProgress/create": Editor.nothing,
    "client/registerCapability": Editor.nothing,
    "workspace/configuration": Editor.configuration,
    "workspace/textDocumentContent/refresh": Editor.refresh,
    "workspace/codeLens/refresh": Editor.nothing,
    "workspace/foldingRange/refresh": Editor.nothing,
    "workspace/inlayHint/refresh": Editor.nothing,
}


@contextlib.asynccontextmanager
async def connected(
    server: Server,
    capabilities: types.ClientCapabilities | Mapping[str, Any] | None = None,
    initialization_options: Value = None,
    *,
    client_name: str | None = None,
    root: Path | None = None,
) -> AsyncGenerator[Editor]:
    """An editor that has initialized the server, and shuts it down at the end unless the test has."""
    async with wired(server) as (editor, _):
        await initialize(editor, capabilities, initialization_options, client_name=client_name, root=root)
        yield editor
        if server.protocol.exit_code is None:
            await editor.request("shutdown")
            editor.notify("exit")


@contextlib.asynccontextmanager
async def wired(server: Server) -> AsyncGenerator[tuple[Editor, Pipe]]:
    """An editor that has said nothing yet, and the pipe from which it reads."""
    up, down = Pipe(), Pipe()
    server.protocol.set_writer(cast("Any", down))
    editor = Editor(up.write)
    protocol = server.protocol

    async def serve() -> None:
        await read_messages(
            up.reader, protocol.receive, protocol.malformed, lambda: protocol.exit_code is not None
        )
        down.close()

    async def listen() -> None:
        while (message := await read_message(down.reader)) is not None:
            await editor.take(message)

    async with asyncio.TaskGroup() as loops:
        loops.create_task(serve())
        loops.create_task(listen())
        try:
            yield editor, down
        finally:
            up.close()
            down.release()


async def initialize(
    editor: Editor,
    capabilities: types.ClientCapabilities | Mapping[str, Any] | None = None,
    initialization_options: Value = None,
    *,
    client_name: str | None = None,
    root: Path | None = None,
) -> None:
    if isinstance(capabilities, types.ClientCapabilities):
        capabilities = converters.get_converter().unstructure(capabilities)
    params: Json = {"processId": None, "capabilities": capabilities or {}, "rootUri": None}
    if root:
        params["rootUri"] = root.as_uri()
        params["workspaceFolders"] = [{"uri": root.as_uri(), "name": root.name}]
    if client_name is not None:
        params["clientInfo"] = {"name": client_name}
    if initialization_options is not None:
        params["initializationOptions"] = initialization_options
    editor.server = await editor.request("initialize", params)
    editor.encoding = editor.server["capabilities"].get("positionEncoding", "utf-16")
    if client_name == "vim-lsp":
        editor.encoding = "utf-32"
    editor.notify("initialized", {})


def profile(name: str) -> Json:
    """The ``initialize`` params that a real client sent: ``nvim_0_12_4``, ..."""
    return json.loads((CLIENTS / f"{name}.json").read_text())
