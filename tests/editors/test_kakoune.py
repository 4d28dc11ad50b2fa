"""Kakoune with the commands of ``editors/kakoune``, installed by ``kvasir setup``.

kakoune-lsp is in no package registry, so a stand-in takes its place: it has its options, its hooks and
``lsp-execute-command``, which writes down what it was given.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from handlers.arguments import parse
from handlers.commands import COMMANDS
from tests.editors.drivers.home import KVASIR, Home
from tests.editors.drivers.terminal import Terminal
from tests.editors.drivers.waiting import until
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(120)]

README = Path(__file__).parents[2] / "editors/kakoune/README.md"
STAND_IN = """
declare-option str lsp_servers
hook global User LSPDefaultConfig=python %{{ set-option buffer lsp_servers %{{
[pylsp]
root_globs = [".git"]
}} }}
define-command lsp-execute-command -params 2 %{{
    echo -to-file {log} -- "%arg{{1}} %arg{{2}}"
}}
"""


class Kakoune:
    """A running Kakoune with the stand-in."""

    def __init__(self, terminal: Terminal, log: Path) -> None:
        self.terminal = terminal
        self._log = log

    def command(self, line: str) -> None:
        self.terminal.type(f":{line}")
        self.terminal.keys("Enter")

    def asked(self) -> tuple[str, list[Any]]:
        """The next command that goes to the server, with its arguments."""
        text = self._written("a command to the server")
        name, _, arguments = text.partition(" ")
        command = COMMANDS[name]
        parse(json.loads(arguments), command.words)
        return name, json.loads(arguments)

    def option(self, name: str) -> str:
        """Value of an option in the current buffer."""
        self.command(f"echo -to-file {self._log} -- %opt{{{name}}}")
        return self._written(f"the option {name}")

    def _written(self, what: str) -> str:
        text = until(lambda: self._log.read_text("utf-8") if self._log.exists() else None, what)
        self._log.unlink()
        return text


@pytest.fixture
def kakoune(prefix: Prefix, desk: Home, project: Path, tmp_path: Path) -> Generator[Kakoune]:
    log = tmp_path / "asked"
    kakrc = desk.write_config("kak/kakrc", STAND_IN.format(log=log))
    env = desk.env | {"PATH": f"{desk.env['PATH']}:{prefix.bin}"}
    subprocess.run([KVASIR, "setup", "kakoune", "--yes"], env=env, check=True)
    assert STAND_IN.format(log=log) in kakrc.read_text("utf-8")
    argv = [prefix.program("kak"), "a.py"]
    with Terminal(prefix.program("tmux"), argv, project, desk.env) as terminal:
        terminal.read("def f1(x):")
        terminal.read("a.py 1:1")
        yield Kakoune(terminal, log)
        terminal.type(":quit!")
        terminal.keys("Enter")
        until(terminal.ended, "Kakoune to end")


def test_the_snippets_of_the_readme_bring_the_commands_and_their_key(kakoune: Kakoune, project: Path):
    source, key = re.findall(r"^```kak\n(.*?)\n```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert source.replace("/path/to/kvasir/editors/kakoune", str(README.parent)).startswith("source /")
    kakoune.command(key)
    kakoune.terminal.keys("Space", "k")
    kakoune.terminal.read("show the newest chat")
    kakoune.terminal.keys("q")
    kakoune.terminal.type("why?")
    kakoune.terminal.keys("Enter")
    assert kakoune.asked() == ("kvasir.ask", [{"file": str(project / "a.py")}, "why?"])


def test_the_server_stands_behind_those_of_the_language(kakoune: Kakoune):
    servers = tomllib.loads(kakoune.option("lsp_servers"))
    assert list(servers) == ["pylsp", "kvasir"]
    assert servers["kvasir"] == {"command": "kvasir", "args": ["lsp"], "root_globs": [".git", ".kvasir"]}


def test_a_question_goes_with_the_selected_lines_as_it_was_typed(kakoune: Kakoune, project: Path):
    kakoune.terminal.type("5gxJ")
    kakoune.terminal.type(r""":kvasir-ask -f @demo 'it''s "slow", isn''t it? a\b'""")
    kakoune.terminal.keys("Enter")
    place = {"file": str(project / "a.py"), "lines1": [5, 6]}
    assert kakoune.asked() == ("kvasir.ask", [place, r"""-f @demo it's "slow", isn't it? a\b"""])


def test_lines_that_were_selected_upwards_are_the_same(kakoune: Kakoune, project: Path):
    kakoune.terminal.type("6gxK")
    kakoune.command("kvasir-warmup")
    assert kakoune.asked() == ("kvasir.warmup", [{"file": str(project / "a.py"), "lines1": [5, 6]}])


def test_without_a_selection_a_question_names_the_file(kakoune: Kakoune, project: Path):
    kakoune.command("kvasir-ask why?")
    assert kakoune.asked() == ("kvasir.ask", [{"file": str(project / "a.py")}, "why?"])


def test_forking_and_asking_again_name_the_line_of_the_turn(kakoune: Kakoune, project: Path):
    place = {"file": str(project / "a.py"), "lines1": [5, 5]}
    kakoune.terminal.type("5g")
    kakoune.command("kvasir-fork and in Rust?")
    assert kakoune.asked() == ("kvasir.fork", [place, "and in Rust?"])
    kakoune.command("kvasir-retry")
    assert kakoune.asked() == ("kvasir.retry", [place])


def test_stopping_and_another_model_need_no_place(kakoune: Kakoune, project: Path):
    kakoune.command("kvasir-cancel")
    assert kakoune.asked() == ("kvasir.cancel", [])
    kakoune.command("kvasir-model demo")
    assert kakoune.asked() == ("kvasir.model", [{"file": str(project / "a.py")}, "demo"])


def test_the_newest_chat_is_shown(kakoune: Kakoune, project: Path):
    kakoune.command("kvasir-chat")
    kakoune.terminal.read("no chat in .kvasir/chat yet")
    chat = project / ".kvasir/chat/it's one.md"
    chat.parent.mkdir(parents=True)
    chat.write_text("## You\n", encoding="utf-8")
    kakoune.command("kvasir-chat")
    kakoune.terminal.read("it's one.md 1:1")
