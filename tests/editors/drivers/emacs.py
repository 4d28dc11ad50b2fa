"""Emacs in a terminal: keys in, screen out; what its buffers hold, by its own server."""

import contextlib
import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tests.editors.drivers.home import Home, socket_folder
from tests.editors.drivers.terminal import Terminal
from tests.editors.drivers.waiting import until
from tests.editors.provision import Prefix

START = """
(progn (require 'server)
       (setq server-socket-dir {folder} inhibit-startup-screen t use-short-answers t)
       (server-start))
"""


class Emacs:
    """A running Emacs; made by ``emacs``."""

    def __init__(self, terminal: Terminal, client: tuple[str, ...], value: Path) -> None:
        self.terminal = terminal
        self._client = client
        self._value = value

    def lisp(self, expression: str) -> Any:  # noqa: ANN401 - each test names what it expects
        """Value of an expression that JSON can hold, in the buffer of the selected window."""
        value = f"(json-serialize (with-current-buffer (window-buffer) (vector {expression})))"
        # By way of a file: emacsclient cuts long values into pieces.
        file = json.dumps(str(self._value))
        written = f"(let ((coding-system-for-write 'binary)) (write-region {value} nil {file} nil 'silent))"
        done = subprocess.run(
            [*self._client, "--eval", f"(progn {written} t)"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{expression}: {done.stderr}{done.stdout}")
        return json.loads(self._value.read_bytes())[0]

    def killed(self) -> bool:
        """End it, whatever it is doing; it may have to be told again when that is over."""
        if not self.terminal.ended():
            with contextlib.suppress(RuntimeError):
                self.terminal.keys("C-g")
                self.lisp("(kill-emacs)")
        return self.terminal.ended()

    def text(self, file: Path) -> str | None:
        """Text of the buffer that visits a file; ``None`` if none does."""
        buffer = f"(find-buffer-visiting {_string(file)})"
        text = f"(with-current-buffer {buffer} (buffer-substring-no-properties 1 (1+ (buffer-size))))"
        return self.lisp(f"(if {buffer} {text} :null)")

    def modified(self, file: Path) -> bool:
        """Whether the buffer of a file has unsaved changes."""
        return self.lisp(f"(if (buffer-modified-p (find-buffer-visiting {_string(file)})) t :false)")

    def visited(self) -> Path:
        """The file in the selected window."""
        return Path(self.lisp('(or buffer-file-name "")'))

    def messages(self) -> str:
        """All that was said in the echo area."""
        return self.lisp('(with-current-buffer "*Messages*" (buffer-substring-no-properties 1 (point-max)))')

    def command(self, name: str) -> None:
        """Run a command by its name, as M-x does."""
        self.terminal.keys("M-x")
        self.terminal.read("M-x")
        self.terminal.type(name)
        self.terminal.keys("Enter")

    def answer(self, prompt: str, text: str) -> None:
        """Wait for a question in the minibuffer and answer it."""
        self.terminal.read(prompt)
        self.terminal.type(text)
        self.terminal.keys("Enter")

    def mark(self, first: int, last: int) -> None:
        """Mark lines as the region, 1-based and inclusive."""
        self.terminal.keys("M-g", "M-g")
        self.answer("Goto line", str(first))
        self.terminal.keys("C-Space", *["C-n"] * (last - first + 1))
        until(lambda: self.lisp("(if (use-region-p) t :false)"), "a region")

    def visit(self, file: Path) -> None:
        """Show a file in the selected window."""
        self.terminal.keys("C-x", "C-f")
        self.terminal.read("Find file")
        self.terminal.keys("C-a", "C-k")
        self.answer("Find file", str(file))
        until(lambda: self.visited() == file, f"{file.name} in the window")


def _string(file: Path) -> str:
    return json.dumps(str(file))


@contextlib.contextmanager
def emacs(prefix: Prefix, home: Home, folder: Path, file: Path) -> Generator[Emacs]:
    """Start Emacs with the person's init file; at the end it quits, and the server must be gone."""
    sockets = socket_folder()
    start = START.format(folder=json.dumps(str(sockets)))
    argv = [prefix.program("emacs"), "-nw", "--eval", start, str(file)]
    client = (str(prefix.root / "usr/bin/emacsclient.emacs"), "--socket-name", str(sockets / "server"))
    with Terminal(prefix.program("tmux"), argv, folder, home.env) as terminal:
        editor = Emacs(terminal, client, sockets / "value")
        until(lambda: (sockets / "server").exists() or None, "Emacs to listen")
        until(lambda: editor.visited() == file, "the file")
        yield editor
        until(editor.killed, "Emacs to end")
    home.wire.server_gone()
