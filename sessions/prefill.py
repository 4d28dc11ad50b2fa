"""Prefill: a prompt is evaluated into a slot and nothing is answered."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager

import attrs

from sessions.backends.llama import ANY_SLOT, Finished
from sessions.errors import ContextFull, ModelUnavailable
from sessions.events import Event, Loading
from sessions.models import Models, Ready
from sessions.prompt import Prompt
from sessions.slot_rows import Priority
from sessions.slots import Lease


@attrs.frozen
class Warmed:
    """What a warmup evaluated. Counts are tokens; ``complete`` is false when an ask needed the slot."""

    prompt: int
    cached: int
    new: int
    complete: bool


async def warm(
    models: Models, model: str, owner: str, prompt: Prompt, tell: Callable[[Event], None]
) -> Warmed:
    """Evaluate a prompt for ``owner``. Cancel the task to end it."""
    ready = await models.ready(model, lambda message: tell(Loading(message)))
    try:
        return await _evaluated(ready, owner, prompt, tell)
    except ModelUnavailable:
        models.lost(ready)
        raise


@asynccontextmanager
async def leased(ready: Ready, owner: str, prompt: Prompt, priority: Priority) -> AsyncGenerator[Lease]:
    """A slot for a prompt; any slot where the server is not ours."""
    if ready.table is None:
        yield Lease(ANY_SLOT)
        return
    async with ready.table.lease(owner, prompt, priority) as lease:
        yield lease


async def _evaluated(ready: Ready, owner: str, prompt: Prompt, tell: Callable[[Event], None]) -> Warmed:
    async with leased(ready, owner, prompt, Priority.WARMUP) as lease:
        if lease.complete:
            return Warmed(lease.expected, lease.expected, 0, complete=True)
        tokens = await ready.server.prefix(prompt.messages)
        if len(tokens) >= ready.window_tokens:
            raise ContextFull(len(tokens), ready.window_tokens)
        work = asyncio.create_task(_prefilled(ready, lease, tokens, tell))
        unwanted = asyncio.create_task(lease.unwanted.wait())
        try:
            await asyncio.wait((work, unwanted), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return Warmed(len(tokens), 0, 0, complete=False)
            finished = work.result()
        finally:
            for task in (work, unwanted):
                task.cancel()
            await asyncio.gather(work, unwanted, return_exceptions=True)
        if ready.table is not None:
            ready.table.note_prefill(finished.new, finished.prefill_ms)
            ready.table.warmed(finished.new)
            ready.table.holds(lease, prompt, finished.prompt)
        return Warmed(finished.prompt, finished.cached, finished.new, complete=True)


async def _prefilled(
    ready: Ready, lease: Lease, tokens: list[int], tell: Callable[[Event], None]
) -> Finished:
    stream = ready.server.prefill(tokens, lease.slot)
    async with aclosing(stream):
        async for event in stream:
            if isinstance(event, Finished):
                return event
            tell(event)
    raise ModelUnavailable("The model's server ended the warmup without a word.")
