"""Models by name: configured, found on this machine, or made."""

import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sessions import discovery
from sessions.errors import ModelRefused, ModelUnavailable, NotFound
from sessions.models import CHARACTERS_PER_TOKEN, Models, Places
from sessions.settings import ModelSettings, ServerSettings
from tests.fakes.llama_server import FakeLlamaServer, Reply, fake_server, raw, refusal, status

PROPS = {"default_generation_settings": {"n_ctx": 512}, "total_slots": 1, "model_path": "/models/qwen.gguf"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeLlamaServer]:
    async with fake_server() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "KNOWN_PORTS", ())


def models(tmp_path: Path, default: str = "", **named: ModelSettings) -> Models:
    return Models(named, default, ServerSettings(), Places(tmp_path))


@pytest.fixture
def somebodys_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A program at a known port; what it says of itself can be changed."""
    said: dict[str, Any] = dict(PROPS)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setattr(discovery, "KNOWN_PORTS", (server.server_port,))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield said
        server.shutdown()
        thread.join()


def test_the_configured_model_comes_first(tmp_path: Path, somebodys_server: dict[str, Any]) -> None:
    mine = ModelSettings(path="/mine.gguf")
    assert models(tmp_path, mine=mine).default == "mine"
    assert models(tmp_path, "demo", mine=mine).default == "demo"


def test_a_llama_server_that_runs_is_found_and_found_again(
    tmp_path: Path, somebodys_server: dict[str, Any]
) -> None:
    found = models(tmp_path)
    # A chat of it goes on after a restart, before anybody asked for the default.
    assert found.name("qwen") == "qwen"
    assert found.name(None) == "qwen"
    assert found.settings("qwen").url.startswith("http://127.0.0.1:")
    assert not found.is_ours("qwen")
    found.configure({}, "", ServerSettings())
    assert found.name("qwen") == "qwen"


def test_another_program_or_another_user_is_not_taken_for_one(
    tmp_path: Path, somebodys_server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    somebodys_server.pop("total_slots")
    assert models(tmp_path).default == "demo"
    somebodys_server.update(PROPS)
    assert models(tmp_path).default == "qwen"
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert models(tmp_path).default == "demo"


def test_a_downloaded_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "downloads"
    cache.mkdir()
    monkeypatch.setenv("LLAMA_CACHE", str(cache))
    assert models(tmp_path).default == "demo"
    for age, name in enumerate(("new.gguf", "old.gguf", "mmproj-new.gguf", "part-00001-of-00002.gguf")):
        (cache / name).write_bytes(b"GGUF")
        os.utime(cache / name, (1e9 - age, 1e9 - age))
    os.utime(cache / "mmproj-new.gguf", (2e9, 2e9))
    assert models(tmp_path).default == "new"


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    known = models(tmp_path, qwen=ModelSettings(path="/q.gguf"))
    for wanted, sentence in (
        ("qwem", "There is no model 'qwem'. Did you mean 'qwen'?"),
        ("llama", "There is no model 'llama'. There are: demo, qwen."),
    ):
        with pytest.raises(NotFound) as told:
            known.name(wanted)
        assert str(told.value) == sentence


async def test_a_server_is_attached_once_and_again_after_it_was_lost(
    fake: FakeLlamaServer, tmp_path: Path
) -> None:
    known = models(tmp_path, remote=ModelSettings(url=fake.url))
    assert known.window_tokens("remote") == 32768
    told: list[str] = []
    first = await known.ready("remote", told.append)
    assert (first.window_tokens, first.table, await known.ready("remote", told.append)) == (4096, None, first)
    assert known.window_tokens("remote") == 4096
    known.lost(first)
    second = await known.ready("remote", told.append)
    assert second is not first
    # Another answer notices only now that the first was gone.
    known.lost(first)
    assert await known.ready("remote", told.append) is second
    assert await second.server.tokens("ab") == [97, 98]
    await known.close()


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (refusal(401, "Invalid API Key"), ModelRefused, "refused the API key"),
        (raw(b""), ModelUnavailable, "went away"),
        (status(200, "<html>", "text/html"), ModelRefused, "does not answer as llama-server does"),
        (status(200, {"role": "router"}), ModelRefused, "as llama-server does: KeyError"),
    ],
)
async def test_a_server_that_is_none_is_told_each_time(
    fake: FakeLlamaServer, tmp_path: Path, reply: Reply, kind: type[Exception], sentence: str
) -> None:
    known = models(tmp_path, remote=ModelSettings(url=fake.url))
    real = fake.real("/props")
    fake.script["/props"] = [reply, reply, real]
    for _ in range(2):
        with pytest.raises(kind, match=sentence):
            await known.ready("remote", lambda _: None)
    assert (await known.ready("remote", lambda _: None)).window_tokens == 4096
    await known.close()


async def test_tokens_are_counted_by_the_server_and_guessed_without_it(
    fake: FakeLlamaServer, tmp_path: Path
) -> None:
    known = models(tmp_path, remote=ModelSettings(url=fake.url))
    count = known.count("remote")
    assert await count("x" * 100) == 100 / CHARACTERS_PER_TOKEN
    await known.ready("remote", lambda _: None)
    assert await count("x" * 100) == 100
    fake.script["/tokenize"] = [refusal(500, "no")]
    assert await count("x" * 100) == 100 / CHARACTERS_PER_TOKEN
    await known.close()
