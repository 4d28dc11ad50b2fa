"""Forks: said, and implied by editing what was said before. Nothing is ever lost."""

import pytest

from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json, Refused


def questions(person: Person, reply: Json) -> list[str]:
    return [turn.question for turn in person.chat(reply).turns]


async def two_turns(person: Person) -> Json:
    first = await person.ask("one?")
    return await person.ask("two?", session=first["session"])


async def test_a_fork_shares_the_turns_up_to_one(person: Person):
    chat = await two_turns(person)
    fork = await person.command("fork", {"session": chat["session"], "turn": 1})
    assert fork["session"] != chat["session"]
    assert questions(person, fork) == ["one?"]
    assert person.text(fork) == person.rendered(fork)
    assert person.text(chat) == person.rendered(chat)
    assert person.editor.received("window/showDocument")[-1]["uri"] == fork["uri"]


async def test_a_fork_evaluates_only_its_own_question(person: Person):
    chat = await two_turns(person)
    await person.idle()
    fork = await person.command("fork", {"session": chat["session"], "turn": 1})
    reply = await person.ask("and in parallel?", session=fork["session"])
    usage, shared = person.turn(reply).usage, person.chat(chat).turns[0].usage
    assert usage
    assert shared
    assert usage.cached >= shared.prompt
    assert usage.new < 64
    assert usage.missed <= 8


async def test_forked_and_warmed_answers_are_those_of_a_cold_run(person: Person):
    (person.project / "c.py").write_text("def cold(x):\n    return x * 41 - 7\n")
    place = {"uri": person.file("c.py"), "lines": [0, 2]}
    cold = await person.ask("one?", **place)
    chat = await person.ask("two?", session=cold["session"])
    await person.idle()
    warm = await person.ask("one?", **place)
    fork = await person.ask("two?", session=cold["session"], turn=1)
    assert person.turn(warm).answer == person.turn(cold).answer
    assert person.turn(fork).answer == person.turn(chat).answer


async def test_a_fork_is_asked_something_at_once(person: Person):
    chat = await two_turns(person)
    fork = await person.answered(
        await person.command("fork", {"session": chat["session"], "turn": 1}, "and in parallel?")
    )
    assert questions(person, fork) == ["one?", "and in parallel?"]
    assert person.text(fork) == person.rendered(fork)


async def test_the_cursor_says_from_which_turn(person: Person):
    chat = await two_turns(person)
    line = person.text(chat).splitlines().index("one?")
    fork = await person.command("fork", {"uri": chat["uri"], "lines": [line, line + 1]})
    assert questions(person, fork) == ["one?"]


async def test_a_fork_before_all_turns_keeps_only_the_context(person: Person):
    chat = await two_turns(person)
    fork = await person.command("fork", {"session": chat["session"], "turn": 0})
    assert (questions(person, fork), person.base(fork)) == ([], ["a.py"])
    await person.write(person.path(fork), "other?")
    reply = await person.sent(fork, 1)
    assert questions(person, reply) == ["other?"]


async def test_a_retry_keeps_the_other_answer(person: Person):
    chat = await two_turns(person)
    again = await person.answered(await person.command("retry", {"session": chat["session"], "turn": 2}))
    assert again["session"] != chat["session"]
    assert questions(person, again) == questions(person, chat)
    assert person.text(again) == person.rendered(again)
    assert person.text(chat) == person.rendered(chat)


async def test_a_retry_of_what_was_never_answered_takes_its_place(person: Person):
    (person.project / "large.txt").write_text("one word more\n" * 6000)
    failed = await person.ask(uri=person.file("large.txt"))
    assert (person.turn(failed).status, person.turn(failed).answer) == ("failed", "")
    again = await person.answered(await person.command("retry", {"session": failed["session"]}))
    assert (again["session"], again["turn"]) == (failed["session"], 1)
    assert person.text(again) == person.rendered(again)


async def test_an_edited_question_goes_to_a_fork_and_the_old_document_is_restored(person: Person):
    chat = await two_turns(person)
    before = person.text(chat)
    person.replace(person.path(chat), "one?", "another?")
    person.editor.save(chat["uri"])
    fork = await person.forked(chat)
    assert questions(person, fork) == ["another?"]
    assert person.text(fork) == person.rendered(fork)
    assert questions(person, chat) == ["one?", "two?"]
    assert person.text(chat) == before
    assert person.editor.received("window/showDocument")[-1]["uri"] == fork["uri"]


async def test_an_edited_answer_is_what_the_next_question_follows(person: Person):
    chat = await person.ask("one?")
    answer = person.turn(chat).answer.rstrip()
    person.replace(person.path(chat), answer, "No.")
    await person.write(person.path(chat), "sure?")
    fork = await person.forked(chat)
    assert questions(person, fork) == ["one?", "sure?"]
    assert person.chat(fork).turns[0].answer == "No."
    assert person.text(fork) == person.rendered(fork)
    assert person.turn(chat).answer.rstrip() == answer
    assert person.text(chat) == person.rendered(chat)


async def test_an_edited_question_with_a_draft_below_keeps_both(person: Person):
    chat = await two_turns(person)
    person.replace(person.path(chat), "one?", "another?")
    await person.write(person.path(chat), "three?")
    fork = await person.forked(chat)
    assert questions(person, fork) == ["another?"]
    await person.until(lambda: person.text(chat) == person.rendered(chat, draft="three?"))


async def test_a_removed_turn_is_left_out_of_the_fork(person: Person):
    chat = await two_turns(person)
    text = person.text(chat)
    lines = text.splitlines(keepends=True)
    headings = [number for number, line in enumerate(lines) if line.startswith("## You")]
    del lines[headings[0] : headings[1]]
    person.editor.change(chat["uri"], "".join(lines) + "three?\n")
    person.editor.save(chat["uri"])
    fork = await person.forked(chat)
    assert questions(person, fork) == ["three?"]
    assert questions(person, chat) == ["one?", "two?"]
    assert person.text(chat) == text


async def test_a_cut_end_forks_where_it_was_cut(person: Person):
    chat = await two_turns(person)
    text = person.text(chat)
    lines = text.splitlines(keepends=True)
    second = [number for number, line in enumerate(lines) if line.startswith("## You")][1]
    person.editor.change(chat["uri"], "".join(lines[:second]) + "## You\n\nthree?\n")
    person.editor.save(chat["uri"])
    fork = await person.forked(chat)
    assert questions(person, fork) == ["one?", "three?"]
    assert person.text(chat) == text


async def test_two_editors_that_ask_in_one_chat_fork(connect: Connect):
    async with connect() as one, connect() as other:
        chat = await one.ask("one?")
        one.editor.save(chat["uri"])
        other.editor.open(other.path(chat))
        await one.write(one.path(chat), "two?")
        await one.sent(chat, 2)
        await other.write(other.path(chat), "other?")
        fork = await other.forked(chat)
        assert questions(one, chat) == ["one?", "two?"]
        assert questions(other, fork) == ["one?", "other?"]
        assert one.text(chat) == one.rendered(chat)
        assert other.text(fork) == other.rendered(fork)
        assert other.text(chat) == other.rendered(chat)


async def test_a_chat_that_another_editor_is_asking_takes_no_second_question(connect: Connect):
    async with connect() as one, connect() as other:
        chat = await one.ask("one?")
        first = await one.begin_long("two?", session=chat["session"])
        with pytest.raises(Refused, match="This chat is still being answered"):
            await other.begin("other?", session=chat["session"])
        second = await other.ask("other?", session=chat["session"], turn=1, model="demo")
        await one.command("cancel")
        await one.answered(first)
        assert questions(one, first) == ["one?", "two?"]
        assert questions(other, second) == ["one?", "other?"]
