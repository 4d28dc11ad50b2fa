"""What Neovim shows of Kvasir beside the chat: how far it has read, status lines, lenses, health and help."""

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.editors.drivers.chat import ANSWERING, document
from tests.editors.drivers.home import Home
from tests.editors.drivers.neovim import GLUE, Neovim, answered, attached, growth, unattached, watch
from tests.editors.drivers.waiting import until
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

# The texts beside all lines and the status, each time when Kvasir says what it is doing.
RECORD = """
vim.g.seen = {}
vim.api.nvim_create_autocmd('User', {
  pattern = 'KvasirState',
  callback = function(event)
    local texts = {}
    for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
      for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(buffer, -1, 0, -1, { details = true })) do
        local line = vim.api.nvim_buf_get_lines(buffer, mark[2], mark[2] + 1, true)[1]
        for _, piece in ipairs(mark[4].virt_text or {}) do table.insert(texts, line .. piece[1]) end
      end
    end
    local seen = vim.g.seen
    local status = require('kvasir').status()
    table.insert(seen, { phase = event.data.phase, texts = texts, status = status, job = event.data.job })
    vim.g.seen = seen
  end,
})
"""


def seen(editor: Neovim, phase: str) -> list[dict[str, Any]]:
    """What was shown in this phase; waits for it."""

    def look() -> list[dict[str, Any]]:
        return [moment for moment in editor.lua("return vim.g.seen") if moment["phase"] == phase]

    return until(look, f"the phase {phase}")


def test_beside_the_selection_stands_how_far_it_was_read_until_it_is_read(
    with_glue: AbstractContextManager[Neovim], project: Path
) -> None:
    # Other than in the other tests, whose prefix the model's server may still hold.
    (project / "a.py").write_text((project / "a.py").read_text("utf-8").replace("x + 0", "x + unread"))
    with with_glue as editor:
        editor.lua(RECORD)
        editor.type("5GVj")
        texts = [text for moment in seen(editor, "warming") for text in moment["texts"]]
        assert texts
        assert all(text.startswith("    return x + 1 Kvasir: reading ") for text in texts)
        assert all(text.endswith(" % …") for text in texts)
        assert seen(editor, "done")[0]["texts"] == []
        assert editor.virtual_texts(project / "a.py") == []


@pytest.mark.usefixtures("endless")
def test_in_the_chat_stands_how_far_it_was_read_and_the_status_says_what_goes_on(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.lua(RECORD)
        assert editor.lua("return require('kvasir').status()") == ""
        editor.command("5,6Kvasir ask why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        reading = seen(editor, "prefill")[-1]
        assert ANSWERING.search(reading["texts"][0])
        assert reading["status"].startswith("Kvasir: reading ")
        watch(growth(editor, chat))
        assert editor.virtual_texts(chat) == []
        speeds = until(
            lambda: [m for m in seen(editor, "generating") if "tokens/s" in m["status"]], "a speed"
        )
        assert speeds[0]["status"].startswith("Kvasir: answering · ")
        editor.command("Kvasir cancel")
        assert seen(editor, "cancelled")[0]["status"] == "Kvasir: stopped"


def test_after_an_answer_the_status_tells_what_was_cached(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.lua(RECORD)
        editor.command("5,6Kvasir ask why is it slow?")
        answered(editor, document(desk.wire, desk.wire.command("kvasir.ask")), 1)
        done = next(moment for moment in seen(editor, "done") if moment["job"] != "warmup")
        assert " cached + " in done["status"]
        assert done["status"].endswith(" tokens/s")


def test_lenses_above_the_turns_fork_and_retry(with_glue: AbstractContextManager[Neovim], desk: Home) -> None:
    with with_glue as editor:
        editor.command("5,6Kvasir ask why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        answered(editor, chat, 1)
        editor.command(f"drop {chat}")
        editor.lua("(vim.lsp.codelens.enable or vim.lsp.codelens.refresh)(true, { bufnr = 0 })")
        until(lambda: desk.wire.sent("textDocument/codeLens"), "a request for lenses")
        titles = """
            local lenses = vim.lsp.codelens.get({ bufnr = 0 })
            return vim.tbl_map(function(l) return (l.lens or l).command.title end, lenses)
        """
        until(lambda: {"Fork", "Retry"} <= set(editor.lua(titles)), "the lenses")
        editor.command("call search('## You', 'w')")
        editor.lua("vim.ui.select = function(items, _, choose) choose(items[1]) end; vim.lsp.codelens.run()")
        fork = desk.wire.command("kvasir.fork")
        assert fork.params["arguments"][0]["turn"] == 1


def test_checkhealth_looks_at_everything(with_glue: AbstractContextManager[Neovim]) -> None:
    with with_glue as editor:
        editor.command("checkhealth kvasir")
        report = until(lambda: editor.lua(REPORT), "the report")
        for words in (
            "Neovim 0.",
            "kvasir 0.",
            "Its server runs for 1 open files",
            "understand each other (protocol 1)",
            "Models: demo; demo answers",
            "Model: the demo model",
            "Options:",
        ):
            assert words in report
        assert "ERROR" not in report


REPORT = """
if vim.bo.filetype ~= 'checkhealth' then return nil end
local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\\n')
return text:find('doctor') and text or nil
"""


def test_the_plug_in_works_from_a_package_folder_with_its_help(
    prefix: Prefix, desk: Home, project: Path
) -> None:
    package = desk.path / "data/nvim/site/pack/kvasir/start/kvasir"
    package.parent.mkdir(parents=True)
    subprocess.run(["cp", "-r", str(GLUE), str(package)], check=True)
    site = f"vim.opt.packpath:prepend('{desk.path}/data/nvim/site')\n"
    with unattached(prefix.program("nvim"), desk, project, project / "a.py", site) as editor:
        attached(editor)
        editor.command("helptags ALL")
        for subject in HELP:
            editor.command(f"help {subject}")
            assert editor.current_file() == package / "doc/kvasir.txt"
            assert f"*{subject}*" in editor.lua("return vim.api.nvim_get_current_line()")
        names = editor.completions("Kvasir ")
        assert names
        for name in names:
            editor.command(f"help :Kvasir-{name}")


HELP = ("kvasir", ":Kvasir", ":Q", ":QQ", ":QF", "kvasir-status", "g:kvasir_command", "<Plug>(kvasir-ask)")
