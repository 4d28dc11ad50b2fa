"""Values from JSON, and what is said about those that do not fit."""

from enum import StrEnum
from typing import Literal

import attrs
import pytest
from inline_snapshot import snapshot
from lsprotocol import types

from handlers.structure import Misfit, Problem, camel, fit, keys_of, nearest, structure
from sessions.errors import BadRequest
from tests.lsp import Json


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@attrs.frozen
class Inner:
    max_tokens: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@attrs.frozen
class Outer:
    name: str
    colour: Colour | None = None
    size: Literal["small", "large"] = "small"
    pair: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    by_name: dict[str, Inner] = attrs.field(factory=dict[str, Inner])
    inner: Inner = Inner()
    many: list[Inner] = attrs.field(factory=list[Inner])
    span: types.Range | None = None
    anything: object = None
    share: float = 0.5
    on: bool = False


def test_everything_that_fits():
    value: Json = {
        "name": "a",
        "colour": "green",
        "size": "large",
        "pair": [1, 2],
        "words": ["x"],
        "byName": {"k": {"maxTokens": 3}},
        "inner": {"maxTokens": 4},
        "many": [{}],
        "span": {"start": {"line": 1, "character": 2}, "end": {"line": 3, "character": 4}},
        "anything": {"as": ["it", 1]},
        "share": 1,
        "on": True,
    }
    assert fit(value, Outer) == Outer(
        name="a",
        colour=Colour.GREEN,
        size="large",
        pair=(1, 2),
        words=("x",),
        by_name={"k": Inner(3)},
        inner=Inner(4),
        many=[Inner()],
        span=types.Range(start=types.Position(line=1, character=2), end=types.Position(line=3, character=4)),
        anything={"as": ["it", 1]},
        share=1.0,
        on=True,
    )


def test_all_problems_are_told_at_once_with_their_places():
    value = {
        "nome": "a",
        "colour": "gren",
        "size": "huge",
        "pair": [1],
        "words": "xyz",
        "byName": {"k": {"max_tokens": 3}},
        "inner": {"maxTokens": 0},
        "many": [{}, {"maxTokens": "4"}],
        "span": {"start": {"line": -1, "character": 2}, "end": {"line": 3}},
        "share": "half",
        "on": "no",
    }
    with pytest.raises(Misfit) as caught:
        fit(value, Outer)
    assert [str(problem) for problem in caught.value.problems] == snapshot(
        [
            "name: is missing",
            'colour: unknown "gren"; did you mean "green"?',
            "size: expected one of small, large",
            "pair: expected 2 elements, not 1",
            "words: expected a list, not a string",
            'byName.k.max_tokens: unknown key; did you mean "maxTokens"?',
            "inner: 'max_tokens' must be >= 1: 0",
            "many[1].maxTokens: expected a whole number, not a string",
            "span.start: Position.line should be in range [0:2147483647], but was -1",
            "span.end.character: is missing",
            "share: expected a number, not a string",
            "on: expected true or false, not a string",
            'nome: unknown key; did you mean "name"?',
        ]
    )


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (1, str, "expected a string, not a whole number"),
        (True, int, "expected a whole number, not true or false"),
        ("no", bool, "expected true or false, not a string"),
        (1.0, int, "expected a whole number, not a number"),
        (None, str, "expected a string, not null"),
        ("abc", tuple[str, ...], "expected a list, not a string"),
        ([], dict[str, int], "expected an object, not a list"),
        ([], Outer, "expected an object, not a list"),
    ],
)
def test_nothing_is_converted_in_silence(value: object, kind: type[object], said: str):
    with pytest.raises(Misfit) as caught:
        fit(value, kind)
    assert caught.value.problems == (Problem((), said),)


def test_a_problem_is_one_sentence_for_a_person():
    with pytest.raises(
        BadRequest, match=r'The settings cannot be used: maxtokens: unknown key; did you mean "maxTokens"\?\.'
    ):
        structure({"maxtokens": 1}, Inner, "The settings")


def test_names():
    assert camel("max_tokens_now") == "maxTokensNow"
    assert keys_of(Inner) == ("maxTokens",)
    assert nearest("kvasir.asq", ["kvasir.ask", "kvasir.open"]) == "kvasir.ask"
    assert nearest("xyz", ["kvasir.ask"]) is None
