"""The llama-server that Kvasir runs itself: real ones, of the embedded kind unless a binary is named."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import platformdirs
import pytest

from sessions import embedded, llama, supervisor
from sessions.demo_model import demo_model
from sessions.errors import ModelUnavailable
from sessions.llama import Launch, Running, ensure, running, stop

ROOMS = Path(llama.__file__).parent.parent
# Read before the tests' environment hides it from Kvasir.
BINARY = os.environ.get("KVASIR_LLAMA_SERVER", "")
STARTER = """
import asyncio, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sessions.llama import Launch, ensure
use = asyncio.run(ensure(Launch(Path(sys.argv[2]), context_tokens=2048, slots=2), Path(sys.argv[3]), lambda _: None))
print(use.server.instance, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="session")
def model() -> Path:
    return demo_model(platformdirs.user_cache_path("kvasir") / "models")


@pytest.fixture
def launch(model: Path) -> Launch:
    return Launch(model, context_tokens=2048, slots=2)


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a llama-server that this machine may have."""
    monkeypatch.setenv("PATH", "")


@pytest.fixture
async def run_directory(tmp_path: Path) -> AsyncIterator[Path]:
    directory = tmp_path / "run"
    yield directory
    for server in running(directory):
        await stop(server)


def unheard(_: str) -> None:
    """Progress that nobody follows."""


async def post(server: Running, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return await asyncio.to_thread(_post, server, path, body)


def _post(server: Running, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


async def test_the_first_call_starts_it_and_the_second_finds_it(launch: Launch, run_directory: Path) -> None:
    told: list[str] = []
    first = await ensure(launch, run_directory, told.append)
    second = await ensure(launch, run_directory, told.append)
    assert second.server == first.server
    assert running(run_directory) == [first.server]
    assert told == [f"starting llama-server with {launch.model.name}", "loading the model"]
    assert (first.server.slots, first.server.context_tokens) == (2, 2048)
    assert re.fullmatch(r"xllamacpp [\d.]+", first.server.build)


async def test_other_options_are_another_server(launch: Launch, run_directory: Path, model: Path) -> None:
    one = await ensure(launch, run_directory, unheard)
    other = await ensure(Launch(model, context_tokens=1024, slots=2), run_directory, unheard)
    assert len({one.server.instance, other.server.instance}) == 2


async def test_slots_keep_their_prompts_while_others_are_used(launch: Launch, run_directory: Path) -> None:
    server = (await ensure(launch, run_directory, unheard)).server
    prompt = "the chat and its turns " * 20
    cold = await post(
        server, "/completion", {"prompt": prompt, "id_slot": 0, "n_predict": 8, "temperature": 0}
    )
    await post(server, "/completion", {"prompt": "another", "id_slot": 1, "n_predict": 1})
    warm = await post(
        server, "/completion", {"prompt": prompt, "id_slot": 0, "n_predict": 8, "temperature": 0}
    )
    assert cold["timings"]["cache_n"] == 0
    assert warm["timings"]["prompt_n"] == 1
    assert warm["content"] == cold["content"]


async def test_saved_kv_goes_with_the_server(launch: Launch, run_directory: Path) -> None:
    server = (await ensure(launch, run_directory, unheard)).server
    await post(server, "/completion", {"prompt": "a turn of a chat", "id_slot": 0, "n_predict": 1})
    saved = await post(server, "/slots/0?action=save", {"filename": "parent.bin"})
    assert (server.kv_directory / "parent.bin").stat().st_size == saved["n_written"] > 0
    await stop(server)
    assert not server.kv_directory.exists()
    assert running(run_directory) == []
    assert not alive(server.server_pid)
    await stop(server)


async def test_its_key_is_asked_for_and_kept_private(launch: Launch, run_directory: Path) -> None:
    server = (await ensure(launch, run_directory, unheard)).server
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        await post(attrs.evolve(server, api_key="another"), "/tokenize", {"content": "a turn"})
    refused.value.close()
    state = server.directory / supervisor.STATE
    assert [stat.S_IMODE(path.stat().st_mode) for path in (run_directory, server.directory, state)] == [
        0o700,
        0o700,
        0o600,
    ]
    assert server.api_key not in repr(server)
    for pid in (server.pid, server.server_pid):
        assert server.api_key not in command_line(pid)


async def test_processes_that_race_share_one_server_which_survives_them(
    launch: Launch, run_directory: Path
) -> None:
    arguments = (STARTER, str(ROOMS), str(launch.model), str(run_directory))
    # Each kills itself when it has its answer.
    starters = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", *arguments, stdout=asyncio.subprocess.PIPE)
        for _ in range(4)
    ]
    told = [(await starter.communicate())[0].decode().strip() for starter in starters]
    assert [starter.returncode for starter in starters] == [-signal.SIGKILL] * 4
    use = await ensure(launch, run_directory, unheard)
    assert told == [use.server.instance] * 4
    assert running(run_directory) == [use.server]


async def test_calls_that_race_within_a_process_share_one_server(launch: Launch, run_directory: Path) -> None:
    uses = await asyncio.gather(*(ensure(launch, run_directory, unheard) for _ in range(5)))
    assert {use.server.instance for use in uses} == {uses[0].server.instance}


async def test_a_start_that_is_cancelled_serves_the_next_call(launch: Launch, run_directory: Path) -> None:
    def cancel(sentence: str) -> None:
        if sentence == "loading the model":
            first.cancel()

    first = asyncio.create_task(ensure(launch, run_directory, cancel))
    with pytest.raises(asyncio.CancelledError):
        await first
    told: list[str] = []
    await ensure(launch, run_directory, told.append)
    assert f"starting llama-server with {launch.model.name}" not in told


@pytest.mark.parametrize("victim", ["server_pid", "pid"])
async def test_after_a_crash_a_new_one_is_started(launch: Launch, run_directory: Path, victim: str) -> None:
    before = (await ensure(launch, run_directory, unheard)).server
    await post(before, "/completion", {"prompt": "a turn", "id_slot": 0, "n_predict": 1})
    await post(before, "/slots/0?action=save", {"filename": "parent.bin"})
    pid = getattr(before, victim)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not alive(pid))
    after = (await ensure(launch, run_directory, unheard)).server
    assert after.instance != before.instance
    assert list(after.kv_directory.iterdir()) == []
    await until(lambda: not alive(before.server_pid) and not alive(before.pid))
    assert running(run_directory) == [after]


async def test_one_that_hangs_is_replaced(
    launch: Launch, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama, "HUNG_S", 0.5)
    before = (await ensure(launch, run_directory, unheard)).server
    os.kill(before.server_pid, signal.SIGSTOP)
    after = (await ensure(launch, run_directory, unheard)).server
    assert after.instance != before.instance
    assert not alive(before.server_pid)


async def test_an_unused_one_ends_and_a_used_one_does_not(model: Path, run_directory: Path) -> None:
    used = await ensure(Launch(model, slots=1, idle_minutes=0.005), run_directory, unheard)
    with await ensure(Launch(model, slots=2, idle_minutes=0.005), run_directory, unheard) as unused:
        pass
    await until(lambda: unused.server not in running(run_directory))
    assert running(run_directory) == [used.server]
    used.close()
    await until(lambda: not alive(used.server.pid))


async def test_one_whose_folder_is_deleted_ends(launch: Launch, run_directory: Path) -> None:
    use = await ensure(Launch(launch.model, slots=1, idle_minutes=0.01), run_directory, unheard)
    for name in (supervisor.OWNER, supervisor.STATE):
        (use.server.directory / name).unlink()
    await until(lambda: not alive(use.server.pid) and not alive(use.server.server_pid))


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\x00{", id="binary"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b'{"pid": "many", "ready": true}', id="other types"),
    ],
)
async def test_garbage_in_the_state_file_is_replaced(
    model: Path, run_directory: Path, garbage: bytes
) -> None:
    launch = Launch(model, slots=1, idle_minutes=0.02)
    use = await ensure(launch, run_directory, unheard)
    state = use.server.directory / supervisor.STATE
    state.write_bytes(garbage)
    again = await ensure(launch, run_directory, unheard)
    assert again.server == use.server
    await stop(use.server)
    state.write_bytes(garbage)
    assert running(run_directory) == []
    anew = await ensure(launch, run_directory, unheard)
    assert anew.server.instance != use.server.instance


async def test_a_stale_state_that_names_a_stranger_is_not_believed(
    launch: Launch, run_directory: Path
) -> None:
    before = (await ensure(launch, run_directory, unheard)).server
    state = before.directory / supervisor.STATE
    told = json.loads(state.read_text())
    await stop(before)
    # This process stands for one that was given the dead supervisor's number.
    state.write_text(json.dumps(told | {"pid": os.getpid(), "server_pid": os.getpid()}))
    assert running(run_directory) == []
    await stop(before)
    assert (await ensure(launch, run_directory, unheard)).server.instance != before.instance


async def test_a_corrupt_model_is_told_with_the_last_lines_of_the_log(
    launch: Launch, run_directory: Path, tmp_path: Path
) -> None:
    corrupt = tmp_path / "corrupt.gguf"
    corrupt.write_bytes(launch.model.read_bytes()[:300_000])
    with pytest.raises(ModelUnavailable) as failed:
        await ensure(Launch(corrupt), run_directory, unheard)
    assert failed.value.message == "llama-server did not start with corrupt.gguf."
    assert "model is corrupted or incomplete" in failed.value.hint
    assert running(run_directory) == []


async def test_a_model_that_is_not_there_or_no_model_is_told(run_directory: Path, tmp_path: Path) -> None:
    missing, text = tmp_path / "missing.gguf", tmp_path / "text.gguf"
    text.write_text("not a model")
    for path, sentence in (
        (missing, f"The model file {missing} cannot be read: No such file or directory."),
        (tmp_path, f"The model file {tmp_path} cannot be read: Is a directory."),
        (text, f"{text} is not a model in GGUF format."),
    ):
        with pytest.raises(ModelUnavailable) as failed:
            await ensure(Launch(path), run_directory, unheard)
        assert failed.value.message == sentence


async def test_a_binary_that_cannot_be_run_is_told(model: Path, run_directory: Path, tmp_path: Path) -> None:
    plain = tmp_path / "llama-server"
    plain.write_text("")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho libggml.so: not found >&2\nexit 127\n")
    broken.chmod(0o700)
    for binary, told in (
        (plain, f"There is no program {plain} that could be run as llama-server."),
        (broken, f'"{broken} --help" ended with status 127. libggml.so: not found'),
    ):
        with pytest.raises(ModelUnavailable, match=re.escape(told)):
            await ensure(Launch(model, binary=str(binary)), run_directory, unheard)


async def test_no_server_to_run_at_all_is_told(
    launch: Launch, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(_: str) -> None:
        return None

    monkeypatch.setattr(llama.util, "find_spec", find_nothing)
    with pytest.raises(ModelUnavailable, match='install Kvasir with its extra "local"'):
        await ensure(launch, run_directory, unheard)


async def test_a_taken_port_is_replaced_and_unknown_options_are_left_out(
    model: Path, run_directory: Path, tmp_path: Path
) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text(
        f"""#!{sys.executable}
import os, socket, sys
if "--help" in sys.argv:
    print("-b,    --batch-size N\\n--slot-save-path PATH\\n--no-metrics")
    sys.exit()
if not os.path.exists({str(tmp_path / "squatter")!r}):
    squatter = socket.create_server(("127.0.0.1", int(sys.argv[-1])))
    if os.fork():
        os._exit(1)
    with open({str(tmp_path / "squatter")!r}, "w") as file:
        file.write(sys.argv[-1])
    while squatter.accept()[0].recv(100) != b"bye":
        pass
else:
    os.execv(sys.executable, [sys.executable, {embedded.__file__!r}, *sys.argv[1:]])
"""
    )
    binary.chmod(0o700)
    use = await ensure(Launch(model, slots=2, binary=str(binary)), run_directory, unheard)
    taken = (tmp_path / "squatter").read_text()
    assert f"port {taken} was taken by another program" in use.server.log.read_text()
    assert not use.server.url.endswith(f":{taken}")
    options = command_line(use.server.server_pid).split()
    assert "--slot-save-path" in options
    assert "--metrics" not in options
    with socket.create_connection(("127.0.0.1", int(taken))) as squatter:
        squatter.sendall(b"bye")


@pytest.mark.skipif(not BINARY, reason="KVASIR_LLAMA_SERVER names no llama-server binary")
async def test_a_real_binary_serves_with_the_same_promises(model: Path, run_directory: Path) -> None:
    launch = Launch(model, context_tokens=2048, slots=2, binary=BINARY)
    server = (await ensure(launch, run_directory, unheard)).server
    assert (server.binary, server.slots, server.context_tokens) == (BINARY, 2, 2048)
    await test_slots_keep_their_prompts_while_others_are_used(launch, run_directory)
    await test_saved_kv_goes_with_the_server(launch, run_directory)
    await test_after_a_crash_a_new_one_is_started(launch, run_directory, "pid")
