"""Bad input and trouble: one clear sentence with a next step, and nothing lost."""

import sqlite3
from pathlib import Path

import pytest

from server.compose import folders
from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json, Refused, Value

REQUEST_FAILED = -32803


async def refused(person: Person, name: str, *arguments: Value) -> tuple[str, str]:
    """The sentence and the code with which a command is refused."""
    with pytest.raises(Refused) as error:
        await person.command(name, *arguments)
    assert error.value.code == REQUEST_FAILED
    return str(error.value), error.value.data["code"]


def appended(path: Path, text: str) -> int:
    """Append a line to a file; its number, from 1 on."""
    path.write_text(path.read_text() + text)
    return len(path.read_text().splitlines())


async def test_an_unknown_command_names_the_nearest(person: Person):
    assert await refused(person, "asks", "why?") == (
        'There is no command "kvasir.asks". Did you mean "kvasir.ask"?',
        "bad_request",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([{"questions": "why?"}], 'questions: unknown key; did you mean "question"?'),
        ([{"preset": "explains"}], 'preset: unknown "explains"; did you mean "explain"?'),
        ([{"turn": "1"}], "turn: expected a whole number, not a string"),
        ([{"lines": [4, 2]}], "lines: expected two line numbers from 0 on, the second not the smaller one"),
        ([{"uri": "file:///a", "file": "a"}], "uri and file exclude each other"),
        (["-x", "why?"], 'There is no option "-x"'),
        ([3], "The arguments of a command are an object, words, or an object and then words."),
    ],
)
async def test_arguments_that_make_no_sense_are_all_named(
    person: Person, arguments: list[Value], sentence: str
):
    said, code = await refused(person, "ask", *arguments)
    assert sentence in said
    assert code == "bad_request"


@pytest.mark.parametrize(
    ("asked", "sentence", "code"),
    [
        ({"lines": [900, 901]}, "a.py has 160 lines; there is no line 901 to 901.", "unreadable"),
        ({"uri": "untitled:Untitled-1"}, "untitled:Untitled-1 is not a file. Save", "bad_request"),
        ({"file": "gone.py"}, "gone.py does not exist. Save it, or choose another file.", "unreadable"),
        ({"file": "."}, " is a folder. Name its files, or ask about the project.", "unreadable"),
        ({"file": "binary.py"}, "binary.py is a binary file. Only text can be sent.", "unreadable"),
        (
            {"file": "latin.py"},
            "latin.py is not UTF-8 (line 1), nor another encoding that can be told.",
            "unreadable",
        ),
        ({"file": "huge.py"}, "huge.py has 600 KiB; files over 512 KiB are not sent whole.", "unreadable"),
        ({"question": " "}, "The question is empty. Type one", "bad_request"),
        ({"model": "dmeo"}, "There is no model 'dmeo'. Did you mean 'demo'?", "not_found"),
        ({"session": "nochat"}, "There is no chat 'nochat'.", "not_found"),
        ({"paths": ["gone.py"]}, "gone.py does not exist.", "unreadable"),
    ],
)
async def test_what_cannot_be_asked_is_said_in_a_sentence(
    person: Person, asked: Json, sentence: str, code: str
):
    (person.project / "binary.py").write_bytes(b"\x00\x01")
    (person.project / "latin.py").write_bytes(b"x = \x81\n")
    (person.project / "huge.py").write_text("x = 1\n" * (100 * 1024))
    place = {} if {"uri", "file", "session"} & asked.keys() else {"uri": person.file()}
    said, told = await refused(person, "ask", {"question": "why?", **place, **asked})
    assert sentence in said
    assert told == code
    assert (await person.command("chats"))["sessions"] == []
    assert not (person.project / ".kvasir").exists()


async def test_a_selection_of_a_huge_file_is_sent_without_the_file(person: Person):
    (person.project / "huge.py").write_text("x = 1\n" * (100 * 1024))
    person.editor.open(person.project / "huge.py", language="python")
    reply = await person.ask(uri=person.file("huge.py"), lines=[0, 2], text="x = 1\nx = 1\n")
    assert person.tail(reply) == ["huge.py#L1-L2"]


async def test_a_turn_that_does_not_exist_is_said(person: Person):
    reply = await person.ask()
    chat = reply["session"]
    for command in ("fork", "retry", "ask"):
        said, code = await refused(
            person,
            command,
            {"session": chat, "turn": 7, "question": "why?"}
            if command == "ask"
            else {"session": chat, "turn": 7},
        )
        assert said == f"Chat {chat} has 1 turns; there is no turn 7."
        assert code == "not_found"


async def test_a_prompt_that_is_too_long_says_by_how_much_and_what_to_drop(person: Person):
    (person.project / "large.txt").write_text("one word more\n" * 6000)
    reply = await person.ask(uri=person.file("large.txt"))
    turn = person.turn(reply)
    assert turn.status == "failed"
    assert "too many. Choose fewer files, a smaller selection or a larger context." in turn.error
    assert turn.error in person.text(reply)
    assert f"Kvasir: {turn.error}" in person.messages()
    assert person.text(reply) == person.rendered(reply)


async def test_typos_in_the_options_are_told_once_with_their_line(
    connect: Connect, config: Path, project: Path
):
    line = appended(config, "enable = false\n")
    (project / ".kvasir.toml").write_text("[chat]\nsend_on_safe = false\n")
    async with connect(settings={"warmup": {"delay": 3}}) as person:
        await person.ask()
        await person.until(lambda: len([m for m in person.messages() if "unknown" in m]) >= 3)
        person.editor.notify("workspace/didChangeConfiguration", {"settings": {}})
        await person.ask(uri=person.file("b.py"), new=True)
        told = sorted(message for message in person.messages() if "unknown" in message)
    assert len(told) == 3
    assert f'config.toml:{line}: unknown key "enable"; did you mean "enabled"?' in " ".join(told)
    assert '.kvasir.toml:2: unknown key "send_on_safe"; did you mean "send_on_save"?' in " ".join(told)
    assert 'initializationOptions: unknown key "warmup.delay"; did you mean "delayMs"?' in " ".join(told)


async def test_options_of_the_editor_count_and_follow_it(connect: Connect):
    async with connect() as person:
        assert (await person.command("model", {}))["model"] == "demo"
        person.editor.settings = {"model": "long"}
        person.editor.notify("workspace/didChangeConfiguration", {"settings": {}})
        await person.until(lambda: person.server.desk.sessions.models.default == "long")
        assert (await person.command("model", {}))["model"] == "long"


async def test_a_damaged_database_is_moved_aside_and_told(connect: Connect):
    database = folders().database
    database.parent.mkdir(parents=True)
    database.write_bytes(b"this is no database" * 1000)
    async with connect() as person:
        reply = await person.ask()
        assert person.turn(reply).status == "done"
        await person.until(lambda: [m for m in person.messages() if "were damaged" in m])
        (moved,) = database.parent.glob("chats.db.damaged-*")
        assert [message for message in person.messages() if str(moved) in message]


async def test_a_locked_database_is_told_and_chats_are_kept_for_now(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sessions.store.BUSY_SECONDS", 0.1)
    async with connect() as person:
        await person.ask()
    other = sqlite3.connect(folders().database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        async with connect() as person:
            reply = await person.ask()
            assert person.turn(reply).status == "done"
            assert [m for m in person.messages() if "locked" in m and "until this editor ends" in m]
    finally:
        other.close()


async def test_a_database_that_gets_locked_is_told_and_the_draft_stays(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sessions.store.BUSY_SECONDS", 0.1)
    async with connect() as person:
        reply = await person.ask()
        other = sqlite3.connect(folders().database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        said, code = await refused(person, "ask", {"session": reply["session"], "question": "and then?"})
        assert ("has been locked by another program" in said, code) == (True, "store")
        await person.write(person.path(reply), "and then?")
        await person.until(lambda: [m for m in person.messages() if "has been locked" in m])
        assert person.text(reply).endswith("and then?")
        other.close()
        person.editor.save(reply["uri"])
        second = await person.sent(reply, 2)
        assert person.text(second) == person.rendered(second)


async def test_a_model_that_cannot_be_read_is_told_in_the_chat(connect: Connect):
    async with connect(settings={"models": {"gone": {"url": "http://127.0.0.1:9"}}}) as person:
        reply = await person.ask(model="gone")
        turn = person.turn(reply)
        assert (turn.status, bool(turn.error)) == ("failed", True)
        assert person.text(reply) == person.rendered(reply)
        again = await person.answered(
            await person.command("retry", {"session": reply["session"], "model": "demo"})
        )
        assert person.turn(again).status == "done"
        assert person.text(again) == person.rendered(again)


async def test_what_is_no_json_object_in_a_notification_does_no_harm(person: Person):
    for params in ([1, 2], {"uri": 3}, {"nonsense": True}, None):
        person.editor.notify("kvasir/selection", params)
        person.editor.notify("kvasir/draft", params)
    reply = await person.ask()
    assert person.turn(reply).status == "done"
