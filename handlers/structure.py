"""Strict, typed values from JSON: camelCase keys, no unknown keys, nothing converted in silence.

All problems are found at once. One road for command arguments, custom params and configuration. Classes are
attrs classes; a problem names its place by the user's own keys.
"""

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, IntEnum, StrEnum
from typing import Any, TypeVar, cast

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory, list_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from sessions.errors import BadRequest

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

_JSON_NAMES = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


@attrs.frozen
class Problem:
    """One thing that does not fit, at ``path`` (keys and indices from the outermost value)."""

    path: tuple[str | int, ...]
    text: str

    @property
    def where(self) -> str:
        """``slots.count``, ``models[0].name``; ``""`` for the outermost value."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".")

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.path else self.text


class Misfit(Exception):
    """A value is not what its class asks for; ``problems`` are all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def fit(value: object, kind: type[T]) -> T:
    """Structure a JSON value as ``kind``; ``Misfit`` with everything that is wrong with it."""
    try:
        return _converter.structure(value, kind)
    except Exception as error:
        raise Misfit(problems_of(error)) from error


def structure(value: object, kind: type[T], what: str = "The arguments") -> T:
    """As ``fit``, but the problems are one sentence for a person (``BadRequest``) about ``what``."""
    try:
        return fit(value, kind)
    except Misfit as error:
        raise BadRequest(f"{what} cannot be used: {error}.") from error


def problems_of(error: BaseException) -> Iterator[Problem]:
    """What an error of cattrs means, also one of another converter."""
    return _problems(error, ())


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that was most likely meant, ``None`` if none is close."""
    by_lower = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def camel(name: str) -> str:
    """``max_tokens`` as it is written in JSON: ``maxTokens``."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def keys_of(kind: type[Any]) -> tuple[str, ...]:
    """The JSON keys of an attrs class."""
    return tuple(camel(field.alias) for field in attrs.fields(kind) if field.init)


def _problems(error: BaseException, path: tuple[str | int, ...]) -> Iterator[Problem]:
    match error:
        case ClassValidationError() | IterableValidationError():
            noted, bare = error.group_exceptions()
            for inner, note in noted:
                yield from _problems(inner, (*path, _step(note)))
            for inner in bare:
                yield from _problems(inner, path)
        case ForbiddenExtraKeysError():
            for key in sorted(error.extra_fields):
                yield Problem((*path, key), _unknown(key, keys_of(error.cl)))
        case KeyError():
            yield Problem(path, "is missing")
        case _:
            yield Problem(path, str(error).rstrip("."))


def _step(note: AttributeValidationNote | IterableValidationNote) -> str | int:
    return camel(note.name) if isinstance(note, AttributeValidationNote) else note.index


def _unknown(key: str, keys: tuple[str, ...]) -> str:
    close = nearest(key, keys)
    return f'unknown key; did you mean "{close}"?' if close else f"unknown key; there are {', '.join(keys)}"


def _named(kind: type[Any]) -> str:
    return _JSON_NAMES.get(kind, kind.__name__)


def _check(value: object, kinds: tuple[type[Any], ...]) -> None:
    if type(value) not in kinds:
        raise TypeError(f"expected {_named(kinds[-1])}, not {_named(type(value))}")


def _exactly(*kinds: type[Any]) -> Hook:
    def structure(value: object, wanted: Any) -> Any:  # noqa: ANN401
        _check(value, kinds)
        return wanted(value)

    return structure


def _of_list(kind: Any) -> Hook:  # noqa: ANN401 (a generic alias)
    inner = list_structure_factory(kind, _converter)

    def structure(value: object, wanted: Any) -> Any:  # noqa: ANN401
        _check(value, (list,))
        return inner(value, wanted)

    return structure


def _of_tuple(kind: Any) -> Hook:  # noqa: ANN401 (a generic alias)
    elements = typing.get_args(kind)
    many = len(elements) == 2 and elements[1] is Ellipsis  # noqa: PLR2004 (tuple[str, ...])
    inner = homogenous_tuple_structure_factory(tuple[elements[0], ...], _converter)

    def structure(value: object, wanted: Any) -> Any:  # noqa: ANN401
        _check(value, (list,))
        found = inner(value, wanted)
        if not many and len(found) != len(elements):
            raise ValueError(f"expected {len(elements)} elements, not {len(found)}")
        return found

    return structure


def _of_dict(kind: Any) -> Hook:  # noqa: ANN401 (a generic alias)
    inner = cast("Hook", _converter.gen_structure_mapping(kind))  # pyright: ignore[reportUnknownMemberType]

    def structure(value: object, wanted: Any) -> Any:  # noqa: ANN401
        _check(value, (dict,))
        return inner(value, wanted)

    return structure


def _of_class(kind: type[Any]) -> Hook:
    names = {field.name: override(rename=camel(field.alias)) for field in attrs.fields(kind)}
    inner = cast("Hook", make_dict_structure_fn(kind, _converter, _cattrs_forbid_extra_keys=True, **names))  # pyright: ignore[reportUnknownArgumentType, reportArgumentType]

    def structure(value: object, wanted: Any) -> Any:  # noqa: ANN401
        _check(value, (dict,))
        return inner(value, wanted)

    return structure


def _of_choice(choices: tuple[Any, ...]) -> Callable[[object], Any]:
    words = ", ".join(map(str, choices))

    def choose(value: object) -> Any:  # noqa: ANN401
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        close = nearest(value, map(str, choices)) if isinstance(value, str) else None
        raise ValueError(
            f'unknown "{value}"; did you mean "{close}"?' if close else f"expected one of {words}"
        )

    return choose


def _member(value: object, kind: type[Enum]) -> Enum:
    return kind(_of_choice(tuple(member.value for member in kind))(value))


def _of_literal(kind: Any) -> Hook:  # noqa: ANN401 (a Literal)
    choose = _of_choice(typing.get_args(kind))
    return lambda value, _: choose(value)


def _of_union(kind: Any) -> Hook:  # noqa: ANN401 (a union)
    """``X | None`` only: any other union would need a rule for which of its types is meant."""
    (inner,) = (member for member in typing.get_args(kind) if member is not type(None))
    return lambda value, _: None if value is None else _converter.structure(value, inner)


def _from(*origins: object) -> Callable[[Any], bool]:
    return lambda kind: typing.get_origin(kind) in origins


_converter = cattrs.Converter(forbid_extra_keys=True)
for _kind in (str, int, bool):
    _converter.register_structure_hook(_kind, _exactly(_kind))
_converter.register_structure_hook(float, _exactly(int, float))
# Named one by one: a StrEnum is a str to cattrs unless a nearer class has a hook.
for _kind in (StrEnum, IntEnum, Enum):
    _converter.register_structure_hook(_kind, _member)
_FACTORIES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Hook]], ...] = (
    (lambda kind: kind is object, lambda _: lambda value, _: value),
    (_from(list), _of_list),
    (_from(tuple), _of_tuple),
    (_from(dict), _of_dict),
    (_from(typing.Literal), _of_literal),
    (_from(types.UnionType, typing.Union), _of_union),
    (attrs.has, _of_class),
)
for _applies, _factory in _FACTORIES:
    _converter.register_structure_hook_factory(_applies, _factory)
