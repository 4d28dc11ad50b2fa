"""Slots: which one of a llama-server holds what, and who may use it now.

A slot is one sequence in llama-server's KV cache. On a server of our own Kvasir alone decides what goes
where; the table is a small SQLite file beside the server's state, shared by all Kvasir processes of the
user, and a lease is a lock on a file, so that it ends with the process that held it.

A prompt is known by its chain of digests (``sessions.prompt``). A lease goes to the chat's own slot, else to
the idle slot that shares most and has nothing to lose, else to the least recently used one. What would be
lost is saved to a file first, and what another slot or file holds is restored: so a fork leaves its parent
as it was, and more chats than slots stay warm.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Protocol

import attrs

from sessions.errors import ModelError, StoreError
from sessions.prompt import Chain, Prompt, shared
from sessions.slot_rows import Counters, Priority, Saved, Slot, SlotRows

logger = logging.getLogger("kvasir.sessions.slots")

SLACK_TOKENS = 8
"""Fewer missing than this is no miss: templates and tokenizers may merge at a border."""
WORTH_COPYING_CHARACTERS = 256
"""Evaluating less than this anew costs no more than a save and a restore, however fast they are."""
CHARACTERS_PER_TOKEN = 3.0
RESTORED_BYTES_PER_MS = 2_000_000
SAVED_BYTES_PER_MS = 1_000_000
"""Low figures for a page cache; measured were 2.9 and 1.7 GB/s in memory, 4.7 and 1.6 on disk."""
MEASURED_TOKENS = 64
POLL_SECONDS = 0.02
WANTED_POLL_SECONDS = 0.1
WARMUP_PATIENCE_SECONDS = 5.0
"""How long a fork waits for a warmup of its parent before it evaluates the prompt itself."""


class SlotFiles(Protocol):
    """What the table needs of the server: slots to files and back."""

    async def save(self, slot: int, filename: str) -> int: ...
    async def restore(self, slot: int, filename: str) -> int: ...


@attrs.define
class Lease:
    """The right to use one slot. ``expected`` is how many leading tokens it is known to hold.

    ``complete``: it holds the whole prompt already.
    """

    slot: int
    expected: int = 0
    restored: bool = False
    complete: bool = False
    unwanted: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set when an ask needs the slot of this warmup."""


class SlotTable:
    """The slots of one running server. ``directory`` is the server's own and goes with it.

    ``guessed_bytes_per_token`` is the size of saved KV until some was saved.
    """

    def __init__(
        self,
        directory: Path,
        kv_directory: Path,
        slots: int,
        server: SlotFiles,
        budget_bytes: int,
        guessed_bytes_per_token: float = 20_000,
    ) -> None:
        self._directory = directory
        self._kv_directory = kv_directory
        self._server = server
        self._budget_bytes = budget_bytes
        self._guessed_bytes_per_token = guessed_bytes_per_token
        self._released = asyncio.Event()
        self._rows = SlotRows(directory, slots)

    def close(self) -> None:
        self._rows.close()

    def slots(self) -> list[Slot]:
        """All slots, by number."""
        return self._rows.slots()

    def counters(self) -> Counters:
        """What was counted since the server was started, by all processes."""
        return self._rows.counters()

    @contextlib.asynccontextmanager
    async def lease(self, owner: str, prompt: Prompt, priority: Priority) -> AsyncGenerator[Lease]:
        """Wait for a slot, bring the longest known prefix into it, and hold it for one request."""
        with self._told():
            slot, lock = await self._acquired(owner, prompt.chain, priority)
            watch: asyncio.Task[None] | None = None
            try:
                lease = await self._prepared(slot, owner, prompt, priority)
                if priority is Priority.WARMUP:
                    watch = asyncio.create_task(self._watch(lease))
                yield lease
            finally:
                if watch is not None:
                    watch.cancel()
                # What goes on in a slot that nobody has locked is never looked at.
                with contextlib.suppress(sqlite3.Error):
                    self._rows.update(slot.number, doing="[]", wanted=0, used=time.time())
                os.close(lock)
                self._released.set()

    def holds(self, lease: Lease, prompt: Prompt, tokens: int) -> None:
        """The leased slot now holds all of ``prompt``, which is ``tokens`` long."""
        self._rows.holds(lease.slot, prompt.chain)
        self._rows.learn(prompt.chain[-1], tokens)

    def check(self, lease: Lease, cached: int, new: int) -> int:
        """Compare what an answer found in its slot with what was expected; tokens missed, 0 when none."""
        missed = max(0, lease.expected - cached)
        missed = 0 if missed <= SLACK_TOKENS else missed
        self._rows.count({"answers": 1, "cached_tokens": cached, "new_tokens": new})
        if missed:
            logger.warning("slot %s held %s tokens instead of %s", lease.slot, cached, lease.expected)
            self._rows.count({"misses": 1, "missed_tokens": missed})
            if lease.restored and cached < lease.expected // 2:
                # Sliding-window and recurrent models on older servers: reported as done, yields nothing.
                self._rows.count({"restores_useless": 1})
        return missed

    def warmed(self, new: int) -> None:
        """Count a warmup that evaluated ``new`` tokens."""
        self._rows.count({"warmups": 1, "warmed_tokens": new})

    def note_prefill(self, tokens: int, milliseconds: float) -> None:
        """Measure the speed of the model; a few tokens say little about it."""
        if tokens >= MEASURED_TOKENS and milliseconds > 0:
            self._rows.count({"prefilled_tokens": tokens, "prefill_us": round(milliseconds * 1000)})

    def prefill_rate(self) -> float | None:
        """Tokens evaluated in a millisecond, on average since the server was started."""
        spent_us = self._rows.count_of("prefill_us")
        return self._rows.count_of("prefilled_tokens") / spent_us * 1000 if spent_us else None

    # --- waiting for a slot ------------------------------------------------------------------------

    async def _acquired(self, owner: str, chain: Chain, priority: Priority) -> tuple[Slot, int]:
        while True:
            self._released.clear()
            rows = self._rows.slots()
            choices = _in_order_of_choice(rows, owner, chain)
            ahead = self._on_its_way(rows, chain) if priority is Priority.ASK else 0
            for slot in choices:
                if shared(slot.chain, chain) < ahead:
                    continue
                if (lock := self._locked(slot.number)) is not None:
                    self._rows.update(slot.number, doing=json.dumps(chain), priority=int(priority), wanted=0)
                    return slot, lock
            if priority is Priority.ASK:
                self._want(choices, chain)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._released.wait(), POLL_SECONDS)

    def _locked(self, number: int) -> int | None:
        """A lock on a slot, ``None`` when somebody uses it. It ends with the descriptor, or the process."""
        descriptor = os.open(self._directory / f"slot-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _on_its_way(self, rows: list[Slot], chain: Chain) -> int:
        """How many parts a warmup is about to have, in whatever slot: worth waiting for."""
        return max(
            (shared(slot.doing, chain) for slot in rows if self._is_warming_for(slot, chain)), default=0
        )

    def _is_warming_for(self, slot: Slot, chain: Chain) -> bool:
        """Whether a warmup is doing our work there. One whose process died is not."""
        if slot.priority is not Priority.WARMUP or not _leads_to(slot.doing, chain):
            return False
        if (lock := self._locked(slot.number)) is None:
            return True
        os.close(lock)
        return False

    def _want(self, choices: list[Slot], chain: Chain) -> None:
        """Ask the first warmup in our way to stop; one that is doing our own work is worth waiting for."""
        warming = [slot for slot in choices if slot.priority is Priority.WARMUP and slot.doing]
        if warming and not any(_leads_to(slot.doing, chain) for slot in warming):
            self._rows.update(warming[0].number, wanted=1)

    async def _watch(self, lease: Lease) -> None:
        while True:
            if self._rows.is_wanted(lease.slot):
                lease.unwanted.set()
                return
            await asyncio.sleep(WANTED_POLL_SECONDS)

    # --- bringing the prefix into it ---------------------------------------------------------------

    async def _prepared(self, slot: Slot, owner: str, prompt: Prompt, priority: Priority) -> Lease:
        chain = prompt.chain
        held = shared(slot.chain, chain)
        self._rows.update(slot.number, owner=owner, chain=json.dumps(chain[:held]), priority=int(priority))
        if self._loses(slot, owner, prompt):
            await self._save(slot)
        restored = False
        source = self._source(slot, prompt, held)
        saved = await self._copied(source) if isinstance(source, Slot) else source
        if saved is not None:
            # A restore that fails or is not waited for leaves the slot empty.
            self._rows.holds(slot.number, ())
            restored = await self._restore(slot, saved)
            held = shared(saved.chain, chain) if restored else 0
            self._rows.holds(slot.number, chain[:held])
        return Lease(slot.number, self._rows.expected(chain[:held]), restored, complete=held == len(chain))

    def _loses(self, slot: Slot, owner: str, prompt: Prompt) -> bool:
        """Whether this slot holds a chat of somebody else that is nowhere else."""
        if not slot.owner or slot.owner == owner or _is_draft(slot.owner):
            return False
        if len(slot.chain) <= shared(slot.chain, prompt.chain):
            return False
        return all(shared(saved.chain, slot.chain) < len(slot.chain) for saved in self._rows.saved())

    def _source(self, target: Slot, prompt: Prompt, held: int) -> Slot | Saved | None:
        """The slot or file that shares so much more than the target that a copy is worth it."""
        if self._rows.count_of("restores_useless"):
            return None
        candidates = [
            *self._rows.saved(),
            *(slot for slot in self._rows.slots() if slot.number != target.number),
        ]
        best = max(candidates, key=lambda one: shared(one.chain, prompt.chain), default=None)
        if best is None:
            return None
        gain = _characters(prompt, shared(best.chain, prompt.chain)) - _characters(prompt, held)
        return best if self._is_worth_a_copy(gain, best) else None

    def _is_worth_a_copy(self, characters: int, source: Slot | Saved) -> bool:
        """Whether evaluating so much of the prompt takes longer than copying all of the source."""
        if characters < WORTH_COPYING_CHARACTERS:
            return False
        rate = self.prefill_rate()
        if rate is None:
            return True
        if isinstance(source, Saved):
            copy_ms = source.size_bytes / RESTORED_BYTES_PER_MS
        else:
            size_bytes = source.tokens * self._bytes_per_token()
            copy_ms = size_bytes / SAVED_BYTES_PER_MS + size_bytes / RESTORED_BYTES_PER_MS
        return characters / CHARACTERS_PER_TOKEN / rate > copy_ms

    def _bytes_per_token(self) -> float:
        sizes = ((saved.size_bytes, self._rows.expected(saved.chain)) for saved in self._rows.saved())
        return max((size / tokens for size, tokens in sizes if tokens), default=self._guessed_bytes_per_token)

    async def _restore(self, target: Slot, saved: Saved) -> bool:
        """Bring a file into a slot; whether that worked."""
        try:
            await self._server.restore(target.number, saved.filename)
        except ModelError as error:
            logger.warning("slot %s was not restored: %s", target.number, error)
            self._forget(saved)
            return False
        self._rows.restored(saved, time.time())
        self._rows.count({"restores": 1})
        return True

    async def _copied(self, source: Slot) -> Saved | None:
        """Another slot's content in a file; ``None`` while that slot answers: it may not be touched then."""
        if (lock := await self._locked_soon(source.number)) is None:
            return None
        try:
            return await self._save(self._rows.slot(source.number))
        finally:
            os.close(lock)
            self._released.set()

    async def _locked_soon(self, number: int) -> int | None:
        """A lock on a slot, after a warmup that is about to end. Two that wait for each other give up."""
        patience = time.monotonic() + WARMUP_PATIENCE_SECONDS
        while (lock := self._locked(number)) is None:
            if self._rows.slot(number).priority is not Priority.WARMUP or time.monotonic() > patience:
                return None
            await asyncio.sleep(POLL_SECONDS)
        return lock

    async def _save(self, slot: Slot) -> Saved | None:
        """Write a slot that we hold to a file; ``None`` without one, which costs time but no answer."""
        filename = f"{slot.number}-{secrets.token_hex(6)}.kv"
        try:
            size_bytes = await self._server.save(slot.number, filename)
        except BaseException as error:
            (self._kv_directory / filename).unlink(missing_ok=True)
            if not isinstance(error, ModelError):
                raise
            logger.warning("slot %s was not saved: %s", slot.number, error)
            return None
        saved = Saved(filename, slot.owner, slot.chain, size_bytes, time.time())
        with self._rows.transaction():
            for old in self._rows.saved():
                # An older state of the same chat, or any that this one contains, is of no more use.
                if shared(old.chain, saved.chain) == len(old.chain):
                    self._forget(old)
            self._rows.keep(saved)
            self._trim()
        self._rows.count({"saves": 1})
        return saved if size_bytes <= self._budget_bytes else None

    def _trim(self) -> None:
        """Drop the least recently used files beyond the budget."""
        total = 0
        for saved in sorted(self._rows.saved(), key=lambda one: one.used, reverse=True):
            total += saved.size_bytes
            if total > self._budget_bytes:
                self._forget(saved)

    def _forget(self, saved: Saved) -> None:
        self._rows.forget(saved)
        with contextlib.suppress(OSError):
            (self._kv_directory / saved.filename).unlink()

    @contextlib.contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"The table of slots in {self._directory} cannot be used: {error}.",
                hint='Free some space, or start anew with "kvasir server stop".',
            ) from error


def draft_owner(editor: str) -> str:
    """Owner of a slot that was warmed in this process before there is a chat: nobody misses it."""
    return f"draft {os.getpid()} {editor}"


def _is_draft(owner: str) -> bool:
    return owner.startswith("draft ")


def _in_order_of_choice(rows: list[Slot], owner: str, chain: Chain) -> list[Slot]:
    """Own slot; then one whose loss nobody misses; then the least recently used, best sharer last.

    Of the second kind the one that shares most comes first. What a draft does not share counts against it,
    for its editor may ask at any moment: an empty slot is better than one that shares the system prompt only.
    """
    own = [slot for slot in rows if slot.owner == owner]
    if own:
        return own
    free = [
        slot
        for slot in rows
        if not slot.owner or _is_draft(slot.owner) or len(slot.chain) <= shared(slot.chain, chain)
    ]
    free.sort(key=lambda slot: (len(slot.chain) - 2 * shared(slot.chain, chain), bool(slot.chain), slot.used))
    rest = sorted(
        (slot for slot in rows if slot not in free),
        key=lambda slot: (shared(slot.chain, chain) > 1, slot.used),
    )
    return [*free, *rest]


def _leads_to(doing: Chain, chain: Chain) -> bool:
    """Whether evaluating ``doing`` is (but for a half-typed question) evaluating ``chain``.

    The system prompt, which all share, is no reason to wait.
    """
    return bool(doing) and shared(doing, chain) >= len(doing) - 1 > 1


def _characters(prompt: Prompt, parts: int) -> int:
    return prompt.parts[parts - 1].end if parts else 0
