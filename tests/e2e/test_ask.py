"""``kvasir.ask`` as the different clients write it, and what goes with the question."""

import subprocess
from pathlib import Path

import pytest

from handlers.arguments import Preset
from sessions.modes import INSTRUCTIONS, QUESTIONS
from tests.e2e.person import Person
from tests.lsp import Json

SELECTED = "def f0(x):\n    return x + 0\n"


def span(first: int, last: int) -> Json:
    return {"start": {"line": first, "character": 0}, "end": {"line": last, "character": 0}}


def git_add(project: Path) -> None:
    subprocess.run(["git", "-C", str(project), "add", "."], check=True)


async def test_an_answer_is_shown_as_it_is_stored(person: Person):
    reply = await person.ask("why is it slow?")
    turn = person.turn(reply)
    assert (turn.status, turn.question, turn.model) == ("done", "why is it slow?", "demo")
    assert turn.answer
    assert person.text(reply) == person.rendered(reply)
    assert person.text(reply).endswith("\n\n## You\n\n")


async def test_the_reply_says_where_the_answer_will_be(person: Person):
    reply = await person.begin("why is it slow?")
    assert reply == {
        "v": 1,
        "ok": True,
        "job": "j1",
        "session": reply["session"],
        "turn": 1,
        "uri": f"file://{reply['path']}",
        "path": reply["path"],
        "state": "queued",
        "mode": "M3",
    }
    assert reply["path"].startswith(f"{person.project}/.kvasir/chat/")
    assert reply["path"].endswith("-why-is-it-slow.md")
    await person.answered(reply)


@pytest.mark.parametrize(
    "place",
    [
        {"uri": "URI", "lines": [0, 2]},
        {"uri": "URI", "lines1": [1, 2]},
        {"uri": "URI", "range": span(0, 2)},
        {"file": "a.py", "lines1": [1, 2]},
        {"uri": "URI", "lines": [0, 2], "text": SELECTED},
    ],
)
async def test_a_selection_goes_with_the_question_and_its_file_before_all(person: Person, place: Json):
    about = {name: person.file() if value == "URI" else value for name, value in place.items()}
    reply = await person.ask(**about)
    assert person.base(reply) == ["a.py"]
    assert person.tail(reply) == ["a.py#L1-L2"]
    assert person.turn(reply).tail[0].text == SELECTED
    assert "> a.py#L1-L2 (selection)" in person.text(reply)


async def test_the_text_that_the_editor_has_wins_over_the_lines(person: Person):
    reply = await person.ask(uri=person.file(), lines=[0, 2], text="x = 1\n", version=7)
    assert person.turn(reply).tail[0].text == "x = 1\n"


async def test_unsaved_changes_are_what_is_asked_about(person: Person):
    uri = person.editor.open(person.project / "b.py", language="python")
    person.editor.change(uri, "unsaved = 1\n")
    reply = await person.ask(uri=uri)
    assert person.chat(reply).base[0].text == "unsaved = 1\n"


async def test_words_alone_ask_about_the_document_where_the_person_is(person: Person):
    person.editor.open(person.project / "b.py", language="python")
    reply = await person.answered(await person.command("ask", "why", "is", "it", "slow?"))
    assert person.turn(reply).question == "why is it slow?"
    assert (person.base(reply), person.tail(reply)) == (["b.py"], [])


async def test_words_may_begin_with_options_and_a_model(person: Person):
    person.editor.open(person.project / "b.py", language="python")
    reply = await person.answered(await person.command("ask", "-nf", "@demo", "why?"))
    assert (person.turn(reply).question, person.turn(reply).model) == ("why?", "demo")


async def test_helix_builds_an_object_and_the_person_types_a_word(person: Person):
    reply = await person.answered(
        await person.command("ask", {"file": "a.py", "lines1": [1, 2]}, "why is it slow?")
    )
    assert (person.turn(reply).question, person.tail(reply)) == ("why is it slow?", ["a.py#L1-L2"])


@pytest.mark.parametrize("preset", list(Preset))
async def test_a_preset_asks_its_own_question_in_its_own_mode(person: Person, preset: Preset):
    reply = await person.answered(
        await person.command("ask", {"uri": person.file(), "lines": [0, 2], "preset": preset.value})
    )
    turn = person.turn(reply)
    assert turn.question == QUESTIONS[preset]
    assert turn.tail[-1].text == INSTRUCTIONS[preset]


async def test_flags_choose_what_is_sent(person: Person):
    place: Json = {"uri": person.file(), "lines": [0, 2], "new": True}
    alone = await person.ask(**place, flags=["s"])
    assert (person.base(alone), person.tail(alone)) == ([], ["a.py#L1-L2"])
    whole = await person.ask(**place, flags=["f"], include={"selection": False})
    assert (person.base(whole), person.tail(whole)) == (["a.py"], [])
    project = await person.ask(**place, flags=["p"])
    assert person.base(project) == ["a.py", "b.py"]


async def test_include_says_the_same_in_words(person: Person):
    place: Json = {"uri": person.file(), "lines": [0, 2], "new": True}
    reply = await person.ask(**place, include={"selection": True, "file": False})
    assert (person.base(reply), person.tail(reply)) == ([], ["a.py#L1-L2"])
    reply = await person.ask(**place, include={"project": True, "selection": False})
    assert (person.base(reply), person.tail(reply)) == (["a.py", "b.py"], [])


async def test_named_files_go_with_the_question(person: Person):
    reply = await person.ask(uri=person.file(), paths=["b.py"])
    assert person.base(reply) == ["b.py", "a.py"]


async def test_a_secret_is_no_part_of_the_project(person: Person):
    (person.project / ".env").write_text("KEY=1\n")
    git_add(person.project)
    reply = await person.ask(uri=person.file(), flags=["p"])
    assert person.base(reply) == ["a.py", "b.py"]


async def test_a_bare_question_goes_on_with_the_last_chat(person: Person):
    first = await person.ask("why?")
    second = await person.answered(await person.command("ask", "and then?"))
    assert (second["session"], second["turn"]) == (first["session"], 2)
    assert person.tail(second) == []
    third = await person.answered(await person.command("ask", {"uri": person.file(), "question": "and now?"}))
    assert (third["session"], third["turn"]) == (first["session"], 3)
    assert person.tail(third) == []


async def test_another_selection_begins_another_chat(person: Person):
    first = await person.ask()
    second = await person.ask(uri=person.file(), lines=[8, 12])
    assert second["session"] != first["session"]


async def test_a_new_chat_begins_when_it_is_wished(person: Person):
    first = await person.ask()
    wishes: tuple[Json, ...] = ({"new": True}, {"flags": ["n"]})
    for wish in wishes:
        reply = await person.ask(uri=person.file(), **wish)
        assert reply["session"] != first["session"]
    document = await person.answered(await person.command("ask", {"uri": first["uri"], "new": True}, "else?"))
    assert (document["turn"], document["session"] != first["session"]) == (1, True)


async def test_a_chat_that_is_named_goes_on(person: Person):
    first = await person.ask()
    await person.ask(uri=person.file(), lines=[8, 12])
    reply = await person.ask("and then?", session=first["session"])
    assert (reply["session"], reply["turn"]) == (first["session"], 2)


async def test_a_question_after_an_earlier_turn_forks(person: Person):
    first = await person.ask("one?")
    await person.ask("two?", session=first["session"])
    reply = await person.ask("other?", session=first["session"], turn=1)
    assert reply["session"] != first["session"]
    assert [turn.question for turn in person.chat(reply).turns] == ["one?", "other?"]
    assert [turn.question for turn in person.chat(first).turns] == ["one?", "two?"]
    assert person.text(first) == person.rendered(first)
    assert person.text(reply) == person.rendered(reply)


async def test_a_repeated_command_gets_the_first_reply_and_one_answer(person: Person):
    first = await person.begin(id="once")
    again = await person.begin(id="once")
    assert again == first
    await person.answered(first)
    assert len(person.chat(first).turns) == 1
    assert len((await person.command("chats"))["sessions"]) == 1


async def test_a_file_that_changed_is_sent_again_behind_what_was_known(person: Person):
    first = await person.ask(uri=person.file("b.py"))
    (person.project / "b.py").write_text("print(2)\n")
    second = await person.ask("and now?", session=first["session"])
    assert [(part.kind, part.source, part.text) for part in person.turn(second).tail] == [
        ("change", "b.py", "print(2)\n")
    ]


async def test_a_continued_chat_evaluates_only_what_is_new(person: Person):
    first = await person.ask()
    await person.idle()
    second = await person.ask("and then?", session=first["session"])
    usage, before = person.turn(second).usage, person.turn(first).usage
    assert usage
    assert before
    assert usage.cached >= before.prompt
    assert usage.new < 64
    assert f"({usage.cached} cached + {usage.new} new)" in person.text(second)


async def test_the_phases_of_an_answer_are_told_with_their_numbers(person: Person):
    reply = await person.ask()
    phases = person.phases(reply["job"])
    assert [phase for phase in phases if phase != "loading"] == ["queued", "prefill", "generating", "done"]
    usage = person.turn(reply).usage
    assert usage
    end = person.states(reply["job"])[-1]
    assert (end["promptTokens"], end["cachedTokens"], end["doneTokens"]) == (
        usage.prompt,
        usage.cached,
        usage.out,
    )


async def test_what_would_be_sent_can_be_asked(person: Person):
    said = await person.command("context", {"uri": person.file(), "lines": [0, 2], "preset": "fix"})
    assert [(part["kind"], part["source"]) for part in said["segments"]] == [
        ("file", "a.py"),
        ("selection", "a.py#L1-L2"),
        ("mode", "fix"),
    ]
    assert 0 < said["tokens"] < said["window"]


async def test_nothing_is_shown_when_the_plug_in_shows_it_itself(person: Person):
    reply = await person.ask(view="none")
    assert person.editor.received("window/showDocument") == []
    assert person.on_disk(reply) == person.rendered(reply)
