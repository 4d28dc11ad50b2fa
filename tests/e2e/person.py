"""Somebody at an editor with a project open: what a person does, and what they then see."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from server.app import Kvasir
from sessions.chat import Chat, Turn
from sessions.transcript.markdown import render
from tests.lsp import Editor, Json, Pipe, Value

T = TypeVar("T")

PATIENCE_S = 30.0
"""A bound for hangs, not an expectation: a busy machine takes its time."""
POLL_S = 0.005


class Person:
    """``editor`` is what they sit at, ``server`` the Kvasir behind it, ``pipe`` what the editor reads."""

    def __init__(self, editor: Editor, server: Kvasir, pipe: Pipe, project: Path) -> None:
        self.editor = editor
        self.server = server
        self.pipe = pipe
        self.project = project

    # What they do.

    async def command(self, name: str, *arguments: Value) -> Json:
        return await self.editor.command(f"kvasir.{name}", *arguments)

    def file(self, name: str = "a.py") -> str:
        """The URI of a file of the project."""
        return (self.project / name).as_uri()

    async def ask(self, question: str = "why?", **keys: Value) -> Json:
        """Ask about some lines of ``a.py`` unless told otherwise, and wait for the whole answer."""
        return await self.answered(await self.begin(question, **keys))

    async def begin(self, question: str = "why?", **keys: Value) -> Json:
        """As ``ask``, without waiting."""
        about = {"uri", "file", "session", "paths"} & keys.keys()
        place = {} if about else {"uri": self.file(), "lines": [0, 8]}
        return await self.command("ask", {**place, "question": question, **keys})

    async def begin_long(self, question: str = "why?", **keys: Value) -> Json:
        """Ask for an answer of thousands of words, and wait until some of it is there."""
        reply = await self.begin(question, model="long", **keys)
        return await self.streaming(reply)

    async def streaming(self, reply: Json) -> Json:
        """Wait until an answer has begun."""
        await self.until(lambda: self._live(reply["session"]))
        return reply

    async def write(self, path: Path, question: str) -> None:
        """Type a question at the end of a chat document and save it."""
        self.type(path, question)
        self.editor.save(path.as_uri())

    def type(self, path: Path, question: str) -> None:
        """Type at the end of a chat document."""
        if path.as_uri() not in self.editor.documents:
            self.editor.open(path)
        end = len(self.editor.text(path))
        self.editor.edit(path.as_uri(), end, end, question)

    def replace(self, path: Path, old: str, new: str) -> None:
        """Edit the first place of a text in a document."""
        start = self.editor.text(path).index(old)
        self.editor.edit(path.as_uri(), start, start + len(old), new)

    async def sent(self, reply: Json, turn: int) -> Json:
        """Wait for the answer of a turn that the chat's document was saved with; a reply for it."""
        await self.until(
            lambda: len(self.chat(reply).turns) >= turn and self.chat(reply).turns[turn - 1].status.final
        )
        await self.until(lambda: not self.server.desk.jobs.all())
        return {**reply, "turn": turn}

    async def forked(self, reply: Json) -> Json:
        """Wait for the fork of a chat and its answer; a reply for it."""
        store = self.server.desk.sessions.store
        forks = await self.until(
            lambda: [chat for chat in store.chats() if chat.forked_from == reply["session"] and chat.document]
        )
        await self.until(lambda: not self.server.desk.jobs.all())
        path = Path(forks[0].document or "")
        where = {"session": forks[0].id, "path": str(path), "uri": path.as_uri()}
        return {**reply, **where, "turn": forks[0].turns}

    # What they see.

    async def answered(self, reply: Json) -> Json:
        """Wait until the job of a reply has ended and everything is shown."""
        await self.until(lambda: all(job.id != reply["job"] for job in self.server.desk.jobs.all()))
        return reply

    async def idle(self) -> None:
        """Wait until nothing goes on any more: no job, no warmup of a next turn."""
        sessions = self.server.desk.sessions
        await self.until(lambda: not self.server.desk.jobs.all() and not sessions._tasks)  # pyright: ignore[reportPrivateUsage]

    def path(self, reply: Json) -> Path:
        return Path(reply["path"])

    def text(self, reply: Json) -> str:
        """The chat document as they see it."""
        document = self.editor.documents.get(reply["uri"])
        return document.text if document else self.on_disk(reply)

    def on_disk(self, reply: Json) -> str:
        return self.path(reply).read_text()

    def chat(self, reply: Json) -> Chat:
        """The chat as it is stored."""
        return self.server.desk.sessions.store.chat(reply["session"])

    def rendered(self, reply: Json, draft: str = "") -> str:
        """The document as the store would have it."""
        return render(self.chat(reply), draft)

    def turn(self, reply: Json) -> Turn:
        number: int = reply["turn"]
        return self.chat(reply).turns[number - 1]

    def base(self, reply: Json) -> list[str]:
        """The sources in front of all turns."""
        return [segment.source for segment in self.chat(reply).base]

    def tail(self, reply: Json) -> list[str]:
        """The sources that came with the question of a reply."""
        return [segment.source for segment in self.turn(reply).tail]

    async def until(self, condition: Callable[[], T]) -> T:
        """Wait for a condition, of the server or of what the editor has seen."""
        end = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert time.monotonic() < end, "this took too long"
            await asyncio.sleep(POLL_S)
        return value

    def messages(self) -> list[str]:
        """What was shown to them in pop-ups or the status line."""
        return [said["message"] for said in self.editor.received("window/showMessage")]

    def states(self, job: str) -> list[Json]:
        """``kvasir/state`` of a job, oldest first; for an editor with the feature ``state``."""
        return [state for state in self.editor.received("kvasir/state") if state["job"] == job]

    def phases(self, job: str) -> list[str]:
        """The phases that a job went through, repetitions left out."""
        phases = [state["phase"] for state in self.states(job)]
        return [phase for index, phase in enumerate(phases) if phases[index - 1 : index] != [phase]]

    async def actions(self, uri: str, first: int, last: int, **context: Value) -> list[Json]:
        """The code actions for the lines ``first`` to ``last`` (exclusive)."""
        span = {"start": {"line": first, "character": 0}, "end": {"line": last, "character": 0}}
        params: Json = {
            "textDocument": {"uri": uri},
            "range": span,
            "context": {"diagnostics": [], **context},
        }
        return await self.editor.request("textDocument/codeAction", params)

    async def choose(self, actions: list[Json], title: str) -> Json:
        """Run one of the code actions."""
        command = next(action["command"] for action in actions if action["title"] == title)
        return await self.editor.command(command["command"], *command["arguments"])

    def _live(self, chat: str) -> bool:
        asking = self.server.desk.sessions.asking(chat)
        return asking is not None and bool(asking.text)
