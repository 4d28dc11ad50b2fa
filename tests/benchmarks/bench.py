"""Somebody at an editor whose Kvasir runs on the benchmark's llama-server, with a stop-watch."""

import asyncio
import fcntl
import os
import re
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from context.gather import Wanted
from server.app import Kvasir
from sessions.ask import Sessions
from sessions.backends.llama import LlamaServer
from sessions.chat import Chat, Turn, Usage
from sessions.demo_model import ROOMS, source_text
from sessions.events import Delta, Failed
from sessions.llama import Running
from sessions.models import Ready
from sessions.prompt import Message, build
from sessions.question import Question
from sessions.slots import SlotTable
from tests.benchmarks.raw import Raw, Streamed
from tests.lsp import Editor, Json, Value

SLOTS = 5
"""The last is raw's: it is locked, as by a process that answers all the time."""
SLACK_TOKENS = 8
"""Tokens may merge at a border, and a warmup leaves the last few to the question."""
PATIENCE_S = 300.0


@attrs.frozen
class Asked:
    """One answer by Kvasir; times in milliseconds, ``decode_ms`` from the first delta to the last."""

    chat: str
    ttft_ms: float
    decode_ms: float
    turn: Turn

    @property
    def usage(self) -> Usage:
        assert self.turn.usage, self.turn.error
        return self.turn.usage


class Bench:
    """Measures; everything that it does not measure has come to rest before and after."""

    def __init__(self, editor: Editor, server: Kvasir, ready: Ready, llama: Running) -> None:
        self.editor = editor
        self.kvasir = server
        self.ready = ready
        self.raw = Raw(llama, SLOTS - 1)
        self._words = iter(sorted(set(re.findall(r"\b[a-z]{3,}\b", source_text()))))
        self._begun: set[int] = set()
        self._length = 0

    @property
    def sessions(self) -> Sessions:
        return self.kvasir.desk.sessions

    @property
    def server(self) -> LlamaServer:
        return self.ready.server

    @property
    def table(self) -> SlotTable:
        assert self.ready.table is not None
        return self.ready.table

    @property
    def answer_tokens(self) -> int:
        return self.ready.settings.max_tokens

    @contextmanager
    def locked(self, *slots: int) -> Generator[None]:
        """Keep slots from Kvasir."""
        held: list[int] = []
        for number in slots:
            lock = self.table._directory / f"slot-{number}.lock"  # pyright: ignore[reportPrivateUsage]
            held.append(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            for descriptor in held:
                os.close(descriptor)

    async def question(self) -> str:
        """Another question: always of as many tokens, and none begins as one before it does."""
        for word in self._words:
            text = f"{word} is what, and where does it begin?"
            tokens = await self.server.tokens(text)
            if tokens[0] not in self._begun and len(tokens) == self._length:
                self._begun.add(tokens[0])
                return text
            self._length = self._length or len(tokens)
        raise AssertionError("there are no more questions")

    # Through the language server.

    async def command(self, name: str, **keys: Value) -> Json:
        return await self.editor.command(f"kvasir.{name}", keys)

    async def warm(self, **keys: Value) -> None:
        """``kvasir.warmup``, to its end."""
        self.editor.notifications.clear()
        reply = await self.command("warmup", **keys)
        await self.until(lambda: self._state(reply["job"], "done"))
        await self.idle()

    async def ask(self, question: str, **keys: Value) -> Asked:
        """``kvasir.ask``: from the command sent to the first ``kvasir/delta``, and on to the last."""
        self.editor.notifications.clear()
        arguments: list[Json] = [{"question": question, "view": "none", **keys}]
        arrived: list[float] = []

        def complete() -> bool:
            deltas = self.editor.received("kvasir/delta")
            ended = bool(deltas) and deltas[-1]["kind"] == "mark"
            arrived.extend([time.perf_counter()] * (len(deltas) - ended - len(arrived)))
            return ended

        began = time.perf_counter()
        params = {"command": "kvasir.ask", "arguments": arguments}
        pending = self.editor.begin("workspace/executeCommand", params)
        await self._told(complete)
        reply = await pending.answer
        await self.idle()
        chat = self.sessions.store.chat(reply["session"])
        return Asked(chat.id, (arrived[0] - began) * 1000, (arrived[-1] - arrived[0]) * 1000, chat.turns[-1])

    # Through the road alone.

    async def warm_direct(self, question: Question) -> None:
        await self.sessions.warm(question, lambda _: None)

    async def ask_direct(self, question: Question) -> Asked:
        """``sessions.ask``: from the call to the first delta, and on to the last."""
        began = time.perf_counter()
        asking = await self.sessions.ask(question)
        arrived: list[float] = []
        async for event in asking.events():
            assert not isinstance(event, Failed), event
            if isinstance(event, Delta):
                arrived.append(time.perf_counter())
        await self.idle()
        return Asked(
            asking.chat.id, (arrived[0] - began) * 1000, (arrived[-1] - arrived[0]) * 1000, asking.turn
        )

    # What is there.

    async def raw_answer(self, like: Asked, question: str, max_tokens: int) -> Streamed:
        """Ask what the first question of a chat was asked with, in a slot that holds all of it but that question."""
        chat = self.sessions.store.chat(like.chat)
        other = await self.question()
        self.raw.copy(next(slot.number for slot in self.table.slots() if slot.owner == chat.id))
        self.raw.answer(_messages(chat, other), 1)
        return self.raw.answer(_messages(chat, question), max_tokens)

    async def idle(self) -> None:
        """Wait until nothing goes on: no job, no warmup of a next turn."""
        tasks = self.sessions._tasks  # pyright: ignore[reportPrivateUsage]
        await self.until(lambda: not self.kvasir.desk.jobs.all() and not tasks)

    async def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "this took too long"
            await asyncio.sleep(0.002)

    async def _told(self, condition: Callable[[], bool]) -> None:
        """Wait for a message, looking after each: polling would add to what is measured."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with suppress(TimeoutError):
                return await self.editor.until(condition)
        raise AssertionError("this took too long")

    def _state(self, job: str, phase: str) -> bool:
        states = [state for state in self.editor.received("kvasir/state") if state["job"] == job]
        assert all(state["phase"] not in ("error", "cancelled") for state in states), states[-1]
        return any(state["phase"] == phase for state in states)


def _messages(chat: Chat, question: str) -> list[Message]:
    return build(chat.base, (), chat.turns[0].tail, question).messages


async def write_project(root: Path, server: LlamaServer, tokens: int, first: str) -> Wanted:
    """Make a project of about ``tokens`` of Kvasir's own source, tracked by git, that begins with ``first``."""
    (root / "_.py").write_text(f"# {first}\n")
    left = tokens - 100
    rooms = Path(__file__).parents[2]
    for path in sorted(file for room in ROOMS for file in (rooms / room).rglob("*.py")):
        text = path.read_text("utf-8")
        count = len(await server.tokens(text))
        if count > left:
            text = text[: len(text) * left // count]
        (root / path.relative_to(rooms)).parent.mkdir(parents=True, exist_ok=True)
        (root / path.relative_to(rooms)).write_text(text)
        left -= count
        if left <= 0:
            break
    track(root)
    return Wanted(root, project=True)


def track(root: Path) -> None:
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
