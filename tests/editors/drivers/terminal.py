"""A terminal without a window: keys in, screen out, by tmux on a socket of its own."""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.editors.drivers.home import socket_folder
from tests.editors.drivers.waiting import until

COLUMNS, ROWS = 120, 40


class Terminal:
    """One program in one pane. Ends with the program; leaving the context ends both."""

    def __init__(self, tmux: str, argv: list[str], folder: Path, env: dict[str, str]) -> None:
        self._tmux = tmux
        self._folder = socket_folder()
        pairs = [f"{name}={value}" for name, value in env.items()]
        program = shlex.join(["env", "-i", *pairs, *argv])
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._call("-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), program)
        # Else tmux holds an Escape back, waiting for the rest of a key.
        self._call("set", "-g", "escape-time", "0")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names: Escape, Enter, Down, C-x, or a letter."""
        self._call("send-keys", *names)

    def type(self, text: str) -> None:
        """Type a text letter by letter."""
        self._call("send-keys", "-l", "--", text)

    def screen(self) -> str:
        """Read what the person sees."""
        return self._call("capture-pane", "-p")

    def coloured(self) -> str:
        """Read what the person sees, with the escape sequences of its colours."""
        return self._call("capture-pane", "-p", "-e", "-N")

    def see(self, shown: Callable[[str], bool], what: str) -> str:
        """Wait for a screen that satisfies ``shown`` and return it; the last screen is in the error."""
        try:
            return until(lambda: screen if shown(screen := self.screen()) else None, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; on the screen:\n{self.screen()}") from None

    def read(self, text: str) -> str:
        """Wait until the text is on the screen."""
        return self.see(lambda screen: text in screen, f"{text!r} on the screen")

    def ended(self) -> bool:
        """Tell whether the program has ended, and tmux with it."""
        return self._try("has-session").returncode != 0

    def close(self) -> None:
        """End the program, if it still runs: our own socket, so only what we started."""
        self._try("kill-server")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, *arguments: str) -> str:
        done = self._try(*arguments)
        if done.returncode:
            raise RuntimeError(f"tmux {shlex.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout

    def _try(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [self._tmux, "-S", str(self._folder / "tmux"), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False)
