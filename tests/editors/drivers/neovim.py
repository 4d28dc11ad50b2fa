"""Headless Neovim, driven by its own RPC."""

import contextlib
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tests.editors.drivers.chat import LIVE_STATES, finished, turns
from tests.editors.drivers.home import Home, socket_folder
from tests.editors.drivers.rpc import Rpc, connected
from tests.editors.drivers.waiting import Growth, until
from tests.editors.drivers.wire import Json, Wire

GLUE = Path(__file__).parents[3] / "editors/neovim"
INSTALLED = f"vim.opt.runtimepath:prepend('{GLUE}')\n"
BASE = "vim.o.swapfile, vim.o.shadafile = false, 'NONE'\n"
CHOOSE = """
local wanted = ...
vim.ui.select = function(items, options, choose)
  for _, item in ipairs(items) do
    if (options.format_item or tostring)(item):find(wanted, 1, true) then return choose(item) end
  end
  error('no item ' .. wanted .. ' in ' .. vim.inspect(vim.tbl_map(options.format_item or tostring, items)))
end
vim.lsp.buf.code_action()
"""
ATTACHED = """
local client = vim.lsp.get_clients({ bufnr = 0, name = 'kvasir' })[1]
return client ~= nil and client.initialized == true
"""
EXECUTE = """
local name, arguments = ...
local client = vim.lsp.get_clients({ name = 'kvasir' })[1]
client:exec_cmd({ title = name, command = name, arguments = arguments })
"""
AT_THE_END = """
local buffer = vim.fn.bufnr(...)
local windows = vim.fn.win_findbuf(buffer)
for _, window in ipairs(windows) do
  if vim.api.nvim_win_get_cursor(window)[1] ~= vim.api.nvim_buf_line_count(buffer) then return false end
end
return #windows > 0
"""
READ = """
for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
  if vim.api.nvim_buf_is_loaded(buffer) and vim.api.nvim_buf_get_name(buffer) == ... then
    return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, true), '\\n')
  end
end
"""
BESIDE = """
local texts = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(vim.fn.bufnr(...), -1, 0, -1, { details = true })) do
  for _, piece in ipairs(mark[4].virt_text or {}) do table.insert(texts, piece[1]) end
end
return texts
"""


class Neovim:
    """A running Neovim; made by ``neovim``."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def lua(self, code: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the code returns
        """Run Lua in the editor and return its value."""
        return self._rpc.call("nvim_exec_lua", code, arguments)

    def command(self, line: str) -> None:
        """Run an Ex command as if it was typed."""
        self._rpc.call("nvim_command", line)

    def type(self, *keys: str) -> None:
        """Press keys in Neovim's notation: ``Go`` then letters, ``<Esc>``."""
        self._rpc.call("nvim_input", "".join(keys))

    def hold(self, seconds: float) -> None:
        """Keep it from everything else for so long."""
        self.lua("vim.uv.sleep(...)", round(1000 * seconds))

    def mode(self) -> str:
        """Return ``n``, ``i``, ``V`` and so on."""
        return self._rpc.call("nvim_get_mode")["mode"]

    def select(self, first: int, last: int) -> None:
        """Select lines, 1-based and inclusive, in Visual line mode."""
        self.command(f"normal! {first}GV{last}G")

    def code_action(self, title: str) -> None:
        """Choose the action with ``title`` in its title, for the cursor or the selection."""
        self.lua(CHOOSE, title)

    def execute(self, name: str, *arguments: object) -> None:
        """Send ``workspace/executeCommand`` as a person without our glue would."""
        self.lua(EXECUTE, name, list(arguments))

    def text(self, path: Path) -> str | None:
        """Text of the loaded buffer of this file; ``None`` if there is none."""
        return self.lua(READ, str(path))

    def modified(self, path: Path) -> bool:
        """Tell whether the buffer of this file differs from the disk, as the editor believes."""
        return self.lua("return vim.bo[vim.fn.bufnr(...)].modified", str(path))

    def current_file(self) -> Path:
        """File of the window where the person types."""
        return Path(self.lua("return vim.api.nvim_buf_get_name(0)"))

    def cursor_is_at_the_end(self, path: Path) -> bool:
        """Tell whether every window of this file shows its end."""
        return self.lua(AT_THE_END, str(path))

    def windows(self) -> int:
        """Count the windows on the screen."""
        return self.lua("return #vim.api.nvim_tabpage_list_wins(0)")

    def columns(self) -> int:
        """Width of the screen."""
        return self.lua("return vim.o.columns")

    def completions(self, line: str) -> list[str]:
        """What the Tab key offers at the end of this Ex command."""
        return self.lua("return vim.fn.getcompletion(..., 'cmdline')", line)

    def at_prompt(self, title: str) -> None:
        """Wait until the person is asked for something, with this in the prompt."""
        until(lambda: title in self.lua("return vim.fn.getcmdprompt()"), f"the prompt {title!r}")

    def choose(self, number: int) -> None:
        """Wait for a list and choose from it."""
        self.at_prompt("Type number")
        self.type(f"{number}<CR>")

    def virtual_texts(self, path: Path) -> list[str]:
        """What our glue shows beside the lines of this file."""
        return self.lua(BESIDE, str(path))

    def messages(self) -> str:
        """Everything Neovim has shown to the person so far."""
        return self.lua("return vim.api.nvim_exec2('messages', { output = true }).output")

    def told(self) -> list[str]:
        """Everything our glue had to say, in full."""
        return self.lua("return require('kvasir').told")


@contextlib.contextmanager
def neovim(program: str, home: Home, folder: Path, file: Path, init: str) -> Generator[Neovim]:
    """Start Neovim on a file with this init.lua and wait until the server named ``kvasir`` is attached to it.

    At the end it quits as a person does (``:qa!``), and the server must end by itself with exit code 0.
    """
    with unattached(program, home, folder, file, init) as editor:
        attached(editor)
        yield editor
    home.wire.server_gone()
    until(lambda: _exits(home.wire) == len(home.wire.server_pids), "the end of every server in the log")
    assert home.wire.server_exit() == 0


def _exits(wire: Wire) -> int:
    return sum(message.way == "exit" for message in wire.messages())


@contextlib.contextmanager
def unattached(program: str, home: Home, folder: Path, file: Path, init: str) -> Generator[Neovim]:
    """Start Neovim on a file with this init.lua, whether a server comes or not."""
    sockets = socket_folder()
    address = sockets / "nvim"
    startup = home.write_config("init.lua", BASE + init)
    argv = [program, "--clean", "--headless", "--listen", str(address), "-u", str(startup), str(file)]
    with (home.path / "nvim.log").open("wb") as output, contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, sockets, ignore_errors=True)
        process = subprocess.Popen(
            argv, cwd=folder, env=home.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        ending.callback(process.wait)
        ending.callback(process.kill)
        rpc = ending.enter_context(until(lambda: connected(address), "Neovim's socket"))
        yield Neovim(rpc)
        rpc.notify("nvim_command", "qa!")
        process.wait(30)


def attached(editor: Neovim) -> None:
    """Wait until the server named ``kvasir`` is attached to the current file."""
    until(lambda: editor.lua(ATTACHED), "Kvasir's server in Neovim")


def growth(editor: Neovim, chat: Path) -> Growth:
    """What a chat's buffer says while an answer is written."""
    return Growth(lambda: editor.text(chat), finished)


def watch(growing: Growth) -> None:
    """Look on until the answer has grown before our eyes."""
    while len(growing.states) <= LIVE_STATES + 2:
        growing.next()


def answered(editor: Neovim, chat: Path, count: int) -> str:
    """Wait until the document has ``count`` turns with their answers; returns it."""

    def look() -> str | None:
        text = editor.text(chat) or ""
        return text if len(turns(text)) == count and finished(text) else None

    return until(look, f"{count} answered turns")


def saved(editor: Neovim, chat: Path) -> None:
    """Wait until the buffer of a chat is as the disk has it."""
    until(lambda: not editor.modified(chat), "the finished document to be saved")


def drafted(wire: Wire, words: str) -> Json:
    """Wait until a half-typed question was sent to be warmed; returns what it is about."""

    def look() -> list[Json] | None:
        sent = (message.params for message in wire.sent("kvasir/draft"))
        return [given for given, typed in sent if typed == words] or None

    return until(look, f"the draft {words!r}")[0]
