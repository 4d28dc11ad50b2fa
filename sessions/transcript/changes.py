"""Where a chat document tells another story than the store: there the next question forks."""

from collections.abc import Sequence
from enum import StrEnum

import attrs

from sessions.chat import Chat, Turn
from sessions.transcript.markdown import footer
from sessions.transcript.marks import comparable, lines_of
from sessions.transcript.parser import Document, Section


class Change(StrEnum):
    """What a person did to a turn, as far as the document tells."""

    QUESTION = "question"
    """Its question was edited, perhaps its answer too."""
    ANSWER = "answer"
    """Only its answer was edited."""
    REMOVED = "removed"
    """It is gone; a later turn of the chat stands in its place."""
    ADDED = "added"
    """A turn stands in its place that the chat does not have."""
    CUT = "cut"
    """It and all later turns are gone, or were never written into this document."""


@attrs.frozen
class ChangedTurn:
    """The first difference. Turns before ``index`` (from 0) are as stored, so the fork keeps ``index`` turns.

    ``question`` and ``answer`` are what the document says there; ``question`` is ``None`` for ``CUT``,
    ``answer`` where there is none or it is still being written.
    """

    index: int
    kind: Change
    question: str | None = None
    answer: str | None = None


def changed_turn(document: Document, chat: Chat) -> ChangedTurn | None:
    """Find the first turn that differs; ``None`` if the document shows the chat as stored.

    Escapes, footers, outer blank lines, trailing blanks and lost ids make no difference. The answer of a
    turn that is not final is not compared, and such a turn may be missing at the end.
    """
    for index, section in enumerate(document.sections):
        if kind := _difference(document.sections[index:], chat.turns[index:]):
            answer = section.answer
            text = answer.text if answer and not answer.streaming else None
            return ChangedTurn(index, kind, section.question, text)
    missing = chat.turns[len(document.sections) :]
    if any(turn.status.final for turn in missing):
        return ChangedTurn(len(document.sections), Change.CUT)
    return None


def _difference(sections: Sequence[Section], turns: Sequence[Turn]) -> Change | None:
    """Compare the first section with the first turn."""
    if not turns:
        return Change.ADDED
    section, turn = sections[0], turns[0]
    if section.turn not in (None, turn.id):
        later = any(other.id == section.turn for other in turns[1:])
        return Change.REMOVED if later else Change.ADDED
    if comparable(section.question) != comparable(turn.question):
        moved = section.turn is None and any(other.turn == turn.id for other in sections[1:])
        return Change.ADDED if moved else Change.QUESTION
    return None if _same_answer(section, turn) else Change.ANSWER


def _same_answer(section: Section, turn: Turn) -> bool:
    if not turn.status.final or (section.answer and section.answer.streaming):
        return True
    if section.answer is None:
        return False
    told, stored = comparable(section.answer.text), comparable(turn.answer)
    return stored in (told, comparable(_without_footer(told, turn)))


def _without_footer(answer: str, turn: Turn) -> str:
    """Drop a footer that lost its comment."""
    lines = lines_of(answer)
    shown = footer(turn).rpartition(" <!--")[0]
    return "\n".join(lines[:-1]) if lines[-1].strip() == shown else answer
