"""The arguments of our commands, as the different clients are able to write them.

``[object]`` from plug-ins and key maps, ``[object, word...]`` from Helix, whose keys build the object and
whose person types the words, ``[word...]`` from coc, ``[]``. Words follow the grammar of ``:Q``::

    -wst @llama why is it slow?

options first, letters may be joined, ``@model`` once, ``--`` ends both; the rest is the question as it
stands.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypeVar, cast

import attrs
from lsprotocol import types

from handlers.structure import structure
from sessions.errors import BadRequest

VERSION = 1

WordsKey: TypeAlias = Literal["question", "model", "title", "query", "session", "job"]
T = TypeVar("T")


class Preset(StrEnum):
    """What kind of answer is wanted; each is a mode of ``sessions.modes``."""

    EXPLAIN = "explain"
    REVIEW = "review"
    FIX = "fix"
    TESTS = "tests"
    DOCUMENT = "document"
    BRAINSTORM = "brainstorm"
    TUTOR = "tutor"
    REFACTOR = "refactor"


class Flag(StrEnum):
    """An option of ``:Q``, in one letter."""

    WARM = "w"
    SELECTION = "s"
    RELATED = "t"
    FILE = "f"
    PROJECT = "p"
    NEW = "n"


class View(StrEnum):
    """Where the person wants to see the chat."""

    AUTO = "auto"
    FILE = "file"
    VIRTUAL = "virtual"
    NONE = "none"


@attrs.frozen
class Include:
    """What goes into the prompt beside the question; ``None`` leaves it to flags and configuration.

    ``tags`` is an older name of ``related``.
    """

    selection: bool | None = None
    tags: bool | None = None
    file: bool | None = None
    project: bool | None = None
    related: bool | None = None
    map: bool | None = None
    retrieval: bool | None = None
    notes: bool | None = None
    diff: bool | None = None
    staged: bool | None = None
    blame: bool | None = None
    log: bool | None = None
    diagnostics: bool | None = None


@attrs.frozen
class Arguments:
    """Every key of every command; a command reads those that concern it.

    ``range`` is in the negotiated encoding, ``lines`` 0-based with its end excluded, ``lines1`` 1-based and
    inclusive; at most one of the three, and at most one of ``uri`` and ``file``. ``text`` is the selection as
    the editor has it, and wins over a range that belongs to another ``version`` of the document. ``session``
    is the chat's id. ``id`` makes a repeated command return the first reply. ``paths`` may be patterns, and
    ``diagnostics`` are lines in which the editor's language servers complain.
    """

    v: int = VERSION
    uri: str | None = None
    file: str | None = None
    range: types.Range | None = None
    lines: tuple[int, int] | None = None
    lines1: tuple[int, int] | None = None
    text: str | None = None
    version: int | None = None
    question: str = ""
    preset: Preset | None = None
    flags: tuple[Flag, ...] = ()
    include: Include = Include()
    paths: tuple[str, ...] = ()
    diagnostics: tuple[str, ...] = ()
    new: bool | None = None
    session: str | None = None
    turn: int | None = None
    model: str | None = None
    job: str | None = None
    view: View = View.AUTO
    client: str | None = None
    id: str | None = None
    title: str | None = None
    query: str | None = None

    def __attrs_post_init__(self) -> None:
        if problems := _contradictions(self):
            raise ValueError("; ".join(problems))

    @property
    def warms_first(self) -> bool:
        """Prefill at once, also when the question is already there."""
        return Flag.WARM in self.flags

    @property
    def wants_new_chat(self) -> bool:
        """Begin a new chat, whatever the file was last asked about."""
        return self._wants(self.new, Flag.NEW)

    @property
    def wants_selection(self) -> bool:
        """Put the selection into the prompt."""
        return self._wants(self.include.selection, Flag.SELECTION)

    @property
    def wants_related(self) -> bool:
        """Put the symbols that are used, and their users, into the prompt."""
        said = self.include.tags if self.include.related is None else self.include.related
        return self._wants(said, Flag.RELATED)

    @property
    def wants_file(self) -> bool:
        """Put the whole file into the prompt."""
        return self._wants(self.include.file, Flag.FILE)

    @property
    def wants_project(self) -> bool:
        """Put the whole project into the prompt."""
        return self._wants(self.include.project, Flag.PROJECT)

    @property
    def line_span(self) -> tuple[int, int] | None:
        """``lines`` or ``lines1`` as 0-based lines, end excluded; ``None`` without either."""
        if self.lines1:
            return self.lines1[0] - 1, self.lines1[1]
        return self.lines

    def _wants(self, said: bool | None, flag: Flag) -> bool:  # noqa: FBT001 (the value of a key, not a switch)
        return flag in self.flags if said is None else said


@attrs.frozen
class Typed:
    """What a person typed as words."""

    flags: tuple[Flag, ...] = ()
    model: str | None = None
    question: str = ""


def parse(arguments: Sequence[object] | None, words: WordsKey = "question") -> Arguments:
    """Read a command's ``arguments``; ``BadRequest`` names everything that is wrong with them.

    Words fill the key ``words``: the question by the grammar above, any other key as they stand. Beside an
    object, what was typed wins for the model, flags add up, and two different values of one key are refused.
    """
    given, said = _split(arguments or ())
    keys = structure(given, Arguments)
    if not said.strip():
        return keys
    if words != "question":
        return _filled(keys, words, said.strip())
    typed = typed_question(said)
    flags = tuple(dict.fromkeys((*keys.flags, *typed.flags)))
    asked = attrs.evolve(keys, flags=flags, model=typed.model or keys.model)
    return _filled(asked, "question", typed.question) if typed.question else asked


def typed_question(text: str) -> Typed:
    """Read options, ``@model`` and question; ``BadRequest`` for an option that does not exist."""
    flags: dict[Flag, None] = {}
    model: str | None = None
    rest = text.lstrip()
    while match := re.match(r"(\S+)\s*", rest):
        word = match[1]
        if word == "--":
            rest = rest[match.end() :]
            break
        if len(word) > 1 and word[0] == "-":
            flags.update(dict.fromkeys(_flag(letter, word) for letter in word[1:]))
        elif len(word) > 1 and word[0] == "@" and model is None:
            model = word[1:]
        else:
            break
        rest = rest[match.end() :]
    return Typed(tuple(flags), model, rest.rstrip())


def _flag(letter: str, word: str) -> Flag:
    try:
        return Flag(letter)
    except ValueError:
        letters = ", ".join(f"-{flag}" for flag in Flag)
        hint = f"There are {letters}; write -- in front of a question that begins with a dash."
        raise BadRequest(f'There is no option "-{letter}" (in "{word}").', hint=hint) from None


def _split(arguments: Sequence[object]) -> tuple[dict[str, Any], str]:
    has_object = bool(arguments) and isinstance(arguments[0], dict)
    given = cast("dict[str, Any]", arguments[0]) if has_object else {}
    words = [word for word in arguments[has_object:] if isinstance(word, str)]
    if len(words) + has_object < len(arguments):
        raise BadRequest("The arguments of a command are an object, words, or an object and then words.")
    return given, " ".join(words)


def _filled(keys: Arguments, name: WordsKey, value: str) -> Arguments:
    before = cast("str | None", getattr(keys, name))
    if before and before != value:
        raise BadRequest(f'The {name} was given twice: "{before}" and "{value}".')
    return attrs.evolve(keys, **{name: value})


def _contradictions(given: Arguments) -> list[str]:
    places = [name for name in ("range", "lines", "lines1") if getattr(given, name) is not None]
    found = [
        (given.v != VERSION, f"version {given.v} of the arguments is not known, only {VERSION}"),
        (given.uri is not None and given.file is not None, "uri and file exclude each other"),
        (len(places) > 1, f"{' and '.join(places)} exclude each other"),
        (
            _backwards(given.lines, 0),
            "lines: expected two line numbers from 0 on, the second not the smaller one",
        ),
        (
            _backwards(given.lines1, 1),
            "lines1: expected two line numbers from 1 on, the second not the smaller one",
        ),
        (given.turn is not None and given.turn < 0, f"turn: expected 0 or more, not {given.turn}"),
        (len(set(given.flags)) < len(given.flags), "flags: each may be given once"),
    ]
    return [sentence for wrong, sentence in found if wrong]


def _backwards(lines: tuple[int, int] | None, lowest: int) -> bool:
    return lines is not None and not lowest <= lines[0] <= lines[1]
