"""What is done while the person reads an answer: the next turn's prefix is evaluated.

When another layout is due, that is evaluated too, in another slot, and used once it is warm: nobody waits.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from context.changes import changes
from context.files import Files
from sessions.chat import Chat, Epoch
from sessions.epochs import (
    ASK_FOR_SUMMARY,
    FOLD_SHARE,
    FORCED_SHARE,
    REPACK_SHARE,
    SUMMARY_TOKENS,
    drift,
    folded,
    repacked,
)
from sessions.errors import KvasirError
from sessions.events import Delta, Event
from sessions.models import Models
from sessions.prefill import leased, warm
from sessions.prompt import build, layout
from sessions.settings import FRESH
from sessions.slot_rows import Priority
from sessions.slots import draft_owner

logger = logging.getLogger("kvasir.sessions.ahead")


class Ahead:
    """The layouts that are ready for the next question of each chat."""

    def __init__(self, models: Models, files: Files, policy: Callable[[], str]) -> None:
        self._models = models
        self._files = files
        self._policy = policy
        self._ready: dict[str, tuple[str | None, Epoch]] = {}

    async def epoch(self, chat: Chat) -> Epoch | None:
        """The layout that the next question begins: one that is warm, or one that can wait no longer."""
        head, epoch = self._ready.get(chat.id, (None, None))
        if epoch is not None and head == chat.head:
            return epoch
        if drift(chat.base, chat.turns) < FORCED_SHARE and not await self._is_stale(chat):
            return None
        return await asyncio.to_thread(repacked, chat, self._files)

    async def _is_stale(self, chat: Chat) -> bool:
        """Whether a file changed that is to be sent anew, for people whose model reads no changes well."""
        if self._policy() != FRESH:
            return False
        base, turns = layout(chat.base, chat.turns)
        known = [*base, *(part for turn in turns for part in turn.tail)]
        root = Path(chat.root) if chat.root else None
        return bool(await asyncio.to_thread(changes, known, root, self._files))

    async def prepare(self, chat: Chat) -> None:
        """Make the next question of a chat quick. Cancel the task to end it."""
        model = chat.turns[-1].model
        try:
            await warm(self._models, model, chat.id, build(chat.base, chat.turns), _ignore)
            if (epoch := await self._due(chat, model)) is None:
                return
            prompt = build(chat.base, chat.turns, epoch=epoch)
            warmed = await warm(self._models, model, draft_owner(f"epoch of {chat.id}"), prompt, _ignore)
            if warmed.complete:
                self._ready[chat.id] = (chat.head, epoch)
        except KvasirError as error:
            logger.info("the next turn of %s was not warmed: %s", chat.id, error)

    async def _due(self, chat: Chat, model: str) -> Epoch | None:
        usage, window = chat.turns[-1].usage, self._models.window_tokens(model)
        if usage is not None and usage.prompt + usage.out > FOLD_SHARE * window:
            packed = await asyncio.to_thread(repacked, chat, self._files)
            if (fold := folded(packed, chat.turns)) and (summary := await self._summary(chat, model)):
                return fold(summary)
            return None
        if drift(chat.base, chat.turns) < REPACK_SHARE:
            return None
        return await asyncio.to_thread(repacked, chat, self._files)

    async def _summary(self, chat: Chat, model: str) -> str:
        """The chat in few words, by its model, off its slot; "" if somebody needed the slot meanwhile."""
        prompt = build(chat.base, chat.turns, (), ASK_FOR_SUMMARY)
        ready = await self._models.ready(model, lambda _: None)
        said: list[str] = []
        async with leased(ready, draft_owner(f"summary of {chat.id}"), prompt, Priority.WARMUP) as lease:
            stream = ready.server.answer(
                prompt.messages, lease.slot, max_tokens=SUMMARY_TOKENS, temperature=0.0
            )
            async with aclosing(stream):
                async for event in stream:
                    if lease.unwanted.is_set():
                        return ""
                    if isinstance(event, Delta) and not event.reasoning:
                        said.append(event.text)
        return "".join(said).strip()


def _ignore(_event: Event) -> None:
    pass
