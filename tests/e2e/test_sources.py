"""Each source that can go with a question, through commands, flags, front matter and code actions."""

import subprocess
from pathlib import Path

import pytest

from context.segment import Kind, Segment
from sessions.chat import Turn
from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json, Refused

NOTES = "Answer in verse.\n"


def git(project: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(project), *words], check=True)


def of_kind(turn: Turn, kind: Kind) -> list[Segment]:
    return [part for part in turn.tail if part.kind is kind]


def complaint(line: int, message: str) -> Json:
    """A diagnostic as an editor hands it on."""
    span = {"start": {"line": line, "character": 4}, "end": {"line": line, "character": 5}}
    return {"range": span, "message": message, "severity": 1, "source": "pyright", "code": "reportX"}


def add(person: Person, reply: Json, *sources: str) -> None:
    """Write sources into the ``context:`` list of a chat's document."""
    words = "".join(f'"{one}", ' for one in sources)
    person.replace(person.path(reply), "context: [", f"context: [{words}")


# --- commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wish", [{"flags": ["t"]}, {"include": {"related": True}}, {"include": {"tags": True}}]
)
async def test_what_is_related_to_the_lines(person: Person, wish: Json):
    reply = await person.ask(uri=person.file("b.py"), lines=[2, 3], **wish)
    related = of_kind(person.turn(reply), Kind.RELATED)
    assert any(part.source.startswith("a.py#L5") and "def f1(x)" in part.text for part in related)
    assert all("def f2(" not in part.text for part in related)
    assert not any("cannot be sent" in said for said in person.messages())


async def test_the_map_stays_in_front_of_a_chat(person: Person):
    reply = await person.ask(uri=person.file("b.py"), include={"map": True, "file": True}, new=True)
    kinds = [(part.kind, part.source) for part in person.chat(reply).base]
    assert kinds == [(Kind.MAP, "map"), (Kind.FILE, "b.py")]
    assert "f1" in person.chat(reply).base[0].text


async def test_pieces_of_the_project_that_fit_the_question(person: Person):
    (person.project / "birds.py").write_text("def heron_wingspan(cm):\n    return cm * 2\n")
    git(person.project, "add", ".")
    reply = await person.ask(
        "how is the heron wingspan computed?", include={"retrieval": True}, uri=person.file("b.py"), new=True
    )
    assert "heron_wingspan" in "".join(part.text for part in of_kind(person.turn(reply), Kind.CHUNK))


async def test_what_git_knows(person: Person):
    (person.project / "b.py").write_text("import a\n\nprint(a.f1(3))\n")
    git(person.project, "add", "b.py")
    (person.project / "b.py").write_text("import a\n\nprint(a.f1(4))\n")
    wish = {"diff": True, "staged": True, "blame": True, "log": True}
    reply = await person.ask(uri=person.file("a.py"), lines=[0, 2], include=wish)
    shown = {part.source: part.text for part in of_kind(person.turn(reply), Kind.GIT)}
    assert list(shown) == ["diff", "diff --staged", "blame a.py#L1-L2", "log"]
    assert "+print(a.f1(4))" in shown["diff"]
    assert "+print(a.f1(3))" in shown["diff --staged"]
    assert "begin" in shown["blame a.py#L1-L2"]
    assert "begin" in shown["log"]


async def test_a_new_chat_begins_with_the_notes_of_the_project(person: Person):
    (person.project / "AGENTS.md").write_text(NOTES)
    first = await person.ask()
    assert person.base(first) == ["AGENTS.md", "a.py"]
    second = await person.ask("and then?", session=first["session"])
    assert person.tail(second) == []
    without = await person.ask(uri=person.file(), new=True, include={"notes": False})
    assert person.base(without) == ["a.py"]


async def test_notes_can_be_switched_off_for_all_chats(connect: Connect):
    async with connect(settings={"context": {"notes": False}}) as person:
        (person.project / "AGENTS.md").write_text(NOTES)
        assert person.base(await person.ask()) == ["a.py"]
        asked_for = await person.ask(uri=person.file(), new=True, include={"notes": True})
        assert person.base(asked_for) == ["AGENTS.md", "a.py"]


async def test_patterns_and_folders_stand_for_files_of_the_project(person: Person):
    (person.project / "src").mkdir()
    for name in ("one.py", "two.py", "three.txt"):
        (person.project / "src" / name).write_text(f"# {name}\n")
    (person.project / ".env").write_text("KEY=1\n")
    git(person.project, "add", ".")
    reply = await person.ask(paths=["src/*.py"])
    assert person.base(reply) == ["src/one.py", "src/two.py"]
    reply = await person.ask(paths=["src", "*.py"], new=True)
    assert person.base(reply) == ["src/one.py", "src/three.txt", "src/two.py", "a.py", "b.py"]
    with pytest.raises(Refused, match="stands for no file"):
        await person.begin(paths=["*.rs"])


# --- diagnostics -------------------------------------------------------------------------------------------


async def test_to_fix_and_to_explain_take_along_what_the_language_servers_say(person: Person):
    said = [complaint(1, "x is\n  unknown"), complaint(0, "too short")]
    actions = await person.actions(person.file(), 0, 8, triggerKind=1, diagnostics=said)
    arguments = {action["title"]: action["command"]["arguments"][0] for action in actions}
    with_trouble = {title for title, given in arguments.items() if "diagnostics" in given}
    assert with_trouble == {"Kvasir: fix", "Kvasir: explain"}
    reply = await person.answered(await person.choose(actions, "Kvasir: fix"))
    (part,) = of_kind(person.turn(reply), Kind.DIAGNOSTICS)
    assert part.text == "L1: error: too short (pyright reportX)\nL2: error: x is unknown (pyright reportX)\n"


async def test_a_plug_in_may_send_them_and_leave_them_out(person: Person):
    place: Json = {"uri": person.file(), "lines": [0, 2], "diagnostics": ["L1: error: wrong"]}
    reply = await person.ask(**place)
    assert [part.text for part in of_kind(person.turn(reply), Kind.DIAGNOSTICS)] == ["L1: error: wrong\n"]
    assert person.base(reply) == ["a.py"]
    reply = await person.ask(**place, include={"diagnostics": False})
    assert of_kind(person.turn(reply), Kind.DIAGNOSTICS) == []


async def test_those_of_the_last_code_action_are_sent_when_asked_for(person: Person):
    wish: Json = {"uri": person.file(), "lines": [0, 2], "include": {"diagnostics": True}}
    with pytest.raises(Refused, match="told of no diagnostics"):
        await person.begin(**wish)
    await person.actions(person.file(), 0, 2, triggerKind=2, diagnostics=[complaint(1, "wrong")])
    reply = await person.ask(**wish)
    assert [part.text for part in of_kind(person.turn(reply), Kind.DIAGNOSTICS)] == [
        "L2: error: wrong (pyright reportX)\n"
    ]


# --- the document of a chat --------------------------------------------------------------------------------


async def test_what_is_added_to_the_context_of_a_chat_goes_with_the_next_question(person: Person):
    (person.project / "c.py").write_text("c = 1\n")
    (person.project / "b.py").write_text("import a\n\nprint(a.f1(3))\n")
    first = await person.ask()
    add(person, first, "[bc].py", "@diff")
    await person.write(person.path(first), "and then?")
    second = await person.sent(first, 2)
    assert person.tail(second) == ["b.py", "c.py", "diff"]
    await person.write(person.path(first), "and now?")
    third = await person.sent(first, 3)
    assert person.tail(third) == []


async def test_the_newest_state_of_a_source_is_sent_as_long_as_it_stands_there(person: Person):
    first = await person.ask()
    add(person, first, "@diff")
    for turn, number in ((2, 3), (3, 4)):
        (person.project / "b.py").write_text(f"import a\n\nprint(a.f1({number}))\n")
        await person.write(person.path(first), f"what is {number}?")
        (part,) = of_kind(person.turn(await person.sent(first, turn)), Kind.GIT)
        assert f"+print(a.f1({number}))" in part.text


async def test_what_was_added_is_warmed_while_the_question_is_typed(person: Person):
    first = await person.ask()
    await person.idle()
    add(person, first, "b.py")
    person.type(person.path(first), "what does b have to do with it")
    await person.until(lambda: [state for state in person.states("warmup") if state["phase"] == "done"])
    warmed = person.states("warmup")[-1]["promptTokens"]
    person.editor.save(person.path(first).as_uri())
    second = await person.sent(first, 2)
    assert person.tail(second) == ["b.py"]
    usage = person.turn(second).usage
    assert usage
    assert usage.cached >= warmed - 8


async def test_what_was_added_stands_there_when_the_document_catches_up(person: Person):
    first = await person.ask()
    add(person, first, "@diff")
    before = person.text(first)
    person.editor.save(person.path(first).as_uri())
    await person.ask("and then?", session=first["session"])
    person.editor.close(first["uri"])
    # An older text, from before the last turn.
    person.path(first).write_text(before)
    await person.command("open", {"session": first["session"]})
    await person.until(lambda: "and then?" in person.text(first))
    assert 'context: [a.py, "@diff"]' in person.text(first)


async def test_what_is_removed_there_changes_nothing_that_was_sent(person: Person):
    first = await person.ask()
    person.replace(person.path(first), "context: [a.py]", "context: []")
    await person.write(person.path(first), "and then?")
    second = await person.sent(first, 2)
    assert (person.base(second), person.tail(second)) == (["a.py"], [])


async def test_the_selection_in_the_code_can_be_added_from_within_a_chat(person: Person):
    first = await person.ask()
    person.editor.notify("kvasir/selection", {"uri": person.file("b.py"), "lines": [2, 3], "version": 1})
    add(person, first, "@selection")
    await person.write(person.path(first), "and this?")
    second = await person.sent(first, 2)
    assert person.tail(second) == ["b.py#L3-L3"]


async def test_an_unknown_word_is_told_and_nothing_is_sent(person: Person):
    first = await person.ask()
    add(person, first, "@dif")
    await person.write(person.path(first), "and then?")
    await person.until(lambda: [said for said in person.messages() if 'Did you mean "@diff"?' in said])
    assert len(person.chat(first).turns) == 1


# --- what would be sent ------------------------------------------------------------------------------------


async def test_a_dry_run_shows_the_text_and_the_tokens_of_each_source(person: Person):
    said = await person.command("context", {"uri": person.file(), "lines": [0, 2], "preset": "fix"})
    assert [(part["kind"], part["source"]) for part in said["segments"]] == [
        ("file", "a.py"),
        ("selection", "a.py#L1-L2"),
        ("mode", "fix"),
    ]
    assert said["segments"][1]["text"] == "def f0(x):\n    return x + 0\n"
    sessions = person.server.desk.sessions
    count = sessions.models.count("demo")
    blocks = [Segment(Kind(part["kind"]), part["source"], part["text"]).block for part in said["segments"]]
    assert [part["tokens"] for part in said["segments"]] == [await count(block) for block in blocks]
    assert sum(part["tokens"] for part in said["segments"]) < said["tokens"] < said["window"]
    assert said["notes"] == []
    assert sessions.store.chats() == []


async def test_a_dry_run_in_a_chat_shows_what_is_new(person: Person):
    first = await person.ask()
    said = await person.command(
        "context", {"session": first["session"], "paths": ["b.py"], "question": "and b?"}
    )
    assert [part["source"] for part in said["segments"]] == ["b.py"]
    assert said["tokens"] > (await person.command("context", {"paths": ["b.py"], "new": True}))["tokens"]
