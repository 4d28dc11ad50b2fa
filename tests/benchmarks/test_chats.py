"""Forks, and more chats than slots, against going on in a chat whose slot holds all of it."""

from pathlib import Path
from statistics import median

import pytest

from sessions.demo_model import source_text
from sessions.question import Question
from tests.benchmarks.bench import SLACK_TOKENS, Asked, Bench, write_project
from tests.benchmarks.conftest import RUNS, TOKENS, Sit
from tests.benchmarks.results import Results, ms

pytestmark = pytest.mark.benchmark

FORK_TOKENS = 64
"""Evaluated in a fork beyond what its question has."""
CHATS = 6
KEPT = 2
ROUNDS = 3
PASTED_CHARACTERS = 1600


@pytest.mark.parametrize("tokens", sorted({4000, TOKENS}))
async def test_fork(sit: Sit, tmp_path: Path, results: Results, tokens: int):
    """Each round forks a chat before its last turn, so that parent and fork need a slot each, then at its end."""
    going: list[Asked] = []
    copied: list[Asked] = []
    warmed: list[Asked] = []
    parents: list[Asked] = []
    async with sit(tmp_path) as bench:
        parent = await _begun(bench, tmp_path, tokens)
        await bench.ask(await bench.question(), session=parent)
        for _ in range(RUNS):
            await _free_a_slot(bench)
            going.append(await bench.ask(await bench.question(), session=parent))
            assert going[-1].usage.new <= going[0].usage.new + SLACK_TOKENS
            last = len(bench.sessions.store.chat(parent).turns)
            fork = await bench.sessions.fork(parent, last - 1)
            copied.append(await bench.ask(await bench.question(), session=fork.id))
            await _free_a_slot(bench)
            reply = await bench.command("fork", session=parent, turn=last - 1, view="none")
            await bench.until(lambda: _was_warmed(bench))
            await bench.idle()
            warmed.append(await bench.ask(await bench.question(), session=reply["session"]))
            fork = await bench.sessions.fork(parent)
            await bench.ask(await bench.question(), session=fork.id)
            parents.append(await bench.ask(await bench.question(), session=parent))
    size = f"{going[-1].usage.prompt / 1000:.1f}k"
    base = [asked.ttft_ms for asked in going]
    forks = (("fork at {}, copy included", copied), ("fork at {}, warmed by itself", warmed))
    for name, asked in (*forks, ("fork at the end at {}, then its parent", parents)):
        assert all(one.usage.missed <= SLACK_TOKENS for one in asked)
        assert all(one.usage.cached > 0.9 * one.usage.prompt for one in asked)
        beyond = max(one.usage.new for one in asked) - min(one.usage.new for one in going)
        times = [one.ttft_ms for one in asked]
        what, ratio = f"{name.format(size)} / going on", median(times) / median(base)
        of = f"{ms(times)} / {ms(base)}; {_new(asked)} / {_new(going)} new"
        results.at_most(what, ratio, 1.2, "", of)
        what = f"{name.format(size)}: tokens evaluated beyond its question's"
        results.at_most(what, beyond, FORK_TOKENS, "", "")


@pytest.mark.parametrize("tokens", sorted({4000, TOKENS}))
async def test_more_chats_than_slots(sit: Sit, tmp_path: Path, results: Results, tokens: int):
    """Chats about one project take turns; each is then asked once more, while its slot still holds it."""
    returned: list[Asked] = []
    going: list[Asked] = []
    async with sit(tmp_path) as bench:
        first = await _begun(bench, tmp_path, tokens)
        with bench.locked(*_all_but(KEPT, bench, first)):
            chats = [await _pasted(bench, number) for number in range(CHATS)]
            for _ in range(ROUNDS):
                for chat in chats:
                    returned.append(await bench.ask(await bench.question(), session=chat))
                    going.append(await bench.ask(await bench.question(), session=chat))
    for asked in (*returned, *going):
        assert asked.usage.cached > 0.8 * tokens
        assert asked.usage.missed <= SLACK_TOKENS
    beyond = max(asked.usage.new for asked in returned) - min(asked.usage.new for asked in going)
    size = f"{going[-1].usage.prompt / 1000:.1f}k"
    times, base = ([asked.ttft_ms for asked in some] for some in (returned, going))
    what = f"{CHATS} chats on {KEPT} slots at {size}: coming back / going on"
    results.at_most(
        what,
        median(times) / median(base),
        1.3,
        "",
        f"{ms(times)} / {ms(base)}; {_new(returned)} / {_new(going)} new",
    )
    what = f"{CHATS} chats on {KEPT} slots at {size}: tokens evaluated beyond the question's"
    results.at_most(what, beyond, SLACK_TOKENS, "", "")


async def _begun(bench: Bench, root: Path, tokens: int) -> str:
    """A chat about the whole project, with one answer."""
    wanted = await write_project(root, bench.server, tokens, "the project")
    return (await bench.ask_direct(Question(await bench.question(), wanted=wanted, editor="editor"))).chat


async def _pasted(bench: Bench, number: int) -> str:
    """A chat about the project that has hundreds of tokens of its own."""
    text = source_text()[number * PASTED_CHARACTERS :][:PASTED_CHARACTERS]
    return (await bench.ask(f"{await bench.question()}\n{text}", flags=["p"], new=True)).chat


def _all_but(kept: int, bench: Bench, chat: str) -> list[int]:
    """All slots but the chat's own and as many others as make up ``kept``; raw's is locked anyway."""
    others = [
        slot.number for slot in bench.table.slots() if slot.owner != chat and slot.number != bench.raw.slot
    ]
    return others[kept - 1 :]


async def _free_a_slot(bench: Bench) -> None:
    """Have a slot with nothing to lose: a selection was warmed that nothing was asked about."""
    await bench.warm_direct(Question(await bench.question(), editor="another"))


def _was_warmed(bench: Bench) -> bool:
    states = bench.editor.received("kvasir/state")
    return any(state["job"] == "warmup" and state["phase"] == "done" for state in states)


def _new(some: list[Asked]) -> str:
    counts = sorted(asked.usage.new for asked in some)
    return f"{counts[0]}-{counts[-1]}"
