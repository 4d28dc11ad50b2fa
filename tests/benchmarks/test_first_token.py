"""Time to the first token: cold, warmed, by the road alone and through the language server, against raw HTTP."""

from pathlib import Path
from statistics import median

import pytest

from sessions.backends.llama import BORDER_TOKENS
from sessions.question import Question
from tests.benchmarks.bench import SLACK_TOKENS, Asked, write_project
from tests.benchmarks.conftest import RUNS, TOKENS, Sit
from tests.benchmarks.raw import Streamed
from tests.benchmarks.results import Results, ms

pytestmark = pytest.mark.benchmark

NEW_TOKENS = 32
"""A warmed question evaluates itself, the border and the template's end; never more."""
SYSTEM_TOKENS = 150
"""All prompts begin with the same words."""
TIMES = 2
"""Warmed questions of each kind per round."""


@pytest.mark.parametrize("tokens", sorted({1700, 4000, TOKENS}))
async def test_warmed(sit: Sit, tmp_path: Path, results: Results, tokens: int):
    cold: list[Asked] = []
    direct: list[Asked] = []
    through: list[Asked] = []
    raw: list[Streamed] = []
    async with sit(tmp_path) as bench:
        for number in range(RUNS):
            wanted = await write_project(tmp_path, bench.server, tokens, f"round {number} of {tokens}")
            about = Question(wanted=wanted, editor="editor")
            cold.append(await bench.ask_direct(_with(about, await bench.question())))
            for _ in range(TIMES):
                await bench.warm(flags=["p"], new=True)
                direct.append(await bench.ask_direct(_with(about, await bench.question())))
                await bench.warm(flags=["p"], new=True)
                through.append(await bench.ask(await bench.question(), flags=["p"], new=True))
                raw.append(await bench.raw_answer(through[-1], await bench.question(), bench.answer_tokens))
    size = through[-1].usage.prompt
    for asked in cold:
        assert asked.usage.cached < SYSTEM_TOKENS
        assert asked.usage.new > tokens * 0.8
    for asked in (*direct, *through):
        assert asked.usage.new < NEW_TOKENS
        assert asked.usage.missed <= SLACK_TOKENS
    for one in raw:
        assert all(0 <= asked.usage.new - one.new <= BORDER_TOKENS for asked in (*direct, *through))
    _tell(results, f"{size / 1000:.1f}k", cold, direct, through, raw)


def _tell(
    results: Results,
    size: str,
    cold: list[Asked],
    direct: list[Asked],
    through: list[Asked],
    raw: list[Streamed],
) -> None:
    base = [one.ttft_ms for one in raw]
    new = raw[0].new
    for name, asked in (("`sessions.ask`", direct), ("the language server", through)):
        times = [one.ttft_ms for one in asked]
        of = f"{ms(times)} / {ms(base)}; {new} new tokens each"
        ratio = median(times) / median(base)
        results.at_most(f"warmed ask at {size}, by {name} / raw HTTP", ratio, 1.05, "", of)
    times = [one.ttft_ms for one in through]
    colds = [one.ttft_ms for one in cold]
    ratio = median(colds) / median(times)
    what, of = f"cold / warmed ask at {size}", f"{ms(colds)} / {ms(times)}"
    if through[0].usage.prompt > 15_000:
        results.at_least(what, ratio, 100, "", of)
    else:
        results.found(what, ratio, "", of)


def _with(about: Question, text: str) -> Question:
    return Question(text, wanted=about.wanted, editor=about.editor)
