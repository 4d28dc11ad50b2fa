"""The process around the server: an output that never blocks, signals, the editor's death, an orderly end."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Protocol

from pygls.io_ import StdinAsyncReader

from server.messages import Reader, read_messages
from server.protocol import Server
from sessions.errors import BadRequest

STOP_LIMIT_S = 10.0
_OUTPUT_LIMIT_S = 2.0
_WATCH_S = 1.0
_BUFFER_BYTES = 1 << 16

Stop = Callable[[], Awaitable[None]]

logger = logging.getLogger("kvasir.server.process")


class Output(Protocol):
    """Where the bytes of messages go. ``write`` never blocks."""

    @property
    def backlog_bytes(self) -> int:
        """What the client has not taken yet."""
        ...

    def write(self, data: bytes) -> None:
        """Send a message."""
        ...

    def close(self) -> None:
        """Send nothing more."""
        ...


class Outbox:
    """An output whose thread writes, so that an editor that stops reading stalls only that thread."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._backlog_bytes = 0
        self._broken = False
        self._thread = threading.Thread(target=self._drain, name="stdout", daemon=True)
        self._thread.start()

    @property
    def backlog_bytes(self) -> int:
        """What the client has not taken yet."""
        return self._backlog_bytes

    def write(self, data: bytes) -> None:
        """Send a message."""
        if self._broken:  # nobody will read it: do not keep it
            return
        self._count(len(data))
        self._queue.put(data)

    def close(self) -> None:
        """Give what is queued two seconds to be read."""
        self._queue.put(None)
        self._thread.join(timeout=_OUTPUT_LIMIT_S)

    def _drain(self) -> None:
        while (data := self._queue.get()) is not None:
            if not self._broken:
                self._give(data)
            self._count(-len(data))

    def _give(self, data: bytes) -> None:
        try:
            self._raw.write(data)
            self._raw.flush()
        except (OSError, ValueError):  # ValueError: the file was closed
            self._broken = True

    def _count(self, size_bytes: int) -> None:
        with self._lock:
            self._backlog_bytes += size_bytes


class Socket:
    """An output over a connection of asyncio, which buffers by itself."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    @property
    def backlog_bytes(self) -> int:
        """What the client has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Send a message."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def close(self) -> None:
        """Close the connection behind what is buffered."""
        self._writer.close()


def serve(server: Server, stop: Stop) -> None:
    """Speak LSP on stdio until ``exit``, the end of the input, a signal or the editor's death.

    Does not return. ``stop`` ends the background work; it is given ten seconds.
    """
    asyncio.run(_then_end(_serve_stdio(server, stop)))


def serve_tcp(server: Server, stop: Stop, host: str, port: int, listening: Callable[[int], None]) -> None:
    """Speak LSP with the one client that connects, then end the process. Does not return.

    Loopback addresses only (``BadRequest``): there is no password. ``listening`` is told the port, also for
    port 0.
    """
    asyncio.run(_then_end(tcp_session(server, stop, host, port, listening)))


async def tcp_session(
    server: Server, stop: Stop, host: str, port: int, listening: Callable[[int], None]
) -> int:
    """As ``serve_tcp``, but returns the exit code."""
    if not _is_loopback(host):
        raise BadRequest(f"Kvasir listens on this machine only, not on {host}.", hint="Use 127.0.0.1.")
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    connected = asyncio.get_running_loop().create_future()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected.done():
            writer.close()
        else:
            connected.set_result((reader, writer))

    listener = await asyncio.start_server(accept, host, port, limit=_BUFFER_BYTES)
    listening(listener.sockets[0].getsockname()[1])
    reader, writer = await connected
    listener.close()
    code = await session(server, stop, reader, Socket(writer))
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), _OUTPUT_LIMIT_S)
    return code


async def session(server: Server, stop: Stop, reader: Reader, out: Output) -> int:
    """Serve one client until it leaves or the process is told to end; gives the exit code."""
    ended = asyncio.Event()
    server.protocol.set_writer(out)  # pyright: ignore[reportArgumentType]  # pygls: a Writer, or an awaitable one
    with _signals(ended):
        running = [
            asyncio.create_task(_read(server, reader, ended)),
            asyncio.create_task(_watch_editor(server, ended)),
        ]
        await ended.wait()
        for task in running:
            task.cancel()
        await _stopped(stop)
    out.close()
    return server.protocol.exit_code or 0


async def _serve_stdio(server: Server, stop: Stop) -> int:
    out = Outbox(sys.stdout.buffer)
    sys.stdout = sys.stderr  # a stray print must not corrupt the wire
    # A thread of its own: in a shared pool, work that blocks would keep messages waiting.
    reader = StdinAsyncReader(sys.stdin.buffer, ThreadPoolExecutor(1, "stdin"))
    return await session(server, stop, reader, out)


async def _read(server: Server, reader: Reader, ended: asyncio.Event) -> None:
    protocol = server.protocol
    try:
        await read_messages(
            reader, protocol.receive, protocol.malformed, lambda: protocol.exit_code is not None
        )
    except OSError as error:
        logger.warning("The client's messages cannot be read any more: %s", error)
    except Exception:
        logger.exception("Reading messages failed.")
    finally:
        ended.set()


async def _watch_editor(server: Server, ended: asyncio.Event) -> None:
    """Notice an editor that died while something else keeps our input open (a shell around it)."""
    await server.protocol.begun.wait()
    pid = server.process_id
    # An editor outside our container has a process id that is never visible here.
    if pid is None or os.name != "posix" or not _alive(pid):
        return
    while _alive(pid):  # noqa: ASYNC110 (a process that is not our child)
        await asyncio.sleep(_WATCH_S)
    logger.warning("The editor (process %s) is gone.", pid)
    ended.set()


def _alive(pid: int) -> bool:
    """Posix only: on Windows the signal 0 is Ctrl-C."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def _signals(ended: asyncio.Event):  # noqa: ANN202
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    if os.name == "posix":
        numbers.append(signal.SIGHUP)
    with contextlib.ExitStack() as undo:
        for number in numbers:
            with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows; not the main thread
                loop.add_signal_handler(number, ended.set)
                undo.callback(loop.remove_signal_handler, number)
        yield


async def _stopped(stop: Stop) -> None:
    try:
        await asyncio.wait_for(stop(), STOP_LIMIT_S)
    except TimeoutError:
        logger.exception("Work was still running after %s s.", STOP_LIMIT_S)
    except Exception:
        logger.exception("Stopping failed.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _then_end(serving: Coroutine[Any, Any, int]) -> None:
    """Leave from within the loop: threads blocked in stdin or in a slow call would hold any other end."""
    code = await serving
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
