"""A small process that owns one llama-server: starts it, tells where it is, ends it when nobody uses it.

It runs as a script, detached from the editor that started it, and imports only light parts of the standard
library. Its folder is its whole world::

    owner.lock   locked by the supervisor for its life; the kernel frees it however that ends
    users.lock   locked (shared) by every process that uses the server
    launch.json  what to run
    state.json   how to reach it; mode 0600, for the key is in it
    server.log   what the supervisor and llama-server wrote
    kv/          saved KV, gone when the server is
"""

import contextlib
import ctypes
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LOG_LIMIT_BYTES = 4 << 20
PORTS_TRIED = 3
PROBE_S = 5.0
STOP_S = 5.0
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

OWNER, USERS, LAUNCH, STATE, LOG, KV = (
    "owner.lock",
    "users.lock",
    "launch.json",
    "state.json",
    "server.log",
    "kv",
)


def main(argv: list[str]) -> int:
    """Supervise in the folder ``argv[0]``; the open file ``argv[1]`` already holds its owner lock."""
    directory, owner = Path(argv[0]), int(argv[1])
    # The caller waits for this process only; its child belongs to no editor and leaves no zombie to one.
    if os.fork():
        os._exit(0)
    os.set_inheritable(owner, False)  # noqa: FBT003 - as in the os module
    os.umask(0o077)
    signals = _Signals()
    supervisor = Supervisor(directory, owner, json.loads((directory / LAUNCH).read_text("utf-8")), signals)
    return supervisor.run()


class _Signals:
    """Signals as something to wait for."""

    def __init__(self) -> None:
        self.ending = False
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in ENDING:
            signal.signal(number, self._end)
        # A handler, if an idle one, is what makes the end of the child wake a wait.
        signal.signal(signal.SIGCHLD, self._note)

    def _end(self, *_: object) -> None:
        self.ending = True

    def _note(self, *_: object) -> None:
        pass

    def wait(self, seconds: float) -> None:
        """Return after a signal or the time, whichever is first."""
        if select.select([self._read], [], [], seconds)[0]:
            os.read(self._read, 4096)


class Supervisor:
    """One llama-server, from its start to its end."""

    def __init__(self, directory: Path, owner: int, launch: dict[str, Any], signals: _Signals) -> None:
        self.directory = directory
        self.owner = owner
        self.launch = launch
        self.signals = signals
        self.key = secrets.token_urlsafe(32)
        self.state: dict[str, Any] = {
            "instance": secrets.token_hex(8),
            "pid": os.getpid(),
            "started": time.time(),
            "ready": False,
            "model": launch["model"],
            "binary": launch["binary"],
            "api_key": self.key,
        }
        self.used = time.monotonic()

    def run(self) -> int:
        """Serve until told to end, until the child ends or until nobody has used it for long."""
        child = None
        kv = self.directory / KV
        try:
            # What a killed predecessor left.
            shutil.rmtree(kv, ignore_errors=True)
            kv.mkdir()
            child = self._start()
            if child is None:
                return 0 if self.signals.ending else 1
            self.used = time.monotonic()
            idle_s = float(self.launch["idle_s"])
            while not self.signals.ending and child.poll() is None and not self._forsaken(idle_s):
                self._refresh()
                self.signals.wait(min(PROBE_S, idle_s / 4))
            if child.poll() is not None:
                _say(f"llama-server ended by itself, with status {child.returncode}")
        except OSError as error:
            _say(f"llama-server cannot be run: {error}")
            return 1
        finally:
            if child is not None:
                _end(child)
            if self._keeps_house():
                (self.directory / STATE).unlink(missing_ok=True)
                shutil.rmtree(kv, ignore_errors=True)
        return 0

    def _start(self) -> "subprocess.Popen[bytes] | None":
        """Start llama-server and wait until it answers; None if it died or the supervisor is to end."""
        for _ in range(PORTS_TRIED):
            port = free_port()
            # The key goes by the environment: a command line can be read by every user of the machine.
            child = subprocess.Popen(
                [*self.launch["command"], "--port", str(port)],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"LLAMA_API_KEY": self.key},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has no threads
            )
            self._write(port=port, server_pid=child.pid)
            ready = False
            try:
                ready = self._wait_until_ready(child, port)
            finally:
                if not ready:
                    _end(child)
            if ready:
                return child
            if self.signals.ending or not self._keeps_house():
                return None
            _say(f"llama-server ended before it was ready, with status {child.returncode}")
            if is_free(port):
                return None
            _say(f"port {port} was taken by another program")
        return None

    def _wait_until_ready(self, child: "subprocess.Popen[bytes]", port: int) -> bool:
        while child.poll() is None and not self.signals.ending and self._keeps_house():
            # A stranger on that port neither asks for a key nor knows ours.
            if get(port, "/slots")[0] == 401:  # noqa: PLR2004
                status, body = get(port, "/props", key=self.key)
                if status == 200:  # noqa: PLR2004
                    self._write(ready=True, **(_served(body) | self.launch["known"]))
                    return True
            self.signals.wait(0.03)
        return False

    def _keeps_house(self) -> bool:
        """Tell whether the folder is still ours; somebody may have deleted it."""
        try:
            there = (self.directory / OWNER).stat()
        except OSError:
            return False
        return there.st_ino == os.fstat(self.owner).st_ino

    def _forsaken(self, idle_s: float) -> bool:
        """Tell whether to go. If so ``users.lock`` stays locked to the end: a newcomer waits for that."""
        if not self._keeps_house():
            return True
        users = os.open(self.directory / USERS, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(users)
            self.used = time.monotonic()
            return False
        if time.monotonic() - self.used < idle_s:
            os.close(users)
            return False
        _say(f"nobody has used llama-server for {idle_s:.0f} s")
        return True

    def _refresh(self) -> None:
        """Repair a state file that was scribbled over, and keep the log within bounds."""
        path = self.directory / STATE
        with contextlib.suppress(OSError):
            if not path.exists() or path.read_text("utf-8", "replace") != json.dumps(self.state):
                self._write()
            if os.fstat(1).st_size > LOG_LIMIT_BYTES:
                os.ftruncate(1, 0)

    def _write(self, **news: object) -> None:
        self.state |= news
        unfinished = self.directory / f".{STATE}"
        # The umask makes it readable by its owner only.
        unfinished.write_text(json.dumps(self.state), "utf-8")
        unfinished.replace(self.directory / STATE)


def free_port() -> int:
    """Give a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def get(port: int, path: str, *, key: str = "", timeout_s: float = 10) -> tuple[int, bytes]:
    """Ask a server on loopback, without the weight of an HTTP library; status 0 if it does not answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Api-Key: {key}\r\n\r\n"
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
            connection.sendall(request.encode())
            while piece := connection.recv(1 << 16):
                answer += piece
    except OSError:
        return 0, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return int(status[0]) if status and status[0].isdigit() else 0, body


def _served(props: bytes) -> dict[str, object]:
    """Pick from ``/props`` what a client needs to know."""
    told = json.loads(props)
    return {
        "slots": told["total_slots"],
        "context_tokens": told["default_generation_settings"]["n_ctx"],
        "build": told["build_info"],
    }


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _die_with_parent() -> None:
    """Have Linux end llama-server when the supervisor is killed; elsewhere it would be left running."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _say(sentence: str) -> None:
    sys.stderr.write(f"kvasir: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
