"""Helix with the snippets of ``editors/helix`` and nothing of ours inside it (render mode M3)."""

from contextlib import AbstractContextManager

import pytest

from tests.editors.drivers.chat import ANSWERED, LIVE_STATES, answer, document, finished, job, turns
from tests.editors.drivers.helix import Helix
from tests.editors.drivers.home import Home
from tests.editors.drivers.waiting import Growth, until
from tests.editors.drivers.wire import Message, Wire

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]


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
