"""The command line as a person and a script use it: real processes, the demo model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from context.segment import Kind
from server.compose import folders
from sessions import llama
from sessions.store import Store

KVASIR = (sys.executable, "-P", "-m", "kvasir")


class Shell:
    """A person's shell in a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        piped: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(
            [*KVASIR, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            **piped,
        )

    def ask(self, *words: str, stdin: str | None = None) -> dict[str, Any]:
        """Ask with ``--json``; the last event."""
        done = self.run("ask", "--json", *words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def shell(project: Path, config: Path) -> Shell:
    return Shell(project)


def test_the_last_line_says_where_the_answer_is_and_what_it_cost(shell: Shell):
    last = shell.ask("-f", "a.py", "-l", "5:6", "why?")
    assert last["turn"] == 1
    assert last["model"] == "demo"
    assert last["usage"]["prompt"] == last["usage"]["cached"] + last["usage"]["new"]
    assert last["usage"]["out"] == 24
    assert last["ttft_ms"] > 0
    tail = Store(folders().database).chat(last["chat"]).turns[0].tail
    assert [(part.source, part.text) for part in tail] == [("a.py#L5-L6", "def f1(x):\n    return x + 1\n")]


def test_going_on_and_forking_find_the_prompt_in_the_slot(shell: Shell):
    first = shell.ask("-f", "a.py", "why?")
    second = shell.ask("--chat", first["chat"], "and then?")
    assert (second["chat"], second["turn"]) == (first["chat"], 2)
    assert second["usage"]["cached"] >= first["usage"]["prompt"] - 8
    fork = shell.ask("--fork", f"{first['chat']}:1", "or else?")
    assert fork["chat"] != first["chat"]
    assert fork["turn"] == 2
    # A slot that lacks less than is worth a copy may be taken instead.
    assert fork["usage"]["cached"] >= first["usage"]["prompt"] - 64


def test_a_pipe_is_the_selection(shell: Shell):
    done = shell.run("ask", "what", "is", "this?", stdin="x = 1\n")
    assert done.returncode == 0
    assert done.stdout.strip()
    store = Store(folders().database)
    turn = store.chat(store.chats()[0].id).turns[0]
    assert (turn.question, turn.tail[0].text) == ("what is this?", "x = 1\n")
    assert done.stdout.strip() == turn.answer.strip()


def test_the_whole_project(shell: Shell):
    last = shell.ask("-p", "where?")
    base = Store(folders().database).chat(last["chat"]).base
    assert [part.source for part in base] == ["a.py", "b.py"]


def test_each_source_has_an_option(shell: Shell):
    (shell.folder / "AGENTS.md").write_text("Answer in verse.\n")
    (shell.folder / "b.py").write_text("import a\n\nprint(a.f1(3))\n")
    words = [
        "-f",
        "b.py",
        "-l",
        "3:3",
        "-t",
        "--map",
        "--retrieval",
        "--diff",
        "--staged",
        "--blame",
        "--log",
    ]
    last = shell.ask(*words, "what does f1 do?")
    chat = Store(folders().database).chat(last["chat"])
    assert [part.source for part in chat.base] == ["AGENTS.md", "map"]
    kinds = {part.kind for part in chat.turns[0].tail}
    assert kinds >= {Kind.GIT, Kind.RELATED, Kind.SELECTION}
    git = [part.source for part in chat.turns[0].tail if part.kind is Kind.GIT]
    assert git == ["diff", "blame b.py#L3-L3", "log"]


def test_notes_go_along_unless_they_are_refused(shell: Shell, config: Path):
    (shell.folder / "AGENTS.md").write_text("Answer in verse.\n")

    def base(*words: str) -> list[str]:
        last = shell.ask(*words, "why?")
        return [part.source for part in Store(folders().database).chat(last["chat"]).base]

    assert base("-f", "a.py") == ["AGENTS.md", "a.py"]
    assert base("-f", "a.py", "--no-notes") == ["a.py"]
    config.write_text(config.read_text() + "\n[context]\nnotes = false\n")
    assert base("-f", "a.py") == ["a.py"]
    assert base("-f", "a.py", "--notes") == ["AGENTS.md", "a.py"]


def test_a_pattern_stands_for_files(shell: Shell):
    last = shell.ask("-f", "[ab].py", "why?")
    base = Store(folders().database).chat(last["chat"]).base
    assert [part.source for part in base] == ["a.py", "b.py"]


def test_what_would_be_sent_is_shown_as_json_and_as_a_table(shell: Shell):
    done = shell.run("context", "--json", "-f", "a.py", "-l", "5:6", "--mode", "fix", "why?", stdin="")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [(part["kind"], part["source"]) for part in said["segments"]] == [
        ("selection", "a.py#L5-L6"),
        ("mode", "fix"),
    ]
    assert said["segments"][0]["text"] == "def f1(x):\n    return x + 1\n"
    assert 0 < sum(part["tokens"] for part in said["segments"]) < said["tokens"] < said["window"]
    asked = shell.ask("-f", "a.py", "-l", "5:6", "--mode", "fix", "why?")
    # The chat template adds a few tokens of its own.
    assert said["tokens"] <= asked["usage"]["prompt"] <= said["tokens"] + 64
    table = shell.run("context", "-f", "a.py", "-f", "b.py").stdout.splitlines()
    assert [line.split()[1:] for line in table[:3]] == [
        ["kind", "source"],
        ["file", "a.py"],
        ["file", "b.py"],
    ]
    assert table[-1].endswith(f"of {said['window']} tokens")


def test_ctrl_c_keeps_what_was_answered(shell: Shell, config: Path):
    config.write_text(config.read_text().replace("max_tokens = 24", "max_tokens = 8000"))
    process = subprocess.Popen(
        [*KVASIR, "ask", "tell", "me", "all"],
        cwd=shell.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    begun = os.read(process.stdout.fileno(), 1)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    store = Store(folders().database)
    turn = store.chat(store.chats()[0].id).turns[0]
    assert turn.status == "stopped"
    assert turn.answer.strip() == (begun + rest).decode().strip()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ask"], "The question is empty. Type one, or choose what to do with the selection."),
        (["ask", "-l", "1:2", "why?"], "Lines of which file? Name it with -f."),
        (
            ["ask", "-f", "a.py", "-l", "one", "why?"],
            "'one' is no range of lines. Write it as A:B, for instance 10:20.",
        ),
        (
            ["ask", "--fork", "abc", "why?"],
            "'abc' names no turn. Write it as ID:TURN, for instance k7f3qa:2.",
        ),
        (["ask", "--chat", "nothere", "why?"], "There is no chat 'nothere'. \"kvasir chats\" lists them."),
        (["ask", "-m", "dmo", "why?"], "There is no model 'dmo'. Did you mean 'demo'?"),
        (["ask", "-f", "*.rs", "why?"], "*.rs stands for no file of text"),
        (["context", "-l", "1:2"], "Lines of which file? Name it with -f."),
        (["ask", "--mode", "sing", "why?"], "There is no mode 'sing'"),
        (["chats", "--show", "nothere"], "There is no chat 'nothere'. \"kvasir chats\" lists them."),
    ],
)
def test_what_makes_no_sense_is_one_sentence(shell: Shell, words: list[str], sentence: str):
    done = shell.run(*words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"kvasir: {sentence}")
    assert done.stderr.count("\n") == 1


def test_a_failure_is_an_event_too(shell: Shell, config: Path):
    config.write_text(config.read_text().replace("context = 16384", "context = 512"))
    done = shell.run("ask", "--json", "-f", "a.py", "why?")
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert last["event"] == "failed"
    assert last["error"]["code"] == "context_overflow"
    assert "the model takes 512" in last["error"]["message"]


def test_chats_are_found_by_their_words_renamed_and_deleted(shell: Shell):
    first, second = shell.ask("about herons"), shell.ask("about geese")
    assert shell.run("chats", "herons").stdout.split("\t")[0] == first["chat"]
    assert shell.run("chats", "--rename", first["chat"], "Birds").returncode == 0
    assert shell.run("chats", "--show", first["chat"]).stdout.startswith(
        f"---\nkvasir: 1\nchat: {first['chat']}\n"
    )
    assert shell.run("chats", "--delete", second["chat"]).returncode == 0
    listed = json.loads(shell.run("chats", "--json").stdout)
    assert [(chat["id"], chat["title"]) for chat in listed] == [(first["chat"], "Birds")]


def test_status_tells_what_the_slots_hold(shell: Shell):
    last = shell.ask("-f", "a.py", "why?")
    said = json.loads(shell.run("status", "--json").stdout)
    slots = [slot for server in said["servers"] for slot in server["slots"] if slot["owner"] == last["chat"]]
    assert [slot["tokens"] for slot in slots] >= [last["usage"]["prompt"]]
    assert shell.run("status").returncode == 0
    assert str(llama.running(folders().servers)[0].server_pid) in shell.run("server", "status").stdout


def test_doctor_names_each_problem_of_the_configuration(shell: Shell, config: Path):
    config.write_text(config.read_text() + "\n[chat]\nsend_on_saves = false\n")
    done = shell.run("doctor")
    assert done.returncode == 1
    assert 'unknown key "send_on_saves"; did you mean "send_on_save"?' in done.stdout


def test_a_completion_script_is_printed_for_each_shell(shell: Shell):
    for name in ("bash", "zsh", "tcsh"):
        assert "kvasir" in shell.run("completion", name).stdout


def test_the_demo_shows_warmup_answer_and_fork_with_their_numbers(shell: Shell):
    done = shell.run("demo", str(shell.folder / "a.py"))
    assert done.returncode == 0, done.stderr
    assert "warmed while you type: " in done.stdout
    assert done.stdout.count("prompt tokens (") == 3
