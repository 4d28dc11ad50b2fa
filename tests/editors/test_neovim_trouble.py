"""Neovim when something is in the way: no server, a dead or an old one, and documents that change under it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import pytest

from tests.editors.drivers.chat import answer, document, finished, streamed, turns
from tests.editors.drivers.home import Home, furnish
from tests.editors.drivers.neovim import (
    INSTALLED,
    Neovim,
    answered,
    attached,
    growth,
    neovim,
    saved,
    unattached,
    watch,
)
from tests.editors.drivers.talker import talker
from tests.editors.drivers.waiting import until
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

OLD_SERVER = """
import json, sys

while head := sys.stdin.buffer.readline():
    length = int(head.split(b":")[1])
    sys.stdin.buffer.readline()
    message = json.loads(sys.stdin.buffer.read(length))
    if message["method"] == "exit":
        break
    if "id" in message:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"capabilities": {}}}).encode()
        sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
        sys.stdout.buffer.flush()
"""
LONG = "".join(f"A sentence, which is number {number}, and it is said at once.\n\n" for number in range(2000))


def ask(editor: Neovim, desk: Home) -> Path:
    """Ask about lines 5 and 6; returns the chat's document."""
    editor.command("5,6Kvasir ask why is it slow?")
    return document(desk.wire, desk.wire.command("kvasir.ask"))


def whole(read: Callable[[], str]) -> str:
    """Wait until no answer in the document is being written; returns it."""
    return until(lambda: text if finished(text := read()) else None, "the end of the answer")


def cancelled(editor: Neovim, desk: Home) -> None:
    """Stop the answer and wait until it has stopped."""
    editor.command("Kvasir cancel")
    desk.wire.announced("kvasir/state", lambda state: state["phase"] == "cancelled")


def test_a_missing_program_is_told_once_with_what_to_do(prefix: Prefix, desk: Home, project: Path) -> None:
    (project / "b.py").write_text("x = 1\n", encoding="utf-8")
    init = f"vim.g.kvasir_command = '{desk.path}/nowhere/kvasir'\n{INSTALLED}"
    with unattached(prefix.program("nvim"), desk, project, project / "a.py", init) as editor:
        (told,) = until(editor.told, "the complaint")
        assert told.startswith(f'Kvasir: there is no program "{desk.path}/nowhere/kvasir". Install Kvasir')
        editor.command("edit b.py")
        editor.type(":Kvasir ask why?<CR>")
        later = until(lambda: editor.told()[1:], "the second complaint")
        assert later == [
            'Kvasir: its server does not run; ":checkhealth kvasir" tells why, ":Kvasir restart" starts it.'
        ]
        editor.command("checkhealth kvasir")
        assert "There is no program" in editor.lua(
            "return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\\n')"
        )


def test_a_server_too_old_for_the_plug_in_is_named(prefix: Prefix, desk: Home, project: Path) -> None:
    script = desk.write_config("old.py", OLD_SERVER)
    init = f"vim.g.kvasir_command = {{ '{sys.executable}', '{script}' }}\n{INSTALLED}"
    with unattached(prefix.program("nvim"), desk, project, project / "a.py", init) as editor:
        attached(editor)
        assert until(editor.told, "the complaint") == [
            "Kvasir: this Kvasir is too old for the plug-in: update it, or much will not work."
        ]


@pytest.mark.usefixtures("endless")
def test_a_server_that_died_is_told_and_restarted_and_the_chat_goes_on(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        chat = ask(editor, desk)
        watch(growth(editor, chat))
        os.kill(desk.wire.server_pids[-1], signal.SIGKILL)
        ended = 'Kvasir: its server has ended by itself; ":Kvasir restart" starts it again.'
        until(lambda: ended in editor.told(), "that it has ended")
        assert editor.lua("return require('kvasir').status()") == ""
        assert editor.virtual_texts(chat) == []
        editor.command("Kvasir restart")
        attached(editor)
        assert len(desk.wire.server_pids) == 2

        editor.command("Kvasir open why is it slow?")
        text = whole(lambda: editor.text(chat) or "")
        assert "Interrupted" in text
        desk.wire.reply(desk.wire.command("kvasir.open"))
        editor.command("Kvasir ask and now?")
        assert document(desk.wire, desk.wire.command("kvasir.ask", 2)) == chat
        watch(growth(editor, chat))
        cancelled(editor, desk)
        assert len(turns(answered(editor, chat, 2))) == 2


@pytest.mark.usefixtures("endless")
def test_a_chat_that_is_wiped_out_while_it_streams_is_whole_on_disk(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        chat = ask(editor, desk)
        watch(growth(editor, chat))
        editor.command(f"bwipeout! {chat}")
        cancelled(editor, desk)
        text = whole(lambda: chat.read_text("utf-8"))
        assert answer(text, 1) == streamed(desk.wire)
        assert editor.text(chat) is None
        assert editor.windows() == 1
        assert "Error" not in editor.messages()


@pytest.mark.usefixtures("endless")
def test_what_a_person_writes_into_a_chat_while_it_streams_stays(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        chat = ask(editor, desk)
        growing = growth(editor, chat)
        watch(growing)
        editor.command(f"drop {chat}")
        editor.command("call search('why is it slow', 'w')")
        editor.type("OA line above.<Esc>")
        until(lambda: "A line above." in (editor.text(chat) or ""), "the line")
        growing.next()
        editor.type("GoMy next question<Esc>")
        until(lambda: "My next question" in (editor.text(chat) or ""), "the question")
        growing.next()
        growing.next()
        cancelled(editor, desk)
        text = growing.to_end()[-1]
        assert answer(text, 1) == streamed(desk.wire)
        assert text.count("A line above.") == text.count("My next question") == 1
        assert text.index("A line above.") < text.index("## Kvasir") < text.index("My next question")


@pytest.mark.usefixtures("endless")
def test_two_windows_on_one_chat_follow_it_each_for_itself(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        chat = ask(editor, desk)
        growing = growth(editor, chat)
        watch(growing)
        editor.command(f"drop {chat}")
        editor.command("split")
        editor.command("normal! gg")
        growing.next()
        growing.next()
        first, second = editor.lua(
            "return vim.tbl_map(vim.api.nvim_win_get_cursor, vim.fn.win_findbuf(vim.fn.bufnr(...)))",
            str(chat),
        )
        assert {first[0] == 1, second[0] == 1} == {True, False}
        cancelled(editor, desk)
        assert answer(growing.to_end()[-1], 1) == streamed(desk.wire)
        assert editor.windows() == 3


def test_an_answer_of_100_000_characters_at_once_arrives_whole(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with talker(LONG) as url:
        desk.write_config("kvasir/config.toml", f'[models.talker]\nurl = "{url}"\n')
        with with_glue as editor:
            editor.command("5,6Kvasir ask @talker why is it slow?")
            editor.type("Gothe typed line")
            chat = document(desk.wire, desk.wire.command("kvasir.ask"))
            assert answer(answered(editor, chat, 1), 1) == LONG.strip()
            saved(editor, chat)
            assert answer(chat.read_text("utf-8"), 1) == LONG.strip()
            until(
                lambda: (editor.text(project / "a.py") or "").endswith("\nthe typed line"), "the typed line"
            )


@pytest.mark.usefixtures("endless")
def test_a_piece_of_a_long_answer_costs_no_more_than_one_of_a_short_answer(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    """By the lines that are read from the buffer, so that the time for a whole answer is linear in its length."""
    with talker(LONG, hangs=True) as url:
        desk.write_config("kvasir/config.toml", f'[models.talker]\nurl = "{url}"\n')
        with with_glue as editor:
            editor.command("5,6Kvasir ask @talker why is it slow?")
            chat = document(desk.wire, desk.wire.command("kvasir.ask"))
            until(lambda: answer(editor.text(chat) or "", 1) == LONG.strip(), "what there is of the answer")
            pieces = 50
            read = editor.lua(PIECES, str(chat), len(LONG), pieces)
            assert read < 10 * pieces
            assert (editor.text(chat) or "").count("one more") == pieces
            cancelled(editor, desk)


PIECES = """
local path, at, pieces = ...
local read, get = 0, vim.api.nvim_buf_get_lines
vim.api.nvim_buf_get_lines = function(...)
  local lines = get(...)
  read = read + #lines
  return lines
end
for number = 1, pieces do
  local text = 'one more\\n\\n'
  require('kvasir.answer').delta({ path = path, at = at, seq = 1 + number, kind = 'answer', text = text })
  at = at + #text
end
vim.api.nvim_buf_get_lines = get
return read
"""


def test_line_ends_of_windows_stay_and_do_no_harm(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with with_glue as editor:
        editor.command("set fileformat=dos")
        editor.command("write")
        chat = ask(editor, desk)
        assert desk.wire.command("kvasir.ask").params["arguments"][0]["text"] == (
            "def f1(x):\n    return x + 1\n"
        )
        answered(editor, chat, 1)
        saved(editor, chat)
        editor.command(f"drop {chat}")
        editor.command("set fileformat=dos")
        editor.type("GA", "and in parallel?<Esc>:write<CR>")
        first, second = turns(answered(editor, chat, 2))
        assert first != second
        saved(editor, chat)
        written = chat.read_bytes()
        assert written.count(b"\n") == written.count(b"\r\n") > 0
        assert (project / "a.py").read_bytes().count(b"\r\n") > 0
        assert "\r" not in (editor.text(chat) or "")


def test_where_the_project_cannot_be_written_chats_are_kept_in_the_person_s_own_folder(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    # A file in the folder's place: also root cannot make the folder then.
    (project / ".kvasir").touch()
    with with_glue as editor:
        chat = ask(editor, desk)
        assert chat.is_relative_to(desk.path / "state")
        answered(editor, chat, 1)
        assert any("cannot be written: its chats are kept in" in told for told in editor.told())
        saved(editor, chat)
        editor.command(f"drop {chat}")
        editor.type("GA", "and in parallel?<Esc>:write<CR>")
        answered(editor, chat, 2)
        assert len(desk.wire.server_pids) == 1


def test_on_a_screen_without_room_for_a_window_the_chat_is_kept_in_its_buffer(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with with_glue as editor:
        editor.command("set lines=3 columns=12")
        chat = ask(editor, desk)
        answered(editor, chat, 1)
        number = editor.lua("return vim.fn.bufnr(...)", str(chat))
        assert f'Kvasir: there is no room to show the chat; ":buffer {number}" does.' in editor.told()
        assert editor.current_file() == project / "a.py"
        editor.command(f"buffer {number}")
        assert editor.current_file() == chat


def test_two_projects_share_one_server_and_keep_their_chats_apart(
    with_glue: AbstractContextManager[Neovim], desk: Home, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=other, check=True)
    (other / "b.py").write_text("x = 1\n", encoding="utf-8")
    with with_glue as editor:
        chat = ask(editor, desk)
        answered(editor, chat, 1)
        editor.command(f"edit {other / 'b.py'}")
        attached(editor)
        editor.command("1Kvasir ask what is it?")
        second = document(desk.wire, desk.wire.command("kvasir.ask", 2))
        answered(editor, second, 1)
        assert second.parent == other / ".kvasir/chat"
        assert chat.parent != second.parent
        assert len(desk.wire.server_pids) == 1


def test_a_file_of_no_type_is_asked_about_too(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    (project / "NOTES").write_text("one\ntwo\n", encoding="utf-8")
    with with_glue as editor:
        editor.command("edit NOTES")
        assert editor.lua("return vim.bo.filetype") == ""
        attached(editor)
        editor.command("1Kvasir ask what is it?")
        answered(editor, document(desk.wire, desk.wire.command("kvasir.ask")), 1)


@attrs.frozen
class Second(Home):
    """Another terminal of the same person: the same chats, and a wire of its own."""

    first: Home

    @property
    def env(self) -> dict[str, str]:
        return super().env | {"XDG_STATE_HOME": self.first.env["XDG_STATE_HOME"]}


def test_two_neovims_on_one_chat_lose_nothing(
    prefix: Prefix, desk: Home, project: Path, tmp_path: Path
) -> None:
    furnished = furnish(tmp_path / "second", desk.account)
    other = Second(furnished.path, furnished.account, desk)
    other.write_config("kvasir/config.toml", (desk.config / "kvasir/config.toml").read_text("utf-8"))
    program = prefix.program("nvim")
    with contextlib.ExitStack() as both:
        one = both.enter_context(neovim(program, desk, project, project / "a.py", INSTALLED))
        chat = ask(one, desk)
        answered(one, chat, 1)
        saved(one, chat)
        two = both.enter_context(neovim(program, other, project, chat, INSTALLED))
        assert answer(two.text(chat) or "", 1) == answer(one.text(chat) or "", 1)
        one.command("Kvasir ask and in parallel?")
        first = document(desk.wire, desk.wire.command("kvasir.ask", 2))
        answered(one, first, 2)
        two.command("Kvasir ask and in Rust?")
        second = document(other.wire, other.wire.command("kvasir.ask"))
        until(lambda: finished(text := two.text(second) or "") and "and in Rust?" in text, "the other answer")
        assert "and in parallel?" in (one.text(first) or "")
