"""A project on a page: its most used definitions by file, within an allowance of tokens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from context.parse import Definition
from context.ranks import Ranks

Outline: TypeAlias = Callable[[str], Sequence[Definition]]
"""The definitions of a file, by its path."""
Count: TypeAlias = Callable[[str], int]
"""Tokens of a text, exact or estimated from above."""

SIGNATURE_CHARACTERS = 140
FIRST_TRY = 64
DEMOTION = 4
"""The power of a weight: ranks span magnitudes, and weights are made for scores that do not."""
DIGITS = 6
"""Ranks that agree to so many digits are equal: how sums are rounded must not order the map."""


@attrs.frozen
class _Item:
    """A file, or one name that it defines."""

    path: str
    name: str | None = None


def repo_map(
    ranks: Ranks,
    outline: Outline,
    *,
    allowance_tokens: int,
    count: Count,
    weights: Mapping[str, float] | None = None,
) -> str:
    """The outline of the best ranked definitions, by path and line, that has at most ``allowance_tokens``.

    Definitions that other files use come first, by their rank and the ``weights`` of their paths; then the
    other definitions and the bare names of files. Each is a line, below the classes that hold it. The same
    ranks, outlines and allowance give the same bytes. Empty when nothing fits.
    """
    items = _ordered(ranks, weights or {})
    drawing = _Drawing(outline)
    fitting, text = 0, ""
    tried = min(FIRST_TRY, len(items))
    beyond = len(items) + 1
    while fitting < tried < beyond:
        drawn = drawing.text(items[:tried])
        if count(drawn) <= allowance_tokens:
            fitting, text = tried, drawn
            tried = min(tried * 2, len(items)) if beyond > len(items) else (tried + beyond) // 2
        else:
            beyond = tried
            tried = (fitting + beyond) // 2
    return text


def _ordered(ranks: Ranks, weights: Mapping[str, float]) -> list[_Item]:
    uses = ranks.uses
    demoted = [weights.get(path, 1.0) ** DEMOTION for path in uses.paths]
    by_file = [_rounded(rank * factor) for rank, factor in zip(ranks.files.tolist(), demoted, strict=True)]
    found: list[tuple[float, float, _Item]] = [
        (0.0, -rank, _Item(path)) for path, rank in zip(uses.paths, by_file, strict=True)
    ]
    files: list[int] = uses.defining_files.tolist()
    names: list[int] = uses.defined_names.tolist()
    definitions: list[float] = ranks.definitions.tolist()
    for file, name, rank in zip(files, names, definitions, strict=True):
        found.append(
            (-_rounded(rank * demoted[file]), -by_file[file], _Item(uses.paths[file], uses.names[name]))
        )
    found.sort(key=lambda row: (row[0], row[1], row[2].path, row[2].name or ""))
    return [item for _, _, item in found]


def _rounded(rank: float) -> float:
    return float(f"{rank:.{DIGITS}g}")


@attrs.frozen
class _Drawing:
    """Draws items as text; each file's outline is asked for once."""

    outline: Outline
    _known: dict[str, list[tuple[Definition, str]]] = attrs.field(
        factory=dict[str, list[tuple[Definition, str]]], init=False
    )

    def text(self, items: Sequence[_Item]) -> str:
        names: dict[str, set[str]] = {}
        for item in items:
            wanted = names.setdefault(item.path, set())
            if item.name is not None:
                wanted.add(item.name)
        return "".join(line for path in sorted(names) for line in self._lines(path, names[path]))

    def _lines(self, path: str, names: set[str]) -> Iterator[str]:
        yield f"{path}\n"
        if not names:
            return
        lines = self._outline(path)
        holders: list[int] = []
        shown: set[int] = set()
        for at, (definition, _) in enumerate(lines):
            while holders and lines[holders[-1]][0].last < definition.last:
                holders.pop()
            if definition.name in names:
                shown.update((*holders, at))
            holders.append(at)
        yield from (lines[at][1] for at in sorted(shown))

    def _outline(self, path: str) -> list[tuple[Definition, str]]:
        """The definitions of a file in their order, each with its line of text."""
        if (known := self._known.get(path)) is not None:
            return known
        ordered = sorted(self.outline(path), key=lambda one: (one.first, -one.last, one.name))
        lines: list[tuple[Definition, str]] = []
        holders: list[int] = []
        for definition in ordered:
            while holders and holders[-1] < definition.last:
                holders.pop()
            lines.append((definition, f"{'  ' * (len(holders) + 1)}{signature(definition)}\n"))
            holders.append(definition.last)
        self._known[path] = lines
        return lines


def signature(definition: Definition) -> str:
    """The head of a definition on one line."""
    text = " ".join(definition.signature.split()) or definition.name
    return text if len(text) <= SIGNATURE_CHARACTERS else f"{text[:SIGNATURE_CHARACTERS]}…"
