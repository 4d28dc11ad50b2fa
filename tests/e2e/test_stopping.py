"""Stopping an answer, in every way that a person has; what was answered is kept and marked."""

import pytest

from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json, Refused


async def stopped(person: Person, reply: Json) -> None:
    """Wait for the end; what had come is kept, marked as incomplete, and can be gone on from."""
    await person.answered(reply)
    turn = person.turn(reply)
    assert (turn.status, bool(turn.answer)) == ("stopped", True)
    assert person.text(reply) == person.rendered(reply)
    assert "*Stopped: this answer is incomplete." in person.text(reply)
    assert person.text(reply).endswith("\n## You\n\n")


async def test_a_job_is_stopped_by_its_name(person: Person):
    reply = await person.begin_long()
    assert await person.command("cancel", reply["job"]) == {"v": 1, "ok": True, "stopped": [reply["job"]]}
    await stopped(person, reply)
    assert person.phases(reply["job"])[-1] == "cancelled"


async def test_a_chat_is_stopped_by_its_document(person: Person):
    reply = await person.begin_long()
    await person.command("cancel", {"uri": reply["uri"]})
    await stopped(person, reply)


async def test_everything_is_stopped_without_a_name(person: Person):
    one = await person.begin_long()
    other = await person.begin_long(uri=person.file("b.py"), new=True)
    said = await person.command("cancel")
    assert said["stopped"] == [one["job"], other["job"]]
    await stopped(person, one)
    await stopped(person, other)


async def test_pressing_stop_again_and_again_does_no_harm(person: Person):
    reply = await person.begin_long()
    asking = person.server.desk.sessions.asking(reply["session"])
    assert asking
    await person.command("cancel", reply["job"])
    while person.server.desk.jobs.all():
        asking.stop()
        await person.command("status")
    await stopped(person, reply)


async def test_deleting_the_stop_line_stops(person: Person):
    reply = await person.begin_long()
    await person.until(lambda: "kv stop" in person.text(reply))
    lines = person.text(reply).splitlines(keepends=True)
    line = next(line for line in lines if "kv stop" in line)
    person.replace(person.path(reply), line, "")
    await person.answered(reply)
    assert person.turn(reply).status == "stopped"
    assert person.text(reply) == person.rendered(reply)


async def test_the_button_of_the_progress_display_stops(person: Person):
    reply = await person.begin_long()
    await person.until(lambda: person.editor.received("$/progress"))
    person.editor.notify(
        "window/workDoneProgress/cancel", {"token": person.editor.received("$/progress")[0]["token"]}
    )
    await stopped(person, reply)


async def test_an_answer_can_be_stopped_while_the_prompt_is_read(person: Person):
    (person.project / "large.txt").write_text("".join(f"line {number} of many\n" for number in range(600)))
    reply = await person.begin(uri=person.file("large.txt"))
    await person.until(lambda: "prefill" in person.phases(reply["job"]))
    await person.command("cancel", reply["job"])
    await person.answered(reply)
    assert (person.turn(reply).status, person.turn(reply).answer) == ("stopped", "")
    assert person.text(reply) == person.rendered(reply)
    again = await person.ask("and now?", session=reply["session"])
    assert person.turn(again).status == "done"


async def test_a_stopped_answer_can_be_gone_on_from(person: Person):
    reply = await person.begin_long()
    await person.command("cancel")
    await person.answered(reply)
    second = await person.ask("and then?", session=reply["session"], model="demo")
    assert (second["session"], second["turn"]) == (reply["session"], 2)
    assert person.text(second) == person.rendered(second)


async def test_nothing_to_stop_is_said(person: Person):
    with pytest.raises(Refused, match=r"Nothing is running that could be stopped\.") as refused:
        await person.command("cancel")
    assert (refused.value.code, refused.value.data["code"]) == (-32803, "not_found")
    with pytest.raises(Refused, match="No job 'j99' is running"):
        await person.command("cancel", "j99")


async def test_leaving_while_an_answer_is_written_keeps_what_had_come(connect: Connect):
    async with connect() as person:
        reply = await person.begin_long()
    async with connect() as person:
        turn = person.turn(reply)
        assert (turn.status, bool(turn.answer)) == ("stopped", True)
        again = await person.command("open", {"session": reply["session"]})
        assert person.text(again) == person.rendered(reply)
        second = await person.ask("and then?", session=reply["session"], model="demo")
        assert person.text(second) == person.rendered(second)


async def test_a_closed_progress_display_is_not_left_behind(person: Person):
    await person.ask()
    kinds = [said["value"]["kind"] for said in person.editor.received("$/progress")]
    assert (kinds[0], kinds[-1], kinds.count("end")) == ("begin", "end", 1)
