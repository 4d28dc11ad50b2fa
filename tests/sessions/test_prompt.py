"""Prompts grow at their end only: what was sent once stays in front, byte for byte and token for token."""
# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path

import attrs
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.segment import Kind, Segment
from sessions import llama, modes
from sessions.backends.llama import ANY_SLOT, BORDER_TOKENS, Finished, LlamaServer
from sessions.chat import Status, Turn, Usage
from sessions.llama import Launch, ensure
from sessions.prompt import Prompt, build, shared
from tests.models import TEMPLATES, templated_model

texts = st.text(min_size=1, max_size=12)
segments = st.builds(Segment, st.sampled_from(list(Kind)), texts, st.text(max_size=12))
tails = st.lists(segments, max_size=2).map(tuple)
answers = st.one_of(st.just(""), texts)


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    answer = draw(answers)
    status = draw(st.sampled_from([Status.DONE, Status.STOPPED])) if answer else Status.FAILED
    return Turn("t", None, draw(texts), draw(tails), answer, status=status)


paths = st.lists(turns(), max_size=5)


def text(prompt: Prompt) -> str:
    return "".join(f"\0{message['role']}\0{message['content']}" for message in prompt.messages)


@given(tails, paths, tails, texts, texts)
def test_the_prompt_of_a_turn_begins_that_of_the_next(
    base: tuple[Segment, ...], path: list[Turn], tail: tuple[Segment, ...], question: str, answer: str
) -> None:
    asked = build(base, path, tail, question)
    done = Turn("t", None, question, tail, answer, status=Status.DONE)
    following = build(base, [*path, done])
    after = build(base, [*path, done], tail, "and?")
    assert following.chain[: len(asked.chain)] == asked.chain
    assert after.chain[: len(following.chain)] == following.chain
    assert text(after).startswith(text(following))
    assert text(following).startswith(text(asked))


@given(tails, paths, tails, texts, st.data())
def test_half_a_question_shares_all_that_stands_before_it(
    base: tuple[Segment, ...], path: list[Turn], tail: tuple[Segment, ...], question: str, data: st.DataObject
) -> None:
    half = question[: data.draw(st.integers(0, len(question)))]
    warmed, asked = build(base, path, tail, half), build(base, path, tail, question)
    context = build(base, path, tail)
    assert shared(warmed.chain, asked.chain) >= len(context.chain)
    assert text(asked).startswith(text(warmed))
    assert text(warmed).startswith(text(context))


@given(tails, paths, tails, texts, st.sampled_from(list(modes.INSTRUCTIONS)))
def test_a_mode_moves_nothing_that_stands_before_it(
    base: tuple[Segment, ...], path: list[Turn], tail: tuple[Segment, ...], question: str, mode: str
) -> None:
    chosen = build(base, path, (*tail, modes.instruction(mode)), question)
    plain = build(base, path, tail)
    if plain.parts[-1].text == "\n=== question\n":
        # All but the line that announces the question.
        assert shared(chosen.chain, plain.chain) >= len(plain.chain) - 1
    else:
        assert shared(chosen.chain, plain.chain) == len(plain.chain)


@given(tails, paths, tails, texts)
def test_what_changes_by_itself_does_not_enter(
    base: tuple[Segment, ...], path: list[Turn], tail: tuple[Segment, ...], question: str
) -> None:
    usage = Usage(prompt=9, cached=4, new=5, out=3, ttft_ms=1.5, tokens_per_second=7)
    labelled = [
        attrs.evolve(
            turn, id=f"t{number}", parent="t", reasoning="Hm.", model="big", usage=usage, error="e", created=9
        )
        for number, turn in enumerate(path)
    ]
    assert build(base, labelled, tail, question) == build(base, path, tail, question)
    assert build(base, path, tail, question) == build(list(base), iter(path), list(tail), question)


@given(tails, paths, tails, texts)
def test_each_part_is_known_by_all_that_leads_to_it(
    base: tuple[Segment, ...], path: list[Turn], tail: tuple[Segment, ...], question: str
) -> None:
    prompt = build(base, path, tail, question)
    ends = [sum(len(part.text) for part in prompt.parts[: n + 1]) for n in range(len(prompt.parts))]
    assert [part.end for part in prompt.parts] == ends
    assert len(set(prompt.chain)) == len(prompt.chain)
    changed = build(base, [*path, Turn("t", None, "other", (), "other")], tail, question)
    assert set(prompt.chain[shared(prompt.chain, changed.chain) :]).isdisjoint(changed.chain)


chains = st.lists(st.sampled_from("ab"), max_size=6).map(tuple)


@given(chains, chains)
def test_shared_counts_leading_parts(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    naive = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))))
    assert shared(left, right) == shared(right, left) == naive


def test_a_question_without_an_answer_and_what_came_with_it_are_left_out() -> None:
    base = (Segment(Kind.FILE, "a.py", "x = 1\n"),)
    one, two = Segment(Kind.FILE, "b.py", "y = 2\n"), Segment(Kind.SELECTION, "b.py#L1-L1", "y = 2")
    path = [
        Turn("t1", None, "first?", (), "Yes."),
        Turn("t2", "t1", "lost?", (one,), status=Status.FAILED),
        Turn("t3", "t2", "lost again?", (), status=Status.INTERRUPTED),
    ]
    system, *messages = build(base, path, (two,), "now?").messages
    assert system["role"] == "system"
    assert messages == [
        {"role": "user", "content": "\n=== file a.py\nx = 1\n\n=== question\nfirst?"},
        {"role": "assistant", "content": "Yes."},
        {
            "role": "user",
            "content": "\n=== selection b.py#L1-L1\ny = 2\n\n=== question\nnow?",
        },
    ]
    assert build((), [], (), "plain?").messages[1:] == [{"role": "user", "content": "plain?"}]


# --- on the real server, with templates of several families ---------------------------------------------

BASE = (Segment(Kind.FILE, "slots.py", "def shared(left, right):\n    return 0  # naïve: «ü» 日本 🙂\n" * 8),)
SELECTION = Segment(Kind.SELECTION, "slots.py#L1-L2", "def shared(left, right):")
PAST = [
    Turn("t1", None, "why is it slow?", (), "It is not slow.", status=Status.DONE),
    Turn("t2", "t1", "and in parallel?", (SELECTION,), "Then it waits.\n", status=Status.DONE),
]
QUESTION = " what   of   naïve ones? 🙂"
WARMUPS = {
    "the context": build(BASE, PAST, (SELECTION,)),
    "half a question": build(BASE, PAST, (SELECTION,), QUESTION[:9]),
    "a question cut within a word": build(BASE, PAST, (SELECTION,), QUESTION[:7]),
    "a question cut after a space": build(BASE, PAST, (SELECTION,), QUESTION[:8]),
    "the whole question": build(BASE, PAST, (SELECTION,), QUESTION),
    "no turn, no context": build((), []),
}


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a llama-server that this machine may have."""
    monkeypatch.setenv("PATH", "")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    directory = tmp_path_factory.mktemp("servers")
    yield directory
    for running in llama.running(directory):
        asyncio.run(llama.stop(running))


@asynccontextmanager
async def serving(template: str, directory: Path) -> AsyncGenerator[LlamaServer]:
    model = templated_model(platformdirs.user_cache_path("kvasir") / "models", template)
    with await ensure(
        Launch(model, context_tokens=4096, slots=1, threads=1), directory, lambda _: None
    ) as use:
        server = LlamaServer(use.server.url, use.server.api_key)
        try:
            yield server
        finally:
            await server.close()
            await llama.stop(use.server)


@pytest.mark.parametrize("template", TEMPLATES)
async def test_what_is_warmed_are_the_leading_tokens_of_what_is_asked(template: str, directory: Path) -> None:
    async with serving(template, directory) as server:
        for name, warmed in WARMUPS.items():
            asked = (
                build((), [], (), QUESTION) if name.startswith("no turn") else WARMUPS["the whole question"]
            )
            prefix = await server.prefix(warmed.messages)
            rendered = await server._post("/apply-template", {"messages": asked.messages})
            whole = await server.tokens(rendered["prompt"])
            assert prefix == whole[: len(prefix)], f"{name} with {template}"
            before_the_question = await server.tokens(rendered["prompt"].split(QUESTION.strip())[0])
            if name == "the context":
                assert len(before_the_question) - len(prefix) <= BORDER_TOKENS + 2


@pytest.mark.parametrize("template", TEMPLATES)
async def test_an_answer_after_a_warmup_evaluates_its_question_only(template: str, directory: Path) -> None:
    async with serving(template, directory) as server:
        prefix = await server.prefix(WARMUPS["the context"].messages)
        warmed = [event async for event in server.prefill(prefix, 0)]
        assert isinstance(warmed[-1], Finished)
        assert warmed[-1].prompt == len(prefix)
        asked = server.answer(WARMUPS["the whole question"].messages, ANY_SLOT, max_tokens=1, temperature=0)
        (finished,) = [event async for event in asked if isinstance(event, Finished)]
        assert finished.cached == len(prefix)
