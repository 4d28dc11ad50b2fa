"""Emacs with the commands of ``editors/emacs`` over eglot, installed by ``kvasir setup`` (render mode M3)."""

import os
import re
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.editors.drivers.chat import LIVE_STATES, assert_grew_live, document, finished, job, turns
from tests.editors.drivers.emacs import Emacs, emacs
from tests.editors.drivers.home import KVASIR, Home
from tests.editors.drivers.waiting import Growth, until
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

README = Path(__file__).parents[2] / "editors/emacs/README.md"
TYPED = "the quick brown fox jumps over the lazy dog"


@pytest.fixture
def in_emacs(prefix: Prefix, desk: Home, project: Path) -> AbstractContextManager[Emacs]:
    """Emacs with the init file that ``kvasir setup emacs`` writes, on ``a.py``."""
    subprocess.run([KVASIR, "setup", "emacs", "--yes"], env=with_path(desk, prefix), check=True)
    return emacs(prefix, desk, project, project / "a.py")


@pytest.fixture
def in_emacs_by_hand(prefix: Prefix, desk: Home, project: Path) -> AbstractContextManager[Emacs]:
    """Emacs with the line of the README in its init file, and a key that the person has taken."""
    (line,) = re.findall(r"^```elisp\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    line = line.replace("/path/to/kvasir/editors/emacs", str(README.parent))
    desk.write_config("emacs/init.el", f'(keymap-global-set "C-c k" \'kill-line)\n{line}')
    return emacs(prefix, desk, project, project / "a.py")


def with_path(home: Home, prefix: Prefix) -> dict[str, str]:
    """The home's environment, with the editors on the PATH."""
    return home.env | {"PATH": f"{home.env['PATH']}:{prefix.bin}"}


def ask(editor: Emacs, question: str) -> None:
    """Mark lines 5 and 6 and ask about them with the shipped key."""
    editor.mark(5, 6)
    editor.terminal.keys("C-c", "k", "k")
    editor.answer("Ask Kvasir:", question)


def growth(editor: Emacs, chat: Path) -> Growth:
    return Growth(lambda: editor.text(chat), finished)


def answered(editor: Emacs, chat: Path, count: int) -> str:
    """Wait until the buffer has ``count`` turns with their answers; returns its text."""

    def look() -> str | None:
        text = editor.text(chat) or ""
        return text if len(turns(text)) == count and finished(text) else None

    return until(look, f"{count} answered turns")


@pytest.mark.usefixtures("endless")
def test_a_question_is_warmed_while_it_is_typed_and_its_answer_grows_until_it_is_cancelled(
    in_emacs: AbstractContextManager[Emacs], desk: Home, project: Path
) -> None:
    with in_emacs as editor:
        ask(editor, "why is it slow?")
        place = {
            "uri": (project / "a.py").as_uri(),
            "lines": [4, 6],
            "text": "def f1(x):\n    return x + 1\n",
        }
        asked = desk.wire.command("kvasir.ask")
        assert asked.params["arguments"] == [place, "why is it slow?"]
        assert desk.wire.sent("kvasir/selection")[0].params == place
        assert desk.wire.sent("kvasir/draft")[-1].params == place | {"question": "why is it slow?"}
        assert job(desk.wire, asked)["mode"] == "M3"

        growing = growth(editor, document(desk.wire, asked))
        while len(growing.states) <= LIVE_STATES + 2:
            growing.next()
        editor.terminal.read("Kvasir:")
        editor.terminal.keys("C-c", "k", "c")
        states = growing.to_end()
        assert_grew_live(states, 1)
        assert "Stopped" in states[-1]
        assert "> a.py#L5-L6 (selection)" in states[-1]
        assert editor.visited() == project / "a.py"
        until(lambda: "tokens, " not in editor.terminal.screen(), "the mode line to be quiet again")


@pytest.mark.usefixtures("endless")
def test_what_is_typed_while_an_answer_streams_stays_whole(
    in_emacs: AbstractContextManager[Emacs], desk: Home, project: Path
) -> None:
    with in_emacs as editor:
        ask(editor, "why is it slow?")
        growing = growth(editor, document(desk.wire, desk.wire.command("kvasir.ask")))
        growing.next()
        editor.terminal.keys("M->")
        for word in TYPED.split(" "):
            editor.terminal.type(f"{word} ")
            growing.next()
        until(lambda: (editor.text(project / "a.py") or "").endswith(f"\n{TYPED} "), "the typed line")
        assert editor.visited() == project / "a.py"
        editor.command("kvasir-cancel")
        assert_grew_live(growing.to_end(), 1)


def test_a_chat_goes_on_by_saving_and_forks_at_point_and_is_found_again(
    in_emacs: AbstractContextManager[Emacs], desk: Home, project: Path
) -> None:
    with in_emacs as editor:
        ask(editor, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        answered(editor, chat, 1)
        editor.visit(chat)
        editor.terminal.keys("M->")
        editor.terminal.type("and in parallel?")
        editor.terminal.keys("C-c", "C-c")
        first, second = turns(answered(editor, chat, 2))

        editor.terminal.keys("M-<", "C-s")
        editor.terminal.type("a.py#L5")
        editor.terminal.keys("Enter", "C-c", "C-f")
        editor.answer("Fork with", "and in Rust?")
        forked = document(desk.wire, desk.wire.command("kvasir.fork"))
        assert forked != chat
        text = answered(editor, forked, 2)
        assert turns(text)[0] == first
        assert second not in text
        assert "and in Rust?" in text

        editor.visit(project / "a.py")
        editor.terminal.keys("C-c", "k", "o")
        editor.terminal.read("Chat:")
        chats = desk.wire.reply(desk.wire.command("kvasir.chats"))["result"]["sessions"]
        older = chats[-1]
        editor.terminal.type(f"{older['title']}  {older['session']}")
        editor.terminal.keys("Enter")
        assert document(desk.wire, desk.wire.command("kvasir.open")) == chat


def test_another_model_is_chosen_by_name(in_emacs: AbstractContextManager[Emacs], desk: Home) -> None:
    with in_emacs as editor:
        editor.terminal.keys("C-c", "k", "m")
        editor.answer("Model:", "demo")
        chosen = desk.wire.command("kvasir.model", count=2)
        assert chosen.params["arguments"] == [{}, "demo"]
        assert desk.wire.reply(chosen)["result"]["ok"]


def test_a_refusal_and_a_missing_program_are_said_in_words(
    in_emacs: AbstractContextManager[Emacs], desk: Home
) -> None:
    with in_emacs as editor:
        editor.lisp('(progn (setq kvasir-command (list "no-such-kvasir")) t)')
        editor.command("kvasir-warmup")
        editor.terminal.read("There is no program no-such-kvasir")
        editor.lisp('(progn (setq kvasir-command (list "kvasir")) t)')
        editor.command("kvasir-retry")
        editor.terminal.read("This buffer is no chat")


def test_the_line_of_the_readme_brings_the_commands_and_takes_no_key(
    in_emacs_by_hand: AbstractContextManager[Emacs], desk: Home
) -> None:
    with in_emacs_by_hand as editor:
        assert editor.lisp('(symbol-name (key-binding (kbd "C-c k")))') == "kill-line"
        assert editor.lisp("(if (featurep 'eglot) t :false)") is False, "nothing is loaded before it is used"
        editor.command("kvasir-ask")
        editor.answer("Ask Kvasir:", "@demo what is it?")
        assert desk.wire.command("kvasir.ask").params["arguments"][1] == "@demo what is it?"


@pytest.mark.usefixtures("endless")
def test_a_server_that_died_is_started_again(in_emacs: AbstractContextManager[Emacs], desk: Home) -> None:
    with in_emacs as editor:
        ask(editor, "why is it slow?")
        chat = document(desk.wire, desk.wire.command("kvasir.ask"))
        until(lambda: (editor.text(chat) or "").count("\n") > 5, "the chat")
        os.kill(desk.wire.server_pids[-1], signal.SIGKILL)
        until(lambda: "exited" in editor.messages() or len(desk.wire.server_pids) > 1, "eglot to notice")
        editor.command("kvasir-warmup")
        desk.wire.command("kvasir.warmup")
        assert len(desk.wire.server_pids) > 1
