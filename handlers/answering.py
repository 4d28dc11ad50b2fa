"""An answer on its way from the road into its document."""

import asyncio
import time
from pathlib import Path
from typing import Any, assert_never

import attrs

from handlers.desk import Desk
from handlers.documents import document_path
from handlers.editor import Kind, Phase, Place, Report, State, Stream
from handlers.jobs import Job
from sessions.asking import Asking
from sessions.chat import Status, Turn
from sessions.events import Delta, Done, Failed, Loading, Prefill
from sessions.settings import DEMO
from sessions.transcript.edits import applied, opening, with_model
from sessions.transcript.markdown import EMPTY_QUESTION, Streamed, footer, render
from sessions.transcript.parser import parse

TELL_SECONDS = 0.5
"""How often clients hear of the speed while an answer is generated."""

Reply = dict[str, Any]

PHASES = {Status.DONE: Phase.DONE, Status.STOPPED: Phase.CANCELLED}


async def begin(desk: Desk, asking: Asking, *, show: bool = True) -> Reply:
    """Start to show an answer; the reply of the command that asked for it.

    It comes when the document is on disk, so that whoever reads it finds the file; an editor that has the
    document open is not waited for.
    """
    chat = asking.chat
    desk.last_chat = chat.id
    path = document_path(desk, chat)
    job = desk.jobs.new(chat.id, path, asking.stop)
    number = len(chat.turns)
    showing = _Showing(desk, asking, job, path)
    desk.start(showing.run(show=show), f"{job.id}: {chat.title}")
    if desk.editor.text(path) is None:
        await showing.opened.wait()
    for note in asking.notes:
        desk.editor.message(note)
    return reply(desk, chat.id, path, job=job.id, turn=number, state=Phase.QUEUED.value)


def reply(desk: Desk, chat: str, path: Path, **more: object) -> Reply:
    """What a command about a chat answers."""
    where = {"session": chat, "uri": path.as_uri(), "path": str(path)}
    return {"v": 1, "ok": True, **where, "mode": desk.editor.mode, **more}


class _Showing:
    """One answer and the places where its progress shows."""

    def __init__(self, desk: Desk, asking: Asking, job: Job, path: Path) -> None:
        self.desk = desk
        self.asking = asking
        self.job = job
        self.path = path
        self.state = State(job.id, Phase.QUEUED, asking.chat.id)
        self.streamed = Streamed()
        self.told = 0.0
        self.began_at = 0.0
        self.opened = asyncio.Event()
        """Set when the document has the question, or cannot have it."""

    async def run(self, *, show: bool) -> None:
        """Show it all. Whatever fails here, the answer goes on, and the store keeps it."""
        desk, asking = self.desk, self.asking
        turn = asking.turn
        try:
            await self._open(turn)
            self.opened.set()
            if show:
                # Before the first word: the editor reads the file, and nobody writes it meanwhile.
                await desk.editor.show(asking.chat.id, self.path)
            place = Place(asking.chat.id, len(asking.chat.turns), turn.id, self.job.id, self.path)
            stream = desk.editor.stream(place)
            stopping = asyncio.create_task(self._stop_when_told(stream))
            try:
                async with desk.editor.progress(f"Kvasir: {asking.chat.title}", asking.stop) as report:
                    await self._follow(stream, report)
            finally:
                await stream.finish(footer(self.asking.turn), EMPTY_QUESTION)
                desk.editor.state(self.state)
                stopping.cancel()
                await asyncio.gather(stopping, return_exceptions=True)
        except asyncio.CancelledError:
            asking.stop()
            raise
        finally:
            self.opened.set()
            desk.jobs.ended(self.job)

    async def _open(self, turn: Turn) -> None:
        """Put the question and the place for its answer into the document."""

        def opened(text: str | None) -> str:
            if text is None or not text.strip():
                return render(self.asking.chat)
            document = parse(text)
            named = with_model(document, turn.model) if document.model != turn.model else ()
            return applied(text, (*named, *opening(document, turn)))

        await self.desk.editor.change(self.path, opened)

    async def _follow(self, stream: Stream, report: Report) -> None:
        self._tell(Phase.QUEUED)
        async for event in self.asking.events():
            match event:
                case Loading():
                    report(event.message)
                    self._tell(Phase.LOADING, message=event.message)
                case Prefill():
                    self._prefill(event, report)
                case Delta():
                    self._delta(event, stream, report)
                case Done() | Failed():
                    self._end(event, stream)
                case _:
                    assert_never(event)

    def _prefill(self, event: Prefill, report: Report) -> None:
        share = 100 * event.done // max(1, event.total)
        report(f"reading {event.total} tokens, {event.cached} of them known", share)
        self._tell(
            Phase.PREFILL,
            prompt_tokens=event.total,
            cached_tokens=event.cached,
            done_tokens=event.done,
        )

    def _delta(self, event: Delta, stream: Stream, report: Report) -> None:
        text, self.streamed = self.streamed.write(event)
        if text:
            stream.write(text, Kind.REASONING if event.reasoning else Kind.ANSWER)
        now = time.monotonic()
        if self.state.phase is not Phase.GENERATING:
            report("answering")
            self.began_at, self.told = now, now
            self._tell(Phase.GENERATING, done_tokens=0)
        done = (self.state.done_tokens or 0) + 1
        self.state = attrs.evolve(self.state, done_tokens=done)
        if now - self.told > TELL_SECONDS:
            self.told = now
            self._tell(Phase.GENERATING, tps=round(done / (now - self.began_at), 1))

    def _end(self, event: Done | Failed, stream: Stream) -> None:
        if rest := self.streamed.end():
            stream.write(rest)
        turn = event.turn
        counts: dict[str, Any] = {}
        if usage := turn.usage:
            counts = {
                "prompt_tokens": usage.prompt,
                "cached_tokens": usage.cached,
                "done_tokens": usage.out,
                "tps": round(usage.tokens_per_second, 1),
            }
        # Told when the document says it all, too.
        phase = PHASES.get(turn.status, Phase.ERROR)
        self.state = attrs.evolve(self.state, phase=phase, message=turn.error, **counts)
        if isinstance(event, Failed):
            self.desk.editor.warn(f"Kvasir: {event.error}")
        elif turn.model == DEMO:
            self.desk.editor.warn(
                'The demo model makes no sense, all else is real ("kvasir doctor" has more).'
            )

    async def _stop_when_told(self, stream: Stream) -> None:
        await stream.stopped.wait()
        self.asking.stop()

    def _tell(self, phase: Phase, **values: Any) -> None:  # noqa: ANN401 - fields of State
        self.state = attrs.evolve(self.state, phase=phase, **values)
        self.desk.editor.state(self.state)
