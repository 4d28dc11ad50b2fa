"""Helix with the snippets of ``editors/helix`` and nothing of ours inside it (render mode M3)."""

import os
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sessions.store import Store
from tests.editors.drivers.chat import ANSWERED, LIVE_STATES, answer, document, finished, job, turns
from tests.editors.drivers.helix import Helix, helix
from tests.editors.drivers.home import KVASIR, Home
from tests.editors.drivers.waiting import Growth, until
from tests.editors.drivers.wire import Message, Wire
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

TYPED = "the quick brown fox jumps over the lazy dog"


def inserted(edit: Message) -> str:
    """Text that an edit of the server brings into the document."""
    return "".join(change["newText"] for edits in edit.params["edit"]["changes"].values() for change in edits)


def edits(wire: Wire) -> list[str]:
    """Texts that the server has brought into documents so far."""
    return [inserted(edit) for edit in wire.received("workspace/applyEdit")]


def finish(wire: Wire, count: int = 1) -> None:
    """Wait until the server has closed ``count`` answers, and Helix has taken every edit."""
    until(lambda: sum("<!-- kv end" in text for text in edits(wire)) >= count, f"{count} finished answers")
    for edit in wire.received("workspace/applyEdit"):
        assert wire.reply(edit)["result"]["applied"]


def chat_id(text: str) -> str:
    """The chat that a document shows."""
    return text.partition("\nchat: ")[2].partition("\n")[0]


def ask(editor: Helix, question: str) -> None:
    """Select lines 5 and 6 and ask about them with the shipped key."""
    editor.select(5, 6)
    editor.terminal.keys("Space", "q", "q")
    editor.terminal.see(lambda screen: "kvasir.ask" in screen, "the command line")
    editor.terminal.type(question)
    editor.terminal.keys("Enter")


def watch(editor: Helix, wire: Wire) -> None:
    """Look on until the answer has grown before our eyes, at its end."""
    until(lambda: edits(wire), "the answer to begin")
    editor.normal()
    screens = Growth(editor.at_the_end, lambda _: False)
    while len(screens.states) <= LIVE_STATES:
        screens.next()


@pytest.mark.usefixtures("endless")
def test_a_key_asks_about_the_selection_another_ends_the_answer_that_grows(
    in_helix: AbstractContextManager[Helix], desk: Home
) -> None:
    with in_helix as editor:
        ask(editor, "why is it slow?")
        request = desk.wire.command("kvasir.ask")
        assert request.params["arguments"] == [{"file": "a.py", "lines1": [5, 6]}, "why is it slow?"]
        assert job(desk.wire, request)["mode"] == "M3"
        chat = document(desk.wire, request)
        editor.terminal.read("why is it slow?")
        watch(editor, desk.wire)
        editor.terminal.keys("Space", "q", "c")
        finish(desk.wire)
        text = editor.save(chat)
        assert "> a.py#L5-L6 (selection)" in text
        assert "Stopped" in text
        assert answer(text, 1)


@pytest.mark.usefixtures("endless")
def test_a_code_action_asks_and_another_stops_the_answer(
    in_helix: AbstractContextManager[Helix], desk: Home
) -> None:
    with in_helix as editor:
        editor.select(5, 6)
        editor.code_action("Kvasir: explain")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        until(lambda: edits(desk.wire), "the answer to begin")
        editor.code_action("Kvasir: stop")
        finish(desk.wire)
        text = editor.save(chat)
        assert "Stopped" in text
        assert answer(text, 1)


def test_saving_sends_and_a_code_action_forks(in_helix: AbstractContextManager[Helix], desk: Home) -> None:
    with in_helix as editor:
        ask(editor, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        finish(desk.wire)
        assert finished(editor.save(chat))
        editor.append("and in parallel?")
        editor.save(chat)
        finish(desk.wire, count=2)
        text = editor.save(chat)
        first, second = turns(text)
        assert len(ANSWERED.findall(text)) == 2
        assert "and in parallel?" in text

        editor.command("goto 1")
        editor.terminal.type(f"/kv {first}")
        editor.terminal.keys("Enter")
        editor.code_action("Kvasir: fork")
        forked = document(desk.wire, desk.wire.command("kvasir.fork"))
        text = until(lambda: forked.read_text(encoding="utf-8"), "the fork")
        assert turns(text) == [first]
        assert second not in text
        editor.terminal.read(forked.name)


def test_keys_warm_up_change_the_model_and_find_the_chat_again(
    in_helix: AbstractContextManager[Helix], desk: Home
) -> None:
    with in_helix as editor:
        editor.select(5, 6)
        editor.terminal.keys("Space", "q", "w")
        warmup = desk.wire.command("kvasir.warmup")
        assert warmup.params["arguments"] == [{"file": "a.py", "lines1": [5, 6]}]
        assert job(desk.wire, warmup)["state"] == "warming"

        editor.terminal.keys("Space", "q", "m")
        editor.terminal.see(lambda screen: "kvasir.model" in screen, "the command line")
        editor.terminal.type("demo")
        editor.terminal.keys("Enter")
        chosen = desk.wire.command("kvasir.model")
        assert chosen.params["arguments"] == ["demo"]
        assert desk.wire.reply(chosen)["result"]["ok"]

        ask(editor, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        finish(desk.wire)
        editor.save(chat)
        editor.command("buffer-close")
        editor.terminal.read("def f1(x):")
        editor.terminal.keys("Space", "q", "o")
        assert document(desk.wire, desk.wire.command("kvasir.open")) == chat
        editor.terminal.read("a.py#L5-L6 (selection)")


@pytest.mark.usefixtures("endless")
def test_what_is_typed_while_an_answer_streams_stays_whole(
    in_helix: AbstractContextManager[Helix], desk: Home, project: Path
) -> None:
    with in_helix as editor:
        ask(editor, "why is it slow?")
        desk.wire.command("kvasir.ask")
        until(lambda: edits(desk.wire), "the answer to begin")
        editor.terminal.keys("C-o")
        editor.terminal.read("def f1(x):")
        editor.terminal.keys("g", "e", "o")
        for word in TYPED.split(" "):
            count = len(edits(desk.wire))
            editor.terminal.type(f"{word} ")
            until(lambda count=count: len(edits(desk.wire)) > count, "the answer to go on")
        editor.terminal.read(TYPED)
        assert editor.save(project / "a.py").endswith(f"\n{TYPED} \n")
        editor.terminal.keys("Space", "q", "c")
        finish(desk.wire)


@pytest.mark.usefixtures("endless")
def test_two_views_of_a_chat_show_the_same_answer(
    in_helix: AbstractContextManager[Helix], desk: Home
) -> None:
    with in_helix as editor:
        ask(editor, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        editor.terminal.read("why is it slow?")
        editor.command("vsplit")
        watch(editor, desk.wire)
        editor.terminal.keys("Space", "q", "c")
        finish(desk.wire)
        editor.terminal.keys("g", "e", "C-w", "w", "g", "e")
        stopped = editor.terminal.see(lambda screen: screen.count("*Stopped") > 1, "both ends")
        assert not any("is answering" in line for line in stopped.splitlines())
        assert finished(editor.save(chat))


@pytest.mark.usefixtures("endless")
def test_a_chat_that_is_closed_while_it_grows_is_whole_when_it_is_opened_again(
    in_helix: AbstractContextManager[Helix], desk: Home
) -> None:
    """An edit may be on its way meanwhile; with it Helix opens the document again, out of view."""
    with in_helix as editor:
        ask(editor, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        watch(editor, desk.wire)
        editor.command("buffer-close!")
        desk.wire.wait("textDocument/didClose")
        editor.terminal.read("def f1(x):")
        editor.terminal.keys("Space", "q", "c")
        (stopped,) = desk.wire.reply(desk.wire.command("kvasir.cancel"))["result"]["stopped"]
        assert stopped

        editor.terminal.keys("Space", "q", "o")
        assert document(desk.wire, desk.wire.command("kvasir.open")) == chat
        editor.terminal.read("a.py#L5-L6 (selection)")
        text = until(lambda: text if finished(text := editor.save(chat)) else None, "the end of the answer")
        (turn,) = Store(desk.path / "state/kvasir/chats.db").chat(chat_id(text)).turns
        assert answer(text, 1) == turn.answer.strip("\n")
        assert "*Stopped" in text


def test_after_its_server_died_helix_starts_another_when_told(
    in_helix: AbstractContextManager[Helix], desk: Home
) -> None:
    with in_helix as editor:
        os.kill(desk.wire.server_pids[-1], signal.SIGKILL)
        editor.terminal.read("Language server exited")
        editor.command("lsp-restart")
        until(lambda: len(desk.wire.server_pids) > 1, "another server")
        desk.wire.wait("textDocument/didOpen", count=2)
        ask(editor, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        finish(desk.wire)
        assert finished(editor.save(chat))


def test_setup_wires_every_language_and_takes_it_back(prefix: Prefix, desk: Home, project: Path) -> None:
    """A fresh home, Helix's own languages, files of three of them."""
    config = desk.config / "helix"
    for file in config.iterdir():
        file.unlink()
    env = desk.env | {"PATH": f"{desk.env['PATH']}:{prefix.bin}"}

    def setup(*options: str) -> None:
        subprocess.run([KVASIR, "setup", "helix", "--yes", *options], env=env, check=True)

    setup()
    (project / "main.rs").write_text("fn main() {}\n", encoding="utf-8")
    (project / "notes.md").write_text("milk\nbread\n", encoding="utf-8")
    with helix((prefix.program("hx"), prefix.program("tmux")), desk, project, project / "a.py") as editor:
        for count, name in enumerate(("main.rs", "notes.md"), start=2):
            editor.command(f"open {name}")
            opened = desk.wire.wait("textDocument/didOpen", count).params["textDocument"]
            assert opened["uri"] == (project / name).as_uri()
        editor.terminal.keys("x", "Space", "q", "q")
        editor.terminal.see(lambda screen: "kvasir.ask" in screen, "the command line")
        editor.terminal.type("what else?")
        editor.terminal.keys("Enter")
        asked = desk.wire.command("kvasir.ask")
        assert asked.params["arguments"] == [{"file": "notes.md", "lines1": [1, 1]}, "what else?"]
        chat = document(desk.wire, asked)
        finish(desk.wire)
        assert finished(editor.save(chat))
    setup("--remove")
    assert list(config.iterdir()) == []


def test_a_refusal_is_read_in_the_status_line(in_helix: AbstractContextManager[Helix], desk: Home) -> None:
    with in_helix as editor:
        editor.command('lsp-workspace-command kvasir.model "no-such-model"')
        refused = desk.wire.reply(desk.wire.command("kvasir.model"))["error"]["message"]
        editor.terminal.read(refused[:40])
