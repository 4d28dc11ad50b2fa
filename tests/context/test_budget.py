"""Estimates of tokens, and what of a project goes with a question.

The tokenizers here are stand-ins with the habits of real ones; how the estimate fares with three real ones
is told in ``context/budget.py``.
"""

import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context import budget
from context.budget import RESERVE, Estimator, Policy, choose, units

TEXTS = st.text(max_size=200)
ROOMS = Path(budget.__file__).parent.parent


@given(TEXTS, TEXTS)
def test_units_grow_with_the_text(left: str, right: str) -> None:
    assert units(left + "\n" + right) >= max(units(left), units(right))
    assert units(left + right) <= units(left) + units(right) + 1
    assert (units(left) == 0) == (left == "")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("readHTTPHeader", 3),
        ("x = 12345", 4),
        ("    return x\n\n\n    y", 4),
        ("日本語", 3),
        ("->>!=", 2),
        (" " * 160, 10),
        ("_" * 16, 1),
    ],
)
def test_units_are_pieces_as_tokenizers_cut_them(text: str, pieces: int) -> None:
    assert units(text) == pieces


def test_an_estimate_learns_the_ratio_of_its_model() -> None:
    estimator = Estimator()
    before = estimator.tokens("x = 1\n" * 1000)
    for _ in range(3):
        estimator.learn(units=10_000, tokens=15_000)
    assert estimator.ratio == pytest.approx(1.5)
    assert estimator.tokens("x = 1\n" * 1000) == math.ceil(units("x = 1\n" * 1000) * 1.5) > before
    for _ in range(30):
        estimator.learn(units=10_000, tokens=12_000)
    assert estimator.ratio == pytest.approx(1.2, abs=0.01)
    assert estimator.at_most("word " * 100) == math.ceil(100 * estimator.ratio * (1 + RESERVE))


@pytest.mark.parametrize(
    ("counted", "tokens"), [(0, 0), (10, 400), (10_000, 10), (10_000, 90_000), (500, -1), (-5, 5)]
)
def test_counts_that_tell_nothing_are_passed_over(counted: int, tokens: int) -> None:
    estimator = Estimator()
    before = estimator.ratio
    estimator.learn(counted, tokens)
    assert estimator.ratio == before


@given(st.lists(st.tuples(st.integers(-10, 10**6), st.integers(-10, 10**6)), max_size=20), TEXTS)
def test_an_estimate_stays_within_what_can_be(counts: list[tuple[int, int]], text: str) -> None:
    estimator = Estimator()
    for counted, tokens in counts:
        estimator.learn(counted, tokens)
    assert 0.5 <= estimator.ratio <= 4.0
    assert estimator.at_most(text) >= estimator.tokens(text) >= units(text) * 0.5


def words(text: str) -> int:
    """A tokenizer with a large vocabulary: words with the blank before them, numbers in threes."""
    return len(re.findall(r" ?[A-Za-z]+|\d{1,3}| ?[^\w\s]{1,4}|\s+|[^\x00-\x7f]|_", text))


def syllables(text: str) -> int:
    """A tokenizer with a small one: at most four letters, every digit and sign by itself."""
    return len(re.findall(r" ?[A-Za-z]{1,4}|\d|[^\w\s]|\n|\s+|[^\x00-\x7f]|_", text))


@pytest.mark.parametrize("count", [words, syllables])
def test_after_one_exact_count_no_pack_is_larger_than_its_estimate_from_above(
    count: Callable[[str], int],
) -> None:
    texts = [
        path.read_text("utf-8")
        for room in ("context", "sessions", "handlers", "server")
        for path in sorted((ROOMS / room).rglob("*.py"))
    ]
    chance = random.Random(3)
    for _ in range(40):
        chance.shuffle(texts)
        known, pack = "".join(texts[:20]), "".join(texts[20:40])
        estimator = Estimator()
        estimator.learn(units(known), count(known))
        assert count(pack) <= estimator.at_most(pack) <= 1.25 * count(pack)


@pytest.mark.parametrize(
    ("project", "window", "policy"),
    [
        (0, 4096, Policy.WHOLE),
        (3276, 8192, Policy.WHOLE),
        (3277, 8192, Policy.MAP_AND_FILES),
        (32_768, 8192, Policy.MAP_AND_FILES),
        (32_769, 8192, Policy.MAP_AND_RETRIEVAL),
        (80_000, 200_000, Policy.WHOLE),
        (10_000_000, 200_000, Policy.MAP_AND_RETRIEVAL),
        (1, 0, Policy.MAP_AND_RETRIEVAL),
    ],
)
def test_the_policy_follows_from_the_sizes(project: int, window: int, policy: Policy) -> None:
    assert choose(project, window) is policy
