"""The real program over stdio: a whole session, and every way in which it may end."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TypeVar, cast

import pytest
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, make_test_lsp_client

from server.compose import folders
from sessions.chat import Status, Turn
from sessions.store import Store
from tests.e2e.conftest import Connect
from tests.lsp import Json

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(ROOT / "kvasir.py"), "lsp"]
SECONDS = 20.0


async def until(condition: Callable[[], T]) -> T:
    async with asyncio.timeout(SECONDS):
        while not (value := condition()):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)
    return value


def turns(chat: str) -> tuple[Turn, ...]:
    """What another process reads from the store meanwhile."""
    store = Store(folders().database)
    try:
        return store.chat(chat).turns
    finally:
        store.close()


@contextlib.asynccontextmanager
async def started(project: Path) -> AsyncGenerator[LanguageClient]:
    """An initialized client of a process of its own, which the test ends."""
    config = ClientServerConfig(server_command=COMMAND, client_factory=make_test_lsp_client)
    client = cast("LanguageClient", await config.start())
    capabilities = types.ClientCapabilities(
        window=types.WindowClientCapabilities(
            show_document=types.ShowDocumentClientCapabilities(support=False)
        )
    )
    await client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            process_id=os.getpid(),
            workspace_folders=[types.WorkspaceFolder(project.as_uri(), project.name)],
        )
    )
    try:
        yield client
    finally:
        if process(client).returncode is None:
            process(client).kill()
        await client.stop()


def process(client: LanguageClient) -> asyncio.subprocess.Process:
    found = client._server  # pyright: ignore[reportPrivateUsage]
    assert found is not None
    return found


async def ask(client: LanguageClient, project: Path, model: str) -> Json:
    argument = {"uri": (project / "a.py").as_uri(), "lines": [0, 8], "question": "why?", "model": model}
    params = types.ExecuteCommandParams(command="kvasir.ask", arguments=[argument])
    return cast("Json", await client.workspace_execute_command_async(params))


@pytest.fixture
def project_of_a_person(project: Path, config: Path) -> Path:
    return project


async def test_a_session_from_start_to_exit(project_of_a_person: Path):
    async with started(project_of_a_person) as client:
        reply = await ask(client, project_of_a_person, "demo")
        await until(lambda: "kv end" in Path(reply["path"]).read_text())
        await client.shutdown_session()
        assert await asyncio.wait_for(process(client).wait(), SECONDS) == 0
    (turn,) = turns(reply["session"])
    assert (turn.status, turn.question) == (Status.DONE, "why?")


async def test_a_chat_goes_on_in_its_document_after_its_process_was_killed(
    project_of_a_person: Path, connect: Connect
):
    async with started(project_of_a_person) as client:
        reply = await ask(client, project_of_a_person, "long")
        await until(
            lambda: turns(reply["session"])[0].answer and "kv stop" in Path(reply["path"]).read_text()
        )
        process(client).kill()
        await process(client).wait()
    async with connect() as person:
        person.editor.open(person.path(reply))
        assert "kv stop" in person.text(reply)
        person.type(person.path(reply), "\n## You\n\nand then?\n")
        person.replace(person.path(reply), "model: long", "model: demo")
        person.editor.save(reply["uri"])
        second = await person.sent(reply, 2)
        assert [turn.status for turn in person.chat(second).turns] == ["interrupted", "done"]
        assert person.text(second) == person.rendered(second)
        assert "*Interrupted: the process that was answering ended." in person.text(second)


@pytest.mark.parametrize("way", ["SIGTERM", "EOF", "SIGKILL"])
async def test_an_end_in_the_middle_keeps_what_was_answered(project_of_a_person: Path, way: str):
    async with started(project_of_a_person) as client:
        reply = await ask(client, project_of_a_person, "long")
        before = await until(lambda: turns(reply["session"])[0].answer)
        assert (
            turns(reply["session"])[0].status is Status.QUEUED or not turns(reply["session"])[0].status.final
        )
        running = process(client)
        if way == "EOF":
            assert running.stdin
            running.stdin.close()
        else:
            running.send_signal(signal.Signals[way])
        code = await asyncio.wait_for(running.wait(), SECONDS)
    (turn,) = turns(reply["session"])
    assert code == (-signal.SIGKILL if way == "SIGKILL" else 0)
    assert turn.status is (Status.INTERRUPTED if way == "SIGKILL" else Status.STOPPED)
    assert turn.answer.startswith(before)
