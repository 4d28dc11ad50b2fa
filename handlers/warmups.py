"""The warmup of one editor: what the person may be about to ask, evaluated before they do."""

import asyncio
import logging
from collections.abc import Coroutine

import attrs

from handlers.editor import Editor, Phase, State
from handlers.jobs import Job, Jobs
from sessions.ask import Sessions
from sessions.errors import KvasirError
from sessions.events import Event, Loading, Prefill
from sessions.question import Question

AUTOMATIC = "warmup"
"""What ``kvasir/state`` calls the warmups that no command asked for."""

logger = logging.getLogger("kvasir.handlers.warmups")


class Warmups:
    """The warmup of one editor: a new one ends the one before, and waits until the person pauses."""

    def __init__(self, editor: Editor, sessions: Sessions, jobs: Jobs) -> None:
        self._editor = editor
        self._sessions = sessions
        self._jobs = jobs
        self._task: asyncio.Task[None] | None = None
        self._question: Question | None = None
        self._evaluating = False
        self._next: Question | None = None

    def later(self, question: Question, delay_ms: int) -> None:
        """Warm after a quiet moment, if nothing else is asked for until then. Trouble is only logged.

        More of the same question follows the warmup that is under way: to start over would lose what it has.
        """
        if question == self._question:
            self._next = None
        elif self._evaluating and _goes_on(self._question, question):
            self._next = question
        else:
            self._begin(question, self._after(delay_ms / 1000, question))

    def now(self, question: Question) -> Job:
        """Warm at once, as a job that the person asked for."""
        job = self._jobs.new(question.chat or "", None, self.stop)
        task = self._begin(question, self._all(question, job))
        task.add_done_callback(lambda _: self._jobs.ended(job))
        return job

    def asked(self) -> None:
        """Begin nothing more, but let finish what is under way: the question may be waiting for it."""
        self._next = None
        if not self._evaluating:
            self.stop()

    def stop(self) -> None:
        """End the warmup that is under way."""
        if self._task is not None:
            self._task.cancel()
        self._question = self._next = None
        self._evaluating = False

    def _begin(self, question: Question, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        self.stop()
        self._question = question
        self._task = asyncio.create_task(work)
        return self._task

    async def _after(self, delay_s: float, question: Question) -> None:
        await asyncio.sleep(delay_s)
        await self._all(question, None)

    async def _all(self, question: Question, job: Job | None) -> None:
        """Warm a question, and then what was typed meanwhile."""
        await self._run(question, job)
        while self._next is not None:
            self._question, self._next = self._next, None
            await self._run(self._question, None)

    async def _run(self, question: Question, job: Job | None) -> None:
        begun = State(job.id if job else AUTOMATIC, Phase.CANCELLED, question.chat or "")
        end = begun
        self._evaluating = True
        try:
            end = await self._warm(question, begun)
        except KvasirError as error:
            end = attrs.evolve(begun, phase=Phase.ERROR, message=str(error))
            self._question = None
            if job is not None:
                self._editor.warn(f"Kvasir: {error}")
            logger.info("nothing was warmed: %s", error)
        except Exception:
            end = attrs.evolve(begun, phase=Phase.ERROR, message="The warmup failed; the log says why.")
            self._question = None
            logger.exception("a warmup failed")
        finally:
            if asyncio.current_task() is self._task:  # one that was cancelled ends when the next has begun
                self._evaluating = False
            self._editor.state(end)

    async def _warm(self, question: Question, begun: State) -> State:
        def tell(event: Event) -> None:
            if isinstance(event, Prefill):
                numbers = State(
                    begun.job, Phase.WARMING, begun.chat, event.total, event.cached, done_tokens=event.done
                )
                self._editor.state(numbers)
            elif isinstance(event, Loading):
                self._editor.state(attrs.evolve(begun, phase=Phase.LOADING, message=event.message))

        warmed = await self._sessions.warm(question, tell)
        if not warmed.complete:
            return attrs.evolve(begun, message="A question needed the slot.")
        return attrs.evolve(
            begun,
            phase=Phase.DONE,
            prompt_tokens=warmed.prompt,
            cached_tokens=warmed.cached,
            done_tokens=warmed.prompt,
            message=f"{warmed.prompt} tokens warm, {warmed.new} of them new",
        )


def _goes_on(before: Question | None, question: Question) -> bool:
    """Whether only the typed text is another."""
    return before is not None and attrs.evolve(before, text=question.text) == question
