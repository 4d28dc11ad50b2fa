"""Vim in a terminal: keys in, screen out, and questions by Vim's own JSON channel."""

import codecs
import contextlib
import json
import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs

from tests.editors.drivers.chat import LIVE_STATES, finished, turns
from tests.editors.drivers.home import Home
from tests.editors.drivers.terminal import Terminal
from tests.editors.drivers.waiting import PATIENCE_S, Growth, until
from tests.editors.drivers.wire import Wire

GLUE = Path(__file__).parents[3] / "editors/vim"
STAND_IN = Path(__file__).with_name("vim_client")
PROFILE = Path(__file__).parents[2] / "clients/vim_lsp_474c656.json"
INSTALLED = f"set runtimepath+={GLUE}\n"
"""As the README tells."""
BASE = """set nocompatible hidden noswapfile viminfo= encoding=utf-8 laststatus=2
filetype plugin on
syntax on
"""
CHUNK_BYTES = 1 << 16
LISTENING_S = 30
ENDING_S = 30


class VimError(Exception):
    """Vim could not evaluate what it was asked; the message is its own."""


@attrs.frozen
class Client:
    """A plug-in for Vim that speaks LSP, with the lines of a vimrc that load it."""

    name: str
    vimrc: str

    @property
    def takes_edits(self) -> bool:
        """Whether the server may edit what it has open."""
        return self.name == "coc.nvim"


def stand_in() -> Client:
    """Our own few functions in the place of vim-lsp, with its capabilities."""
    return Client("stand-in", f"set runtimepath^={STAND_IN}\nlet g:stand_in_profile = '{PROFILE}'\n")


def vim_lsp() -> Client | None:
    """The real one, if ``VIM_LSP`` names a checkout."""
    path = os.environ.get("VIM_LSP")
    return Client("vim-lsp", f"set runtimepath^={path}\n") if path else None


def coc(home: Home) -> Client | None:
    """The real one, if ``COC_NVIM`` names a built one; ``COC_NODE`` may name the Node that it needs."""
    path = os.environ.get("COC_NVIM")
    lines = [f"set runtimepath^={path}", f"let g:coc_data_home = '{home.path / 'coc'}'"]
    lines += [f"let g:coc_config_home = '{home.config / 'vim'}'"]
    lines += [f"let g:coc_node_path = '{node}'" for node in [os.environ.get("COC_NODE")] if node]
    return Client("coc.nvim", "".join(f"{line}\n" for line in lines)) if path else None


class Channel:
    """Vim's JSON channel, one question at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(PATIENCE_S)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._buffer = ""
        self._number = 0

    def ask(self, expression: str) -> Any:  # noqa: ANN401 - whatever the expression gives
        """Evaluate an expression in Vim."""
        self._number -= 1
        message = json.dumps(["expr", expression, self._number])
        self._connection.sendall(f"{message}\n".encode())
        while True:
            number, value = self._receive()
            if number == self._number:
                return value

    def _receive(self) -> tuple[int, Any]:
        while True:
            self._buffer = self._buffer.lstrip()
            try:
                message, end = json.JSONDecoder().raw_decode(self._buffer)
            except json.JSONDecodeError:
                data = self._connection.recv(CHUNK_BYTES)
                if not data:
                    raise VimError("Vim has ended.") from None
                self._buffer += self._decode(data)
                continue
            self._buffer = self._buffer[end:]
            return message[0], message[1]


class Vim:
    """A running Vim; made by ``vim``."""

    def __init__(self, terminal: Terminal, channel: Channel, wire: Wire) -> None:
        self.terminal = terminal
        self.wire = wire
        self._channel = channel

    def ask(self, expression: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the expression gives
        """Evaluate an expression; ``{0}`` and so on in it stand for the arguments as Vim writes them."""
        return self._channel.ask(expression.format(*map(quoted, arguments)) if arguments else expression)

    def command(self, line: str) -> str:
        """Run an Ex command as a script does, and return what it printed."""
        return self.ask("execute({0})", line)

    def enter(self, line: str) -> None:
        """Type a command line and Enter, in normal mode."""
        self.terminal.type(f":{line}")
        self.terminal.keys("Enter")

    def type(self, *keys: str) -> None:
        """Press keys: a name of tmux's (Escape, Enter, C-w) or a text."""
        for key in keys:
            if key in ("Escape", "Enter", "Tab", "Down", "Up") or key.startswith("C-"):
                self.terminal.keys(key)
            else:
                self.terminal.type(key)

    def normal(self) -> None:
        """Return to normal mode."""
        if self.mode() != "n":
            self.terminal.keys("Escape")
            until(lambda: self.mode() == "n", "normal mode")

    def mode(self) -> str:
        """Return ``n``, ``i``, ``V`` and so on."""
        return self.ask("mode()")

    def text(self, path: Path) -> str | None:
        """Text of the loaded buffer of this file; ``None`` if there is none."""
        # bufnr() takes a path for a pattern.
        look = 'bufloaded({0}) ? join(getbufline(bufadd({0}), 1, "$"), "\\n") : v:null'
        return self.ask(look, str(path))

    def option(self, path: Path, name: str) -> Any:  # noqa: ANN401 - a number or a text
        """Value of an option of this file's buffer."""
        return self.ask("getbufvar(bufadd({0}), '&' . {1})", str(path), name)

    def saved(self, path: Path) -> None:
        """Wait until the buffer of this file says what the file says."""
        until(lambda: not self.option(path, "modified"), "the finished document to be saved")
        assert path.read_text(encoding="utf-8") == f"{self.text(path)}\n"

    def current_file(self) -> Path:
        """File of the window where the person types."""
        return Path(self.ask('expand("%:p")'))

    def windows_of(self, path: Path) -> list[int]:
        """Windows that show this file."""
        return self.ask("bufexists({0}) ? win_findbuf(bufadd({0})) : []", str(path))

    def is_followed(self, path: Path) -> bool:
        """Tell whether this file is on the screen, and every window of it shows its end."""
        last = self.ask("getbufinfo(bufadd({0}))[0].linecount", str(path))
        lines = [self.ask("line('.', {0})", window) for window in self.windows_of(path)]
        return bool(lines) and set(lines) == {last}

    def windows(self) -> int:
        """Count the windows of the page."""
        return self.ask("winnr('$')")

    def go_to(self, path: Path) -> None:
        """Make the window of this file the current one."""
        self.ask("win_gotoid({0})", self.windows_of(path)[0])

    def messages(self) -> str:
        """Everything Vim has shown to the person so far."""
        return self.command("messages")

    def told(self) -> list[str]:
        """Everything our plug-in had to say, in full."""
        return self.ask("kvasir#message#told()")

    def status(self) -> str:
        """What a status line shows."""
        return self.ask("kvasir#status()")

    def growth(self, chat: Path) -> Growth:
        """The states of a chat's buffer."""
        return Growth(lambda: self.text(chat), finished)

    def watch(self, chat: Path) -> Growth:
        """Look on until the answer has grown before our eyes."""
        growing = self.growth(chat)
        while len(growing.states) <= LIVE_STATES + 2:
            growing.next()
        return growing

    def answered(self, chat: Path, count: int) -> str:
        """Wait until the document has ``count`` turns with their answers; returns it."""

        def look() -> str | None:
            text = self.text(chat) or ""
            return text if len(turns(text)) == count and finished(text) else None

        return until(look, f"{count} answered turns")


def quoted(value: object) -> str:
    """Write a value as Vim script does."""
    if isinstance(value, str):
        return "'{}'".format(value.replace("'", "''"))
    return json.dumps(value)


@contextlib.contextmanager
def unattached(programs: tuple[str, str], home: Home, folder: Path, file: Path, vimrc: str) -> Generator[Vim]:
    """Start Vim (``programs`` are vim and tmux) on a file with this vimrc; it quits with ``:qa!``."""
    program, tmux = programs
    startup = home.write_config("vimrc", BASE + vimrc)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LISTENING_S)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        connect = f"autocmd VimEnter * let g:test_channel = ch_open('{address}', {{'mode': 'json'}})"
        argv = [program, "-Nu", str(startup), "-i", "NONE", "--cmd", connect, str(file)]
        with Terminal(tmux, argv, folder, home.env) as terminal:
            connection, _ = listener.accept()
            with connection:
                editor = Vim(terminal, Channel(connection), home.wire)
                yield editor
                with contextlib.suppress(VimError, OSError):
                    editor.command("qa!")
                until(terminal.ended, "Vim to end", ENDING_S)
            home.wire.server_gone()


@contextlib.contextmanager
def vim(
    programs: tuple[str, str], home: Home, folder: Path, file: Path, client: Client, more: str = ""
) -> Generator[Vim]:
    """Start Vim with our plug-in and a client on a file, and wait until the server has the file."""
    vimrc = f"{client.vimrc}{INSTALLED}{more}"
    with unattached(programs, home, folder, file, vimrc) as editor:
        home.wire.wait("textDocument/didOpen")
        yield editor
