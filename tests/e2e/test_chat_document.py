"""The chat document: how it streams in each mode, and how a person goes on in it."""

from pathlib import Path

import pytest

from sessions.transcript.changes import changed_turn
from sessions.transcript.parser import parse
from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json

STOP = "*Kvasir is answering. Delete this line to stop.*"


async def test_a_chat_lies_in_the_workspace_and_git_ignores_it(person: Person):
    reply = await person.ask("why is it slow?")
    assert person.path(reply).parent == person.project / ".kvasir" / "chat"
    assert (person.project / ".kvasir" / ".gitignore").read_text() == "*\n"
    assert person.text(reply).startswith(
        f"---\nkvasir: 1\nchat: {reply['session']}\nmodel: demo\ncontext: [a.py]\n---\n"
    )


async def test_m1_a_plug_in_gets_deltas_and_puts_the_mark_last(connect: Connect):
    async with connect(features=("delta", "state", "open")) as person:
        reply = await person.ask(view="none")
        await person.until(lambda: [d for d in person.editor.received("kvasir/delta") if d["kind"] == "mark"])
        deltas = person.editor.received("kvasir/delta")
        assert reply["mode"] == "M1"
        assert [delta["seq"] for delta in deltas] == list(range(1, len(deltas) + 1))
        assert [delta["kind"] for delta in deltas][-1] == "mark"
        text = "".join(delta["text"] for delta in deltas if delta["kind"] == "answer")
        assert text.strip() == person.turn(reply).answer.strip()
        assert {(d["session"], d["turn"], d["job"], d["uri"]) for d in deltas} == {
            (reply["session"], 1, reply["job"], reply["uri"])
        }
        assert person.editor.received("workspace/applyEdit") == []


async def test_m1_a_plug_in_that_missed_something_asks_for_the_text(connect: Connect):
    async with connect(features=("delta",)) as person:
        reply = await person.begin_long()
        missed = {"session": reply["session"], "turn": 1, "fromSeq": 3}
        said = await person.editor.request("kvasir/turnText", missed)
        assert (said["final"], bool(said["text"])) == (False, True)
        await person.command("cancel", {"job": reply["job"]})
        await person.answered(reply)
        said = await person.editor.request("kvasir/turnText", missed)
        assert (said["final"], said["text"]) == (True, person.turn(reply).answer)


async def test_m2_a_virtual_document_is_refreshed_until_it_is_complete(connect: Connect):
    async with connect("vscode_languageclient_11_0", settings={"chat": {"view": "virtual"}}) as person:
        reply = await person.ask()
        assert reply["mode"] == "M2"
        uri = f"kvasir://chat/{reply['session']}.md"
        assert [shown["uri"] for shown in person.editor.received("window/showDocument")] == [uri]
        await person.until(lambda: person.editor.virtual.get(uri, [""])[-1] == person.rendered(reply))
        assert person.on_disk(reply) == person.rendered(reply)
        assert person.editor.received("workspace/applyEdit") == []


async def test_m3_the_open_document_grows_by_edits(person: Person):
    reply = await person.begin_long()
    assert reply["mode"] == "M3"
    await person.until(lambda: len(person.editor.received("workspace/applyEdit")) >= 3)
    assert STOP in person.text(reply)
    await person.command("cancel", {"job": reply["job"]})
    await person.answered(reply)
    assert person.text(reply) == person.rendered(reply)
    edited = {uri for one in person.editor.received("workspace/applyEdit") for uri in one["edit"]["changes"]}
    assert edited == {reply["uri"]}
    assert len(person.editor.received("window/showDocument")) == 1


async def test_m3_a_document_that_is_closed_is_written_on_disk(person: Person):
    reply = await person.begin_long()
    await person.until(lambda: reply["uri"] in person.editor.documents)
    before = person.on_disk(reply)

    def closed_and_written() -> bool:
        # An edit that is on its way opens the document again.
        if reply["uri"] in person.editor.documents:
            person.editor.close(reply["uri"])
        return person.on_disk(reply) != before

    await person.until(closed_and_written)
    await person.command("cancel", {"job": reply["job"]})
    await person.answered(reply)
    assert person.on_disk(reply) == person.rendered(reply)


async def test_what_was_not_saved_in_the_editor_is_on_disk_when_the_document_was_closed(person: Person):
    reply = await person.ask()
    assert person.on_disk(reply) != person.rendered(reply)
    person.editor.close(reply["uri"])
    await person.until(lambda: person.on_disk(reply) == person.rendered(reply))


async def test_m4_the_file_is_written_and_its_place_is_told(connect: Connect):
    async with connect("vim_lsp_474c656") as person:
        reply = await person.ask()
        assert reply["mode"] == "M4"
        assert person.on_disk(reply) == person.rendered(reply)
        assert f"The chat is in {reply['path']}" in person.messages()
        assert [one["method"] for one in person.editor.requests] == ["workspace/configuration"]


async def test_m4_a_question_typed_in_the_open_document_is_answered_on_disk(connect: Connect):
    async with connect("vim_lsp_474c656") as person:
        reply = await person.ask()
        await person.write(person.path(reply), "and then?")
        second = await person.sent(reply, 2)
        assert person.on_disk(second) == person.rendered(second)
        # Vim reads the file again, and the person goes on.
        person.editor.change(reply["uri"], person.on_disk(second))
        await person.write(person.path(reply), "and now?")
        third = await person.sent(reply, 3)
        assert person.on_disk(third) == person.rendered(third)
        assert [turn.question for turn in person.chat(third).turns] == ["why?", "and then?", "and now?"]


async def test_saving_sends_what_was_typed_at_the_end(person: Person):
    reply = await person.ask()
    await person.write(person.path(reply), "and then?")
    second = await person.sent(reply, 2)
    assert person.turn(second).question == "and then?"
    assert person.text(second) == person.rendered(second)


async def test_a_question_may_have_several_lines_and_code(person: Person):
    reply = await person.ask()
    question = "What does\n\n```md\n## You\n\nhello\n```\n\nmean?"
    await person.write(person.path(reply), question)
    second = await person.sent(reply, 2)
    assert person.turn(second).question == question
    assert changed_turn(parse(person.text(second)), person.chat(second)) is None


async def test_sending_by_command(person: Person):
    reply = await person.ask()
    person.type(person.path(reply), "and then?")
    second = await person.answered(await person.command("send", {"uri": reply["uri"]}))
    assert (second["session"], second["turn"]) == (reply["session"], 2)
    assert person.text(second) == person.rendered(second)


async def test_nothing_is_sent_without_a_question(person: Person):
    reply = await person.ask()
    person.editor.save(reply["uri"])
    person.type(person.path(reply), "   \n\n")
    person.editor.save(reply["uri"])
    await person.command("status")
    assert person.server.desk.jobs.all() == []
    assert len(person.chat(reply).turns) == 1


async def test_nothing_is_sent_while_an_answer_is_written(person: Person):
    reply = await person.begin_long()
    await person.until(lambda: STOP in person.text(reply))
    person.type(person.path(reply), "\n## You\n\nand then?\n")
    person.editor.save(reply["uri"])
    await person.command("status")
    assert len(person.chat(reply).turns) == 1
    await person.command("cancel", {"job": reply["job"]})
    await person.answered(reply)
    assert person.text(reply) == person.rendered(reply, draft="and then?")
    person.editor.save(reply["uri"])
    await person.until(lambda: len(person.chat(reply).turns) == 2)
    await person.command("cancel")
    second = await person.sent(reply, 2)
    assert person.turn(second).question == "and then?"


async def test_saving_sends_nothing_when_that_is_switched_off(connect: Connect):
    async with connect(settings={"chat": {"sendOnSave": False}}) as person:
        reply = await person.ask()
        await person.write(person.path(reply), "and then?")
        await person.command("status")
        assert len(person.chat(reply).turns) == 1
        await person.answered(await person.command("send", {"uri": reply["uri"]}))
        assert len(person.chat(reply).turns) == 2


async def test_a_draft_stays_where_it_is_when_another_question_is_asked(person: Person):
    reply = await person.ask()
    person.type(person.path(reply), "later?\n")
    second = await person.ask("now?", session=reply["session"])
    assert person.text(second) == person.rendered(second, draft="later?")


async def test_typing_elsewhere_is_never_disturbed(person: Person):
    code = person.editor.open(person.project / "a.py", language="python")
    reply = await person.begin_long()
    for number in range(20):
        person.editor.edit(code, number, number, "x")
        await person.command("status")
    await person.command("cancel", {"job": reply["job"]})
    await person.answered(reply)
    assert person.editor.documents[code].text.startswith("x" * 20)
    assert len(person.editor.received("window/showDocument")) == 1


async def test_typing_in_the_chat_while_it_is_written_loses_nothing(person: Person):
    reply = await person.begin_long()
    await person.until(lambda: STOP in person.text(reply))
    for letter in "\n## You\n\nand then?\n":
        person.type(person.path(reply), letter)
        await person.command("status")
    await person.command("cancel", {"job": reply["job"]})
    await person.answered(reply)
    assert person.text(reply) == person.rendered(reply, draft="and then?")


async def test_a_model_is_chosen_in_the_front_matter(person: Person):
    reply = await person.ask()
    person.replace(person.path(reply), "model: demo", "model: long")
    await person.write(person.path(reply), "and then?")
    await person.until(lambda: len(person.chat(reply).turns) == 2)
    await person.streaming(reply)
    await person.command("cancel")
    second = await person.sent(reply, 2)
    assert (person.turn(second).model, person.chat(second).model) == ("long", "long")
    assert person.text(second) == person.rendered(second)


async def test_a_model_that_does_not_exist_is_told_and_the_draft_stays(person: Person):
    reply = await person.ask()
    person.replace(person.path(reply), "model: demo", "model: demmo")
    await person.write(person.path(reply), "and then?")
    await person.until(lambda: [m for m in person.messages() if "demmo" in m])
    assert "Kvasir: There is no model 'demmo'. Did you mean 'demo'?" in person.messages()
    assert person.text(reply).endswith("## You\n\nand then?")
    assert len(person.chat(reply).turns) == 1


async def test_a_model_is_chosen_by_code_action(person: Person):
    reply = await person.ask()
    await person.choose(await person.actions(reply["uri"], 0, 0), "Kvasir: use model long")
    assert "\nmodel: long\n" in person.text(reply)
    assert person.chat(reply).model == "long"
    assert person.text(reply) == person.rendered(reply)


async def test_a_model_is_chosen_by_command_for_this_chat_and_new_ones(person: Person):
    reply = await person.ask()
    said = await person.command("model", "long")
    assert (said["model"], said["session"]) == ("long", reply["session"])
    assert person.text(reply) == person.rendered(reply)
    other = await person.begin(uri=person.file(), lines=[8, 9])
    assert person.turn(other).model == "long"
    await person.command("cancel")
    await person.answered(other)
    said = await person.command("model", {})
    assert said["models"] == ["demo", "long"]


@pytest.mark.parametrize(
    "mangled",
    [
        "",
        "hello",
        "---\nkvasir: 1\n",
        "## You\n",
        "## You\n\n## You\n\n## Kvasir\n\n## Kvasir\n",
        "\ufeff\r\n---\r\nchat: nonsense\r\n---\r\n## Kvasir\r\n\r\nhm?\r\n",
        "<!-- kv end t1 --> \x00 \u2028 ## You <!-- kv",
    ],
)
async def test_a_mangled_document_still_takes_a_question_and_nothing_is_lost(person: Person, mangled: str):
    reply = await person.ask("why?")
    person.editor.change(reply["uri"], f"{mangled}\n\n## You\n\nand then?\n")
    person.editor.save(reply["uri"])
    fork = await person.forked(reply)
    assert person.chat(fork).turns[-1].question == "and then?"
    assert [turn.question for turn in person.chat(reply).turns] == ["why?"]
    assert person.text(fork) == person.rendered(fork)
    await person.until(lambda: person.text(reply).replace("\r\n", "\n") == person.rendered(reply))


async def test_saving_twice_sends_once(person: Person):
    reply = await person.ask()
    await person.write(person.path(reply), "and then?")
    person.editor.save(reply["uri"])
    person.editor.save(reply["uri"])
    second = await person.sent(reply, 2)
    assert person.text(second) == person.rendered(second)
    assert len((await person.command("chats"))["sessions"]) == 1


async def test_line_ends_of_the_document_are_kept(person: Person):
    reply = await person.ask("why?")
    windows = person.text(reply).replace("\n", "\r\n")
    person.editor.change(reply["uri"], f"{windows}and then?\r\n")
    person.editor.save(reply["uri"])
    second = await person.sent(reply, 2)
    text = person.text(second)
    assert text.replace("\r\n", "\n") == person.rendered(second)
    assert text.count("\r\n") == text.count("\n")


async def test_a_workspace_that_cannot_be_written_keeps_its_chats_elsewhere(person: Person, home: Path):
    (person.project / ".kvasir").write_text("in the way")
    reply = await person.ask()
    assert person.path(reply).parent == home / "state" / "kvasir" / "chat"
    assert person.text(reply) == person.rendered(reply)
    assert [message for message in person.messages() if "cannot be written" in message]
    await person.write(person.path(reply), "and then?")
    second = await person.sent(reply, 2)
    assert person.text(second) == person.rendered(second)


async def test_a_chat_without_a_workspace_lies_in_the_state_folder(
    connect: Connect, tmp_path: Path, home: Path
):
    lonely = tmp_path / "lonely.py"
    lonely.write_text("x = 1\n")
    async with connect(root=None) as person:
        reply = await person.ask(uri=lonely.as_uri())
        assert person.path(reply).parent == home / "state" / "kvasir" / "chat"
        assert person.base(reply) == [str(lonely)]


async def test_chats_lie_where_the_person_wants_them(connect: Connect, tmp_path: Path):
    where = tmp_path / "my chats"
    async with connect(settings={"chat": {"directory": str(where)}}) as person:
        reply = await person.ask()
        assert person.path(reply).parent == where
        await person.write(person.path(reply), "and then?")
        second = await person.sent(reply, 2)
        assert person.text(second) == person.rendered(second)


async def test_two_chats_of_one_question_have_documents_of_their_own(person: Person):
    first: Json = await person.ask("why?")
    second = await person.ask("why?", uri=person.file(), new=True)
    assert first["path"] != second["path"]
    assert person.text(first) == person.rendered(first)
    assert person.text(second) == person.rendered(second)
