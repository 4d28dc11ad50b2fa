"""Lenses above the turns of a chat document."""

from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json


async def lenses(person: Person, uri: str) -> list[Json]:
    return await person.editor.request("textDocument/codeLens", {"textDocument": {"uri": uri}})


def titles(found: list[Json]) -> list[tuple[int, str]]:
    return [(lens["range"]["start"]["line"], lens["command"]["title"]) for lens in found]


async def choose(person: Person, found: list[Json], title: str) -> Json:
    command = next(lens["command"] for lens in found if lens["command"]["title"] == title)
    return await person.editor.request("workspace/executeCommand", command)


def headings(person: Person, reply: Json) -> list[int]:
    return [line for line, text in enumerate(person.text(reply).splitlines()) if text.startswith("## You")]


async def test_each_turn_can_be_forked_and_asked_again_and_a_draft_sent(person: Person):
    reply = await person.ask("why?")
    await person.ask("and then?", session=reply["session"])
    person.type(person.path(reply), "and now?")
    first, second, draft = headings(person, reply)
    found = await lenses(person, reply["uri"])
    assert titles(found) == [
        (first, "Fork"),
        (first, "Retry"),
        (second, "Fork"),
        (second, "Retry"),
        (draft, "Send"),
    ]
    fork = await choose(person, found, "Fork")
    assert len(person.chat(fork).turns) == 1
    sent = await person.answered(await choose(person, found, "Send"))
    assert person.turn(sent).question == "and now?"


async def test_an_edited_question_can_be_sent(person: Person):
    reply = await person.ask("why?")
    person.replace(person.path(reply), "why?", "why not?")
    found = await lenses(person, reply["uri"])
    assert [title for _, title in titles(found)] == ["Send", "Fork", "Retry"]


async def test_an_answer_under_way_can_be_stopped(person: Person):
    reply = await person.begin_long()
    await person.until(lambda: "kv stop" in person.text(reply))
    found = await lenses(person, reply["uri"])
    assert [title for _, title in titles(found)] == ["Stop"]
    await choose(person, found, "Stop")
    await person.answered(reply)
    assert person.turn(reply).status == "stopped"


async def test_code_has_none(person: Person):
    assert await lenses(person, person.file()) == []


async def test_a_virtual_document_has_the_lenses_of_its_chat(connect: Connect):
    async with connect("vscode_languageclient_11_0", settings={"chat": {"view": "virtual"}}) as person:
        reply = await person.ask()
        found = await lenses(person, f"kvasir://chat/{reply['session']}.md")
        assert [title for _, title in titles(found)] == ["Fork", "Retry"]
        fork = await choose(person, found, "Fork")
        assert person.chat(fork).turns == person.chat(reply).turns
