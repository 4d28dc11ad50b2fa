"""Vim with ``editors/vim``: on a stand-in for vim-lsp everywhere, on vim-lsp and coc.nvim where they are given.

``VIM_LSP`` names a checkout of the one, ``COC_NVIM`` a built copy of the other.
"""

import os
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.editors.drivers.chat import (
    LIVE_STATES,
    answer,
    assert_grew_live,
    document,
    finished,
    job,
    streamed,
    turns,
)
from tests.editors.drivers.home import Home
from tests.editors.drivers.vim import GLUE, INSTALLED, Client, Vim, coc, stand_in, vim, vim_lsp
from tests.editors.drivers.waiting import Growth, until
from tests.editors.drivers.wire import Json, Message, Wire
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

TYPED = "the quick brown fox jumps over the lazy dog"
F1 = "def f1(x):\n    return x + 1\n"
Start = Callable[..., AbstractContextManager[Vim]]


README = (GLUE / "README.md").read_text(encoding="utf-8")


def snippets(language: str) -> list[str]:
    """Snippets of the README, as a newcomer copies them."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(params=["stand-in", "vim-lsp", "coc.nvim"])
def client(request: pytest.FixtureRequest, desk: Home) -> Client:
    found = {"stand-in": stand_in, "vim-lsp": vim_lsp, "coc.nvim": partial(coc, desk)}[request.param]()
    if found is None:
        variable = {"vim-lsp": "VIM_LSP", "coc.nvim": "COC_NVIM"}[request.param]
        pytest.skip(f"{request.param} is in no registry: set {variable} to test with it")
    return found


@pytest.fixture
def start(prefix: Prefix, desk: Home, project: Path, client: Client) -> Start:
    """Start Vim on ``a.py``; takes more lines for its vimrc."""
    return partial(
        vim, (prefix.program("vim"), prefix.program("tmux")), desk, project, project / "a.py", client
    )


def drafts(wire: Wire, words: str) -> list[Json]:
    """Objects of the drafts whose words these were. coc puts a list that is sent into another."""
    sent = [message.params for message in wire.sent("kvasir/draft")]
    flat = [params[0] if isinstance(params[0], list) else params for params in sent]
    return [given for given, typed in flat if typed == words]


def commands(wire: Wire, name: str) -> list[Message]:
    requests = wire.sent("workspace/executeCommand")
    return [message for message in requests if message.params["command"] == name]


def warmed(wire: Wire) -> list[Message]:
    """What was read ahead to its end."""
    said = wire.received("kvasir/state")
    return [it for it in said if (it.params["job"], it.params["phase"]) == ("warmup", "done")]


asks = partial(commands, name="kvasir.ask")
models = partial(commands, name="kvasir.model")


@pytest.mark.usefixtures("endless")
def test_a_selection_is_asked_about_and_the_answer_grows_beside_it_until_it_is_cancelled(
    start: Start, desk: Home, project: Path
) -> None:
    with start() as editor:
        editor.enter("5,6Q why is it slow?")
        ask = desk.wire.command("kvasir.ask")
        argument, question = ask.params["arguments"]
        assert (argument["file"], argument["lines"], argument["text"]) == (str(project / "a.py"), [4, 6], F1)
        assert question == "why is it slow?"
        assert job(desk.wire, ask)["mode"] == "M1"

        chat = document(desk.wire, ask)
        growing = editor.watch(chat)
        assert editor.current_file() == project / "a.py"
        assert editor.is_followed(chat)
        until(lambda: "tokens/s" in editor.status(), "the speed")
        editor.enter("Kvasir cancel")
        desk.wire.announced("kvasir/state", lambda state: state["phase"] == "cancelled")
        states = growing.to_end()
        assert_grew_live(states, 1)
        assert "Stopped" in states[-1]
        assert "> a.py#L5-L6 (selection)" in states[-1]
        assert answer(states[-1], 1) == streamed(desk.wire)
        editor.saved(chat)
        until(lambda: editor.status() == "Kvasir: stopped", "the state")
        # The ids of turns are concealed.
        editor.terminal.see(lambda screen: "Stopped: " in screen and "kv end" not in screen, "the end")
        assert desk.wire.received("workspace/applyEdit") == []
        assert desk.wire.received("window/showDocument") == []
        assert (editor.told(), editor.windows()) == ([], 2)


@pytest.mark.usefixtures("endless")
def test_what_is_typed_while_an_answer_streams_stays_whole(start: Start, desk: Home, project: Path) -> None:
    with start() as editor:
        editor.enter("QQ why is it slow?")
        ask = desk.wire.command("kvasir.ask")
        assert ask.params["arguments"][0]["include"] == {"file": True}
        growing = editor.growth(document(desk.wire, ask))
        growing.next()
        editor.type("G", "o")
        for letter in TYPED:
            if letter == " ":
                growing.next()
            editor.type(letter)
        until(lambda: (editor.text(project / "a.py") or "").endswith(f"\n{TYPED}"), "the typed line")
        assert (editor.current_file(), editor.mode()) == (project / "a.py", "i")
        editor.normal()
        editor.enter("Kvasir cancel")
        assert_grew_live(growing.to_end(), 1)


def test_a_chat_goes_on_by_typing_and_saving_and_forks_at_the_cursor(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("5,6Q why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.answered(chat, 1)
        editor.saved(chat)
        editor.go_to(chat)
        editor.type("G", "A", "and in parallel?", "Escape")
        editor.enter("write")
        first, second = turns(editor.answered(chat, 2))
        editor.saved(chat)

        editor.type("u")
        until(
            lambda: answer(editor.text(chat) or "", 2) == "" if second in (editor.text(chat) or "") else True,
            "the undoing",
        )
        editor.type("C-r")
        until(lambda: turns(editor.text(chat) or "") == [first, second], "the redoing")

        editor.command(f"call search('kv {first} -->', 'w')")
        editor.enter("QF and in Rust?")
        fork = desk.wire.command("kvasir.fork")
        assert fork.params["arguments"][0]["turn"] == 1
        forked = document(desk.wire, fork)
        assert forked != chat
        text = editor.answered(forked, 2)
        assert turns(text)[0] == first
        assert second not in text
        assert "and in Rust?" in text
        assert "and in Rust?" not in (editor.text(chat) or "")
        assert editor.windows() == 2
        editor.enter("1QF and in C?")
        again = document(desk.wire, desk.wire.command("kvasir.fork", count=2))
        assert turns(editor.answered(again, 2))[0] == first


def test_a_selection_and_a_half_typed_question_are_warmed(start: Start, desk: Home, project: Path) -> None:
    with start() as editor:
        editor.type("5GVj")
        selection = until(
            lambda: [it.params for it in desk.wire.sent("kvasir/selection") if it.params["lines"] == [4, 6]],
            "the selection",
        )[0]
        assert selection["file"] == str(project / "a.py")
        desk.wire.announced(
            "kvasir/state", lambda state: (state["job"], state["phase"]) == ("warmup", "done")
        )
        editor.type(":Kvasir ask -f why is")
        drafted = until(lambda: drafts(desk.wire, "-f why is"), "the draft")[0]
        assert (drafted["lines"], drafted["text"]) == ([4, 6], F1)
        until(lambda: len(warmed(desk.wire)) > 1, "the draft to be read")
        editor.type(" it slow?", "Enter")
        prefill = desk.wire.announced("kvasir/state", lambda state: state["phase"] == "prefill").params
        assert prefill["cachedTokens"] > prefill["promptTokens"] * 0.9
        editor.answered(document(desk.wire, desk.wire.command("kvasir.ask")), 1)
        assert "cached" in editor.status()


def test_without_a_question_one_is_asked_for_and_warmed_while_it_is_typed(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("5,6QQ -n")
        editor.terminal.read("Kvasir (-n):")
        editor.type("why is")
        drafted = until(lambda: drafts(desk.wire, "-n why is"), "the draft")[0]
        assert drafted["lines"] == [4, 6]
        editor.type(" it slow?", "Enter")
        assert desk.wire.command("kvasir.ask").params["arguments"][1] == "-n why is it slow?"
        editor.answered(document(desk.wire, desk.wire.command("kvasir.ask")), 1)


def test_models_are_completed_and_switched(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("QQ why?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.answered(chat, 1)
        editor.go_to(chat)
        editor.type(":Kvasir model d", "Tab")
        editor.terminal.see(lambda screen: ":Kvasir model demo" in screen, "the completed name")
        editor.type("Enter")
        chosen = until(
            lambda: [it.params["arguments"] for it in models(desk.wire) if it.params["arguments"]],
            "the choice",
        )
        assert chosen == [[{"file": str(chat), "client": "vim"}, "demo"]]
        assert editor.ask("getcompletion('Kvasir ask @', 'cmdline')") == ["@demo"]
        assert "retry" in editor.ask("getcompletion('Kvasir r', 'cmdline')")


def test_an_old_chat_is_found_by_its_title_and_chosen_from_a_menu(
    start: Start, desk: Home, project: Path
) -> None:
    with start() as editor:
        editor.enter("QQ what is old?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.answered(chat, 1)
        editor.saved(chat)
        editor.command(f"bwipeout {chat}")
        assert editor.windows_of(chat) == []
        assert editor.ask("getcompletion('Kvasir open what i', 'cmdline')") == ["is old?"]
        editor.enter("Kvasir open what is old?")
        until(lambda: editor.windows_of(chat), "the chat")
        assert editor.current_file() == project / "a.py"

        editor.command(f"bwipeout {chat}")
        editor.enter("Kvasir chats")
        editor.terminal.read("what is old? · 1 turns")
        editor.type("Enter")
        until(lambda: editor.windows_of(chat), "the chat")
        assert turns(editor.text(chat) or "")


@pytest.mark.usefixtures("endless")
def test_the_rest_of_an_answer_whose_buffer_is_wiped_is_on_disk_and_comes_back(
    start: Start, desk: Home
) -> None:
    with start() as editor:
        editor.enter("QQ why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        shown = editor.watch(chat).states[-1]
        editor.command(f"bwipeout! {chat}")
        on_disk = Growth(lambda: chat.read_text("utf-8"), finished)
        until(lambda: len(answer(on_disk.next(), 1)) > 2 * len(answer(shown, 1)), "the answer to go on")
        assert editor.windows_of(chat) == []

        editor.enter("Kvasir open")
        growing = editor.watch(chat)
        editor.enter("Kvasir cancel")
        assert answer(growing.to_end()[-1], 1) == streamed(desk.wire)
        editor.saved(chat)
        assert editor.told() == []


@pytest.mark.usefixtures("endless")
def test_a_document_that_is_read_again_while_its_answer_is_written_has_everything_once(
    start: Start, desk: Home
) -> None:
    with start() as editor:
        editor.enter("QQ why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        growing = editor.watch(chat)
        editor.go_to(chat)
        editor.enter("edit!")
        watched = len(growing.states)
        until(lambda: growing.next() and len(growing.states) > watched + LIVE_STATES, "the answer to go on")
        editor.enter("Kvasir cancel")
        assert answer(growing.to_end()[-1], 1) == streamed(desk.wire)


@pytest.mark.usefixtures("endless")
def test_a_chat_that_is_edited_while_its_answer_streams_keeps_both(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("QQ why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        growing = editor.watch(chat)
        editor.go_to(chat)
        editor.type("gg", "/why is", "Enter", "O", "A note.", "Escape", "G", "o", "and then?", "Escape")
        until(lambda: "and then?" in growing.next(), "what was typed")
        watched = len(growing.states)
        until(lambda: growing.next() and len(growing.states) > watched + LIVE_STATES, "the answer to go on")
        editor.enter("Kvasir cancel")
        text = growing.to_end()[-1]
        assert "\nA note.\nwhy is it slow?\n" in text
        assert text.rstrip().endswith("and then?")
        assert answer(text, 1) == streamed(desk.wire)


@pytest.mark.usefixtures("endless")
def test_deleting_the_stop_line_stops_the_answer(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("QQ why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.watch(chat)
        editor.go_to(chat)
        editor.type("G", "?is answering", "Enter", "dd")
        desk.wire.announced("kvasir/state", lambda state: state["phase"] == "cancelled")
        assert editor.told() == []


@pytest.mark.usefixtures("endless")
def test_a_server_that_dies_is_told_and_started_again(start: Start, desk: Home, client: Client) -> None:
    with start() as editor:
        editor.enter("QQ why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.watch(chat)
        os.kill(desk.wire.server_pids[0], signal.SIGKILL)
        if client.name == "coc.nvim":
            # It starts its servers again by itself.
            until(lambda: len(desk.wire.server_pids) == 2, "another server")
        else:
            assert "restart" in until(editor.told, "the end to be told")[-1]
            assert editor.status() == ""
            assert answer(chat.read_text("utf-8"), 1)
        editor.enter("Kvasir restart")
        desk.wire.wait("initialize", count=len(desk.wire.server_pids))
        until(lambda: len(desk.wire.sent("initialized")) >= 2, "another server to be met")
        asked = len(asks(desk.wire))
        editor.enter("QQ -n and now?")
        other = document(desk.wire, desk.wire.command("kvasir.ask", count=asked + 1))
        editor.watch(other)
        editor.enter("Kvasir cancel")
        editor.answered(other, 1)


def test_status_and_retry_and_refusals_are_told_in_a_line(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("Kvasir retry")
        whole = until(editor.told, "the refusal")[-1]
        assert whole.startswith("Kvasir: Which chat?")
        editor.enter("Kvasir nonsense")
        assert "there is no" in until(lambda: editor.told()[1:], "the complaint")[-1]
        assert all(len(line) < editor.ask("&columns") for line in editor.messages().splitlines())
        editor.enter("QQ why?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.answered(chat, 1)
        editor.go_to(chat)
        editor.enter("Kvasir retry")
        other = document(desk.wire, desk.wire.command("kvasir.retry", count=2))
        assert other != chat
        editor.answered(other, 1)
        editor.enter("Kvasir status")
        editor.terminal.read("answers, ")
        editor.type("Enter")


def test_lines_that_end_as_on_windows_stay_so(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("QQ why?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.answered(chat, 1)
        editor.saved(chat)
        editor.go_to(chat)
        editor.enter("setlocal fileformat=dos")
        editor.type("G", "A", "and in parallel?", "Escape")
        editor.enter("write")
        text = editor.answered(chat, 2)
        assert "\r" not in text
        until(lambda: not editor.option(chat, "modified"), "the finished document to be saved")
        assert chat.read_bytes().decode() == text.replace("\n", "\r\n") + "\r\n"


def test_a_selection_is_asked_about_by_a_mapped_key_and_another_command_named_q_stays(
    start: Start, desk: Home
) -> None:
    more = "command! Q let g:quit = 1\nxmap <Space>k <Plug>(kvasir-ask)\n"
    with start(more=more) as editor:
        editor.enter("Q")
        assert editor.ask("g:quit") == 1
        assert editor.ask("exists(':QQ')") == 2
        editor.type("5GVj", " k")
        editor.terminal.read("Kvasir:")
        editor.type("why?", "Enter")
        argument, question = desk.wire.command("kvasir.ask").params["arguments"]
        assert (argument["lines"], question) == ([4, 6], "why?")
        editor.answered(document(desk.wire, desk.wire.command("kvasir.ask")), 1)


@pytest.mark.usefixtures("endless")
def test_a_command_line_stays_on_the_screen_while_an_answer_streams(start: Start, desk: Home) -> None:
    with start() as editor:
        editor.enter("QQ why is it slow?")
        growing = editor.watch(document(desk.wire, desk.wire.command("kvasir.ask")))
        editor.type(":echo ")
        for letter in TYPED:
            if letter == " ":
                growing.next()
            editor.type(letter)
        editor.terminal.see(lambda screen: screen.rstrip().endswith(f":echo {TYPED}"), "the command line")
        editor.type("Escape")
        editor.enter("Kvasir cancel")
        assert_grew_live(growing.to_end(), 1)


def test_the_snippets_of_the_readme_work(start: Start, desk: Home, client: Client) -> None:
    install, keys, line = snippets("vim")
    assert install.replace("/path/to/kvasir/editors/vim", str(GLUE)) == INSTALLED
    if client.name == "coc.nvim":
        desk.write_config("vim/coc-settings.json", snippets("json")[0])
    with start(more=f"{keys}{line}") as editor:
        editor.type("5GVj", "\\k")
        editor.terminal.read("Kvasir:")
        editor.type("why?", "Enter")
        editor.answered(document(desk.wire, desk.wire.command("kvasir.ask")), 1)
        editor.terminal.read("Kvasir: ready")
        assert len(desk.wire.server_pids) == 1
        features = desk.wire.sent("initialize")[0].params["initializationOptions"]["kvasir"]["client"]
        assert features == editor.ask("kvasir#server#options().kvasir.client")
