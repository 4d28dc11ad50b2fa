"""What is warmed while a person goes on typing."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from handlers.editor import State
from handlers.jobs import Jobs
from handlers.warmups import Warmups
from sessions.events import Event
from sessions.prefill import Warmed
from sessions.question import Question


class Sessions:
    """Warms when the test lets it."""

    def __init__(self) -> None:
        self.warmed: list[str] = []
        self.begun = asyncio.Semaphore(0)
        self.go = asyncio.Semaphore(0)
        self.done = asyncio.Semaphore(0)

    async def warm(self, question: Question, _tell: Callable[[Event], None]) -> Warmed:
        self.begun.release()
        await self.go.acquire()
        self.warmed.append(question.text)
        self.done.release()
        return Warmed(1, 0, 1, complete=True)


class Editor:
    def state(self, state: State) -> None:
        pass


def warmups(sessions: Sessions) -> Warmups:
    return Warmups(cast("Any", Editor()), cast("Any", sessions), Jobs())


async def test_what_is_typed_during_a_warmup_follows_it_also_when_a_command_began_it():
    sessions = Sessions()
    made = warmups(sessions)
    made.now(Question("why"))
    await sessions.begun.acquire()
    made.later(Question("why is"), 0)
    made.later(Question("why is it slow"), 0)
    sessions.go.release()
    await asyncio.wait_for(sessions.begun.acquire(), 10)
    sessions.go.release()
    for _ in range(2):
        await asyncio.wait_for(sessions.done.acquire(), 10)
    assert sessions.warmed == ["why", "why is it slow"]


async def test_another_context_ends_the_warmup_and_is_gone_on_with():
    sessions = Sessions()
    made = warmups(sessions)
    made.now(Question("why", chat="one"))
    await sessions.begun.acquire()
    made.now(Question("why", chat="two"))
    await sessions.begun.acquire()
    made.later(Question("why not", chat="two"), 0)
    sessions.go.release()
    await asyncio.wait_for(sessions.begun.acquire(), 10)
    sessions.go.release()
    for _ in range(2):
        await asyncio.wait_for(sessions.done.acquire(), 10)
    assert sessions.warmed == ["why", "why not"]
