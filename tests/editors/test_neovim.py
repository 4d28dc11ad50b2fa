"""Neovim with the glue of ``editors/neovim`` (render mode M1), and without it (M3)."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.editors.drivers.chat import (
    LIVE_STATES,
    answer,
    assert_grew_live,
    document,
    job,
    streamed,
    turns,
)
from tests.editors.drivers.home import Home
from tests.editors.drivers.neovim import (
    INSTALLED,
    Neovim,
    answered,
    drafted,
    growth,
    neovim,
    saved,
    watch,
)
from tests.editors.drivers.waiting import Growth, until
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

STUCK_S = 4
"""Longer than the server waits for an answer."""
TYPED = "the quick brown fox jumps over the lazy dog"


def type_while_it_grows(editor: Neovim, growing: Growth) -> None:
    """Type a line at the end of the current file, letter by letter, a word per state of the answer."""
    editor.type("Go")
    for letter in TYPED:
        if letter == " ":
            growing.next()
        editor.type(letter)


def assert_typed(editor: Neovim, file: Path) -> None:
    """The line is whole, and the person is still typing it."""
    until(lambda: (editor.text(file) or "").endswith(TYPED), "the typed line")
    assert (editor.text(file) or "").endswith(f"\n{TYPED}")
    assert (editor.current_file(), editor.mode()) == (file, "i")


@pytest.mark.usefixtures("endless")
def test_a_selection_is_asked_about_and_the_answer_grows_beside_it_until_it_is_cancelled(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with with_glue as editor:
        editor.command("5,6Kvasir ask why is it slow?")
        ask = desk.wire.command("kvasir.ask")
        argument, question = ask.params["arguments"]
        assert argument["uri"] == (project / "a.py").as_uri()
        assert (argument["lines"], argument["text"]) == ([4, 6], "def f1(x):\n    return x + 1\n")
        assert question == "why is it slow?"
        assert job(desk.wire, ask)["mode"] == "M1"

        chat = document(desk.wire, ask)
        growing = growth(editor, chat)
        watch(growing)
        assert editor.current_file() == project / "a.py"
        assert editor.cursor_is_at_the_end(chat)
        editor.command("Kvasir cancel")
        desk.wire.announced("kvasir/state", lambda state: state["phase"] == "cancelled")
        states = growing.to_end()
        assert_grew_live(states, 1)
        assert "Stopped" in states[-1]
        assert "why is it slow?" in states[-1]
        assert "> a.py#L5-L6 (selection)" in states[-1]
        assert answer(states[-1], 1) == streamed(desk.wire)

        saved(editor, chat)
        assert chat.read_text(encoding="utf-8") == f"{editor.text(chat)}\n"
        assert desk.wire.received("workspace/applyEdit") == []
        assert "Error" not in editor.messages()


@pytest.mark.usefixtures("endless")
def test_what_is_typed_while_an_answer_streams_stays_whole(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with with_glue as editor:
        editor.command("5,6Kvasir ask why is it slow?")
        growing = growth(editor, document(desk.wire, desk.wire.command("kvasir.ask")))
        type_while_it_grows(editor, growing)
        assert_typed(editor, project / "a.py")
        editor.type("<Esc>:Kvasir cancel<CR>")
        assert_grew_live(growing.to_end(), 1)


@pytest.mark.usefixtures("endless")
def test_a_document_that_is_read_while_its_answer_is_written_has_everything_once(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.execute("kvasir.ask", {"view": "none"}, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        until(lambda: chat.exists() and len(answer(chat.read_text("utf-8"), 1)) > 1, "a part on disk")
        editor.command(f"edit {chat}")
        growing = growth(editor, chat)
        watch(growing)
        editor.command("edit!")
        watched = len(growing.states)
        until(lambda: growing.next() and len(growing.states) > watched + LIVE_STATES, "the answer to go on")
        editor.command("Kvasir cancel")
        assert answer(growing.to_end()[-1], 1) == streamed(desk.wire)


def test_a_chat_goes_on_by_typing_and_saving_and_forks_at_the_cursor(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.command("5,6Kvasir ask why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        answered(editor, chat, 1)
        saved(editor, chat)
        editor.command(f"drop {chat}")
        editor.type("GA", "and in parallel?<Esc>:write<CR>")
        first, second = turns(answered(editor, chat, 2))
        saved(editor, chat)

        editor.type("u")
        until(lambda: turns(editor.text(chat) or "") == [first, second], "the undoing")
        assert answer(editor.text(chat) or "", 2) == ""
        editor.type("<C-r>")
        answered(editor, chat, 2)

        editor.command(f"call search('kv {first} -->', 'w')")
        editor.command("Kvasir fork and in Rust?")
        fork = desk.wire.command("kvasir.fork")
        assert fork.params["arguments"][0]["turn"] == 1
        forked = document(desk.wire, fork)
        assert forked != chat
        text = answered(editor, forked, 2)
        assert turns(text)[0] == first
        assert second not in text
        assert "and in Rust?" in text
        assert "and in Rust?" not in (editor.text(chat) or "")
        assert editor.windows() == 2


def test_a_selection_and_a_half_typed_question_are_warmed(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with with_glue as editor:
        editor.type("5GVj")
        selection = desk.wire.wait("kvasir/selection", count=2).params
        assert selection == {"uri": (project / "a.py").as_uri(), "lines": [4, 6]}
        desk.wire.announced(
            "kvasir/state", lambda state: (state["job"], state["phase"]) == ("warmup", "done")
        )
        editor.type(":Kvasir ask why is")
        draft = drafted(desk.wire, "why is")
        assert (draft["lines"], draft["text"]) == ([4, 6], "def f1(x):\n    return x + 1\n")
        editor.type(" it slow?<CR>")
        prefill = desk.wire.announced("kvasir/state", lambda state: state["phase"] == "prefill").params
        assert prefill["cachedTokens"] > prefill["promptTokens"] // 2


def test_a_question_before_the_server_is_there_waits_for_it(
    prefix: Prefix, desk: Home, project: Path
) -> None:
    at_once = "vim.cmd([[autocmd VimEnter * 5,6Kvasir ask why is it slow?]])\n"
    with neovim(prefix.program("nvim"), desk, project, project / "a.py", INSTALLED + at_once) as editor:
        answered(editor, document(desk.wire, desk.wire.command("kvasir.ask")), 1)
        assert not any("does not run" in told for told in editor.told())


def test_a_message_that_would_not_fit_into_a_line_does_not_stop_the_person(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.command("Kvasir retry")
        desk.wire.command("kvasir.retry")
        whole = until(editor.told, "the refusal")[-1]
        assert whole.startswith("Kvasir: Which chat?")
        editor.lua("require('kvasir.message').tell(string.rep('word ', 100), 2)")
        assert editor.told()[-1].endswith("word ")
        assert all(len(line) < editor.columns() for line in editor.messages().splitlines())


@pytest.mark.usefixtures("endless")
def test_without_glue_a_code_action_asks_and_another_stops_the_answer(
    without_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with without_glue as editor:
        editor.select(5, 6)
        editor.code_action("Kvasir: explain")
        ask = desk.wire.command("kvasir.ask")
        assert job(desk.wire, ask)["mode"] == "M3"
        growing = growth(editor, document(desk.wire, ask))
        watch(growing)
        assert editor.current_file() == project / "a.py"
        asked = desk.wire.sent("textDocument/codeAction")[-1].params["range"]
        assert (asked["start"]["line"], asked["end"]["line"]) == (4, 5)
        editor.code_action("Kvasir: stop")
        states = growing.to_end()
        assert_grew_live(states, 1)
        assert "Stopped" in states[-1]


@pytest.mark.usefixtures("endless")
def test_without_glue_what_is_typed_while_an_answer_streams_stays_whole(
    without_glue: AbstractContextManager[Neovim], desk: Home, project: Path, ask_in_lua: str
) -> None:
    with without_glue as editor:
        editor.lua(ask_in_lua)
        ask = desk.wire.command("kvasir.ask")
        assert ask.params["arguments"][1] == "why is it slow?"
        growing = growth(editor, document(desk.wire, ask))
        growing.next()
        type_while_it_grows(editor, growing)
        assert_typed(editor, project / "a.py")
        editor.execute("kvasir.cancel")
        assert_grew_live(growing.to_end(), 1)


def test_without_glue_saving_sends_and_a_code_action_forks(
    without_glue: AbstractContextManager[Neovim], desk: Home, ask_in_lua: str
) -> None:
    with without_glue as editor:
        editor.lua(ask_in_lua)
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        growth(editor, chat).to_end()
        editor.command(f"drop {chat}")
        editor.type("Goand in parallel?<Esc>:write<CR>")
        first, second = turns(answered(editor, chat, 2))

        editor.command(f"call search('kv {first} -->', 'w')")
        editor.code_action("Kvasir: fork")
        forked = document(desk.wire, desk.wire.command("kvasir.fork"))
        text = until(lambda: editor.text(forked), "the fork to be shown")
        assert turns(text) == [first]
        assert second not in text


def test_without_glue_an_editor_that_was_stuck_for_a_while_gets_the_rest(
    without_glue: AbstractContextManager[Neovim], desk: Home, ask_in_lua: str
) -> None:
    """As at "Press ENTER": Neovim then answers nothing until somebody presses a key."""
    with without_glue as editor:
        editor.lua(ask_in_lua)
        ask = desk.wire.command("kvasir.ask")
        chat = document(desk.wire, ask)
        growth(editor, chat).to_end()
        editor.command(f"drop {chat}")
        editor.type("Goand in parallel?<Esc>:write<CR>")
        editor.hold(STUCK_S)
        answered(editor, chat, 2)
