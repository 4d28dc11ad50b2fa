"""A llama-server that follows a script, for faults that the real one cannot be made to show.

It speaks HTTP/1.1 on a loopback socket. Each path has the replies that it gives in turn, the last one again
and again; a path without a script answers as llama-server 0.7.0 does, in a ChatML of one token per character.
"""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import attrs

Json = dict[str, Any]
Reply = Callable[[asyncio.StreamWriter, Json], Awaitable[None]]
"""Writes one answer; a returned one is complete, and the connection is closed after it."""


def status(code: int, body: Json | str = "", kind: str = "application/json") -> Reply:
    """A whole answer."""

    async def write(writer: asyncio.StreamWriter, _: Json) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        writer.write(_head(code, kind, len(text.encode())) + text.encode())

    return write


def refusal(code: int, message: str, **more: object) -> Reply:
    """An error as llama-server words it."""
    return status(code, {"error": {"code": code, "message": message, "type": "x", **more}})


def raw(data: bytes) -> Reply:
    """Bytes of another protocol, or none; then the connection is closed."""

    async def write(writer: asyncio.StreamWriter, _: Json) -> None:
        writer.write(data)

    return write


def hang(after: bytes = b"") -> Reply:
    """Say nothing more, and keep the connection open until the client closes it."""

    async def write(writer: asyncio.StreamWriter, _: Json) -> None:
        writer.write(after)
        await asyncio.Event().wait()

    return write


def stream(*pieces: Json | str, ends: bool = True, hangs: bool = False) -> Reply:
    """Server-sent events; without ``ends`` the connection breaks in the middle of the body."""

    async def write(writer: asyncio.StreamWriter, _: Json) -> None:
        writer.write(_head(200, "text/event-stream"))
        for piece in pieces:
            text = piece if isinstance(piece, str) else f"data: {json.dumps(piece)}\n\n"
            writer.write(_chunk(text.encode()))
            await writer.drain()
        if hangs:
            await asyncio.Event().wait()
        if ends:
            writer.write(_chunk(b"data: [DONE]\n\n") + _chunk(b""))

    return write


def delta(text: str, kind: str = "content") -> Json:
    return {"choices": [{"index": 0, "delta": {kind: text}, "finish_reason": None}]}


def finished(cached: int = 0, new: int = 5, out: int = 2, reason: str = "stop") -> Json:
    timings = {"cache_n": cached, "prompt_n": new, "prompt_ms": 5.0, "predicted_n": out, "predicted_ms": 4.0}
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "timings": timings}


@attrs.define
class FakeLlamaServer:
    """A server under way. ``requests`` are the paths and bodies that came, oldest first."""

    url: str = ""
    script: defaultdict[str, list[Reply]] = attrs.field(factory=lambda: defaultdict(list))
    requests: list[tuple[str, Json]] = attrs.field(factory=list)
    window_tokens: int = 4096
    gone: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set when a client has closed its end of a connection."""

    def bodies(self, path: str) -> list[Json]:
        return [body for asked, body in self.requests if asked == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path, body = await _request(reader)
        self.requests.append((path, body))
        replies = self.script[path]
        reply = (replies.pop(0) if len(replies) > 1 else replies[0]) if replies else self.real(path)
        answering = asyncio.ensure_future(reply(writer, body))
        leaving = asyncio.create_task(reader.read())
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            self.gone.set()
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)
        await writer.drain()

    def real(self, path: str) -> Reply:  # noqa: PLR0911 - a table of routes
        """The answer of a llama-server in good order."""
        match path.partition("?")[0].split("/")[1:]:
            case ["props"]:
                settings = {"n_ctx": self.window_tokens}
                return status(
                    200, {"default_generation_settings": settings, "total_slots": 2, "model_alias": "fake"}
                )
            case ["apply-template"]:
                return _templated
            case ["tokenize"]:
                return _tokenized
            case ["completion"]:
                return stream({"stop": True, "stop_type": "limit", **finished()})
            case ["v1", "chat", "completions"]:
                return stream(delta("It "), delta("is."), finished())
            case ["slots", _]:
                return status(200, {"n_written": 100, "n_restored": 10})
            case _:
                return refusal(404, "File Not Found")


async def _templated(writer: asyncio.StreamWriter, body: Json) -> None:
    turns = (f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in body["messages"])
    await status(200, {"prompt": f"{''.join(turns)}<|im_start|>assistant\n"})(writer, body)


async def _tokenized(writer: asyncio.StreamWriter, body: Json) -> None:
    await status(200, {"tokens": [ord(letter) for letter in body["content"]]})(writer, body)


async def _request(reader: asyncio.StreamReader) -> tuple[str, Json]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return head[0].split(" ")[1], json.loads(body or b"{}")


def _head(code: int, kind: str, size_bytes: int | None = None) -> bytes:
    length = "Transfer-Encoding: chunked" if size_bytes is None else f"Content-Length: {size_bytes}"
    lines = (
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}",
        f"Content-Type: {kind}",
        length,
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextlib.asynccontextmanager
async def fake_server() -> AsyncGenerator[FakeLlamaServer]:
    """A fake on a port of its own; what still hangs at the end is ended."""
    fake = FakeLlamaServer()
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(fake.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1 << 24)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()
