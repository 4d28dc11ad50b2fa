"""What Kvasir adds to a stream: time to the first token, and throughput."""

from pathlib import Path
from statistics import median

import pytest

from sessions.backends.llama import BORDER_TOKENS
from tests.benchmarks.bench import write_project
from tests.benchmarks.conftest import RUNS, TOKENS, Sit
from tests.benchmarks.results import Results, ms

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("tokens", sorted({1700, TOKENS}))
async def test_first_token(sit: Sit, tmp_path: Path, results: Results, tokens: int):
    """With the demo model, which is quick: what Kvasir adds is not lost in what the model needs."""
    added: list[float] = []
    prompts: set[int] = set()
    async with sit(tmp_path, "demo") as bench:
        await write_project(tmp_path, bench.server, tokens, "quick")
        for number in range(4 * RUNS + 1):
            question = await bench.question()
            await bench.warm(flags=["p"], new=True)
            asked = await bench.ask(question, flags=["p"], new=True)
            raw = await bench.raw_answer(asked, question, 8)
            assert 0 <= asked.usage.new - raw.new <= BORDER_TOKENS
            prompts.add(asked.usage.prompt)
            if number:
                added.append(asked.ttft_ms - raw.ttft_ms)
    size = f"{max(prompts) / 1000:.1f}k"
    what = f"added to the first token at {size}, executeCommand to `kvasir/delta`"
    results.at_most(what, median(added), 5, " ms", ms(added))


async def test_throughput(sit: Sit, tmp_path: Path, results: Results):
    through: list[float] = []
    raw: list[float] = []
    async with sit(tmp_path, "long") as bench:
        out = bench.answer_tokens
        await write_project(tmp_path, bench.server, 1000, "long")
        for _ in range(RUNS):
            question = await bench.question()
            await bench.warm(flags=["p"], new=True)
            asked = await bench.ask(question, flags=["p"], new=True)
            plain = await bench.raw_answer(asked, question, bench.answer_tokens)
            assert asked.turn.answer == plain.text
            assert asked.usage.out == plain.out == out
            through.append((asked.usage.out - 1) / asked.decode_ms * 1000)
            raw.append((plain.out - 1) / plain.decode_ms * 1000)
    lost = 100 * (1 - median(through) / median(raw))
    of = f"{median(through):.0f} / {median(raw):.0f} tokens/s, answers of {out} tokens"
    results.at_most("throughput lost against raw HTTP", lost, 2, " %", of)
