"""The road: from a question to a stored answer.

LSP and command line differ only in what they do with its events.

::

    1 context.gather    segments, stable to volatile
    2 store.begin       the question is safe from here on
    3 prompt.build      messages and chained digests
    4 models.ready      the server that holds the model, started when needed
    5 slots.lease       the slot that shares most, restored when another holds more
    6 server.answer     prefill progress, deltas
    7 store.write       answer, usage; then the next turn's prefix is warmed

A warmup is the same road stopped after prefill; a fork is the same road from an older turn.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar, assert_never

import attrs

from context.gather import Sources
from sessions import modes
from sessions.ahead import Ahead
from sessions.asking import Asking, Writing
from sessions.backends.llama import Finished
from sessions.chat import Chat, Status, Turn, Usage
from sessions.errors import BadRequest, KvasirError, ModelUnavailable, NotFound
from sessions.events import Delta, Event, Loading, Prefill
from sessions.gathering import Gathering
from sessions.models import Models, Ready
from sessions.prefill import Warmed, leased, warm
from sessions.prompt import Prompt, build
from sessions.question import Context, Question
from sessions.settings import ContextSettings
from sessions.slot_rows import Priority
from sessions.slots import Lease, draft_owner
from sessions.store import Store

logger = logging.getLogger("kvasir.sessions.ask")

T = TypeVar("T")


class Sessions:
    """All chats of one process, and the answers under way."""

    def __init__(self, store: Store, models: Models, sources: Sources) -> None:
        self.store = store
        self.models = models
        self.files = sources.files
        self.settings = ContextSettings()
        self._gathering = Gathering(models, sources)
        self._ahead = Ahead(models, sources.files, lambda: self.settings.changes)
        self._asking: dict[str, Asking] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._warming: set[asyncio.Task[None]] = set()
        self._closing = False

    # --- questions ---------------------------------------------------------------------------------

    async def ask(self, question: Question) -> Asking:
        """Store a question and start its answer. Raises before anything is stored, or not at all."""
        began = time.monotonic()
        chat = None if question.chat is None else await self._chat(question.chat)
        model = self.models.name(question.model or (chat.model if chat else None))
        text = question.text.strip() or modes.QUESTIONS.get(question.mode or "", "")
        if not text:
            raise BadRequest(
                "The question is empty.", hint="Type one, or choose what to do with the selection."
            )
        if chat is not None:
            chat = await self._free(_up_to(chat, question.after))
        context = await self._context(question, chat, model)

        def begin() -> tuple[Chat, Turn]:
            root = str(question.wanted.root or "")
            to = chat or self.store.new_chat(title=text, root=root, model=model, base=context.base)
            return self.store.begin(to, text, context.tail, model, epoch=context.epoch)

        return await self._start(begin, began, context.notes)

    async def retry(self, chat_id: str, number: int | None = None, model: str | None = None) -> Asking:
        """Ask a turn's question again (the last one's by default).

        The other answer stays where it is: the new one goes to a fork, unless there was none.
        """
        began = time.monotonic()
        chat = await self._free(await self._chat(chat_id))
        turn = _turn(chat, number)
        name = self.models.name(model or chat.model)
        index = chat.turns.index(turn)
        before = attrs.evolve(chat, turns=chat.turns[:index])
        replacing = turn.id if not turn.answer and turn is chat.turns[-1] else None
        return await self._start(
            lambda: self.store.begin(
                before, turn.question, turn.tail, name, replacing=replacing, epoch=turn.epoch
            ),
            began,
            (),
        )

    async def fork(self, chat_id: str, after: int | None = None) -> Chat:
        """A new chat that shares the turns up to and with number ``after`` (all of them by default)."""
        chat = await self._chat(chat_id)
        kept = await self._free(_up_to(chat, after))
        return await asyncio.to_thread(
            lambda: self.store.new_chat(
                title=chat.title,
                root=chat.root,
                model=chat.model,
                base=chat.base,
                turns=kept.turns,
                forked_from=chat.id,
            )
        )

    async def warm(self, question: Question, tell: Callable[[Event], None]) -> Warmed:
        """Evaluate what a question would begin with. Cancel the task to end it."""
        chat, model, _, prompt = await self._unsent(question, is_asked=False)
        owner = chat.id if chat else draft_owner(question.editor)
        return await warm(self.models, model, owner, prompt, tell)

    async def context(self, question: Question) -> tuple[Context, int, int]:
        """What would be sent with a question, its tokens, and the model's window."""
        _, model, context, prompt = await self._unsent(question)
        tokens = await self.models.count(model)("".join(part.text for part in prompt.parts))
        return context, tokens, self.models.window_tokens(model)

    def asking(self, chat_id: str) -> Asking | None:
        """The answer that this process is writing into a chat."""
        return self._asking.get(chat_id)

    async def close(self) -> None:
        """Stop what is under way, keeping what was answered."""
        self._closing = True
        while self._tasks:
            for asking in self._asking.values():
                asking.stop()
            for task in self._warming:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.models.close()
        self.store.close()

    # --- what is sent ------------------------------------------------------------------------------

    async def _unsent(
        self, question: Question, *, is_asked: bool = True
    ) -> tuple[Chat | None, str, Context, Prompt]:
        """The chat, the model, the context and the prompt of a question that may yet change."""
        chat = None if question.chat is None else _up_to(await self._chat(question.chat), question.after)
        model = self.models.name(question.model or (chat.model if chat else None))
        context = await self._context(question, chat, model, is_asked=is_asked)
        base, turns = (chat.base, chat.turns) if chat else (context.base, ())
        return chat, model, context, build(base, turns, context.tail, question.text, context.epoch)

    async def _context(
        self, question: Question, chat: Chat | None, model: str, *, is_asked: bool = True
    ) -> Context:
        epoch = None if chat is None else await self._ahead.epoch(chat)
        return await self._gathering.context(question, chat, model, epoch, is_asked=is_asked)

    async def _chat(self, chat_id: str) -> Chat:
        return await asyncio.to_thread(lambda: self.store.chat(chat_id))

    async def _free(self, chat: Chat) -> Chat:
        """The chat, if its last answer is complete; an answer whose writer died is, as far as it came."""
        if not chat.turns or chat.turns[-1].status.final:
            return chat
        await asyncio.to_thread(self.store.recover)
        turns = await asyncio.to_thread(self.store.path_to, chat.head)
        if not turns[-1].status.final:
            raise BadRequest(
                "This chat is still being answered.", hint="Wait, stop it, or fork from an earlier turn."
            )
        return attrs.evolve(chat, turns=turns)

    # --- answering ---------------------------------------------------------------------------------

    async def _start(
        self, begin: Callable[[], tuple[Chat, Turn]], began: float, notes: tuple[str, ...]
    ) -> Asking:
        starting = self._spawn(self._started(begin, began, notes))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # What is stored by now must not stay without an end.
            starting.add_done_callback(_stop)
            raise

    async def _started(
        self, begin: Callable[[], tuple[Chat, Turn]], began: float, notes: tuple[str, ...]
    ) -> Asking:
        chat, turn = await asyncio.to_thread(begin)
        asking = Asking(chat, turn, notes)
        self._asking[chat.id] = asking
        prompt = build(chat.base, chat.turns[:-1], turn.tail, turn.question, turn.epoch)
        writing = Writing(self.store, asking, began)
        asking.work = asyncio.create_task(self._answered(asking, prompt, writing))
        self._spawn(self._answer(asking, asking.work, writing))
        return asking

    async def _answer(self, asking: Asking, work: asyncio.Task[Usage], writing: Writing) -> None:
        """See an answer to its end and store it. Nobody cancels this, however often ``work`` is."""
        keeping = asyncio.create_task(writing.keep())
        usage: Usage | None = None
        error: KvasirError | None = None
        status = Status.FAILED
        try:
            usage = await work
            status = Status.DONE
        except asyncio.CancelledError:
            status = Status.STOPPED
        except KvasirError as told:
            error = told
        except Exception as bug:
            logger.exception("answering failed")
            error = KvasirError(
                f"This is a bug of Kvasir: {bug!r}.", hint="The log has more; the answer is kept."
            )
        keeping.cancel()
        await writing.end(status, usage, error)
        self._asking.pop(asking.chat.id, None)
        if asking.turn.answer and not self._closing:
            chat = attrs.evolve(asking.chat, turns=(*asking.chat.turns[:-1], asking.turn))
            warming = self._spawn(self._ahead.prepare(chat))
            self._warming.add(warming)
            warming.add_done_callback(self._warming.discard)

    async def _answered(self, asking: Asking, prompt: Prompt, writing: Writing) -> Usage:
        """Stream the answer; a server that is gone before the first word is started again, once."""
        model = asking.turn.model
        ready = await self.models.ready(model, lambda message: asking.tell(Loading(message)))
        try:
            return await self._streamed(asking, prompt, writing, ready)
        except ModelUnavailable as error:
            self.models.lost(ready)
            if writing.begun or not self.models.is_ours(model):
                raise
            logger.warning("asking again: %s", error)
            asking.tell(Loading(f"{error.message} Trying again."))
        ready = await self.models.ready(model, lambda message: asking.tell(Loading(message)))
        return await self._streamed(asking, prompt, writing, ready)

    async def _streamed(self, asking: Asking, prompt: Prompt, writing: Writing, ready: Ready) -> Usage:
        settings = ready.settings
        async with leased(ready, asking.chat.id, prompt, Priority.ASK) as lease:
            stream = ready.server.answer(
                prompt.messages,
                lease.slot,
                max_tokens=settings.max_tokens,
                temperature=settings.temperature,
            )
            async with aclosing(stream):
                async for event in stream:
                    match event:
                        case Prefill():
                            asking.tell(event)
                        case Delta():
                            writing.add(event)
                        case Finished():
                            return self._usage(ready, lease, prompt, event, writing)
                        case _:
                            assert_never(event)
        raise ModelUnavailable("The model's server ended the answer without a word.", hint="Retry it.")

    def _usage(
        self, ready: Ready, lease: Lease, prompt: Prompt, finished: Finished, writing: Writing
    ) -> Usage:
        rate: float | None = None
        if ready.table is not None:
            ready.table.note_prefill(finished.new, finished.prefill_ms)
            ready.table.check(lease, finished.cached, finished.new)
            ready.table.holds(lease, prompt, finished.prompt)
            rate = ready.table.prefill_rate()
        return Usage(
            prompt=finished.prompt,
            cached=finished.cached,
            new=finished.new,
            out=finished.out,
            ttft_ms=writing.ttft_ms,
            tokens_per_second=finished.out / finished.decode_ms * 1000 if finished.decode_ms else 0.0,
            expected=lease.expected,
            saved_ms=None if rate is None else finished.cached / rate,
        )

    # --- tasks -------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, KvasirError):
            logger.error("a task failed", exc_info=error)


def _up_to(chat: Chat, after: int | None) -> Chat:
    if after is None:
        return chat
    if not 0 <= after <= len(chat.turns):
        raise NotFound(f"Chat {chat.id} has {len(chat.turns)} turns; there is no turn {after}.")
    return attrs.evolve(chat, turns=chat.turns[:after])


def _turn(chat: Chat, number: int | None) -> Turn:
    if not chat.turns:
        raise NotFound(f"Chat {chat.id} has no question yet.")
    if number is None:
        return chat.turns[-1]
    if not 1 <= number <= len(chat.turns):
        raise NotFound(f"Chat {chat.id} has {len(chat.turns)} turns; there is no turn {number}.")
    return chat.turns[number - 1]


def _stop(starting: asyncio.Task[Asking]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().stop()
