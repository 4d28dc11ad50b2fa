"""A chat as Markdown: the document that shows it. ``marks`` has the grammar and the escaping.

All functions are pure, their text ends lines with LF, and the same chat always gives the same bytes.
While an answer streams, its text stands two lines above the stop line (one blank line between): deltas, as
``Streamed`` writes them, go to the end of that line.
"""

import unicodedata
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from enum import Enum, auto

import attrs

from sessions.chat import Chat, Status, Turn, Usage
from sessions.events import Delta
from sessions.transcript.front import front_matter
from sessions.transcript.marks import (
    THINKING_BEGINS,
    THINKING_ENDS,
    Role,
    answer_heading,
    end_line,
    escape,
    escape_delta,
    escape_question,
    question_heading,
    quote,
    stop_line,
    trimmed,
)

EMPTY_QUESTION = f"## {Role.QUESTION}\n\n"
_NAME_CHARACTERS = 48
_GROUPED_FROM = 10_000
_SECOND_MS = 1000
_SLOW = 10

_UNFINISHED = {
    Status.STOPPED: ("Stopped", "this answer is incomplete."),
    Status.FAILED: ("Failed", "no reason was given."),
    Status.INTERRUPTED: ("Interrupted", "the process that was answering ended."),
}


def render(chat: Chat, draft: str = "", added: Sequence[str] = ()) -> str:
    """Show a whole chat; it ends with an empty question or ``draft``, unless an answer is being written.

    ``added`` are sources that a person wrote into its front matter.
    """
    parts = [front_matter(chat, added), *(turn_section(turn) for turn in chat.turns)]
    if trimmed(draft):
        parts.append(f"{EMPTY_QUESTION}{escape_question(draft)}\n")
    elif not chat.turns or chat.turns[-1].status.final:
        parts.append(EMPTY_QUESTION)
    return "\n".join(parts)


def turn_section(turn: Turn) -> str:
    """Both headings with everything below them, up to the footer or the stop line."""
    return f"{question_section(turn)}\n{answer_section(turn)}"


def question_section(turn: Turn) -> str:
    """Show the heading, the context that came with the question, and the question."""
    question = escape_question(turn.question)
    blocks = [question_heading(turn.id), context_quotes(turn), question]
    return "\n\n".join(block for block in blocks if block) + "\n"


def context_quotes(turn: Turn) -> str:
    """Quote a line per segment that came with the question, without a line end behind the last."""
    told = (turn.epoch.told, *turn.tail) if turn.epoch else turn.tail
    return "\n".join(quote(segment) for segment in told)


def answer_section(turn: Turn) -> str:
    """Show heading, reasoning, answer and footer; while it is written, what has come and the stop line."""
    heading = answer_heading(turn.id)
    if not turn.status.final:
        return f"{heading}\n\n{_written(turn)}\n\n{stop_line(turn.id)}\n"
    reasoning = trimmed(turn.reasoning)
    thinking = f"{THINKING_BEGINS}\n\n{escape(reasoning)}\n\n{THINKING_ENDS}" if reasoning else ""
    blocks = [heading, thinking, escape(trimmed(turn.answer)), footer(turn)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def footer(turn: Turn) -> str:
    """Put the numbers of an answer in one line, and why it is incomplete if it is."""
    return end_line(turn.id, summary(turn))


def summary(turn: Turn) -> str:
    """Tell what an answer cost, and why it is incomplete if it is."""
    sentences: list[str] = []
    if turn.status in _UNFINISHED:
        word, reason = _UNFINISHED[turn.status]
        sentences.append(f"{word}: {turn.error.strip() or reason}")
    parts = [turn.model] if turn.model else []
    if turn.usage:
        parts += _numbers(turn.usage)
    if parts:
        sentences.append(" · ".join(parts))
    return " ".join(sentences) or "Done."


def document_name(chat: Chat, taken: Collection[str] = ()) -> str:
    """Name the document's file: the day (UTC) and the title; the chat's id too if that name is ``taken``."""
    day = datetime.fromtimestamp(chat.created, UTC).date().isoformat()
    first = chat.turns[0].question if chat.turns else ""
    words = _slug(chat.title) or _slug(first) or chat.id
    name = f"{day}-{words}.md"
    return name if name not in taken else f"{day}-{words}-{chat.id}.md"


class _Phase(Enum):
    BLANK = auto()
    THINKING = auto()
    THOUGHT = auto()
    ANSWERING = auto()


@attrs.frozen
class Streamed:
    """How far a streaming answer is written, so that each delta becomes the text that continues the document.

    ``held`` are characters that may yet become a comment of ours, or blank lines before the text.
    However the text is cut into deltas, the same is written. Reasoning that comes after the answer
    began is left to the store.
    """

    held: str = ""
    phase: _Phase = _Phase.BLANK

    def write(self, delta: Delta) -> tuple[str, "Streamed"]:
        """Give the text to append for this delta, and the state behind it."""
        if not delta.text:
            return "", self
        if not delta.reasoning:
            return self._answer(delta.text)
        if self.phase in (_Phase.BLANK, _Phase.THINKING):
            return self._think(delta.text)
        return "", self

    def end(self) -> str:
        """Give the text to append when nothing more comes."""
        match self.phase:
            case _Phase.THINKING:
                return f"{escape(self.held)}\n\n{THINKING_ENDS}"
            case _Phase.ANSWERING:
                return escape(self.held)
            case _:
                return ""

    def _think(self, text: str) -> tuple[str, "Streamed"]:
        if self.phase is _Phase.THINKING:
            return self._continued(text)
        shown, begun = self._begun(text, _Phase.THINKING)
        return (shown if begun.phase is self.phase else f"{THINKING_BEGINS}\n\n{shown}"), begun

    def _answer(self, text: str) -> tuple[str, "Streamed"]:
        if self.phase is _Phase.ANSWERING:
            return self._continued(text)
        if self.phase is not _Phase.THINKING:
            return self._begun(text, _Phase.ANSWERING)
        shown, begun = Streamed(phase=_Phase.THOUGHT).write(Delta(text))
        return f"{self.end()}\n\n{shown}", begun

    def _begun(self, text: str, phase: _Phase) -> tuple[str, "Streamed"]:
        text = _without_blank_start(self.held + text)
        if not text.strip():
            return "", attrs.evolve(self, held=text)
        return attrs.evolve(self, held="", phase=phase).write(Delta(text, reasoning=phase is _Phase.THINKING))

    def _continued(self, text: str) -> tuple[str, "Streamed"]:
        shown, held = escape_delta(self.held, text)
        return shown, attrs.evolve(self, held=held)


def _without_blank_start(text: str) -> str:
    """Drop whole blank lines at the start; blanks on the first line with text are indentation."""
    rest = text.lstrip()
    blank = text[: len(text) - len(rest)]
    return blank[max(blank.rfind("\n"), blank.rfind("\r")) + 1 :] + rest


def _written(turn: Turn) -> str:
    """Give what ``Streamed`` wrote for the reasoning and the answer that have come so far."""
    thought, state = Streamed().write(Delta(turn.reasoning, reasoning=True))
    return thought + state.write(Delta(turn.answer))[0]


def _numbers(usage: Usage) -> list[str]:
    speed = usage.tokens_per_second
    parts = [
        f"{_count(usage.prompt)} prompt tokens ({_count(usage.cached)} cached + {_count(usage.new)} new)",
        f"{_count(usage.out)} out",
        f"first token {_duration(usage.ttft_ms)}",
        f"{speed:.1f} tokens/s" if speed < _SLOW else f"{speed:.0f} tokens/s",
    ]
    if usage.saved_ms is not None and usage.saved_ms >= 1:
        parts.append(f"{_duration(usage.saved_ms)} saved")
    return parts


def _count(number: int) -> str:
    """Group from five digits on, with plain spaces: ``1812``, ``41 200``."""
    return str(number) if number < _GROUPED_FROM else f"{number:,}".replace(",", " ")


def _duration(duration_ms: float) -> str:
    return f"{duration_ms / 1000:.1f} s" if duration_ms >= _SECOND_MS else f"{duration_ms:.0f} ms"


def _slug(text: str) -> str:
    """Join lower-case words of letters, marks and digits of any script by ``-``; may be empty."""
    folded = unicodedata.normalize("NFC", text).lower()
    kept = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in folded)
    slug = ""
    for word in kept.split():
        longer = f"{slug}-{word}" if slug else word[:_NAME_CHARACTERS]
        if len(longer) > _NAME_CHARACTERS:
            break
        slug = longer
    return slug
