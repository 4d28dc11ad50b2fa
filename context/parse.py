"""One parse of a source file: what it defines, what it refers to, and how it is cut into chunks.

Lines are 0-based and end exclusive, and end with a line feed; other breaks are part of a line.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeAlias

import attrs

from context import headings
from context.definition import Definition
from context.languages import MARKDOWN, Language, tools

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

CHUNK_BYTES = 600
"""Bytes of a chunk that are not blank."""
PARSED_BYTES = 1 << 20
LINE_BYTES = 1000
"""A mean line longer than this is data or minified: its names say nothing."""
SIGNATURE_LINES = 12
SIGNATURE_CHARACTERS = 600

_BLANK = b" \t\r\n\f\v"
# What belongs to that which follows it.
_LEADS = frozenset({"comment", "line_comment", "block_comment", "attribute_item", "decorator"})
_BODIES = frozenset({"function_body", "class_body", "enum_class_body"})
_SPANS = frozenset({"span", "wrap"})
_ONE_LINE = frozenset({"variable", "constant", "macro"})
_HOLDS_METHODS = frozenset({"class", "scope"})
_GIVES_SCOPE = frozenset({"class", "type", "function", "method", "module", "scope"})

Span: TypeAlias = tuple[int, int]


@attrs.frozen
class Chunk:
    """A unit of retrieval: whole lines, and the names of what is defined in them."""

    first: int
    last: int
    symbols: tuple[str, ...] = ()


@attrs.frozen
class Parsed:
    """The chunks cover all lines, in order and without overlap; ``references`` counts uses by name."""

    definitions: tuple[Definition, ...] = ()
    references: Mapping[str, int] = attrs.field(factory=dict[str, int])
    chunks: tuple[Chunk, ...] = ()


def parse(text: str, language: Language | None) -> Parsed:
    """Read a text by the grammar of its language.

    Without one, or for a text too large or too deep for it, there are chunks of lines only. Syntax errors
    cost no more than the names beside them.
    """
    source = text.encode("utf-8", "replace")
    lines = source.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    visible = list(accumulate((len(line.translate(None, _BLANK)) for line in lines), initial=0))
    if language is MARKDOWN:
        definitions = headings.definitions(source.decode())
        starts = [definition.first for definition in definitions]
        return Parsed(definitions, {}, _chunks(_sections(starts, visible), visible, definitions))
    tree = _tree(source, lines, language)
    if tree is None or language is None:
        return Parsed((), {}, _chunks([], visible, ()))
    definitions, references = _names(source, tree, language)
    try:
        spans = _split(tree.root_node, visible)
    except RecursionError:
        spans = []
    return Parsed(definitions, references, _chunks(spans, visible, definitions))


def _tree(source: bytes, lines: Sequence[bytes], language: Language | None) -> "Tree | None":
    if language is None or not source or len(source) > PARSED_BYTES or len(source) > LINE_BYTES * len(lines):
        return None
    found = tools(language)
    return found and found[0].parse(source)


# --- names ---------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class _Open:
    """A definition under way: what of the source it spans, its kind and the names found in it so far."""

    node: "Node"
    start: int
    end: int
    is_wrap: bool
    kind: str = ""
    names: list[str] = attrs.field(factory=list[str])


def _names(source: bytes, tree: "Tree", language: Language) -> tuple[tuple[Definition, ...], dict[str, int]]:
    from tree_sitter import QueryCursor

    found = tools(language)
    assert found  # noqa: S101 - there is a tree
    captures = QueryCursor(found[1]).captures(tree.root_node)
    references = captures.pop("reference", [])
    names = {node.start_byte for kind, nodes in captures.items() if kind not in _SPANS for node in nodes}
    counts = Counter(
        source[start : node.end_byte] for node in references if (start := node.start_byte) not in names
    )
    definitions = tuple(_definitions(source, captures))
    return definitions, {name.decode("utf-8", "replace"): count for name, count in counts.items()}


def _definitions(source: bytes, captures: "Mapping[str, Sequence[Node]]") -> Iterator[Definition]:
    """Sweep over spans and names in the order of the source: a name belongs to the innermost span."""
    marks: list[tuple[int, int, bool, str, int, Node]] = []
    for kind, nodes in captures.items():
        is_name = kind not in _SPANS
        # The number of a mark keeps nodes, which have no order, from being compared.
        number = len(marks)
        marks += [
            (node.start_byte, -node.end_byte, is_name, kind, at, node)
            for at, node in enumerate(nodes, number)
        ]
    marks.sort()
    stack: list[_Open] = []
    named = -1
    for start, minus_end, is_name, kind, _, node in marks:
        while stack and stack[-1].end < -minus_end:
            stack.pop()
        if not is_name:
            if not (stack and stack[-1].is_wrap == (kind == "wrap") and stack[-1].node == node):
                stack.append(_Open(node, start, -minus_end, kind == "wrap"))
        elif stack and not stack[-1].is_wrap and start != named:
            # Of two kinds for one name the more exact one comes first: function before variable.
            named = start
            name = source[start:-minus_end].decode("utf-8", "replace")
            if kind != "scope":
                yield _definition(source, name, kind, stack)
            if kind in _GIVES_SCOPE and (kind == "scope" or stack[-1].kind in {"", "scope"}):
                stack[-1].kind = kind
                stack[-1].names.append(name)


def _definition(source: bytes, name: str, kind: str, stack: Sequence[_Open]) -> Definition:
    span = stack[-1]
    around = [one for one in stack[:-1] if not one.is_wrap and one.kind]
    if kind == "function" and (span.kind == "scope" or (around and around[-1].kind in _HOLDS_METHODS)):
        kind = "method"
    elif kind == "variable" and len(name) > 1 and name.isupper():
        kind = "constant"
    outer = span.node
    if len(stack) > 1 and stack[-2].is_wrap and stack[-2].end - span.end <= 1:
        outer = stack[-2].node
    scope = ".".join(part for one in (*around, span) for part in one.names)
    first, last = outer.start_point[0], outer.end_point[0] + (outer.end_point[1] > 0)
    return Definition(
        name, kind, first, max(last, first + 1), _signature(source, outer, span.node, kind), scope
    )


def _signature(source: bytes, outer: "Node", node: "Node", kind: str) -> str:
    """The head of a definition without its body; of one without a body its first line."""
    start = outer.start_byte
    body = None if kind in _ONE_LINE else _body(node)
    if body is not None and body.start_byte > start:
        head = source[start : body.start_byte]
    else:
        end = source.find(b"\n", node.start_byte, outer.end_byte)
        head = source[start : end if end >= 0 else outer.end_byte]
    head = head.decode("utf-8", "replace").rstrip()
    if "\n" in head:
        head = _dedented(head, outer.start_point[1])
    return head[:SIGNATURE_CHARACTERS].removesuffix("{").removesuffix(" =").rstrip()


def _body(node: "Node") -> "Node | None":
    return node.child_by_field_name("body") or next(
        (child for child in node.children if child.type in _BODIES), None
    )


def _dedented(head: str, indent: int) -> str:
    first, *rest = head.split("\n")[:SIGNATURE_LINES]
    return "\n".join(
        [first, *(line[min(indent, len(line) - len(line.lstrip())) :].rstrip() for line in rest)]
    )


# --- chunks --------------------------------------------------------------------------------------------


def _split(node: "Node", visible: Sequence[int]) -> list[Span]:
    """The lines of the children, each split again while it is too large; neighbours joined while they fit."""
    spans: list[Span] = []
    lead = -1
    for child in node.children:
        first, (row, column) = child.start_point[0], child.end_point
        last = row + (column > 0)
        if child.type in _LEADS:
            if lead < 0:
                lead = first
            if visible[last] - visible[lead] > CHUNK_BYTES // 2:
                _append(spans, lead, last)
                lead = -1
            continue
        if visible[last] - visible[first] > CHUNK_BYTES and child.child_count and last - first > 1:
            parts = _joined(_split(child, visible), visible)
        else:
            parts = [(first, last)]
        if lead >= 0 and parts:
            parts[0] = (lead, parts[0][1])
            lead = -1
        for part in parts:
            _append(spans, *part)
    if lead >= 0:
        _append(spans, lead, min(node.end_point[0] + 1, len(visible) - 1))
    return _joined(spans, visible)


def _append(spans: list[Span], first: int, last: int) -> None:
    """Add lines; those that begin in the last span's final line are one with it."""
    if spans and first < spans[-1][1]:
        spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
    else:
        spans.append((first, last))


def _joined(spans: list[Span], visible: Sequence[int]) -> list[Span]:
    joined: list[Span] = []
    for first, last in spans:
        if joined and visible[last] - visible[joined[-1][0]] <= CHUNK_BYTES:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _sections(starts: Sequence[int], visible: Sequence[int]) -> list[Span]:
    borders = [*starts, len(visible) - 1]
    return _joined([(a, b) for a, b in pairwise(borders) if a < b], visible)


def _chunks(
    spans: Sequence[Span], visible: Sequence[int], definitions: Sequence[Definition]
) -> tuple[Chunk, ...]:
    """Chunks that begin where spans do and go on to the next; one that is too large is cut between lines."""
    count = len(visible) - 1
    borders = [0, *(first for first, _ in spans[1:]), count]
    names: dict[int, list[str]] = {}
    for definition in definitions:
        names.setdefault(definition.first, []).append(definition.name)
    named = sorted(names)
    chunks: list[Chunk] = []
    at = 0
    for first, last in _cut(borders, visible):
        symbols: list[str] = []
        while at < len(named) and named[at] < last:
            symbols += names[named[at]]
            at += 1
        chunks.append(Chunk(first, last, tuple(symbols)))
    return tuple(chunks)


def _cut(borders: Sequence[int], visible: Sequence[int]) -> Iterator[Span]:
    for first, last in pairwise(borders):
        if visible[last] - visible[first] <= 2 * CHUNK_BYTES:
            if last > first:
                yield first, last
            continue
        start = first
        for line in range(first + 1, last):
            if visible[line + 1] - visible[start] > CHUNK_BYTES:
                yield start, line
                start = line
        yield start, last
