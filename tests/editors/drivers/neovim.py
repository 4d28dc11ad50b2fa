"""Headless Neovim, driven by its own RPC."""

import contextlib
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tests.editors.drivers.home import Home, socket_folder
from tests.editors.drivers.rpc import Rpc
from tests.editors.drivers.waiting import until

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
        until(address.exists, "Neovim's socket")
        rpc = ending.enter_context(Rpc(address))
        editor = Neovim(rpc)
        until(lambda: editor.lua(ATTACHED), "Kvasir's server in Neovim")
        yield editor
        rpc.notify("nvim_command", "qa!")
        process.wait(30)
        assert home.wire.server_exit() == 0
        home.wire.server_gone()
