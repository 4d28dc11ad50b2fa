"""Pictures for docs/editors: each editor, driven as in its tests, with an answer beside the code.

Not part of the test run: ``make screenshots`` writes them.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.editors.conftest import CONFIG, SHIPPED
from tests.editors.drivers.chat import document
from tests.editors.drivers.emacs import emacs
from tests.editors.drivers.helix import Helix
from tests.editors.drivers.home import Home
from tests.editors.drivers.picture import svg
from tests.editors.drivers.terminal import COLUMNS, Terminal
from tests.editors.drivers.vim import stand_in, vim
from tests.editors.drivers.vscode.editor import vscode
from tests.editors.drivers.waiting import until
from tests.editors.provision import BROWSER, Prefix, provision

pytestmark = [pytest.mark.screenshots, pytest.mark.timeout(180)]

PICTURES = Path(__file__).parents[2] / "docs/editors"
QUESTION = "why is it slow?"
NEOVIM = f"""
vim.o.swapfile, vim.o.shadafile, vim.o.number = false, 'NONE', true
vim.opt.runtimepath:prepend('{SHIPPED / "neovim"}')
vim.api.nvim_set_hl(0, 'Normal', {{ bg = '#1d2021' }})
vim.o.statusline = "%t %=%{{v:lua.require'kvasir'.status()}} "
vim.api.nvim_create_autocmd('User', {{ pattern = 'KvasirState', command = 'redrawstatus!' }})
"""


@pytest.fixture(autouse=True)
def brief(desk: Home) -> None:
    """Answers that fit on the screen: they make no sense, which nobody needs more of."""
    desk.write_config("kvasir/config.toml", CONFIG.format(max_tokens=48))


def take(name: str, terminal: Terminal) -> None:
    """Write the picture of an answer that has ended."""
    terminal.see(lambda screen: QUESTION in screen and "cached + " in screen, "the answer's end")
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(svg(terminal.coloured(), COLUMNS, name), encoding="utf-8")


def test_vim(prefix: Prefix, desk: Home, project: Path) -> None:
    more = "set number statusline=%t\\ %=%{kvasir#status()}\n"
    programs = (prefix.program("vim"), prefix.program("tmux"))
    with vim(programs, desk, project, project / "a.py", stand_in(), more=more) as editor:
        editor.enter(f"5,6Q {QUESTION}")
        take("vim", editor.terminal)


def test_neovim(prefix: Prefix, desk: Home, project: Path) -> None:
    init = desk.write_config("nvim/init.lua", NEOVIM)
    argv = [prefix.program("nvim"), "--clean", "-u", str(init), "a.py"]
    with Terminal(prefix.program("tmux"), argv, project, desk.env) as terminal:
        desk.wire.wait("textDocument/didOpen")
        terminal.type(f":5,6Q {QUESTION}")
        terminal.keys("Enter")
        take("neovim", terminal)
        terminal.type(":qa!")
        terminal.keys("Enter")
        desk.wire.server_gone()


def test_helix(in_helix: AbstractContextManager[Helix]) -> None:
    with in_helix as editor:
        editor.select(5, 6)
        editor.terminal.keys("Space", "q", "q")
        editor.terminal.type(QUESTION)
        editor.terminal.keys("Enter")
        editor.terminal.read("## You")
        take("helix", editor.terminal)


def test_emacs(prefix: Prefix, desk: Home, project: Path) -> None:
    desk.write_config("emacs/init.el", f'(load "{SHIPPED}/emacs/kvasir-autoloads")\n(menu-bar-mode -1)\n')
    with emacs(prefix, desk, project, project / "a.py") as editor:
        editor.mark(5, 6)
        editor.terminal.keys("C-c", "k", "k")
        editor.answer("Ask Kvasir:", QUESTION)
        take("emacs", editor.terminal)


def test_vscode(prefix: Prefix, desk: Home, project: Path) -> None:
    with vscode(provision(BROWSER).program("chromium"), desk) as code:
        window = code.window(project)
        window.open(project / "a.py", 5, 6)
        desk.wire.wait("initialized")
        window.ask(QUESTION)
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        until(lambda: "cached + " in (window.text(str(chat)) or ""), "the answer's end")
        window.command("notifications.clearAll")
        window.page.get_by_role("button", name="Fork").first.wait_for()
        PICTURES.mkdir(exist_ok=True)
        window.screenshot(PICTURES / "vscode.png")
