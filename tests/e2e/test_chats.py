"""Finding, opening, naming and deleting chats; and that they outlive the server."""

import pytest

from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json, Refused


async def listed(person: Person, query: str = "") -> list[Json]:
    return (await person.command("chats", {"query": query} if query else {}))["sessions"]


async def test_chats_are_listed_newest_first_and_found_by_their_words(person: Person):
    one = await person.ask("why is the sky blue?")
    other = await person.ask("how deep is the sea?", uri=person.file("b.py"), new=True)
    assert [chat["session"] for chat in await listed(person)] == [other["session"], one["session"]]
    (found,) = await listed(person, "blue sky")
    assert found == {
        "session": one["session"],
        "title": "why is the sky blue?",
        "root": str(person.project),
        "turns": 1,
        "model": "demo",
        "path": one["path"],
        "updated": found["updated"],
    }
    assert await listed(person, "nothing like this") == []
    word = person.turn(other).answer.split()[0]
    assert other["session"] in [chat["session"] for chat in await listed(person, word)]


async def test_a_chat_is_opened_by_its_name_by_words_or_as_the_last_one(person: Person):
    one = await person.ask("why is the sky blue?")
    other = await person.ask("how deep is the sea?", uri=person.file("b.py"), new=True)

    async def opened(*arguments: str | Json) -> str:
        said = await person.command("open", *arguments)
        assert person.editor.received("window/showDocument")[-1]["uri"] == said["uri"]
        return said["session"]

    assert await opened({"session": one["session"]}) == one["session"]
    assert await opened("deep", "sea") == other["session"]
    assert await opened("blue") == one["session"]
    assert await opened() == other["session"]


async def test_an_opened_chat_is_the_one_that_a_bare_question_goes_on_with(person: Person):
    one = await person.ask("why?")
    await person.ask("how?", uri=person.file("b.py"), new=True)
    await person.command("open", {"session": one["session"]})
    reply = await person.answered(await person.command("ask", "and then?"))
    assert (reply["session"], person.tail(reply)) == (one["session"], [])


async def test_a_document_that_was_deleted_is_written_anew(person: Person):
    reply = await person.ask()
    person.editor.close(reply["uri"])
    await person.until(lambda: person.on_disk(reply) == person.rendered(reply))
    person.path(reply).unlink()
    await person.command("open", {"session": reply["session"]})
    assert person.on_disk(reply) == person.rendered(reply)


async def test_a_chat_gets_another_title(person: Person):
    reply = await person.ask()
    await person.command("rename", {"session": reply["session"]}, "The", "blue", "sky")
    assert [chat["title"] for chat in await listed(person)] == ["The blue sky"]
    assert [chat["title"] for chat in await listed(person, "blue")] == ["The blue sky"]


async def test_a_deleted_chat_is_gone_with_its_document(person: Person):
    reply = await person.ask()
    person.editor.close(reply["uri"])
    await person.command("delete", reply["session"])
    assert await listed(person) == []
    assert not person.path(reply).exists()
    with pytest.raises(Refused, match=f"There is no chat '{reply['session']}'") as refused:
        await person.command("open", {"session": reply["session"]})
    assert refused.value.data["code"] == "not_found"


async def test_a_chat_can_be_deleted_while_it_is_answered(person: Person):
    reply = await person.begin_long()
    await person.command("delete", reply["session"])
    await person.answered(reply)
    assert await listed(person) == []
    other = await person.ask("else?", uri=person.file("b.py"), new=True)
    assert person.text(other) == person.rendered(other)


async def test_a_fork_outlives_its_parent(person: Person):
    reply = await person.ask("one?")
    fork = await person.ask(
        "two?", session=(await person.command("fork", {"session": reply["session"]}))["session"]
    )
    await person.command("delete", reply["session"])
    assert [turn.question for turn in person.chat(fork).turns] == ["one?", "two?"]


async def test_no_chat_is_deleted_by_guess(person: Person):
    await person.ask()
    with pytest.raises(Refused, match=r'Which chat\? Name it as "session"\.'):
        await person.command("delete")
    assert len(await listed(person)) == 1


async def test_chats_go_on_after_the_server_was_started_anew(connect: Connect):
    async with connect() as person:
        first = await person.ask("one?")
        person.editor.save(first["uri"])
    async with connect() as person:
        person.editor.open(person.path(first))
        await person.write(person.path(first), "two?")
        second = await person.sent(first, 2)
        assert [turn.question for turn in person.chat(second).turns] == ["one?", "two?"]
        assert person.text(second) == person.rendered(second)
        before, usage = person.chat(second).turns[0].usage, person.turn(second).usage
        assert before
        assert usage
        assert usage.cached >= before.prompt


async def test_a_bare_question_after_a_start_asks_about_the_open_document(connect: Connect):
    async with connect() as person:
        first = await person.ask("one?")
    async with connect() as person:
        person.editor.open(person.project / "b.py", language="python")
        reply = await person.answered(await person.command("ask", "what is this?"))
        assert (reply["session"] != first["session"], person.base(reply)) == (True, ["b.py"])


async def test_a_moved_chat_document_is_still_its_chat(connect: Connect):
    async with connect() as person:
        first = await person.ask("one?")
        person.editor.save(first["uri"])
        person.editor.close(first["uri"])
        moved = person.path(first).rename(person.path(first).with_name("renamed.md"))
        await person.write(moved, "two?")
        second = await person.sent(first, 2)
        assert [turn.question for turn in person.chat(second).turns] == ["one?", "two?"]
        assert person.editor.text(moved) == person.rendered(second)
