"""How a changed file is told: not edited in place, which would evaluate all behind it again, but appended.

A change shows the new text of what was touched: whole definitions where they are short enough, else the lines
around. Small files, and those of which most is new, are told whole.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import attrs

from context.languages import language_of
from context.parse import Definition, parse
from context.segment import Kind, Segment

WHOLE_CHARACTERS = 1600
"""Files up to this size are told whole: a part of them would save next to nothing."""
MOST_SHARE = 0.7
"""A change that is longer than this share of its file is the file."""
AROUND = 3
"""Lines of context where no definition is touched."""
LONGEST_DEFINITION = 60
"""Lines of a definition that is shown whole because a line in it changed."""


@attrs.frozen
class Span:
    """Lines ``first`` to ``last`` (0-based, end exclusive) of the new text, in place of others of the old."""

    first: int
    last: int
    old_first: int
    old_last: int


def change(source: str, before: str, after: str) -> Segment:
    """The segment that tells how ``source`` reads now, to a reader who knows ``before``."""
    if len(after) <= WHOLE_CHARACTERS:
        return Segment(Kind.CHANGE, source, after)
    text = _partial(source, before, after)
    if len(text) > MOST_SHARE * len(after):
        return Segment(Kind.CHANGE, source, after)
    return Segment(Kind.CHANGE, source, text, after)


def ended(text: str) -> str:
    """The text as a prompt has it: with a line feed at the end of its last line."""
    return text if text.endswith("\n") else f"{text}\n"


def _partial(source: str, before: str, after: str) -> str:
    # Lines are what line feeds end, as everywhere; other breaks are part of a line.
    old, new = ended(before).split("\n")[:-1], ended(after).split("\n")[:-1]
    language = language_of(source)
    # Definitions are asked of the new text; where it cannot be parsed there are none, and lines stay lines.
    definitions = parse(after, language).definitions if language else ()
    spans = _shown(list(_changed(old, new)), definitions, len(new))
    return "".join(f"{_heading(span)}\n{_text(new, span)}" for span in spans)


def _changed(old: Sequence[str], new: Sequence[str]) -> Iterator[Span]:
    # What is alike at both ends is most of a file, and need not be compared with everything.
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    for tag, old_first, old_last, first, last in SequenceMatcher(
        None, inner_old, inner_new, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            yield Span(head + first, head + last, head + old_first, head + old_last)


def _shown(spans: Sequence[Span], definitions: Sequence[Definition], lines: int) -> list[Span]:
    """The spans with what is shown around them; those that meet are one."""
    groups: list[tuple[int, int, Span, Span]] = []
    for span in spans:
        first, last = _around(span, definitions, lines)
        begin = end = span
        while groups and first <= groups[-1][1]:
            other_first, other_last, begin, _ = groups.pop()
            first, last = min(first, other_first), max(last, other_last)
        groups.append((first, last, begin, end))
    # Lines before the first change of a group and after its last are the same in both texts.
    return [
        Span(first, last, begin.old_first - (begin.first - first), end.old_last + (last - end.last))
        for first, last, begin, end in groups
    ]


def _around(span: Span, definitions: Sequence[Definition], lines: int) -> tuple[int, int]:
    """The innermost short definition that holds the span, else the span with a few lines around."""
    holding = [
        one
        for one in definitions
        if one.first <= span.first and span.last <= one.last and one.last - one.first <= LONGEST_DEFINITION
    ]
    if holding:
        inner = min(holding, key=lambda one: one.last - one.first)
        return inner.first, inner.last
    return max(0, span.first - AROUND), min(lines, span.last + AROUND)


def _heading(span: Span) -> str:
    now = f"lines {span.first + 1}-{span.last}"
    if span.old_first == span.old_last:
        return f"--- new after line {span.old_first}, now {now}:"
    was = f"--- lines {span.old_first + 1}-{span.old_last}"
    return f"{was} are gone" if span.first == span.last else f"{was} are now {now}:"


def _text(new: Sequence[str], span: Span) -> str:
    return "".join(f"{line}\n" for line in new[span.first : span.last])
