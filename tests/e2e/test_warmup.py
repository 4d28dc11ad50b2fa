"""What is evaluated before the question is sent, and that the question then finds it."""

import pytest

from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json, Refused

SLACK_TOKENS = 8
"""The last tokens in front of a question may merge with its first."""


def place(person: Person, first: int = 0, last: int = 8) -> Json:
    return {"uri": person.file(), "lines": [first, last]}


async def warmed(person: Person, job: str = "warmup", times: int = 1) -> Json:
    """Wait for the end of the warmup; its last state with numbers."""
    await person.until(lambda: person.phases(job).count("done") == times)
    return [state for state in person.states(job) if "promptTokens" in state][-1]


async def ask_finds(person: Person, prompt_tokens: int, question: str = "why?") -> None:
    """Ask the usual question; all that was warmed is found."""
    reply = await person.ask(question)
    usage = person.turn(reply).usage
    assert usage
    assert usage.cached >= prompt_tokens - SLACK_TOKENS
    assert usage.new < 32
    assert usage.missed <= SLACK_TOKENS


async def test_a_selection_that_was_warmed_is_found_by_the_question(person: Person):
    reply = await person.command("warmup", place(person))
    assert reply == {"v": 1, "ok": True, "job": "j1", "state": "warming", "mode": "M3"}
    state = await warmed(person, "j1")
    assert state["message"].endswith("new")
    await ask_finds(person, state["promptTokens"])
    status = await person.command("status")
    assert status["models"]["demo"]["counters"]["misses"] == 0


async def test_the_option_w_warms_without_a_question(person: Person):
    reply = await person.command("ask", place(person), "-w")
    state = await warmed(person, reply["job"])
    await ask_finds(person, state["promptTokens"])


async def test_a_selection_of_a_plug_in_is_warmed(person: Person):
    person.editor.notify("kvasir/selection", {**place(person), "version": 1})
    state = await warmed(person)
    await ask_finds(person, state["promptTokens"])


async def test_a_half_typed_question_is_warmed_too(person: Person):
    person.editor.notify("kvasir/draft", {**place(person), "question": "why is it that this func"})
    state = await warmed(person)
    alone = await person.command("context", place(person))
    assert state["promptTokens"] > alone["tokens"]
    await ask_finds(person, state["promptTokens"], "why is it that this function is slow?")


@pytest.mark.parametrize("wrapped", [False, True], ids=["as a list", "as coc.nvim sends a list"])
async def test_a_half_typed_question_may_begin_with_options(person: Person, wrapped: bool):
    arguments: list[object] = [place(person), "-s why is it that this func"]
    person.editor.notify("kvasir/draft", [arguments] if wrapped else arguments)
    state = await warmed(person)
    alone = await person.command("context", place(person), "-s")
    assert state["promptTokens"] > alone["tokens"]
    await ask_finds(person, state["promptTokens"], "-s why is it that this function is slow?")


async def test_half_an_option_is_no_mistake_yet(person: Person):
    person.editor.notify("kvasir/draft", [place(person), "-x why is it"])
    await person.command("status")
    assert person.messages() == []
    with pytest.raises(Refused, match='no option "-x"'):
        await person.command("ask", place(person), "-x why is it slow?")


async def test_a_cleared_selection_is_forgotten(person: Person):
    person.editor.notify("kvasir/selection", place(person))
    await warmed(person)
    person.editor.notify("kvasir/selection", {"uri": person.file(), "range": None, "version": 2})
    reply = await person.answered(await person.command("ask", "why?"))
    assert (person.base(reply), person.tail(reply)) == (["a.py"], [])


async def test_what_was_selected_last_is_what_words_alone_ask_about(person: Person):
    person.editor.notify("kvasir/selection", place(person, 4, 6))
    await warmed(person)
    reply = await person.answered(await person.command("ask", "why?"))
    assert person.tail(reply) == ["a.py#L5-L6"]


async def test_an_automatic_code_action_warms_and_shows_nothing(person: Person):
    assert await person.actions(person.file(), 0, 8, triggerKind=2) == []
    state = await warmed(person)
    await ask_finds(person, state["promptTokens"])


async def test_vim_lsp_asks_by_itself_without_saying_so(connect: Connect):
    async with connect("vim_lsp_474c656", features=("state",)) as person:
        kinds = ["", "quickfix", "refactor", "refactor.extract", "refactor.inline", "refactor.rewrite"]
        assert await person.actions(person.file(), 0, 8, only=kinds) == []
        await warmed(person)
        kinds += ["source", "source.organizeImports"]
        assert len(await person.actions(person.file(), 0, 8, only=kinds)) == 8


async def test_a_cursor_that_moves_warms_nothing(person: Person):
    assert await person.actions(person.file(), 4, 4, triggerKind=2) == []
    await person.command("status")
    assert person.states("warmup") == []


async def test_only_the_last_of_many_selections_is_warmed(person: Person):
    for last in range(2, 40, 4):
        person.editor.notify("kvasir/selection", place(person, 0, last))
    state = await warmed(person)
    assert person.phases("warmup").count("warming") <= 1
    assert person.phases("warmup").count("done") == 1
    alone = await person.command("context", place(person, 0, 38))
    assert abs(state["promptTokens"] - alone["tokens"]) < 32


async def test_the_same_selection_is_warmed_once(person: Person):
    for _ in range(2):
        person.editor.notify("kvasir/selection", place(person))
        await warmed(person)
    status = await person.command("status")
    assert person.phases("warmup").count("done") == 1
    assert status["jobs"] == []


async def test_a_question_ends_the_warmup_of_something_else(person: Person):
    person.editor.notify("kvasir/selection", place(person, 8, 16))
    reply = await person.ask()
    assert person.turn(reply).status == "done"
    assert "done" not in person.phases("warmup")


async def test_a_draft_in_a_chat_document_is_warmed(person: Person):
    reply = await person.ask()
    await person.idle()
    person.type(person.path(reply), "why is it that this func")
    state = await warmed(person)
    person.type(person.path(reply), "tion is slow?")
    person.editor.save(reply["uri"])
    second = await person.sent(reply, 2)
    usage = person.turn(second).usage
    assert usage
    assert usage.cached >= state["promptTokens"] - SLACK_TOKENS


async def test_nothing_is_warmed_when_it_is_switched_off(connect: Connect):
    async with connect(features=("state",), settings={"warmup": {"enabled": False}}) as person:
        person.editor.notify("kvasir/selection", place(person))
        assert await person.actions(person.file(), 0, 8, triggerKind=2) == []
        await person.ask()
        assert person.states("warmup") == []


async def test_what_cannot_be_warmed_is_told_only_to_who_asked_for_it(person: Person):
    gone = {"uri": person.file("gone.py"), "lines": [0, 8]}
    person.editor.notify("kvasir/selection", gone)
    await person.until(lambda: "error" in person.phases("warmup"))
    assert person.messages() == []
    reply = await person.command("warmup", gone)
    await person.until(lambda: "error" in person.phases(reply["job"]))
    assert [message for message in person.messages() if "gone.py does not exist" in message]
