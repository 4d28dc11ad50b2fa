"""What goes with a question: gathered once per draft, and for a chat only what it was not told yet."""

import asyncio
import time
from pathlib import Path

import attrs

from context.changes import changes
from context.gather import Gathered, Sources, Wanted, gather, searched
from context.segment import WHOLE_FILES, Kind, Segment
from sessions import modes
from sessions.chat import Chat, Epoch
from sessions.models import Models
from sessions.prompt import layout
from sessions.question import Context, Question

DRAFT_SECONDS = 120.0
"""How long gathered context may be asked about without looking for new files in the project."""
QUESTION_TOKENS = 1024
"""Kept free for the question when a project is packed."""


@attrs.frozen
class _Draft:
    wanted: Wanted
    model: str
    gathered: Gathered
    made: float


class Gathering:
    """Contexts of the questions of one process."""

    def __init__(self, models: Models, sources: Sources) -> None:
        self._models = models
        self._sources = sources
        self._drafts: dict[str, _Draft] = {}

    async def context(
        self,
        question: Question,
        chat: Chat | None,
        model: str,
        epoch: Epoch | None = None,
        *,
        is_asked: bool = True,
    ) -> Context:
        """What goes with a question, which may begin an ``epoch``: for a chat what it was not told yet.

        Nothing is searched for a question that is still being typed: the next letter would find something
        else.
        """
        mode = (modes.instruction(question.mode),) if question.mode else ()
        known = _known(chat, epoch)
        gathered = await self._gathered(question, model)
        if is_asked and question.text.strip():
            gathered = await searched(gathered, question.wanted, question.text, self._sources, known)
        if chat is None:
            return Context(gathered.base, (*gathered.tail, *mode), gathered.notes)
        changed = await asyncio.to_thread(self._changes, known, Path(chat.root) if chat.root else None)
        selected = tuple(segment for segment in gathered.tail if segment not in known)
        return Context((), (*changed, *_added(gathered, known), *selected, *mode), gathered.notes, epoch)

    async def _gathered(self, question: Question, model: str) -> Gathered:
        draft = self._drafts.get(question.editor)
        # What git says may have changed with any file.
        same = draft and draft.wanted == question.wanted and draft.model == model and not question.wanted.git
        if draft and same and time.monotonic() - draft.made < DRAFT_SECONDS:
            known = [*draft.gathered.base, *draft.gathered.tail]
            if not await asyncio.to_thread(self._changes, known, question.wanted.root):
                return draft.gathered
        settings, window = self._models.settings(model), self._models.window_tokens(model)
        budget = window - settings.max_tokens - QUESTION_TOKENS
        count = self._models.count(model)
        gathered = await gather(question.wanted, "", self._sources, count, budget, window)
        self._drafts[question.editor] = _Draft(question.wanted, model, gathered, time.monotonic())
        return gathered

    def _changes(self, known: list[Segment], root: Path | None) -> tuple[Segment, ...]:
        return changes(known, root, self._sources.files)


def _known(chat: Chat | None, epoch: Epoch | None) -> list[Segment]:
    """All segments that stand in front of the next question of a chat."""
    if chat is None:
        return []
    base, turns = layout(chat.base, chat.turns, epoch)
    return [*base, *(segment for turn in turns for segment in turn.tail)]


def _added(gathered: Gathered, known: list[Segment]) -> tuple[Segment, ...]:
    """What belongs into a base and came too late for it. Files and a map are told once."""
    files = {segment.source for segment in known if segment.kind in WHOLE_FILES}
    has_map = any(segment.kind is Kind.MAP for segment in known)
    return tuple(
        segment
        for segment in gathered.base
        if segment not in known
        and not (segment.kind in WHOLE_FILES and segment.source in files)
        and not (segment.kind is Kind.MAP and has_map)
    )
