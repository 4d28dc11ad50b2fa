"""A stream of hundreds of deltas a second to a client that stops reading."""

import asyncio
import fcntl
import json
import os
import re
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lsprotocol import types

from server.process import Outbox
from tests.benchmarks.bench import write_project
from tests.benchmarks.conftest import Sit
from tests.benchmarks.results import Results
from tests.lsp import Json

pytestmark = pytest.mark.benchmark

STOPPED_S = 2.0
TICK_S = 0.005
SMALL_PIPE_BYTES = 4096


class Reader:
    """A client in a thread of its own, behind the smallest pipe there is, which can stop reading."""

    def __init__(self) -> None:
        self._read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, SMALL_PIPE_BYTES)
        self.outbox = Outbox(os.fdopen(write, "wb", buffering=0))
        self.reading = threading.Event()
        self.reading.set()
        self.data = bytearray()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def deltas(self) -> list[Json]:
        bodies = re.split(rb"Content-Length: \d+\r\n(?:[^\r\n]+\r\n)*\r\n", bytes(self.data))
        said = [json.loads(body) for body in bodies if body]
        return [one["params"] for one in said if one.get("method") == "kvasir/delta"]

    def close(self) -> None:
        self.reading.set()
        self.outbox.close()
        os.close(self._read)

    def _run(self) -> None:
        while self.reading.wait():
            try:
                self.data += os.read(self._read, SMALL_PIPE_BYTES)
            except OSError:
                return


class Gaps:
    """How long the event loop was away at most, in milliseconds."""

    def __init__(self) -> None:
        self.longest_ms = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.longest_ms = max(self.longest_ms, (time.perf_counter() - began - TICK_S) * 1000)


async def test_a_client_that_stops_reading(sit: Sit, tmp_path: Path, results: Results):
    gaps, reader = Gaps(), Reader()
    async with sit(tmp_path, "endless") as bench:
        await write_project(tmp_path, bench.server, 1000, "endless")
        await bench.warm(flags=["p"], new=True)
        wire = bench.kvasir.protocol.writer
        assert wire is not None
        bench.kvasir.protocol.set_writer(reader.outbox)
        about = {"question": await bench.question(), "flags": ["p"], "new": True, "view": "none"}
        reply = await bench.kvasir.run("kvasir.ask", types.ExecuteCommandParams("kvasir.ask", [about]))
        await bench.until(lambda: b"kvasir/delta" in reader.data)
        before_kib = _resident_kib()
        async with gaps.watched():
            reader.reading.clear()
            await asyncio.sleep(STOPPED_S)
            backlog_kib, grown_kib = reader.outbox.backlog_bytes / 1024, _resident_kib() - before_kib
            assert bench.sessions.asking(reply["session"]), "the answer ended while the client did not read"
            reader.reading.set()
            await bench.idle()
        turn = bench.sessions.store.chat(reply["session"]).turns[-1]
        await bench.until(lambda: bool(reader.deltas()) and reader.deltas()[-1]["kind"] == "mark")
        bench.kvasir.protocol.set_writer(wire)
    reader.close()
    sent = [one for one in reader.deltas() if one["kind"] == "answer"]
    assert "".join(one["text"] for one in sent) == turn.answer
    assert [one["seq"] for one in reader.deltas()] == list(range(1, len(sent) + 2))
    assert turn.usage
    rate, what = turn.usage.tokens_per_second, f"a client that stops reading for {STOPPED_S:.0f} s"
    results.found(
        f"{what}: deltas per second", rate, "", f"{turn.usage.out} deltas in {len(sent)} notifications"
    )
    results.found(f"{what}: longest gap of the event loop", gaps.longest_ms, " ms", "above a tick of 5 ms")
    results.found(f"{what}: kept for it", backlog_kib, " KiB", f"the process grew by {grown_kib} KiB")


def _resident_kib() -> int:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")
