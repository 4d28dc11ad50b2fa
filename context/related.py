"""What a selection is related to: the definitions that it uses, and the callers of what it defines.

Names are matched, nothing is resolved; of several definitions of a name the nearest one counts.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias

import attrs

from context import tags
from context.languages import Language, language_of, tools
from context.parse import Definition, Parsed, parse
from context.ports import ReadText
from context.terms import of_text

MOST_NAMES = 40
MOST_CALLERS = 8
"""Files with callers, for each name."""
MOST_CALLS = 3
"""Lines shown of one caller."""
VAGUE_DEFINERS = 5
"""Of a name that more files define, only one that is imported or stands near can be meant."""
WHOLE_LINES = 30
"""A definition of no more lines is shown whole while there is room."""
MOST_TAGGED_FILES = 1000
SHORTEST_NAME = 3

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_IMPORT = re.compile(
    r"^\s*(?:(?:from|import|use|using|include|require\w*|mod|pub use|package)\b|#\s*include|\}\s*from\b)"
    r"|^\s*export\b.*\bfrom\b|\brequire\s*\(|\bimport\s*\("
)
_NAMELESS_FILES = frozenset({"__init__", "index", "mod", "lib", "main"})
"""Files that are imported by the name of their folder."""


_Tagged: TypeAlias = "Callable[[str], Related | None]"


class Role(StrEnum):
    """How something is related to a selection."""

    DEFINITION = "definition"
    CALLER = "caller"


@attrs.frozen
class Related:
    """Lines ``first`` to ``last`` (0-based, end exclusive) of a file that a selection is related to.

    ``brief`` is the signature, for a caller with the lines that call; ``text`` is the whole.
    """

    role: Role
    name: str
    path: str
    first: int
    last: int
    brief: str
    text: str


class Symbols(Protocol):
    """What is needed of the index."""

    def definitions(self, name: str, /) -> "Iterable[Found]":
        """Where a name is defined."""
        ...

    def references(self, name: str, /) -> Iterable[tuple[str, int]]:
        """The files that use a name, and how often."""
        ...

    def search(self, terms: Sequence[str], limit: int = 200) -> "Iterable[Hit]":
        """The chunks that have any of the terms, best first."""
        ...


class Hit(Protocol):
    """A chunk of a file."""

    @property
    def path(self) -> str: ...


class Found(Protocol):
    """A definition in a file of the index."""

    @property
    def path(self) -> str: ...
    @property
    def definition(self) -> Definition: ...


@attrs.frozen
class Relations:
    """Finds what selections are related to, in a workspace.

    ``read`` gives the text of a file as it is now; the index may be older, so every place is looked up in it.
    ``ranks`` decide between definitions that are equally near. ``paths`` names the files of the workspace,
    for languages without a grammar.
    """

    root: Path
    symbols: Symbols
    read: ReadText
    ranks: Mapping[str, float] = attrs.field(factory=dict[str, float])
    paths: Callable[[], Iterable[str]] = tuple[str, ...]

    def of_selection(self, path: str, text: str, first: int, last: int) -> list[Related]:
        """What lines ``first`` to ``last`` of a text are related to; ``text`` is the editor's, saved or not.

        Definitions in the order of their nearness and use, then callers.
        """
        here = _File.of(path, text)
        tagged = self._tagged(here) if here.is_foreign else _untagged
        found = [
            related
            for name in _most_used(here.used(first, last))
            if (related := self._definition(here, name, range(first, last), tagged)) is not None
        ]
        for definition in here.parsed.definitions:
            if first <= definition.first < last:
                found += self._callers(here, definition, range(first, last))
        return _distinct(found)

    def _definition(self, here: "_File", name: str, selected: range, tagged: "_Tagged") -> Related | None:
        """The nearest definition of a name that lies outside the selection."""
        own = [one for one in here.parsed.definitions if one.name == name]
        if any(one.first in selected for one in own):
            return None
        if own:
            return here.related(min(own, key=lambda one: abs(one.first - selected.start)))
        for path in self._definers(here, name):
            there = self._file(path)
            place = None if there is None else there.place(name, self._hint(path, name))
            if there is not None and place is not None:
                return there.related(place)
        return tagged(name)

    def _definers(self, here: "_File", name: str) -> list[str]:
        """The other files that define a name, nearest first; none when any could be meant."""
        known = {found.path for found in self.symbols.definitions(name) if found.path != here.path}
        ordered = sorted(known, key=lambda path: (*self._distance(here, path), path))
        if len(ordered) > VAGUE_DEFINERS and not _is_near(self._distance(here, ordered[0])):
            return []
        return ordered

    def _hint(self, path: str, name: str) -> Definition | None:
        known = (found.definition for found in self.symbols.definitions(name) if found.path == path)
        return next(known, None)

    def _distance(self, here: "_File", path: str) -> tuple[int, int, int, float]:
        """How far a file is from another: imported, in the same folder, under the same folders, ranked."""
        mine, theirs = PurePosixPath(here.path), PurePosixPath(path)
        shared = 0
        for left, right in zip(mine.parts[:-1], theirs.parts[:-1], strict=False):
            if left != right:
                break
            shared += 1
        return (
            -_imported(here.imports, theirs),
            0 if mine.parent == theirs.parent else 1,
            -shared,
            -self.ranks.get(path, 0.0),
        )

    def _callers(self, here: "_File", definition: Definition, selected: range) -> Iterator[Related]:
        """Who calls what is defined here, of those for whom this is the nearest definition of the name."""
        name = definition.name
        yield from here.callers(name, selected)
        users = {path for path, _ in self.symbols.references(name)}
        if here.is_foreign:
            users |= {
                hit.path for hit in self.symbols.search(of_text(name)) if _is_alike(here.path, hit.path)
            }
        near = sorted(users - {here.path}, key=lambda path: (*self._distance(here, path), path))
        shown = 0
        for path in near:
            there = self._file(path)
            if there is None or not self._means(there, name, here.path):
                continue
            called = list(there.callers(name, range(0)))
            yield from called
            shown += bool(called)
            if shown == MOST_CALLERS:
                return

    def _means(self, there: "_File", name: str, path: str) -> bool:
        if any(one.name == name for one in there.parsed.definitions):
            return False
        definers = self._definers(there, name)
        # What is defined in an unsaved text only is not in the index yet.
        return not definers or path not in definers or definers[0] == path

    def _file(self, path: str) -> "_File | None":
        text = self.read(path)
        return None if text is None else _File.of(path, text)

    # --- languages without a grammar ------------------------------------------------------------------

    def _tagged(self, here: "_File") -> "_Tagged":
        """Finds definitions by the person's tags file, else by ctags; stale entries do not count."""
        file = tags.TagsFile.of(self.root)
        by_ctags: dict[str, list[tags.Tag]] | None = None

        def find(name: str) -> Related | None:
            nonlocal by_ctags
            found = None if file is None else self._located(here, file.find([name]).get(name, ()))
            if found is None:
                if by_ctags is None:
                    alike = sorted(path for path in self.paths() if _is_alike(here.path, path))
                    by_ctags = tags.of_files(self.root, alike[:MOST_TAGGED_FILES])
                found = self._located(here, by_ctags.get(name, ()))
            return found

        return find

    def _located(self, here: "_File", known: Iterable[tags.Tag]) -> Related | None:
        elsewhere = [tag for tag in known if tag.path != here.path]
        for tag in sorted(
            elsewhere, key=lambda tag: (*self._distance(here, tag.path), tag.path, tag.line or 0)
        ):
            text = self.read(tag.path)
            lines = [] if text is None else text.split("\n")
            if (place := tags.located(tag, lines)) is not None:
                return _related(Role.DEFINITION, place, tag.path, lines)
        return None


def enclosing(definitions: Iterable[Definition], line: int) -> Definition | None:
    """The innermost definition that holds a line (0-based), ``None`` outside of all."""
    around = [one for one in definitions if one.first <= line < one.last]
    return max(around, key=lambda one: (one.first, -one.last), default=None)


def outline(path: str, text: str) -> Parsed:
    """The symbols of a text: by its grammar, else by ctags with every word as a possible use."""
    language = language_of(PurePosixPath(path), text)
    parsed = parse(text, language)
    if not _is_foreign(language):
        return parsed
    words = Counter(word for word in _IDENTIFIER.findall(text) if len(word) >= SHORTEST_NAME)
    return Parsed(tuple(tags.of_text(text, path)), words, parsed.chunks)


def fitted(related: Sequence[Related], allowance_tokens: int, count: Callable[[str], int]) -> list[Related]:
    """As much of what is related as an allowance holds, in its order, ``text`` being what is to be shown.

    All briefly first; then, from the front, short definitions whole while there is room.
    """
    shown: list[Related] = []
    left = allowance_tokens
    for one in related:
        cost = count(one.brief)
        if cost <= left:
            shown.append(attrs.evolve(one, text=one.brief))
            left -= cost
    whole = {(one.role, one.path, one.first, one.last): one.text for one in related}
    for at, one in enumerate(shown):
        text = whole[one.role, one.path, one.first, one.last]
        more = count(text) - count(one.brief)
        if one.role is Role.DEFINITION and one.last - one.first <= WHOLE_LINES and more <= left:
            shown[at] = attrs.evolve(one, text=text)
            left -= max(more, 0)
    return shown


@attrs.frozen
class _File:
    """A text with its symbols."""

    path: str
    lines: list[str]
    parsed: Parsed
    imports: frozenset[str]
    is_foreign: bool

    @classmethod
    def of(cls, path: str, text: str) -> "_File":
        lines = text.split("\n")
        imports = (word for line in lines if _IMPORT.search(line) for word in _IDENTIFIER.findall(line))
        foreign = _is_foreign(language_of(PurePosixPath(path), text))
        return cls(path, lines, outline(path, text), frozenset(imports), foreign)

    def used(self, first: int, last: int) -> Counter[str]:
        """The names that lines refer to, and how often."""
        words = (word for line in self.lines[first:last] for word in _IDENTIFIER.findall(line))
        return Counter(word for word in words if word in self.parsed.references)

    def place(self, name: str, hint: Definition | None) -> Definition | None:
        """Where a name is defined in this text; of several, nearest to where the index says."""
        own = [one for one in self.parsed.definitions if one.name == name]
        expected = 0 if hint is None else hint.first
        return min(
            own, key=lambda one: (one.scope != (hint or one).scope, abs(one.first - expected)), default=None
        )

    def related(self, definition: Definition) -> Related:
        return _related(Role.DEFINITION, definition, self.path, self.lines)

    def callers(self, name: str, hidden: Collection[int]) -> Iterator[Related]:
        """The definitions of this text whose lines use a name, but for ``hidden`` lines."""
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        heads = {one.first for one in self.parsed.definitions if one.name == name}
        calls: dict[Definition, list[int]] = {}
        if name not in self.parsed.references:
            return
        for at, line in enumerate(self.lines):
            if at in hidden or at in heads or not word.search(line) or _IMPORT.search(line):
                continue
            holder = enclosing(self.parsed.definitions, at)
            calls.setdefault(holder or Definition("", "", at, at + 1, "", ""), []).append(at)
        for holder, found in calls.items():
            yield self._caller(name, holder, found)

    def _caller(self, name: str, holder: Definition, calls: list[int]) -> Related:
        lines = [self.lines[at] for at in calls[:MOST_CALLS] if at > holder.first or not holder.name]
        head = [_indentation(self.lines[holder.first]) + _head(holder)] if holder.name else []
        brief = "\n".join([*head, *lines])
        text = "\n".join(self.lines[holder.first : holder.last])
        return Related(Role.CALLER, name, self.path, holder.first, holder.last, brief, text)


def _untagged(_name: str) -> None:
    return None


def _is_alike(left: str, right: str) -> bool:
    return PurePosixPath(left).suffix == PurePosixPath(right).suffix


def _related(role: Role, definition: Definition, path: str, lines: Sequence[str]) -> Related:
    brief = _indentation(lines[definition.first]) + _head(definition)
    text = "\n".join(lines[definition.first : definition.last])
    return Related(role, definition.name, path, definition.first, definition.last, brief, text)


def _head(definition: Definition) -> str:
    return definition.signature.strip() or definition.name


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _is_foreign(language: Language | None) -> bool:
    return language is None or tools(language) is None


def _is_near(distance: tuple[int, int, int, float]) -> bool:
    imported, elsewhere, *_ = distance
    return imported < 0 or not elsewhere


def _imported(words: Collection[str], path: PurePosixPath) -> int:
    """How many of the last parts of a path, without its ending, are named by a file's imports."""
    parts = [*path.parts[:-1], path.stem]
    if path.stem in _NAMELESS_FILES:
        parts.pop()
    found = 0
    for part in reversed(parts):
        if part not in words:
            break
        found += 1
    return found


def _most_used(names: Counter[str]) -> list[str]:
    return [name for name, _ in sorted(names.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMES]]


def _distinct(found: Iterable[Related]) -> list[Related]:
    """Without what is there already, as the same or as a definition."""
    places: dict[tuple[str, int, int], Related] = {}
    for one in found:
        places.setdefault((one.path, one.first, one.last), one)
    return list(places.values())
