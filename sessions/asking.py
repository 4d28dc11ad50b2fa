"""An answer on its way: what is told of it, and how it comes into the store."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator

import attrs

from sessions.chat import Chat, Status, Turn, Usage
from sessions.errors import KvasirError
from sessions.events import Delta, Done, Event, Failed
from sessions.store import Store

logger = logging.getLogger("kvasir.sessions.asking")

FLUSH_SECONDS = 0.25
"""How often an answer is stored while it streams: what a killed process can lose."""


class Asking:
    """An answer on its way: events as they come, and a way to stop it."""

    def __init__(self, chat: Chat, turn: Turn, notes: tuple[str, ...]) -> None:
        self.chat = chat
        self.turn = turn
        self.notes = notes
        self.work: asyncio.Task[Usage] | None = None
        self.text = ""
        """The answer as far as it has come."""
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def tell(self, event: Event) -> None:
        """Hand an event to whoever shows the answer."""
        if isinstance(event, Delta) and not event.reasoning:
            self.text += event.text
        self._events.put_nowait(event)

    def stop(self) -> None:
        """End the answer where it is; ``Done`` follows, with what there is."""
        if self.work is not None:
            self.work.cancel()

    async def events(self) -> AsyncGenerator[Event]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, Done | Failed):
                return


class Writing:
    """The answer of one turn as it grows: told at once, stored every so often, and ended exactly once."""

    def __init__(self, store: Store, asking: Asking, began: float) -> None:
        self._store = store
        self._asking = asking
        self._began = began
        self._answer: list[str] = []
        self._reasoning: list[str] = []
        self.ttft_ms = 0.0

    @property
    def begun(self) -> bool:
        return bool(self._answer or self._reasoning)

    def add(self, delta: Delta) -> None:
        if not self.begun:
            self.ttft_ms = (time.monotonic() - self._began) * 1000
        (self._reasoning if delta.reasoning else self._answer).append(delta.text)
        self._asking.tell(delta)

    async def keep(self) -> None:
        """Store what there is every so often. Trouble here is told at the end, if it lasts."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if self.begun:
                try:
                    await asyncio.to_thread(self._store.write, self._turn(Status.ANSWERING))
                except KvasirError as error:
                    logger.warning("the answer was not stored yet: %s", error)

    async def end(self, status: Status, usage: Usage | None, error: KvasirError | None) -> None:
        turn = attrs.evolve(self._turn(status), usage=usage, error="" if error is None else str(error))
        self._asking.turn = turn
        try:
            await asyncio.to_thread(self._store.write, turn)
        except KvasirError as trouble:
            error = error or trouble
        self._asking.tell(Done(turn) if error is None else Failed(turn, error))

    def _turn(self, status: Status) -> Turn:
        return attrs.evolve(
            self._asking.turn,
            status=status,
            answer="".join(self._answer),
            reasoning="".join(self._reasoning),
        )
