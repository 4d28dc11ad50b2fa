"""The llama-server that Kvasir runs itself: one for all editors of a person, started when first needed.

It is owned by a detached supervisor (``sessions/supervisor.py``), so it outlives the editor that started it.
Two kernel locks decide everything, and the kernel frees them however a process ends: who holds ``owner.lock``
is or becomes the supervisor, who holds ``users.lock`` (shared) keeps the server from going idle.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from importlib import metadata, util
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import cattrs

from sessions import embedded, supervisor
from sessions.errors import ModelUnavailable

EMBEDDED = "xllamacpp"
HUNG_S = 10.0
"""How long a server that says it is ready may leave a request for its health unanswered."""
_POLL_S = 0.03
_LOG_LINES = 8

# Neither the project's folder nor PYTHONPATH is searched: a stranger's json.py must not run here.
_PYTHON = (sys.executable, "-E", "-P")


@attrs.frozen
class Launch:
    """What to serve, and how. ``context_tokens`` is per slot; ``threads`` 0 leaves it to llama-server.

    ``binary`` is a path or a name to find on PATH; empty: ``llama-server`` on PATH, else the embedded one.
    ``idle_minutes`` counts from when the last process that uses the server is gone.
    """

    model: Path
    context_tokens: int = 32_768
    slots: int = 4
    binary: str = ""
    threads: int = 0
    idle_minutes: float = 30


@attrs.frozen
class Running:
    """A llama-server that answers. ``instance`` is new whenever it was started anew, its slots empty.

    ``context_tokens`` is what the server grants per slot, at most what the model was trained for; ``pid`` is
    the supervisor's; ``binary`` is a path, or "xllamacpp" for the embedded one; ``started`` is a Unix time.
    """

    url: str
    api_key: str = attrs.field(repr=False)
    instance: str
    pid: int
    server_pid: int
    slots: int
    context_tokens: int
    model: Path
    binary: str
    build: str
    started: float
    directory: Path

    @property
    def kv_directory(self) -> Path:
        """The server's ``--slot-save-path``; it is emptied when the server ends."""
        return self.directory / supervisor.KV

    @property
    def log(self) -> Path:
        """What the supervisor and the server wrote since they started, or since it grew too long."""
        return self.directory / supervisor.LOG


class Use:
    """Keeps ``server`` from ending for want of use, until closed or until this process ends."""

    def __init__(self, server: Running, lock: int) -> None:
        self.server = server
        self._lock: int | None = lock

    def close(self) -> None:
        """Let the server go idle as far as this use is concerned."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@attrs.frozen
class _State:
    """``state.json``, as the supervisor writes it; the last three once the server is ready."""

    instance: str
    pid: int
    started: float
    ready: bool
    model: str
    binary: str
    api_key: str
    port: int
    server_pid: int
    slots: int = 0
    context_tokens: int = 0
    build: str = ""

    def running(self, directory: Path) -> Running:
        return Running(
            url=f"http://127.0.0.1:{self.port}",
            api_key=self.api_key,
            instance=self.instance,
            pid=self.pid,
            server_pid=self.server_pid,
            slots=self.slots,
            context_tokens=self.context_tokens,
            model=Path(self.model),
            binary=self.binary,
            build=self.build,
            started=self.started,
            directory=directory,
        )


@attrs.frozen
class _Plan:
    """A launch whose files were looked up: ``binary`` is None for the embedded server."""

    launch: Launch
    model: Path
    binary: Path | None
    directory: Path

    @property
    def failure(self) -> str:
        return f"llama-server did not start with {self.model.name}"


async def ensure(launch: Launch, run_directory: Path, progress: Callable[[str], None]) -> Use:
    """Give the server for this launch; start it if nobody has, wait for it if somebody just does.

    However many processes call at once, one server results. If this is cancelled the server still starts,
    and the next call finds it. Raises ModelUnavailable, with the last lines of the log if it died.
    """
    plan = _plan(launch, run_directory)
    # Taken before looking: a server that is found from here on cannot go idle in our hands.
    users = await _shared_lock(plan.directory / supervisor.USERS)
    try:
        return Use(await _reach(plan, progress), users)
    except BaseException:
        os.close(users)
        raise


def running(run_directory: Path) -> list[Running]:
    """List the servers that were started under this directory and are ready, whoever started them."""
    try:
        directories = sorted(path for path in run_directory.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    found = ((directory, _read(directory)) for directory in directories if _is_owned(directory))
    return [state.running(directory) for directory, state in found if state is not None and state.ready]


async def stop(server: Running) -> None:
    """End a server, also while others use it; returns when it is gone. No error if it already is.

    Raises ModelUnavailable if it does not end.
    """
    state = _read(server.directory)
    if state is None or state.instance != server.instance or not _is_owned(server.directory):
        return
    os.kill(server.pid, signal.SIGTERM)
    patience = time.monotonic() + 2 * supervisor.STOP_S
    while _is_owned(server.directory):
        if time.monotonic() > patience:
            raise ModelUnavailable(
                f"llama-server did not end; its supervisor is process {server.pid}.",
                hint=f"Its log is {server.log}.",
            )
        await asyncio.sleep(_POLL_S)


def _plan(launch: Launch, run_directory: Path) -> _Plan:
    model = launch.model.expanduser().absolute()
    try:
        size, changed = model.stat().st_size, model.stat().st_mtime_ns
        with model.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelUnavailable(
            f"The model file {model} cannot be read: {error.strerror}.",
            hint="Configure the path of a GGUF file, or none to use the demo model.",
        ) from error
    if magic != b"GGUF":
        raise ModelUnavailable(
            f"{model} is not a model in GGUF format.", hint="Download it again, or configure another."
        )
    binary = _binary(launch.binary)
    identity = (str(model), size, changed, str(binary), launch.context_tokens, launch.slots, launch.threads)
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:12]
    _make_private(run_directory)
    _make_private(run_directory / digest)
    return _Plan(launch, model, binary, run_directory.absolute() / digest)


def _binary(wanted: str) -> Path | None:
    """Find llama-server; None stands for the embedded one."""
    found = shutil.which(str(Path(wanted or "llama-server").expanduser()))
    if found:
        return Path(found).absolute()
    if wanted:
        raise ModelUnavailable(
            f"There is no program {wanted} that could be run as llama-server.",
            hint="Correct its path, or leave it empty to use the embedded one.",
        )
    if util.find_spec(EMBEDDED) is None:
        raise ModelUnavailable(
            "There is no llama-server on this machine.",
            hint='Put one on PATH, install Kvasir with its extra "local", or configure the url of a server.',
        )
    return None


def _make_private(directory: Path) -> None:
    """Make a folder that nobody else can enter; keys lie in it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.lstat().st_uid != os.getuid():
            raise ModelUnavailable(
                f"The folder {directory} belongs to another user: no key is written there."
            )
        directory.chmod(0o700)
    except OSError as error:
        raise ModelUnavailable(f"The folder {directory} cannot be used: {error.strerror}.") from error


async def _reach(plan: _Plan, progress: Callable[[str], None]) -> Running:
    begun = False
    patience = time.monotonic() + HUNG_S
    while True:
        owner = _try_lock(plan.directory / supervisor.OWNER)
        if owner is not None:
            if begun:
                os.close(owner)
                raise ModelUnavailable(f"{plan.failure}.", hint=_last_lines(plan.directory))
            progress(f"starting llama-server with {plan.model.name}")
            # In a thread, which a cancellation does not stop: what was begun stays usable.
            await asyncio.to_thread(_start, plan, owner)
            progress("loading the model")
            begun = True
        state = _read(plan.directory)
        if state is not None and not state.ready:
            if not begun:
                progress("loading the model")
                begun = True
            # As long as it loads it lives: large models take minutes.
            patience = time.monotonic() + HUNG_S
        elif state is not None and await _answers(state):
            return state.running(plan.directory)
        elif time.monotonic() > patience:
            _end_hung(plan, state)
            patience = time.monotonic() + HUNG_S
        await asyncio.sleep(_POLL_S)


async def _answers(state: _State) -> bool:
    status, _ = await asyncio.to_thread(supervisor.get, state.port, "/health", timeout_s=HUNG_S)
    return status == HTTPStatus.OK


def _end_hung(plan: _Plan, state: _State | None) -> None:
    """Ask the supervisor of a server that answers nothing to end it, so that a new one can start."""
    if not _is_owned(plan.directory):
        return
    if state is None:
        raise ModelUnavailable(
            f"{plan.failure}: its supervisor does not say where it is.", hint=_last_lines(plan.directory)
        )
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.pid, signal.SIGTERM)


def _start(plan: _Plan, owner: int) -> None:
    """Hand the owner lock, an open file, to a new supervisor; returns when that is on its own feet."""
    directory = plan.directory
    try:
        (directory / supervisor.STATE).unlink(missing_ok=True)
        launch = {
            "command": _command(plan),
            "model": str(plan.model),
            "binary": str(plan.binary or EMBEDDED),
            # The embedded server calls every build "b0-unknown".
            "known": {} if plan.binary else {"build": f"{EMBEDDED} {metadata.version(EMBEDDED)}"},
            "idle_s": plan.launch.idle_minutes * 60,
        }
        (directory / supervisor.LAUNCH).write_text(json.dumps(launch), "utf-8")
        log = directory / supervisor.LOG
        if log.exists():
            log.replace(log.with_suffix(".old"))
        with log.open("ab") as output:
            subprocess.run(
                [*_PYTHON, supervisor.__file__, str(directory), str(owner)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                pass_fds=[owner],
                start_new_session=True,
                check=True,
            )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ModelUnavailable(f"{plan.failure}: {error}.", hint=_last_lines(directory)) from error
    finally:
        os.close(owner)


def _command(plan: _Plan) -> list[str]:
    """Write the command line, without the port: fixed slots, and nothing that moves or clears them by itself.

    Of a binary of any age only the options that its ``--help`` names are used.
    """
    launch = plan.launch
    # Prompt batches are where a cancelled request is noticed. On a CPU small ones cost nothing.
    options = {
        "--no-kv-unified": [],
        "--no-cache-idle-slots": [],
        "--cache-ram": ["0"],
        "-b": ["512"],
        "-ub": ["512" if plan.binary else "256"],
        "--slot-save-path": [str(plan.directory / supervisor.KV)],
        "--metrics": [],
        "--no-ui": [],
    }
    if launch.threads:
        options["-t"] = [str(launch.threads)]
    known = _options_of(plan.binary) if plan.binary else options.keys()
    program = [str(plan.binary)] if plan.binary else [*_PYTHON, embedded.__file__]
    basics = ["-m", str(plan.model), "--host", "127.0.0.1", "-np", str(launch.slots)]
    context = ["-c", str(launch.slots * launch.context_tokens)]
    chosen = [word for name, values in options.items() if name in known for word in (name, *values)]
    return [*program, *basics, *context, *chosen]


def _options_of(binary: Path) -> set[str]:
    try:
        answer = subprocess.run(
            [binary, "--help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        complaint = f"{error.stderr}".strip().splitlines()[-_LOG_LINES:]
        raise ModelUnavailable(
            f'"{binary} --help" ended with status {error.returncode}.', hint="\n".join(complaint)
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelUnavailable(f"{binary} cannot be run: {error}.") from error
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", answer.stdout))


def _last_lines(directory: Path) -> str:
    """Quote the end of the log."""
    try:
        text = (directory / supervisor.LOG).read_text("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip()][-_LOG_LINES:]
    return "\n".join(["Its last lines:", *lines])


def _read(directory: Path) -> _State | None:
    """Read ``state.json``; None if it is not there or not what a supervisor writes."""
    try:
        told = json.loads((directory / supervisor.STATE).read_text("utf-8"))
        return cattrs.structure(told, _State)
    except (OSError, ValueError, TypeError, cattrs.BaseValidationError):
        return None


def _try_lock(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    """Lock a file; the result is the open file that holds the lock, None if another process has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


async def _shared_lock(path: Path) -> int:
    """Wait for a shared lock: a supervisor holds it alone while it looks around, and while it ends."""
    # Waiting in flock itself would need a thread that no cancellation ends.
    while (lock := _try_lock(path, fcntl.LOCK_SH)) is None:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    return lock


def _is_owned(directory: Path) -> bool:
    """Tell whether a supervisor lives in this folder."""
    if not (directory / supervisor.OWNER).exists():
        return False
    lock = _try_lock(directory / supervisor.OWNER, fcntl.LOCK_SH)
    if lock is None:
        return True
    os.close(lock)
    return False
