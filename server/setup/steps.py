"""What setup does, as values: change a file, make or drop a link, run a program. Doing it is below."""

import contextlib
import difflib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import attrs

from context.errors import KvasirError

LONG_DIFF = 60
HEAD, FOOT = 24, 8
RUN_S = 120


@attrs.frozen
class Change:
    """A text file before and after; ``None``: there is none. ``added`` is what is ours in it."""

    path: Path
    before: str | None
    after: str | None
    added: str = ""

    @property
    def done(self) -> bool:
        return self.before == self.after


@attrs.frozen
class Link:
    """A symbolic link as it is and as it shall be; ``None``: there is none."""

    path: Path
    before: Path | None
    after: Path | None

    @property
    def done(self) -> bool:
        return self.before == self.after


@attrs.frozen
class Run:
    """A program to run."""

    argv: tuple[str, ...]
    done: bool = False


Step: TypeAlias = Change | Link | Run


@attrs.frozen
class Plan:
    """How one editor stands, and all that it needs; steps may be done already.

    ``state`` is half a sentence for ``kvasir doctor``. ``broken`` is worse than not set up: the editor would
    start something that is gone or of another version. ``notes`` are what only the person can do.
    """

    state: str
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    broken: bool = False

    @property
    def todo(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if not step.done)


def read(path: Path) -> str | None:
    """The text of a configuration file with its line ends as they are; ``None`` if there is none."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KvasirError(f"{path} cannot be read: {error}.", hint="Nothing was changed.") from error


def link_at(path: Path) -> Path | None:
    """Where a symbolic link leads; ``None`` if there is none."""
    return path.readlink() if path.is_symlink() else None


def shown(step: Step) -> str:
    """A step as the person is asked about it: a diff, or the command that would do the same."""
    match step:
        case Change(path, before, after):
            return _diff(path, before, after)
        case Link(path, before, None):
            return f"remove the link {path} -> {before}\n"
        case Link(path, _, after):
            return f"link {path} -> {after}\n"
        case Run(argv):
            return f"run {shlex.join(argv)}\n"


def by_hand(step: Step) -> str:
    """A step for somebody who does it without us: text to paste, or a shell command."""
    match step:
        case Change(path, _, _, added):
            return f"# Into {path}:\n\n{added}\n"
        case Link(path, _, after):
            return f"mkdir -p {shlex.quote(str(path.parent))} && ln -s {after} {shlex.quote(str(path))}\n"
        case Run(argv):
            return f"{shlex.join(argv)}\n"


def _diff(path: Path, before: str | None, after: str | None) -> str:
    lines = list(
        difflib.unified_diff(
            _lines(before),
            _lines(after),
            "/dev/null" if before is None else str(path),
            "/dev/null" if after is None else str(path),
        )
    )
    if len(lines) > LONG_DIFF:
        left_out = len(lines) - HEAD - FOOT
        lines[HEAD:-FOOT] = [f"  … {left_out} more lines of the same kind (--print shows them) …\n"]
    return "".join(lines)


def _lines(text: str | None) -> list[str]:
    # A missing last newline must not glue two lines of the diff together.
    return [f"{line}\n" for line in (text or "").splitlines()]


def carry_out(steps: Sequence[Step]) -> None:
    """Do it. ``KvasirError`` if a file cannot be written; then no file was."""
    changes = [step for step in steps if isinstance(step, Change)]
    with contextlib.ExitStack() as temporary:
        ready = [(step, _prepared(step, temporary)) for step in changes]
        for step, prepared in ready:
            _replace(step, prepared)
    for step in steps:
        match step:
            case Change():
                pass
            case Link():
                _relink(step)
            case Run(argv):
                _run(argv)


def _prepared(step: Change, temporary: contextlib.ExitStack) -> Path | None:
    """Write what the file will hold beside it, with its mode; a link to it stays a link."""
    if step.after is None:
        return None
    target = step.path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(f"{target} is read-only")
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            temporary.callback(Path(name).unlink, missing_ok=True)
            file.write(step.after.encode())
            os.fchmod(file.fileno(), _mode(target))
    except OSError as error:
        raise KvasirError(f"{step.path} cannot be written: {error}.", hint="Nothing was changed.") from error
    return Path(name)


def _mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _replace(step: Change, prepared: Path | None) -> None:
    if read(step.path) != step.before:
        raise KvasirError(
            f"{step.path} was changed by somebody else just now.", hint='Run "kvasir setup" again.'
        )
    if prepared is None:
        step.path.resolve().unlink()
    else:
        prepared.replace(step.path.resolve())


def _relink(step: Link) -> None:
    try:
        if step.before is not None:
            step.path.unlink()
        if step.after is not None:
            step.path.parent.mkdir(parents=True, exist_ok=True)
            step.path.symlink_to(step.after)
        else:
            _prune(step.path.parent)
    except OSError as error:
        raise KvasirError(f"{step.path} cannot be linked: {error}.") from error


def _prune(folder: Path) -> None:
    """Remove the folders that only our link was in: an empty ``pack/kvasir/start``, and so on upwards."""
    with contextlib.suppress(OSError):
        while True:
            folder.rmdir()
            folder = folder.parent


def _run(argv: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=RUN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KvasirError(f"{shlex.join(argv)} did not run: {error}.") from error
    if done.returncode:
        raise KvasirError(f"{shlex.join(argv)} failed: {(done.stderr or done.stdout).strip()}")
