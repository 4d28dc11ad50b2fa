"""Kvasir as an editor meets it: the real server, a real llama-server with the demo model, a project in git."""

import asyncio
import contextlib
import os
import subprocess
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
from tests.e2e.person import Person
from tests.lsp import Json, initialize, profile, wired

CONFIG = """
model = "demo"

[models.demo]
max_tokens = 24
temperature = 0.0
threads = 1
slots = 2
context = 16384

[models.long]
path = "{path}"
max_tokens = 6000
temperature = 0.0
threads = 1
slots = 2
context = 16384

[warmup]
delay_ms = 50
"""

Connect: TypeAlias = Callable[..., AbstractAsyncContextManager[Person]]


@pytest.fixture(scope="session")
def places(_away_from_home: None) -> Places:
    return Places(Path(os.environ["XDG_CACHE_HOME"]) / "kvasir")


@pytest.fixture(scope="session", autouse=True)
def model(places: Places) -> Generator[Path]:
    """The demo model. One llama-server with it serves all tests, and ends with them."""
    yield demo_model(places.models)
    for running in llama.running(places.servers):
        asyncio.run(llama.stop(running))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project that git tracks."""
    root = tmp_path / "project"
    root.mkdir()
    functions = "".join(f"def f{number}(x):\n    return x + {number}\n\n\n" for number in range(40))
    (root / "a.py").write_text(functions)
    (root / "b.py").write_text("import a\n\nprint(a.f1(2))\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "begin"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return root


@pytest.fixture
def config(home: Path, model: Path) -> Path:
    """The person's config.toml: the demo model, greedy; as ``long`` it answers at length."""
    path = folders().config_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CONFIG.format(path=model))
    return path


@pytest.fixture
def connect(project: Path, config: Path) -> Connect:
    """Begin a session at a client of ``tests/clients``; ``features`` are those of a plug-in of ours, ``client`` all that it says."""

    @contextlib.asynccontextmanager
    async def begin(
        name: str = "nvim_0_12_4",
        features: tuple[str, ...] = (),
        settings: Json | None = None,
        *,
        client: Json | None = None,
        root: Path | None = project,
        silent: tuple[str, ...] = (),
        refusing: tuple[str, ...] = (),
    ) -> AsyncGenerator[Person]:
        said = profile(name)
        announced: Json = client or {"name": "test", "features": list(features)}
        own: Json = {"client": announced, "settings": settings or {}}
        server = Kvasir()
        async with wired(server) as (editor, pipe):
            editor.silent, editor.refusing = set(silent), set(refusing)
            info: Json = said.get("clientInfo") or {}
            name = info.get("name", "")
            await initialize(
                editor, said["capabilities"], {"kvasir": own}, client_name=name or None, root=root
            )
            try:
                yield Person(editor, server, pipe, project)
                assert await editor.request("shutdown") is None
                editor.notify("exit")
            finally:
                await server.end()

    return begin


@pytest.fixture
async def person(connect: Connect) -> AsyncGenerator[Person]:
    """Somebody at an editor that is told of every state."""
    async with connect(features=("state",)) as somebody:
        yield somebody
