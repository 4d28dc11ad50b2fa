"""VS Code with the extension of ``editors/vscode``, installed from its .vsix: one window for all tests."""

import os
import signal
import subprocess
from collections.abc import Generator
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
from tests.editors.drivers.home import Account, Home, furnish
from tests.editors.drivers.talker import talker
from tests.editors.drivers.vscode.editor import DISTRUST, VSCode, Window, vscode
from tests.editors.drivers.waiting import Growth, until
from tests.editors.drivers.wire import Message, Wire
from tests.editors.provision import BROWSER, Prefix, provision

pytestmark = [pytest.mark.editors, pytest.mark.vscode, pytest.mark.timeout(240)]

CONFIG = 'model = "demo"\n[models.demo]\nmax_tokens = {max_tokens}\ntemperature = 0.0\nthreads = 1\n'
SHORT, ENDLESS = 200, 24_000
SOURCE = "".join(f"def f{i}(x):\n    return x + {i}\n\n\n" for i in range(10)) + "total = f0(1) + f9(2)\n"
TYPED = "the quick brown fox jumps over the lazy dog"
LONG = "".join(f"{number:06}: twenty characters\n" for number in range(3600))
QUICK_SAVING: dict[str, object] = {"files.autoSave": "afterDelay", "files.autoSaveDelay": 50}


@pytest.fixture(scope="module")
def room(prefix: Prefix, account: Account, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home of the person at VS Code. Where editors are not wanted, ``prefix`` skips."""
    return furnish(tmp_path_factory.mktemp("vscode") / "home", account)


@pytest.fixture(scope="module")
def code(room: Home) -> Generator[VSCode]:
    write_config(room, SHORT)
    with vscode(provision(BROWSER).program("chromium"), room) as code:
        yield code


@pytest.fixture(scope="module")
def window(code: VSCode, room: Home, tmp_path_factory: pytest.TempPathFactory) -> Window:
    folder = tmp_path_factory.mktemp("project")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    window = code.window(folder)
    room.wire.wait("initialized")
    return window


@pytest.fixture
def editor(window: Window, room: Home) -> Generator[Window]:
    """The window as a person finds it who begins: nothing open, ``a.py`` in the folder."""
    yield begun(window, room, SHORT)
    ended(window)


@pytest.fixture
def endless(window: Window, room: Home) -> Generator[Window]:
    """As ``editor``, with answers that end when the test ends them."""
    yield begun(window, room, ENDLESS)
    ended(window)


def write_config(room: Home, max_tokens: int) -> None:
    room.write_config("kvasir/config.toml", CONFIG.format(max_tokens=max_tokens))


def restart(window: Window) -> None:
    window.js("await vscode.commands.executeCommand('kvasir.ui.restart')")


def ended(window: Window) -> None:
    """Take back what the test has set, and wait for the server that comes of it."""
    if window.changed:
        window.reset()
        restart(window)


def begun(window: Window, room: Home, max_tokens: int) -> Window:
    window.settle()
    (window.folder / "a.py").write_text(SOURCE, encoding="utf-8")
    write_config(room, max_tokens)
    room.wire.path.unlink(missing_ok=True)
    restart(window)
    room.wire.wait("initialized")
    return window


def asked(window: Window, wire: Wire, question: str = "why is it slow?") -> Path:
    """Ask about the first function's two lines; the chat document."""
    window.open(window.folder / "a.py", 5, 6)
    window.ask(question)
    return document(wire, wire.command("kvasir.ask"))


def growth(window: Window, chat: Path) -> Growth:
    return Growth(lambda: window.text(str(chat)), finished)


def watch(growing: Growth) -> None:
    """Look on until the answer has grown before our eyes."""
    while len(growing.states) <= LIVE_STATES + 2:
        growing.next()


def answered(window: Window, chat: str, count: int) -> str:
    """Wait until the document has ``count`` turns with their answers; returns it."""

    def look() -> str | None:
        text = window.text(chat) or ""
        return text if len(turns(text)) == count and finished(text) else None

    return until(look, f"{count} answered turns")


def stop(window: Window, wire: Wire) -> None:
    window.click_status()
    wire.announced("kvasir/state", lambda state: state["phase"] == "cancelled")


def drafts(wire: Wire, question: str) -> list[Message]:
    return [message for message in wire.sent("kvasir/draft") if message.params.get("question") == question]


def saved(window: Window, chat: Path) -> None:
    until(lambda: not window.is_dirty(str(chat)), "the finished document to be saved")
    assert chat.read_text(encoding="utf-8") == window.text(str(chat))


def test_a_selection_is_read_while_the_question_is_typed_and_the_answer_stands_beside_the_code(
    editor: Window, room: Home
) -> None:
    source = editor.folder / "a.py"
    editor.open(source, 5, 6)
    text = "def f1(x):\n    return x + 1\n"
    selected = room.wire.wait("kvasir/selection").params
    assert (selected["uri"], selected["lines"], selected["text"]) == (source.as_uri(), [4, 6], text)
    room.wire.announced("kvasir/state", lambda state: (state["job"], state["phase"]) == ("warmup", "done"))
    until(lambda: editor.status() == "Kvasir: warm", "the status bar to say that it is warm")

    editor.press("Control+Alt+KeyK", editor.box)
    editor.type("why is")
    draft = until(lambda: drafts(room.wire, "why is"), "the draft")[0].params
    assert (draft["uri"], draft["lines"], draft["text"]) == (source.as_uri(), [4, 6], text)
    editor.type(" it slow?")
    editor.page.keyboard.press("Enter")
    ask = room.wire.command("kvasir.ask")
    argument, question = ask.params["arguments"]
    assert (argument["uri"], argument["lines"], argument["text"]) == (source.as_uri(), [4, 6], text)
    assert question == "why is it slow?"
    assert job(room.wire, ask)["mode"] == "M1"
    prefill = room.wire.announced("kvasir/state", lambda state: state["phase"] == "prefill").params
    assert prefill["cachedTokens"] > prefill["promptTokens"] // 2

    chat = document(room.wire, ask)
    shown = answered(editor, str(chat), 1)
    assert "> a.py#L5-L6 (selection)" in shown
    assert answer(shown, 1) == streamed(room.wire)
    assert editor.columns() == ["a.py", chat.name]
    assert editor.focused() == str(source)
    editor.page.locator(".view-line", has_text="prompt tokens").wait_for()
    until(lambda: "cached +" in editor.status(), "the numbers in the status bar")
    saved(editor, chat)
    assert [message for message in editor.notifications() if "demo model" not in message] == []


def test_what_is_typed_in_the_code_stays_whole_while_an_answer_grows_until_a_click_stops_it(
    endless: Window, room: Home
) -> None:
    chat = asked(endless, room.wire)
    growing = growth(endless, chat)
    watch(growing)
    until(lambda: "tokens/s" in endless.status(), "the speed in the status bar")
    endless.page.keyboard.press("Control+End")
    for letter in TYPED:
        if letter == " ":
            growing.next()
        endless.type(letter)
    until(lambda: (endless.text("/a.py") or "").endswith(f"\n{TYPED}"), "the typed line")
    assert endless.focused() == str(endless.folder / "a.py")
    until(lambda: endless.is_at_the_end(chat.name), "the view to follow the answer")

    stop(endless, room.wire)
    states = growing.to_end()
    assert_grew_live(states, 1)
    assert "Stopped" in states[-1]
    assert answer(states[-1], 1) == streamed(room.wire)
    until(lambda: endless.status() == "Kvasir: stopped", "the status bar to say so")
    saved(endless, chat)


def test_a_chat_goes_on_when_the_person_saves_it_and_not_when_it_is_saved_by_itself(
    editor: Window, room: Home
) -> None:
    chat = asked(editor, room.wire)
    answered(editor, str(chat), 1)
    saved(editor, chat)
    editor.set(QUICK_SAVING)
    editor.put_cursor(chat.name, -1)
    editor.type("and in para")
    until(lambda: chat.read_text("utf-8").endswith("and in para"), "the automatic save")
    editor.set({"files.autoSave": "off"})
    editor.type("llel?")
    editor.save()
    first, second = turns(answered(editor, str(chat), 2))
    assert "and in parallel?" in (editor.text(str(chat)) or "")
    saves = [message.params["textDocument"]["uri"] for message in room.wire.sent("textDocument/didSave")]
    assert saves.count(chat.as_uri()) == 1
    saved(editor, chat)

    editor.page.keyboard.press("Control+KeyZ")
    until(lambda: answer(editor.text(str(chat)) or "", 2) == "", "the answer to be undone in one step")
    assert turns(editor.text(str(chat)) or "") == [first, second]


def test_a_lens_forks_and_the_fork_takes_the_place_of_its_chat_on_the_screen(
    editor: Window, room: Home
) -> None:
    chat = asked(editor, room.wire)
    (first,) = turns(answered(editor, str(chat), 1))
    editor.put_cursor(chat.name, 0)
    editor.page.locator(".codelens-decoration a", has_text="Fork").first.click()
    forked = document(room.wire, room.wire.command("kvasir.fork"))
    until(lambda: editor.columns() == ["a.py", forked.name], "the fork beside the code")
    assert turns(editor.text(str(forked)) or "") == [first]

    editor.put_cursor(forked.name, -1)
    editor.command("kvasir.ui.fork")
    editor.box.wait_for()
    editor.type("and in Rust?")
    editor.page.keyboard.press("Enter")
    request = room.wire.command("kvasir.fork", count=2)
    assert request.params["arguments"] == [{"uri": forked.as_uri(), "turn": 1}, "and in Rust?"]
    second = document(room.wire, request)
    assert "and in Rust?" in answered(editor, str(second), 2)
    assert "and in Rust?" not in (editor.text(str(forked)) or "")


def test_a_model_and_an_old_chat_are_chosen_from_lists(editor: Window, room: Home) -> None:
    editor.set({"kvasir.models": {"other": {"url": "http://127.0.0.1:9"}}})
    chat = asked(editor, room.wire)
    answered(editor, str(chat), 1)
    saved(editor, chat)
    editor.settle()

    editor.click_status()
    editor.choose("Open a Chat…")
    editor.choose("why is it slow?")
    until(lambda: editor.focused() == str(chat), "the chat to be opened")

    editor.settle()
    editor.open(editor.folder / "a.py")
    editor.ask("and in parallel?")
    until(lambda: editor.columns() == ["a.py", chat.name], "the chat to be shown again")
    answered(editor, str(chat), 2)
    editor.put_cursor(chat.name, -1)
    editor.click_status()
    editor.choose("Switch the Model…")
    editor.choose("other")
    chosen = room.wire.command("kvasir.model", count=2)
    assert chosen.params["arguments"] == [{"uri": chat.as_uri(), "model": "other"}]
    until(lambda: "model: other\n" in (editor.text(str(chat)) or ""), "the model at the top of the chat")


def test_a_virtual_chat_grows_too(endless: Window, room: Home) -> None:
    endless.set({"kvasir.chat.view": "virtual"})
    room.wire.wait("initialized", count=2)
    until(lambda: endless.status() == "Kvasir", "the new server")
    chat = asked(endless, room.wire)
    request = room.wire.command("kvasir.ask")
    reply = job(room.wire, request)
    assert reply["mode"] == "M2"
    name = f"/{reply['session']}.md"
    growing = Growth(lambda: endless.text(name), finished)
    watch(growing)
    assert endless.columns() == ["a.py", name[1:]]
    stop(endless, room.wire)
    assert_grew_live(growing.to_end(), 1)

    endless.put_cursor(name, -1)
    endless.command("kvasir.ui.fork")
    endless.box.wait_for()
    endless.page.keyboard.press("Enter")
    fork = room.wire.command("kvasir.fork")
    assert fork.params["arguments"] == [{"session": reply["session"], "turn": 1}]
    assert document(room.wire, fork) != chat


def test_a_chat_that_is_edited_closed_and_opened_again_while_it_grows_has_everything_once(
    endless: Window, room: Home
) -> None:
    chat = asked(endless, room.wire)
    growing = growth(endless, chat)
    watch(growing)
    endless.close_unsaved(chat.name)
    room.wire.wait("textDocument/didClose")
    on_disk = Growth(lambda: chat.read_text("utf-8"), finished)
    watch(on_disk)
    endless.open(chat)
    growing = growth(endless, chat)
    watch(growing)
    heading = next(
        i for i, line in enumerate(growing.states[-1].splitlines()) if line.startswith("## Kvasir")
    )
    endless.put_cursor(chat.name, heading + 2, column=0)
    endless.type("mine")
    until(lambda: answer(endless.text(str(chat)) or "", 1).startswith("mine"), "what was typed")
    watch(growth(endless, chat))
    stop(endless, room.wire)
    text = growth(endless, chat).to_end()[-1]
    saved(endless, chat)
    assert answer(text, 1).removeprefix("mine").strip() == streamed(room.wire).strip()


def test_a_server_that_dies_is_started_again(endless: Window, room: Home) -> None:
    watch(growth(endless, asked(endless, room.wire)))
    os.kill(room.wire.server_pids[-1], signal.SIGKILL)
    room.wire.wait("initialized", count=2)
    until(lambda: any("ended unexpectedly" in said for said in endless.notifications()), "the message")
    until(lambda: endless.status() == "Kvasir", "the status bar to be idle again")
    endless.open(endless.folder / "a.py", 9, 10)
    endless.ask("and this?")
    second = document(room.wire, room.wire.command("kvasir.ask", count=2))
    growing = growth(endless, second)
    watch(growing)
    stop(endless, room.wire)
    growing.to_end()
    saved(endless, second)


def test_a_server_that_is_not_there_is_told_and_tried_again(editor: Window, room: Home) -> None:
    editor.set({"kvasir.command": ["kvasir-of-nobody"]})
    until(
        lambda: any('"kvasir-of-nobody" is not on the PATH' in said for said in editor.notifications()),
        "the message",
    )
    assert editor.status() == "Kvasir: not running"
    editor.set({"kvasir.command": None})
    room.wire.wait("initialized", count=2)
    until(lambda: editor.status() == "Kvasir", "the server")


def test_an_answer_of_a_hundred_thousand_characters_at_once_comes_whole(editor: Window, room: Home) -> None:
    with talker(LONG) as url:
        room.write_config("kvasir/config.toml", f'[models.talker]\nurl = "{url}"\n')
        restart(editor)
        chat = asked(editor, room.wire, "@talker why is it slow?")
        assert answer(answered(editor, str(chat), 1), 1) == LONG.strip()
        saved(editor, chat)


def test_a_folder_that_is_not_trusted_chooses_neither_programs_nor_options(
    code: VSCode, room: Home, tmp_path: Path
) -> None:
    folder, traces = tmp_path / "strange", tmp_path / "traces"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\necho ran >> {traces}\n", encoding="utf-8")
    evil.chmod(0o755)
    (folder / ".vscode").mkdir(parents=True)
    (folder / ".vscode/settings.json").write_text(
        f'{{"kvasir.command": ["{evil}"], "kvasir.server.binary": "{evil}", "kvasir.chat.sendOnSave": false}}',
        encoding="utf-8",
    )
    (folder / "b.py").write_text(SOURCE, encoding="utf-8")
    write_config(room, SHORT)
    room.wire.path.unlink()
    window = code.window(folder, DISTRUST)
    opened = room.wire.wait("initialize").params
    assert opened["rootUri"] == folder.as_uri()
    assert opened["initializationOptions"]["kvasir"]["settings"] == {}
    window.open(folder / "b.py", 5, 6)
    window.ask("why is it slow?")
    chat = document(room.wire, room.wire.command("kvasir.ask"))
    answered(window, str(chat), 1)
    assert not traces.exists()
