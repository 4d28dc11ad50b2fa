"""A chat document read back: its turns, the draft, and where each of them stands.

``parse`` never raises: a document that a person mangled gives what can be told from it, by the rules in
``marks``. Lines count from 0 and ends are exclusive, as in LSP; columns are code points.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import attrs

from context.segment import Kind
from sessions.transcript.front import FrontMatter, Reference, read_front_matter
from sessions.transcript.marks import (
    STOP_SENTENCE,
    Mark,
    Role,
    begins_thinking,
    content,
    ends_thinking,
    lines_of,
    mark_of,
    quoted_in,
    unescape,
    unescape_question,
)

_SYMBOL_CHARACTERS = 80
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*\Z)|~{3,})")
_PLACE = re.compile(r"(?P<path>.+?)(?:#L(?P<first>[0-9]{1,9})(?:-L?(?P<last>[0-9]{1,9}))?)?")
_FILES = frozenset({Kind.FILE, Kind.CHANGE, Kind.SELECTION})

_Places = Mapping[tuple[Role, str], Sequence[int]]


@attrs.frozen
class Span:
    """Lines ``start`` to ``end``, exclusive; empty where nothing stands yet, but could."""

    start: int
    end: int


@attrs.frozen
class Answer:
    """What stands below a ``## Kvasir``; its texts are without our escapes and blank lines around."""

    heading: int
    text: str
    span: Span
    reasoning: str = ""
    thinking: Span | None = None
    """The folded reasoning with its first and last line."""
    stop: int | None = None
    footer: int | None = None

    @property
    def streaming(self) -> bool:
        """Whether its stop line is there."""
        return self.stop is not None


@attrs.frozen
class Section:
    """A question with all that belongs to it, up to the next question."""

    turn: str | None
    question: str
    span: Span
    question_span: Span
    heading: int | None = None
    """The line of ``## You``, ``None`` if somebody deleted it."""
    references: tuple[Reference, ...] = ()
    """Context lines under the heading; those of files only are links."""
    answer: Answer | None = None

    @property
    def context(self) -> tuple[str, ...]:
        """The sources named in the context lines."""
        return tuple(reference.source for reference in self.references)


@attrs.frozen
class Document:
    """A chat document: ``unsent`` is its last section if that has no answer, ``sections`` are all others."""

    lines: tuple[str, ...] = attrs.field(repr=False)
    front: FrontMatter
    sections: tuple[Section, ...]
    unsent: Section | None

    @property
    def chat(self) -> str | None:
        """The id in the front matter."""
        return self.front.chat

    @property
    def model(self) -> str | None:
        """The model to ask."""
        return self.front.model

    @property
    def context(self) -> tuple[str, ...]:
        """The sources in front of all turns."""
        return tuple(reference.source for reference in self.front.context)

    @property
    def draft(self) -> str:
        """The question that is typed but not sent, ``""`` if there is none."""
        return self.unsent.question.strip() if self.unsent else ""

    def section(self, turn: str) -> Section | None:
        """Find the section of a turn that has an answer heading."""
        return next((section for section in self.sections if section.turn == turn), None)


@attrs.frozen
class Symbol:
    """A turn for an outline: the first line of its question and where it stands."""

    name: str
    span: Span
    heading: int


@attrs.frozen
class Link:
    """A place in a file, named in ``line`` from ``start`` to ``end``; ``first`` and ``last`` count from 1."""

    line: int
    start: int
    end: int
    path: str
    first: int | None = None
    last: int | None = None


@attrs.frozen
class _Outline:
    """The marks of one section, before its texts are read."""

    start: int
    turn: str | None = None
    heading: int | None = None
    answer: int | None = None
    close: Mark | None = None


def parse(text: str) -> Document:
    """Read any text as a chat document; one without headings has no sections."""
    lines = lines_of(text.removeprefix("\ufeff"))
    front = read_front_matter(lines)
    outlines = _outlines(lines, front.end)
    ends = [*(outline.start for outline in outlines[1:]), len(lines)]
    sections = [_section(lines, outline, end) for outline, end in zip(outlines, ends, strict=False)]
    unsent = sections.pop() if sections and sections[-1].answer is None else None
    return Document(tuple(lines), front, tuple(sections), unsent)


def turn_at(document: Document, line: int) -> int | None:
    """Find the index of the section that has this line; ``None`` in the front matter and in the draft."""
    for index, section in enumerate(document.sections):
        if section.span.start <= line < section.span.end:
            return index
    return None


def symbols(document: Document) -> tuple[Symbol, ...]:
    """Name each section, without the draft; a name has at most 80 characters."""
    return tuple(_symbol(section) for section in document.sections)


def links(document: Document) -> tuple[Link, ...]:
    """Find the files that the front matter and the context lines name, for the caller to resolve."""
    sections = [*document.sections, *([document.unsent] if document.unsent else [])]
    quoted = [reference for section in sections for reference in section.references]
    references = (*document.front.context, *quoted)
    return tuple(link for reference in references if (link := _link(document.lines, reference)))


def _symbol(section: Section) -> Symbol:
    name = section.question.partition("\n")[0].strip()
    if len(name) > _SYMBOL_CHARACTERS:
        name = f"{name[: _SYMBOL_CHARACTERS - 1]}…"
    heading = section.heading if section.heading is not None else section.span.start
    return Symbol(name or "(no question)", section.span, heading)


def _link(lines: Sequence[str], reference: Reference) -> Link | None:
    quoted = quoted_in(lines[reference.line])
    place = _PLACE.fullmatch(reference.source)
    if place is None or reference.source.startswith("@") or (quoted and quoted.kind not in _FILES):
        return None
    first = int(place["first"]) if place["first"] else None
    last = int(place["last"]) if place["last"] else first
    return Link(reference.line, reference.start, reference.end, place["path"], first, last)


def _outlines(lines: Sequence[str], start: int) -> list[_Outline]:
    """Group the marks into sections; what stands before the first is its question if a heading is missing."""
    outlines: list[_Outline] = []
    free = start
    for mark in _marks(lines, start):
        last = outlines[-1] if outlines else None
        open_answer = last is not None and last.answer is not None and last.close is None
        match mark.role:
            case Role.QUESTION:
                outlines.append(_Outline(mark.line, mark.turn, heading=mark.line))
            case Role.ANSWER if last and last.answer is None:
                outlines[-1] = attrs.evolve(last, answer=mark.line, turn=last.turn or mark.turn)
            case Role.ANSWER if mark.turn:
                begin = mark.line if open_answer else free
                outlines.append(_Outline(begin, mark.turn, answer=mark.line))
            case Role.STOP | Role.END if last and open_answer:
                outlines[-1] = attrs.evolve(last, close=mark)
                free = mark.line + 1
            case _:
                pass
    return outlines


def _marks(lines: Sequence[str], start: int) -> Iterator[Mark]:
    """Give the marks that count, in order: see the rules in ``marks``."""
    places = _places(lines, start)
    met: set[tuple[Role, str]] = set()
    fence: str | None = None
    line = start
    while line < len(lines):
        mark = mark_of(line, lines[line])
        fresh = mark is not None and mark.turn is not None and (mark.role, mark.turn) not in met
        if mark is None or (fence and not fresh):
            fence = _fence_behind(fence, lines[line])
            line += 1
            continue
        fence = None
        if mark.turn and fresh:
            yield mark
            met.add((mark.role, mark.turn))
            line = _partner(places, mark) or line + 1
            continue
        yield attrs.evolve(mark, turn=None)
        line += 1


def _places(lines: Sequence[str], start: int) -> _Places:
    places: defaultdict[tuple[Role, str], list[int]] = defaultdict(list)
    for line in range(start, len(lines)):
        mark = mark_of(line, lines[line])
        if mark and mark.turn:
            places[mark.role, mark.turn].append(line)
    return places


def _partner(places: _Places, mark: Mark) -> int | None:
    """Find the line that ends the text below a heading with an id."""
    if mark.turn is None or mark.role in (Role.STOP, Role.END):
        return None
    partners = (Role.ANSWER,) if mark.role is Role.QUESTION else (Role.STOP, Role.END)
    found: list[int] = []
    for role in partners:
        lines = places.get((role, mark.turn), ())
        found += lines[bisect_right(lines, mark.line) :][:1]
    return min(found, default=None)


def _fence_behind(fence: str | None, line: str) -> str | None:
    """Find the code fence that is open behind this line, if one was open before it."""
    match = _FENCE.match(line)
    if match is None:
        return fence
    if fence is None:
        return match["fence"]
    closes = match["fence"].startswith(fence) and not line[match.end() :].strip()
    return None if closes else fence


def _section(lines: Sequence[str], outline: _Outline, end: int) -> Section:
    below = outline.start if outline.heading is None else outline.heading + 1
    question_end = end if outline.answer is None else outline.answer
    references, below = _context(lines, below, question_end)
    span = Span(*content(lines, below, question_end))
    return Section(
        turn=outline.turn,
        question=unescape_question("\n".join(lines[span.start : span.end])),
        span=Span(outline.start, end),
        question_span=span,
        heading=outline.heading,
        references=references,
        answer=None if outline.answer is None else _answer(lines, outline.answer, outline.close, end),
    )


def _context(lines: Sequence[str], start: int, end: int) -> tuple[tuple[Reference, ...], int]:
    """Read the context lines at the start of a question, and the first line behind them."""
    references: list[Reference] = []
    line, _ = content(lines, start, end)
    while line < end and (quoted := quoted_in(lines[line])):
        references.append(Reference(line, quoted.start, quoted.end, quoted.source))
        line += 1
    return tuple(references), (line if references else start)


def _answer(lines: Sequence[str], heading: int, close: Mark | None, end: int) -> Answer:
    stop = close.line if close and close.role is Role.STOP else None
    footer = close.line if close and close.role is Role.END else None
    end = close.line if close else end
    reasoning, thinking = _reasoning(lines, heading + 1, end)
    first, last = content(lines, thinking.end if thinking else heading + 1, end)
    texts = list(lines[first:last])
    if stop is not None and (joined := lines[stop].partition(STOP_SENTENCE)[0].strip()):
        # A delta that was inserted in front of the stop line instead of above it.
        texts.append(joined)
    return Answer(
        heading=heading,
        text=unescape("\n".join(texts)),
        span=Span(first, last),
        reasoning=reasoning,
        thinking=thinking,
        stop=stop,
        footer=footer,
    )


def _reasoning(lines: Sequence[str], start: int, end: int) -> tuple[str, Span | None]:
    """Read the reasoning at the start of an answer; without its last line it reaches to the end."""
    begin, _ = content(lines, start, end)
    if begin >= end or not begins_thinking(lines[begin]):
        return "", None
    finish = next((line for line in range(begin, end) if ends_thinking(lines[line])), end)
    first, last = content(lines, begin + 1, finish)
    return unescape("\n".join(lines[first:last])), Span(begin, min(finish + 1, end))
