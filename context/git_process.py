"""git, run so that nothing but git runs: a repository that came from a stranger may name programs of its own.

Its configuration can name a monitor, hooks, a pager, filters, difference and text converters, a program that
verifies signatures, and a transport that fetches what is missing. All of these are switched off here or by
the options of each command; what is left reads files.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from context.errors import Unreadable

SECONDS = 10.0
_BLOCK_BYTES = 1024 * 1024
_ERROR_BYTES = 4096

_SAFE = (
    "core.fsmonitor=", "core.hooksPath=/dev/null", "core.pager=cat", "core.quotePath=false",
    "log.showSignature=false", "diff.orderFile=/dev/null", "color.ui=false", "protocol.allow=never",
)  # fmt: skip
_FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"
_KEPT = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"})


class GitFailed(Unreadable):
    """git is not there, did not end in time, or refused; the message says which."""


@attrs.frozen
class Output:
    """What git wrote; ``cut`` when there was more than was asked for."""

    data: bytes
    cut: bool

    @property
    def text(self) -> str:
        """As UTF-8, with a sign for each byte that is not, and plain line feeds."""
        return self.data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")

    @property
    def names(self) -> list[str]:
        """As names of files, between which ``-z`` writes NUL."""
        return [name for name in os.fsdecode(self.data).split("\0") if name]


def run(
    root: Path,
    *arguments: str,
    options: Sequence[str] = (),
    stdin: bytes = b"",
    max_bytes: int = 256 * 1024 * 1024,
    seconds: float = SECONDS,
) -> Output:
    """Run a git command in a folder and read what it writes, up to ``max_bytes``; else ``GitFailed``.

    ``options`` stand before the command.
    """
    command = ["git", "--no-pager", "-C", str(root), *_options(_SAFE), *options, *arguments]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaint:
        told.write(stdin)
        told.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=complaint,
                env=_environment(os.environ),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise GitFailed(
                "git cannot be started.", hint="Install it, or name the files instead."
            ) from error
        with process:
            try:
                output = _read(process, max_bytes, time.monotonic() + seconds)
            except TimeoutError as error:
                raise GitFailed(
                    f"git {arguments[0]} took longer than {seconds:g} s in {root}.",
                    hint="Name the files instead.",
                ) from error
            finally:
                _end(process)
        if process.returncode and not output.cut:
            complaint.seek(0)
            raise _refused(root, arguments[0], complaint.read(_ERROR_BYTES).decode(errors="replace"))
    return output


def without_filters(root: Path) -> tuple[str, ...]:
    """Options that switch off the programs through which a repository wants its files read."""
    try:
        found = run(root, "config", "--null", "--name-only", "--get-regexp", _FILTERS)
    except GitFailed:
        # git ends with an error when no such name is configured.
        return ()
    return _options(f"{name}=" + ("false" if name.endswith(".required") else "") for name in found.names)


def _options(settings: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for setting in settings for word in ("-c", setting))


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    # Whoever is started from a hook has variables set that name another repository.
    kept = {name: value for name, value in inherited.items() if not name.startswith("GIT_") or name in _KEPT}
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "LC_ALL": "C.UTF-8",
    }


def _read(process: subprocess.Popen[bytes], max_bytes: int, deadline: float) -> Output:
    data = bytearray()
    assert process.stdout is not None  # noqa: S101 - it was asked for
    handle = process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            block = os.read(handle, _BLOCK_BYTES)
            data += block
            if len(data) > max_bytes:
                return Output(bytes(data[:max_bytes]), cut=True)
            if not block:
                break
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    return Output(bytes(data), cut=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what still runs, with all that git started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _refused(root: Path, command: str, complaint: str) -> GitFailed:
    if "not a git repository" in complaint.lower():
        return GitFailed(f"{root} is not in a git repository.", hint='Run "git init", or name files instead.')
    if "dubious ownership" in complaint:
        return GitFailed(
            f"git does not read {root}, which belongs to someone else.",
            hint="If you trust it, add it to git's safe.directory.",
        )
    lines = [line for line in complaint.splitlines() if line.strip()]
    reason = lines[0].removeprefix("fatal: ") if lines else "it gave no reason"
    return GitFailed(f"git {command} failed in {root}: {reason}.")
