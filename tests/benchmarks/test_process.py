"""The process of the language server: how soon it answers, and what it needs while nothing happens."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from server.demo import PROGRAM
from server.messages import read_message
from sessions import llama
from sessions.models import Places
from tests.benchmarks.conftest import RUNS, Sit
from tests.benchmarks.results import Results, ms
from tests.lsp import Json, Value

pytestmark = pytest.mark.benchmark

IMPORTING = (sys.executable, "-P", "-c", "import pygls.lsp.server")
INITIALIZE: Json = {"processId": None, "rootUri": None, "capabilities": {}}


async def test_start(home: Path, results: Results):
    started: list[float] = []
    imported: list[float] = []
    resident_mib: list[float] = []
    for number in range(2 * RUNS + 1):
        began = time.perf_counter()
        await asyncio.to_thread(subprocess.run, IMPORTING, check=True)
        done = time.perf_counter()
        first_ms, mib = await _started()
        if number:  # the first of each reads its files from disk
            imported.append((done - began) * 1000)
            started.append(first_ms)
            resident_mib.append(mib)
    ratio = median(started) / median(imported)
    of = f"{ms(started)} / {ms(imported)}"
    results.found("`kvasir lsp` started to `initialize` answered / `import pygls.lsp.server`", ratio, "", of)
    results.found(
        "memory of an idle `kvasir lsp`", median(resident_mib), " MiB", "resident, before the first question"
    )


async def test_supervisor(sit: Sit, tmp_path: Path, places: Places, results: Results):
    async with sit(tmp_path, "demo"):
        running = llama.running(places.servers)
        mib = median([_resident_mib(one.pid) for one in running])
    results.found("memory of the supervisor of a llama-server", mib, " MiB", "resident")


async def _started() -> tuple[float, float]:
    """Milliseconds from spawn to the reply, and then the resident MiB."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(_request(1, "initialize", INITIALIZE))
    reply = await read_message(process.stdout)
    taken = time.perf_counter() - began
    assert reply is not None
    assert "capabilities" in reply["result"]
    process.stdin.write(_request(None, "initialized", {}) + _request(2, "shutdown", None))
    while (message := await read_message(process.stdout)) and message.get("id") != 2:
        pass
    mib = _resident_mib(process.pid)
    process.stdin.write(_request(None, "exit", None))
    process.stdin.close()
    await process.stdout.read()
    assert await process.wait() == 0
    return taken * 1000, mib


def _request(number: int | None, method: str, params: Value) -> bytes:
    message: Json = {"jsonrpc": "2.0", "method": method, "params": params}
    body = json.dumps(message if number is None else {**message, "id": number}).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has gone")
