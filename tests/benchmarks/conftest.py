"""One llama-server with the larger model for all benchmarks, and a table that is written at the end.

``KVASIR_BENCH_TOKENS`` and ``KVASIR_BENCH_RUNS`` make a run smaller, to try it; such a run writes no table.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

import pytest

from server.app import Kvasir
from server.compose import folders
from sessions import llama
from sessions.demo_model import demo_model
from sessions.models import Places
from tests.benchmarks.bench import SLOTS, Bench
from tests.benchmarks.results import Results
from tests.lsp import Json, initialize, wired
from tests.models import benchmark_model

TOKENS = int(os.environ.get("KVASIR_BENCH_TOKENS", "20000"))
RUNS = int(os.environ.get("KVASIR_BENCH_RUNS", "5"))
WHOLE = "KVASIR_BENCH_TOKENS" not in os.environ and "KVASIR_BENCH_RUNS" not in os.environ
"""Nothing was made smaller, so that the table is worth writing."""

CONFIG = """
model = "{model}"

[models.demo]
max_tokens = 512
temperature = 0.0
threads = 1
slots = {slots}
context = 24576

[models.endless]
path = "{demo}"
max_tokens = 6000
temperature = 0.0
threads = 1
slots = {slots}
context = 24576

[models.bench]
path = "{path}"
max_tokens = 12
temperature = 0.0
# With one thread Kvasir and the server each have a core: the ratios are then the machine's least.
threads = 1
slots = {slots}
context = 24576

[models.long]
path = "{path}"
max_tokens = 512
temperature = 0.0
threads = 1
slots = {slots}
context = 24576

[server]
saved_kv_mib = 768

[warmup]
delay_ms = 50
"""
FEATURES = ["delta", "state"]

_results = Results()

Sit: TypeAlias = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture(scope="session")
def results() -> Results:
    return _results


@pytest.fixture(scope="session")
def places(_away_from_home: None) -> Places:
    return Places(Path(os.environ["XDG_CACHE_HOME"]) / "kvasir")


@pytest.fixture(scope="session")
def model(places: Places) -> Generator[Path]:
    """The larger model. Servers are started when first asked for, and end with the session."""
    yield benchmark_model(places.models)
    for running in llama.running(places.servers):
        asyncio.run(llama.stop(running))


@pytest.fixture
def sit(home: Path, model: Path, places: Places, results: Results) -> Sit:
    """Sit down at an editor with a folder open; all slots but raw's are Kvasir's."""
    path = folders().config_file
    path.parent.mkdir(parents=True, exist_ok=True)
    demo = demo_model(places.models)
    files = {"bench": model, "long": model, "demo": demo, "endless": demo}

    @contextlib.asynccontextmanager
    async def begin(root: Path, name: str = "bench") -> AsyncGenerator[Bench]:
        path.write_text(CONFIG.format(model=name, path=model, demo=demo, slots=SLOTS))
        own: Json = {"client": {"name": "bench", "features": FEATURES}}
        server = Kvasir()
        async with wired(server) as (editor, _):
            await initialize(editor, {}, {"kvasir": own}, root=root)
            try:
                ready = await server.desk.sessions.models.ready(name, lambda _: None)
                running = next(one for one in llama.running(places.servers) if one.model == files[name])
                results.server = running.build
                bench = Bench(editor, server, ready, running)
                with bench.locked(bench.raw.slot):
                    yield bench
                bench.raw.close()
                await editor.request("shutdown")
                editor.notify("exit")
            finally:
                await server.end()

    return begin


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if not _results.rows:
        return
    terminalreporter.section("results")
    terminalreporter.write_line(_results.table)
    if WHOLE and exitstatus == 0:
        _results.write()
