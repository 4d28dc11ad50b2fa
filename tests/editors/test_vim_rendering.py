"""How ``editors/vim`` puts an answer into a buffer, piece by piece, without a server."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.editors.drivers.home import Home
from tests.editors.drivers.vim import GLUE, INSTALLED, Vim, unattached
from tests.editors.drivers.waiting import until
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

TURN = "t1abcdef"
DOCUMENT = f"""---
kvasir: 1
chat: k7f3qa
model: demo
---

## You <!-- kv {TURN} -->

why?

## Kvasir <!-- kv {TURN} -->



*Kvasir is answering. Delete this line to stop.* <!-- kv stop {TURN} -->
"""
MARK = f"*demo* <!-- kv end {TURN} -->\n\n## You\n\n"
LONG = 100_000


@pytest.fixture
def chat(project: Path) -> Path:
    path = project / ".kvasir/chat/why.md"
    path.parent.mkdir(parents=True)
    path.write_text(DOCUMENT, encoding="utf-8")
    return path


@pytest.fixture
def editor(prefix: Prefix, desk: Home, project: Path) -> Generator[Vim]:
    programs = (prefix.program("vim"), prefix.program("tmux"))
    with unattached(programs, desk, project, project / "a.py", INSTALLED) as vim:
        yield vim


class Stream:
    """The deltas of one answer."""

    def __init__(self, editor: Vim, chat: Path) -> None:
        self._editor = editor
        self._where = {"v": 1, "session": "k7f3qa", "turn": 1, "job": "j1", "path": str(chat)}
        self._sequence = 0
        self._at = 0

    def send(self, text: str, kind: str = "answer", at: int | None = None) -> None:
        self._sequence += 1
        begin = self._at if at is None else at
        params = {**self._where, "seq": self._sequence, "at": begin, "text": text, "kind": kind}
        self._editor.ask("kvasir#client#told('kvasir/delta', json_decode({0}))", json.dumps(params))
        if kind != "mark":
            self._at = begin + len(text)


def written(answer: str) -> str:
    """The buffer with this answer, complete."""
    return f"{DOCUMENT.partition('## Kvasir')[0]}## Kvasir <!-- kv {TURN} -->\n\n{answer}\n\n{MARK}".removesuffix(
        "\n"
    )


def test_pieces_grow_together_by_code_points(editor: Vim, chat: Path) -> None:
    """Composing characters, emoji and wide letters are each counted as the server counts them."""
    answer = "e\u0301a\u0308 \U0001f389\U0001f3fd 漢字\n\n```\n\tcode\n```\nक्षि end"
    stream = Stream(editor, chat)
    for letter in answer:
        stream.send(letter)
    stream.send(MARK, "mark")
    assert editor.text(chat) == written(answer)
    editor.saved(chat)
    assert editor.told() == []


def test_what_is_there_already_is_left_out_and_what_is_missing_waited_for(editor: Vim, chat: Path) -> None:
    stream = Stream(editor, chat)
    stream.send("e\u0301ins ")
    stream.send("e\u0301ins zwei ", at=0)
    stream.send("zwei drei", at=6)
    stream.send(MARK, "mark")
    assert editor.text(chat) == written("e\u0301ins zwei drei")


@pytest.mark.parametrize("line", [10, 80, LONG])
def test_a_long_answer_comes_whole_and_fast(editor: Vim, chat: Path, line: int) -> None:
    words = "word " * (line // 5)
    answer = "\n".join([words] * (LONG // len(words)))
    stream = Stream(editor, chat)
    for start in range(0, len(answer), 500):
        stream.send(answer[start : start + 500])
    stream.send(MARK, "mark")
    assert editor.text(chat) == written(answer)
    assert editor.is_followed(chat)


def test_an_answer_is_one_step_of_undo(editor: Vim, chat: Path) -> None:
    stream = Stream(editor, chat)
    for word in ("one ", "two\n", "three"):
        stream.send(word)
        editor.type("j", "k")
    stream.send(MARK, "mark")
    editor.go_to(chat)
    editor.type("u")
    until(lambda: editor.text(chat) == DOCUMENT.removesuffix("\n"), "the undoing")


@pytest.mark.parametrize("option", ["readonly", "nomodifiable"])
def test_a_buffer_that_may_not_be_changed_is_changed_by_the_answer_alone(
    editor: Vim, chat: Path, option: str
) -> None:
    stream = Stream(editor, chat)
    stream.send("one ")
    editor.go_to(chat)
    editor.command(f"setlocal {option}")
    stream.send("two")
    stream.send(MARK, "mark")
    assert editor.text(chat) == written("one two")
    assert editor.ask("[&readonly, &modifiable]") == ([1, 1] if option == "readonly" else [0, 0])


def test_a_window_that_is_not_at_the_end_stays_where_it_is(editor: Vim, chat: Path) -> None:
    stream = Stream(editor, chat)
    stream.send("one\n" * 50)
    assert editor.is_followed(chat)
    editor.go_to(chat)
    editor.type("gg")
    until(lambda: editor.ask("line('.')") == 1, "the first line")
    stream.send("two\n" * 50)
    assert editor.ask("line('.')") == 1


def test_a_hidden_chat_is_written_to_the_disk(editor: Vim, chat: Path) -> None:
    stream = Stream(editor, chat)
    stream.send("one ")
    editor.go_to(chat)
    editor.command("close")
    stream.send("two")
    stream.send(MARK, "mark")
    assert editor.windows_of(chat) == []
    assert editor.text(chat) == written("one two")
    editor.saved(chat)
    assert [path.name for path in chat.parent.iterdir()] == [chat.name]


def test_without_a_client_or_without_the_program_it_is_told_what_is_missing(editor: Vim) -> None:
    editor.enter("QQ why?")
    assert "vim-lsp or coc.nvim" in until(editor.told, "what is missing")[-1]
    editor.command("let g:kvasir_command = ['no-such-program']")
    editor.enter("QQ why?")
    told = until(lambda: editor.told()[1:], "what is missing")
    assert 'no program "no-such-program" on the PATH' in told[-1]


def test_every_command_has_its_help(editor: Vim, tmp_path: Path) -> None:
    help_file = tmp_path / "doc/kvasir.txt"
    help_file.parent.mkdir()
    help_file.write_text((GLUE / "doc/kvasir.txt").read_text("utf-8"), encoding="utf-8")
    assert "E" not in editor.command(f"helptags {help_file.parent}")
    tags = {line.split("\t")[0] for line in (help_file.parent / "tags").read_text().splitlines()}
    names = {f":Kvasir-{name}" for name in editor.ask("kvasir#command#names()")}
    assert names | {":Q", ":QQ", ":QF", ":Kvasir", "kvasir#status()"} <= tags
    mapped = editor.command("map <Plug>(kvasir-").split()
    assert {word for word in mapped if word.startswith("<Plug>(kvasir-")} <= tags
