"""Helix in a terminal: keys in, screen out."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from tests.editors.drivers.home import Home
from tests.editors.drivers.terminal import Terminal
from tests.editors.drivers.waiting import until
from tests.editors.drivers.wire import Wire

STATUS_ROWS = 2
MENU = "Kvasir: "
"""Titles of our code actions begin so."""


class Helix:
    """A running Helix; made by ``helix``."""

    def __init__(self, terminal: Terminal, wire: Wire) -> None:
        self.terminal = terminal
        self._wire = wire

    def normal(self) -> None:
        """Return to normal mode; an Escape together with the next key would be read as Alt."""
        if not _is_normal(self.terminal.screen()):
            self.terminal.keys("Escape")
            self.terminal.see(_is_normal, "normal mode")

    def command(self, line: str) -> None:
        """Type a ``:`` command."""
        self.normal()
        self.terminal.type(f":{line}")
        self.terminal.keys("Enter")

    def select(self, first: int, last: int) -> None:
        """Select lines, 1-based and inclusive."""
        self.command(f"goto {first}")
        self.terminal.keys(*["x"] * (last - first + 1))

    def code_action(self, title: str) -> None:
        """Choose the action whose title contains ``title`` in the menu of ``Space a``."""
        self.normal()
        self.terminal.keys("Space", "a")
        items = [line for line in self.terminal.read(title).splitlines() if MENU in line]
        above = next(index for index, line in enumerate(items) if title in line)
        self.terminal.keys(*["Down"] * above, "Enter")

    def append(self, text: str) -> None:
        """Open a line at the end of the document and type there."""
        self.normal()
        self.terminal.keys("g", "e", "o")
        self.terminal.type(text)
        self.terminal.read(text)
        self.normal()

    def at_the_end(self) -> str:
        """Go to the end of the document and read what is shown of it, without the status line."""
        self.terminal.keys("g", "e")
        return "\n".join(self.terminal.screen().splitlines()[:-STATUS_ROWS])

    def save(self, path: Path) -> str:
        """Save the document in view (``:w``), wait until it is on disk and return it."""
        count = len(self._wire.sent("textDocument/didSave"))
        self.command("write")
        self._wire.wait("textDocument/didSave", count + 1)
        return path.read_text(encoding="utf-8")


def _is_normal(screen: str) -> bool:
    return any(" NOR " in line for line in screen.splitlines()[-STATUS_ROWS:])


@contextlib.contextmanager
def helix(programs: tuple[str, str], home: Home, folder: Path, file: Path) -> Generator[Helix]:
    """Start Helix (``programs`` are hx and tmux) on a file and wait until the server has it.

    At the end it quits as a person does (``:quit-all!``), and the server must be gone. Its exit code is nobody's
    to see: Helix kills its child, here the logger, as soon as it has said ``exit``.
    """
    hx, tmux = programs
    argv = [hx, "-v", "--log", str(home.path / "helix.log"), os.path.relpath(file, folder)]
    with Terminal(tmux, argv, folder, home.env) as terminal:
        home.wire.wait("textDocument/didOpen")
        editor = Helix(terminal, home.wire)
        yield editor
        editor.command("quit-all!")
        until(terminal.ended, "Helix to end")
        home.wire.server_gone()
