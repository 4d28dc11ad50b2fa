"""Life and death of the process, and an output that never blocks."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from server.messages import read_message
from server.process import Outbox, tcp_session
from server.protocol import Server
from sessions.errors import BadRequest
from tests.lsp import LIMIT_S, Editor, Json, Value, initialize

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys, time
sys.path.insert(0, {root!r})
from server.process import serve
from server.protocol import Server
from server.tasks import Tasks

server, tasks = Server("kvasir", "0"), Tasks()

async def work():
    try:
        await asyncio.Event().wait()
    finally:
        print("work stopped", file=sys.stderr, flush=True)

@server.command("kvasir.work")
async def start(ls, params):
    tasks.start(work(), "work")
    print("a stray print")
    return "started"

@server.command("kvasir.block")
async def block(ls, params):
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
    return "blocking"

@server.command("kvasir.large")
async def large(ls, params):
    return "x" * (1 << 22)

serve(server, tasks.stop)
"""


class Child:
    """The server as a process, spoken to with plain blocking pipes."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.stdin: IO[bytes] = process.stdin
        self.stdout: IO[bytes] = process.stdout
        self.stderr: IO[bytes] = process.stderr

    def send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.stdin.flush()

    def read(self) -> Json:
        size = int(self.stdout.readline().partition(b":")[2])
        assert self.stdout.readline() == b"\r\n"
        return json.loads(self.stdout.read(size))

    def request(self, method: str, params: Value = None) -> Value:
        self.send({"id": 1, "method": method, "params": params})
        return self.read()["result"]

    def command(self, name: str) -> Value:
        return self.request("workspace/executeCommand", {"command": name})

    def initialize(self, pid: int | None = None) -> None:
        self.request("initialize", {"processId": pid, "rootUri": None, "capabilities": {}})
        self.send({"method": "initialized", "params": {}})


@pytest.fixture
def child() -> Iterator[Child]:
    program = PROGRAM.format(root=str(ROOT))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield Child(process)
        process.kill()


def ends(child: Child, code: int) -> str:
    """Wait for the end; gives what was said on stderr."""
    assert child.process.wait(LIMIT_S) == code
    return child.stderr.read().decode()


def test_shutdown_and_exit(child: Child):
    child.initialize()
    assert child.command("kvasir.work") == "started"
    assert child.request("shutdown") is None
    child.send({"method": "exit"})
    assert "work stopped" in ends(child, 0)


def test_exit_alone_is_a_failure(child: Child):
    child.initialize()
    child.send({"method": "exit"})
    ends(child, 1)


@pytest.mark.parametrize("polite", [True, False])
def test_the_end_of_the_input(child: Child, polite: bool):
    child.initialize()
    assert child.command("kvasir.work") == "started"
    if polite:
        child.request("shutdown")
    child.stdin.close()
    assert "work stopped" in ends(child, 0)


def test_the_end_of_the_input_before_anything(child: Child):
    child.stdin.close()
    ends(child, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_stop_the_work_first(child: Child, number: signal.Signals):
    child.initialize()
    assert child.command("kvasir.work") == "started"
    child.process.send_signal(number)
    assert "work stopped" in ends(child, 0)


def test_a_thread_that_is_busy_does_not_hold_the_end(child: Child):
    child.initialize()
    assert child.command("kvasir.block") == "blocking"
    child.stdin.close()
    ends(child, 0)


def test_the_death_of_the_editor_is_noticed_while_the_input_stays_open(child: Child):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as editor:
        child.initialize(editor.pid)
        assert child.command("kvasir.work") == "started"
        editor.kill()
    assert "work stopped" in ends(child, 0)


def test_an_editor_that_stops_reading_does_not_stop_the_server(child: Child):
    """Four megabytes wait in the pipe; the command after them is still carried out."""
    child.initialize()
    child.send({"id": 2, "method": "workspace/executeCommand", "params": {"command": "kvasir.large"}})
    child.send({"id": 3, "method": "workspace/executeCommand", "params": {"command": "kvasir.work"}})
    said: list[bytes] = []
    for line in child.stderr:
        said.append(line)
        if b"a stray print" in line:  # it went to stderr, not between the messages
            break
    assert said
    assert len(child.read()["result"]) == 1 << 22
    assert child.read()["result"] == "started"
    child.stdin.close()
    ends(child, 0)


class Stalled(io.RawIOBase):
    """A pipe whose reader takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.taken: list[bytes] = []

    def write(self, data: Value) -> int:
        self.go.wait(LIMIT_S)
        self.taken.append(bytes(data))
        return len(data)


def test_the_outbox_counts_what_was_not_taken():
    raw = Stalled()
    out = Outbox(raw)  # pyright: ignore[reportArgumentType]
    out.write(b"one")
    out.write(b"three")
    assert out.backlog_bytes == 8
    raw.go.set()
    out.close()
    assert raw.taken == [b"one", b"three"]
    assert out.backlog_bytes == 0


def test_the_outbox_keeps_nothing_for_a_reader_that_is_gone():
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb", buffering=0) as raw:
        out = Outbox(raw)  # pyright: ignore[reportArgumentType]
        out.write(b"one")
        out.close()
        out.write(b"two")
        assert out.backlog_bytes == 0


async def nothing() -> None:
    """No background work."""


async def test_tcp_serves_one_client_and_ends():
    server = Server("kvasir", "0")
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    ended = asyncio.create_task(tcp_session(server, nothing, "127.0.0.1", 0, port.set_result))
    reader, writer = await asyncio.open_connection("127.0.0.1", await port)
    editor = Editor(writer.write)

    async def listen() -> None:
        while (message := await read_message(reader)) is not None:
            await editor.take(message)

    listening = asyncio.create_task(listen())
    await initialize(editor)
    with pytest.raises(OSError):  # noqa: PT011 (which one, the system decides)
        await asyncio.open_connection("127.0.0.1", port.result())
    await editor.request("shutdown")
    editor.notify("exit")
    assert await asyncio.wait_for(ended, LIMIT_S) == 0
    await asyncio.wait_for(listening, LIMIT_S)
    writer.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
async def test_tcp_is_for_this_machine_only(host: str):
    with pytest.raises(BadRequest, match="on this machine only"):
        await tcp_session(Server("kvasir", "0"), nothing, host, 0, print)
