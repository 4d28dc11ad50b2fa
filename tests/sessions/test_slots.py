"""The slot table: who may use which slot, and what it is known to hold, against slots that are only played."""
# pyright: reportPrivateUsage=false

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from context.segment import Kind, Segment
from sessions import slots as slots_module
from sessions.chat import Status, Turn
from sessions.errors import ModelRefused, StoreError
from sessions.prompt import Chain, Prompt, build, shared
from sessions.slot_rows import Priority, read_table
from sessions.slots import Lease, SlotTable, draft_owner

T = TypeVar("T")
ROOMS = Path(slots_module.__file__).parent.parent
LARGE = Segment(Kind.FILE, "large.py", "x = 1\n" * 2000)
OTHER = Segment(Kind.FILE, "other.py", "y = 2\n" * 2000)
WORTH_COPYING_CHARACTERS = 3000
"""A prompt that shares more than this with a slot or file, but not with its own slot, gets a copy of it."""
CHARACTERS_PER_TOKEN = 4
BYTES_PER_PART = 100


class PlayedSlots:
    """The server's part: what each slot holds in truth, as a chain, and files of it."""

    def __init__(self, directory: Path, count: int) -> None:
        self.directory = directory
        self.held: list[Chain] = [()] * count
        self.files: dict[str, Chain] = {}
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.hanging = ""

    async def save(self, slot: int, filename: str) -> int:
        self.calls.append(f"save {slot}")
        path = self.directory / filename
        path.write_bytes(b"k" * BYTES_PER_PART * len(self.held[slot]))
        if self.hanging == "save":
            await asyncio.Event().wait()
        if "save" in self.failing:
            raise ModelRefused("Unable to save slot")
        self.files[filename] = self.held[slot]
        return path.stat().st_size

    async def restore(self, slot: int, filename: str) -> int:
        self.calls.append(f"restore {slot}")
        self.held[slot] = ()
        if "restore" in self.failing or not (self.directory / filename).exists():
            raise ModelRefused("Unable to restore slot")
        if self.hanging == "restore":
            await asyncio.Event().wait()
        self.held[slot] = self.files[filename]
        return len(self.held[slot])

    def evaluate(self, slot: int, prompt: Prompt, parts: int | None = None) -> int:
        """What a request does to its slot; how many parts it found there. ``parts``: cancelled so early."""
        cached = shared(self.held[slot], prompt.chain)
        self.held[slot] = prompt.chain[: max(cached, len(prompt.chain) if parts is None else parts)]
        return cached


@attrs.define
class Table:
    """A table in a folder of its own, over slots that are played."""

    folder: Path
    server: PlayedSlots
    slots: SlotTable
    budget_bytes: int

    def another(self) -> SlotTable:
        """The same slots as another process sees them."""
        return SlotTable(
            self.folder, self.server.directory, len(self.server.held), self.server, self.budget_bytes
        )

    async def ask(self, owner: str, prompt: Prompt, priority: Priority = Priority.ASK) -> Lease:
        async with self.slots.lease(owner, prompt, priority) as lease:
            self.server.evaluate(lease.slot, prompt)
            self.slots.holds(lease, prompt, tokens(prompt))
        return lease


def table(folder: Path, count: int = 2, budget_bytes: int = 1 << 20) -> Table:
    kv = folder / "kv"
    kv.mkdir(parents=True)
    server = PlayedSlots(kv, count)
    return Table(folder, server, SlotTable(folder, kv, count, server, budget_bytes), budget_bytes)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Table]:
    made = table(tmp_path / "two")
    yield made
    made.slots.close()


def prompt(*questions: str, base: tuple[Segment, ...] = (LARGE,)) -> Prompt:
    """The prompt of the last question after the others, which were answered."""
    *asked, last = questions
    path = [Turn("t", None, text, (), f"On {text}: yes.", status=Status.DONE) for text in asked]
    return build(base, path, (), last)


def tokens(of: Prompt, parts: int | None = None) -> int:
    """Tokens of a prompt, or of its leading parts."""
    return characters(of, len(of.parts) if parts is None else parts) // CHARACTERS_PER_TOKEN


def characters(of: Prompt, parts: int) -> int:
    return of.parts[parts - 1].end if parts else 0


# --- against an oracle ----------------------------------------------------------------------------------

CHATS = ["a", "b", "c", "d", draft_owner("vim"), draft_owner("helix")]
FILES = [(LARGE,), (OTHER,), ()]


class SlotsInUse(RuleBasedStateMachine):
    """Leases come and go in any order, requests end or are cancelled, the server saves and restores or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.budget_bytes = 1 << 20
        self.table = table(self.folder, 3, self.budget_bytes)
        self.server = self.table.server
        self.processes = [self.table.slots, self.table.another()]
        self.open: dict[str, tuple[Any, Lease, Prompt, SlotTable]] = {}
        self.patch = pytest.MonkeyPatch()
        # Nothing ends while one waits: patience is for nothing.
        self.patch.setattr(slots_module, "WARMUP_PATIENCE_SECONDS", 0.0)
        self.warm: dict[str, Prompt] = {}
        """What a chat held when its last request ended: it must not be evaluated again."""

    def teardown(self) -> None:
        for leased, *_ in self.open.values():
            self.run(leased.__aexit__(None, None, None))
        self.patch.undo()
        # The watches that were cancelled.
        self.run(asyncio.sleep(0))
        for process in self.processes:
            process.close()
        self.loop.close()
        shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @precondition(lambda self: len(self.open) < len(self.server.held))
    @rule(
        owner=st.sampled_from(CHATS),
        base=st.sampled_from(FILES),
        questions=st.lists(st.sampled_from("pqr"), min_size=1, max_size=3),
        priority=st.sampled_from(list(Priority)),
        process=st.integers(0, 1),
    )
    def begin(
        self, owner: str, base: tuple[Segment, ...], questions: list[str], priority: Priority, process: int
    ) -> None:
        asked = prompt(*questions, base=base)
        if owner in self.open or (priority is Priority.ASK and self._is_being_warmed(asked)):
            return
        used = self.processes[process]
        leased = used.lease(owner, asked, priority)
        lease = self.run(asyncio.wait_for(leased.__aenter__(), 10))
        assert lease.slot not in {other.slot for _, other, *_ in self.open.values()}
        parts = shared(self.server.held[lease.slot], asked.chain)
        assert lease.expected <= tokens(asked, parts)
        assert not lease.complete or parts == len(asked.chain)
        if not self.open and not self.server.failing and self.budget_bytes:
            self._evaluates_little(asked, lease)
        self.open[owner] = (leased, lease, asked, used)

    def _is_being_warmed(self, asked: Prompt) -> bool:
        """Whether an ask would wait for one of the leases that this test holds."""
        doing = (slot.doing for slot in self.table.slots.slots() if slot.priority is Priority.WARMUP)
        return any(chain and shared(chain, asked.chain) >= len(chain) - 1 for chain in doing)

    def _evaluates_little(self, asked: Prompt, lease: Lease) -> None:
        """Whatever any chat held when it was last served is found again, but for what is not worth a copy."""
        best = max((shared(one.chain, asked.chain) for one in self.warm.values()), default=0)
        held = len(self.table.slots.slots()[lease.slot].chain)
        assert characters(asked, best) - characters(asked, held) < WORTH_COPYING_CHARACTERS

    @precondition(lambda self: self.open)
    @rule(data=st.data(), completes=st.booleans())
    def end(self, data: st.DataObject, completes: bool) -> None:
        owner = data.draw(st.sampled_from(sorted(self.open)))
        leased, lease, asked, used = self.open.pop(owner)
        parts = None if completes else data.draw(st.integers(0, len(asked.chain)))
        found = self.server.evaluate(lease.slot, asked, parts)
        self.warm.pop(owner, None)
        if completes:
            assert used.check(lease, tokens(asked, found), 0) == 0
            used.holds(lease, asked, tokens(asked))
            if not owner.startswith("draft"):
                self.warm[owner] = asked
        self.run(leased.__aexit__(None, None, None))

    @rule(call=st.sampled_from(["save", "restore"]))
    def the_disk_fails(self, call: str) -> None:
        self.server.failing.add(call)
        # From here on chats may have to be evaluated anew.
        self.warm.clear()

    @precondition(lambda self: self.server.failing)
    @rule()
    def the_disk_recovers(self) -> None:
        self.server.failing.clear()

    @rule(parts=st.integers(0, 12))
    def the_budget_changes(self, parts: int) -> None:
        self.budget_bytes = parts * BYTES_PER_PART
        for process in self.processes:
            process._budget_bytes = self.budget_bytes
        self.warm.clear()

    @invariant()
    def the_table_knows_no_more_than_is_true(self) -> None:
        leased = {lease.slot for _, lease, *_ in self.open.values()}
        for slot in self.processes[0].slots():
            truth = self.server.held[slot.number]
            assert shared(slot.chain, truth) == len(slot.chain)
            assert bool(slot.doing) is (slot.number in leased)

    @invariant()
    def files_are_those_of_the_table(self) -> None:
        listed = {saved.filename: saved for saved in self.processes[0]._rows.saved()}
        assert set(listed) == {path.name for path in self.server.directory.iterdir()}
        for name, saved in listed.items():
            assert self.server.files[name][: len(saved.chain)] == saved.chain


TestSlotsInUse = SlotsInUse.TestCase
TestSlotsInUse.settings = settings(max_examples=40, stateful_step_count=25)


# --- by hand --------------------------------------------------------------------------------------------


async def test_a_warmed_draft_becomes_the_first_turn_of_a_chat(two: Table) -> None:
    context = prompt("")
    await two.ask(draft_owner("vim"), context, Priority.WARMUP)
    await two.ask(draft_owner("vim"), prompt("wh"), Priority.WARMUP)
    # A chat of another editor leaves it alone, as long as there is another slot.
    await two.ask("other", prompt("elsewhere?", base=()))
    lease = await two.ask("a", prompt("why?"))
    assert (lease.slot, lease.restored, lease.expected) == (0, False, tokens(context))
    assert [slot.owner for slot in two.slots.slots()] == ["a", "other"]


async def test_a_fork_leaves_its_parent_as_it_was(two: Table) -> None:
    parent = await two.ask("a", prompt("why?", "and then?"))
    fork = await two.ask("b", prompt("why?", "or else?"))
    assert fork.slot != parent.slot
    assert fork.restored
    assert two.server.calls == ["save 0", "restore 1"]
    again = await two.ask("a", prompt("why?", "and then?", "and now?"))
    assert (again.slot, again.restored) == (parent.slot, False)
    assert again.expected == tokens(prompt("why?", "and then?"))


async def test_what_costs_less_than_a_copy_is_evaluated_anew(two: Table) -> None:
    await two.ask("a", prompt("why?", "and then?"))
    two.slots.note_prefill(3, 100.0)
    assert two.slots.prefill_rate() is None
    two.slots.note_prefill(100_000, 10.0)
    assert two.slots.prefill_rate() == 10_000
    # They share the system prompt, and a copy would be of the whole other chat.
    lease = await two.ask("b", prompt("why?", base=()))
    assert (lease.expected, lease.restored, two.server.calls) == (0, False, [])


async def test_chats_that_take_turns_stay_warm(two: Table) -> None:
    asked = {owner: [f"{owner}? " * 2000] for owner in "abcde"}
    for owner, questions in asked.items():
        await two.ask(owner, prompt(*questions))
    for _ in range(3):
        for owner, questions in asked.items():
            before = prompt(*questions)
            questions.append("and then?")
            assert (await two.ask(owner, prompt(*questions))).expected == tokens(before)
    counters = two.slots.counters()
    assert counters.restores >= 3 * 5
    # Per chat the last state is kept, no older one.
    assert {saved.owner for saved in two.slots._rows.saved()} <= set(asked)
    assert len(list(two.server.directory.iterdir())) <= len(asked)


async def test_the_least_recently_saved_goes_when_the_budget_is_spent(tmp_path: Path) -> None:
    made = table(tmp_path / "small", budget_bytes=2 * BYTES_PER_PART * len(prompt("a?").chain))
    for owner in "abcdef":
        await made.ask(owner, prompt(f"{owner}?"))
    sizes = [path.stat().st_size for path in made.server.directory.iterdir()]
    assert sum(sizes) == made.budget_bytes
    # The last two are in the slots.
    assert {saved.owner for saved in made.slots._rows.saved()} == {"c", "d"}
    made.slots.close()


async def test_without_room_for_files_nothing_is_copied_and_nothing_emptied(tmp_path: Path) -> None:
    made = table(tmp_path / "none", budget_bytes=0)
    await made.ask("a", prompt("why?", "and then?"))
    await made.ask(draft_owner("vim"), prompt("why?"))
    # The draft's slot shares the context; what the parent shares more is not to be had.
    fork = await made.ask("b", prompt("why?", "or else?"))
    assert not fork.restored
    assert fork.expected > 0
    assert not any(call.startswith("restore") for call in made.server.calls)
    assert list(made.server.directory.iterdir()) == []
    made.slots.close()


async def test_a_restore_that_fails_is_no_more_than_a_cold_slot(two: Table) -> None:
    two.server.failing.add("restore")
    await two.ask("a", prompt("why?", "and then?"))
    fork = await two.ask("b", prompt("why?", "or else?"))
    assert (fork.expected, fork.restored) == (0, False)
    assert two.slots._rows.saved() == []
    assert list(two.server.directory.iterdir()) == []


@pytest.mark.parametrize("call", ["save", "restore"])
async def test_a_copy_that_is_not_waited_for_leaves_nothing_to_rely_on(two: Table, call: str) -> None:
    await two.ask("a", prompt("why?", "and then?"))
    await two.ask("b", prompt("why?", base=(OTHER,)))
    two.server.hanging = call
    asking = asyncio.create_task(two.ask("c", prompt("why?", "or else?")))
    await until(lambda: f"{call} 1" in two.server.calls)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    listed = {saved.filename for saved in two.slots._rows.saved()}
    assert {path.name for path in two.server.directory.iterdir()} == listed
    for slot in two.slots.slots():
        assert shared(slot.chain, two.server.held[slot.number]) == len(slot.chain)
        assert slot.doing == ()


async def test_a_miss_is_counted_and_small_change_is_not(two: Table) -> None:
    async with two.slots.lease("a", prompt("why?"), Priority.ASK) as lease:
        lease.expected = 100
        assert two.slots.check(lease, 95, 10) == 0
        assert two.slots.check(lease, 40, 65) == 60
    counters = two.slots.counters()
    assert (counters.answers, counters.misses, counters.missed_tokens) == (2, 1, 60)
    assert (counters.cached_tokens, counters.new_tokens) == (135, 75)


async def test_restores_that_yield_nothing_are_given_up(two: Table) -> None:
    await two.ask("a", prompt("why?", "and then?"))
    async with two.slots.lease("b", prompt("why?", "or else?"), Priority.ASK) as lease:
        assert lease.restored
        two.slots.check(lease, cached=4, new=2000)
    two.server.calls.clear()
    await two.ask("c", prompt("why?", "what else?"))
    assert not any(call.startswith("restore") for call in two.server.calls)


async def test_a_prefix_that_was_only_warmed_is_not_counted_as_asked(two: Table) -> None:
    """An ask evaluates the template's words behind the question, a warmup does not."""
    for owner, counted in (("a", 1000), ("b", 990)):
        async with two.slots.lease(owner, prompt("why?", base=()), Priority.ASK) as lease:
            two.slots.holds(lease, prompt("why?", base=()), counted)
    for owner in "ab":
        async with two.slots.lease(owner, prompt("why?", base=()), Priority.ASK) as lease:
            assert lease.expected == 990


# --- waiting for one another ----------------------------------------------------------------------------


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - tasks and processes that tell nobody
            await asyncio.sleep(0.005)


async def test_an_ask_stops_a_warmup_that_is_no_use_to_it(tmp_path: Path) -> None:
    made = table(tmp_path / "one", count=1)
    other = made.another()
    async with asyncio.timeout(20):
        async with made.slots.lease(
            draft_owner("vim"), prompt("else", base=(OTHER,)), Priority.WARMUP
        ) as warming:
            asking = asyncio.create_task(_slot(other, "a", prompt("why?"), Priority.ASK))
            await warming.unwanted.wait()
            assert not asking.done()
        assert await asking == warming.slot
    for one in (made.slots, other):
        one.close()


async def test_an_ask_waits_for_the_warmup_of_its_own_context(tmp_path: Path) -> None:
    made = table(tmp_path / "one", count=1)
    other = made.another()
    async with made.slots.lease(draft_owner("vim"), prompt("wh"), Priority.WARMUP) as warming:
        wants: list[str] = []
        other._want = lambda choices, chain: (wants.append("asked"), SlotTable._want(other, choices, chain))[
            0
        ]  # pyright: ignore[reportAttributeAccessIssue]
        asking = asyncio.create_task(_slot(other, "a", prompt("why?"), Priority.ASK))
        await until(lambda: len(wants) > 2)
        assert not warming.unwanted.is_set()
        (wanted,) = made.slots._rows._database.execute("SELECT wanted FROM slots").fetchone()
        assert not wanted
        made.server.evaluate(warming.slot, prompt("wh"), len(prompt("wh").chain) - 1)
    assert await asking == warming.slot
    for one in (made.slots, other):
        one.close()


async def test_an_ask_does_not_wait_for_a_warmup_that_shares_the_system_prompt_only(two: Table) -> None:
    async with two.slots.lease(draft_owner("vim"), prompt("else", base=()), Priority.WARMUP) as warming:
        assert await _slot(two.slots, "a", prompt("why?"), Priority.ASK) != warming.slot
        assert not warming.unwanted.is_set()


async def test_an_ask_waits_for_its_own_warmup_though_another_slot_is_free(two: Table) -> None:
    async with two.slots.lease(draft_owner("vim"), prompt("wh"), Priority.WARMUP) as warming:
        asking = asyncio.create_task(_slot(two.another(), "a", prompt("why?"), Priority.ASK))
        await asyncio.wait([asking], timeout=0.1)
        assert not asking.done()
        two.server.evaluate(warming.slot, prompt("wh"))
        two.slots.holds(warming, prompt("wh"), tokens(prompt("wh")))
    assert await asking == warming.slot


async def test_a_warmup_does_not_stop_a_warmup_or_an_ask(tmp_path: Path) -> None:
    made = table(tmp_path / "one", count=1)
    for priority in Priority:
        async with made.slots.lease("a", prompt("why?"), priority) as first:
            second = asyncio.create_task(_slot(made.slots, "b", prompt("else"), Priority.WARMUP))
            await asyncio.wait([second], timeout=0.1)
            assert not second.done()
            assert not first.unwanted.is_set()
        assert await second == 0
    made.slots.close()


async def test_a_fork_of_a_chat_that_is_answering_does_not_wait_for_it(two: Table) -> None:
    await two.ask("a", prompt("why?"))
    async with two.slots.lease("a", prompt("why?", "and then?"), Priority.ASK):
        fork = await two.ask("b", prompt("why?", "or else?"))
        assert (fork.slot, fork.restored, two.server.calls) == (1, False, [])


async def test_two_forks_of_each_other_do_not_wait_for_ever(
    two: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots_module, "WARMUP_PATIENCE_SECONDS", 0.1)
    await two.ask("a", prompt("why?"))
    await two.ask("b", prompt("why?", base=(OTHER,)))
    async with asyncio.timeout(20):
        await asyncio.gather(
            two.ask("a", prompt("why?", base=(OTHER,)), Priority.WARMUP),
            two.ask("b", prompt("why?"), Priority.WARMUP),
        )


async def test_the_lease_of_a_process_that_dies_is_free(tmp_path: Path) -> None:
    made = table(tmp_path / "one", count=1)
    code = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sessions.prompt import build
from sessions.slot_rows import Priority
from sessions.slots import SlotTable

class NoFiles:
    async def save(self, slot, filename): raise AssertionError
    async def restore(self, slot, filename): raise AssertionError

async def main():
    table = SlotTable(Path(sys.argv[2]), Path(sys.argv[2]) / "kv", 1, NoFiles(), 1000)
    async with table.lease("theirs", build((), [], (), "why?"), Priority.ASK):
        print("leased", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(ROOMS), str(made.folder), stdout=subprocess.PIPE
    )
    assert holder.stdout
    assert await holder.stdout.readline() == b"leased\n"
    asking = asyncio.create_task(_slot(made.slots, "ours", prompt("why?"), Priority.ASK))
    await asyncio.wait([asking], timeout=0.1)
    assert not asking.done()
    os.kill(holder.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        assert await asking == 0
    await holder.communicate()
    made.slots.close()


async def test_a_table_that_cannot_be_written_is_told(two: Table) -> None:
    (pages,) = two.slots._rows._database.execute("PRAGMA page_count").fetchone()
    two.slots._rows._database.execute(f"PRAGMA max_page_count = {pages}")
    wide = build([Segment(Kind.FILE, f"{n}.py", "") for n in range(2000)], [], (), "why?")
    with pytest.raises(
        StoreError, match=r"The table of slots in .* cannot be used: database or disk is full"
    ):
        await two.ask("a", wide)
    two.slots._rows._database.execute("PRAGMA max_page_count = 100000")
    assert (await two.ask("a", wide)).expected == 0


async def test_a_table_whose_server_is_gone_does_not_hide_that(two: Table) -> None:
    gone = ModelRefused("gone")
    with pytest.raises(ModelRefused) as told:  # noqa: PT012 - the error comes through the lease
        async with two.slots.lease("a", prompt("why?"), Priority.ASK):
            shutil.rmtree(two.folder)
            raise gone
    assert told.value is gone


async def test_others_can_read_the_table(two: Table) -> None:
    await two.ask("a", prompt("why?"))
    slots, counters = read_table(two.folder)
    assert [(slot.owner, slot.tokens) for slot in slots] == [("a", tokens(prompt("why?"))), ("", 0)]
    assert counters == two.slots.counters()


async def _slot(slots: SlotTable, owner: str, asked: Prompt, priority: Priority) -> int:
    async with slots.lease(owner, asked, priority) as lease:
        return lease.slot
