"""Chats in SQLite: what is stored stays, whoever else writes, and however a process ends."""
# pyright: reportPrivateUsage=false

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from context.segment import Kind, Segment
from sessions import store as store_module
from sessions.chat import Chat, Status, Turn, Usage
from sessions.errors import NotFound, StoreError
from sessions.migrations import STEPS
from sessions.store import Store

ROOMS = Path(store_module.__file__).parent.parent
FILE = Segment(Kind.FILE, "a.py", "x = 1\n")
USAGE = Usage(prompt=9, cached=4, new=5, out=3, ttft_ms=1.5, tokens_per_second=7, saved_ms=None)

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import attrs
from sessions.chat import Status
from sessions.store import Store

store = Store(Path(sys.argv[2]))
chat, turn = store.begin(store.new_chat(title="t", root="", model="demo"), "why?", (), "demo")
print(chat.id, flush=True)
text = ""
for line in sys.stdin:
    text += line
    store.write(attrs.evolve(turn, status=Status.ANSWERING, answer=text))
    print("stored", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


def begun(store: Store, root: str = "") -> tuple[Chat, Turn]:
    return store.begin(store.new_chat(title="why?", root=root, model="demo"), "why?", (), "demo")


def answered(
    store: Store, chat: Chat, question: str, answer: str = "Because.", tail: tuple[Segment, ...] = ()
) -> Chat:
    chat, turn = store.begin(chat, question, tail, "demo")
    store.write(attrs.evolve(turn, status=Status.DONE, answer=answer))
    return store.chat(chat.id)


def ids(store: Store, query: str, root: str | None = None) -> set[str]:
    return {listed.id for listed in store.chats(query, root)}


def rows(path: Path, table: str) -> int:
    database = sqlite3.connect(path)
    try:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    finally:
        database.close()


# --- the tree, against a naive model -----------------------------------------------------------------

WORDS = ("alpha", "beta", "gamma", "deltas", "Straße", 'quo"te')
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
segments = st.builds(Segment, st.sampled_from(list(Kind)), st.sampled_from(["a.py", "b.py", "c.py"]), texts)
tails = st.lists(segments, max_size=3).map(tuple)
FINAL = [status for status in Status if status.final and status is not Status.INTERRUPTED]


@attrs.define
class Known:
    """What a chat must be: plain lists, copied for every fork."""

    title: str
    base: tuple[Segment, ...]
    turns: list[Turn]


class ChatTree(RuleBasedStateMachine):
    """Two editors at one file do what editors do; a dictionary of lists says what must be there."""

    chats: Bundle[str] = Bundle("chats")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.stores = [Store(self.folder / "chats.db") for _ in range(2)]
        self.known: dict[str, Known] = {}

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)

    def end(self, which: int, turn: Turn, answer: str, status: Status) -> Turn:
        """Write an answer as it grows; the last write is the one that counts."""
        final = attrs.evolve(turn, answer=answer, status=status, usage=USAGE)
        self.stores[which].write(attrs.evolve(turn, answer=answer[:3], status=Status.ANSWERING))
        self.stores[which].write(final)
        self.stores[which].write(attrs.evolve(turn, answer="too late", status=Status.ANSWERING))
        return final

    @rule(target=chats, title=texts, base=tails, which=st.integers(0, 1))
    def new(self, title: str, base: tuple[Segment, ...], which: int) -> str:
        chat = self.stores[which].new_chat(title=title, root="/r", model="demo", base=base)
        self.known[chat.id] = Known(chat.title, base, [])
        return chat.id

    @rule(
        chat_id=chats,
        question=texts,
        answer=texts,
        tail=tails,
        status=st.sampled_from(FINAL),
        which=st.integers(0, 1),
    )
    def ask(
        self, chat_id: str, question: str, answer: str, tail: tuple[Segment, ...], status: Status, which: int
    ) -> None:
        store = self.stores[which]
        chat, turn = store.begin(store.chat(chat_id), question, tail, "demo")
        assert chat.id == chat_id
        self.known[chat_id].turns.append(self.end(which, turn, answer, status))

    @rule(target=chats, chat_id=chats, question=texts, which=st.integers(0, 1), data=st.data())
    def ask_after_an_earlier_turn(
        self, chat_id: str, question: str, which: int, data: st.DataObject
    ) -> MultipleResults[str] | str:
        known = self.known[chat_id]
        if not known.turns:
            return multiple()
        kept = data.draw(st.integers(0, len(known.turns) - 1))
        chat = self.stores[which].chat(chat_id)
        earlier = attrs.evolve(chat, turns=chat.turns[:kept])
        fork, turn = self.stores[which].begin(earlier, question, (), "demo")
        assert fork.id != chat_id
        assert fork.forked_from == chat_id
        done = self.end(which, turn, "Yes.", Status.DONE)
        self.known[fork.id] = Known(chat.title, known.base, [*known.turns[:kept], done])
        return fork.id

    @rule(target=chats, chat_id=chats, which=st.integers(0, 1), data=st.data())
    def fork(self, chat_id: str, which: int, data: st.DataObject) -> str:
        known = self.known[chat_id]
        kept = data.draw(st.integers(0, len(known.turns)))
        chat = self.stores[which].chat(chat_id)
        fork = self.stores[which].new_chat(
            title=chat.title, root=chat.root, model="demo", base=chat.base, turns=chat.turns[:kept]
        )
        self.known[fork.id] = Known(chat.title, known.base, list(known.turns[:kept]))
        return fork.id

    @rule(chat_id=chats, answer=texts, which=st.integers(0, 1))
    def retry_in_place(self, chat_id: str, answer: str, which: int) -> None:
        chat = self.stores[which].chat(chat_id)
        if not chat.turns:
            return
        last = chat.turns[-1]
        before = attrs.evolve(chat, turns=chat.turns[:-1])
        again, turn = self.stores[which].begin(before, last.question, last.tail, "demo", replacing=last.id)
        assert again.id == chat_id
        self.known[chat_id].turns[-1] = self.end(which, turn, answer, Status.DONE)

    @rule(chat_id=chats, title=texts, which=st.integers(0, 1))
    def rename(self, chat_id: str, title: str, which: int) -> None:
        self.stores[which].rename(chat_id, title)
        self.known[chat_id].title = title

    @rule(chat_id=consumes(chats), which=st.integers(0, 1))
    def delete(self, chat_id: str, which: int) -> None:
        self.stores[which].delete(chat_id)
        del self.known[chat_id]
        with pytest.raises(NotFound):
            self.stores[1 - which].chat(chat_id)

    @rule(word=st.sampled_from(WORDS), which=st.integers(0, 1))
    def search(self, word: str, which: int) -> None:
        expected = {
            chat_id for chat_id, known in self.known.items() if any(word in text for text in _texts(known))
        }
        assert ids(self.stores[which], word) == expected

    @invariant()
    def all_is_there(self) -> None:
        for store in self.stores:
            assert {one.id: one.turns for one in store.chats()} == {
                chat_id: len(known.turns) for chat_id, known in self.known.items()
            }
        for chat_id, known in self.known.items():
            chat = self.stores[0].chat(chat_id)
            assert (chat.title, chat.base, list(chat.turns)) == (known.title, known.base, known.turns)


def _texts(known: Known) -> Iterator[str]:
    yield known.title
    for turn in known.turns:
        yield turn.question
        yield turn.answer


TestChatTree = ChatTree.TestCase
TestChatTree.settings = settings(max_examples=12, stateful_step_count=20)


def test_turns_and_segments_go_with_the_last_chat_that_leads_to_them(store: Store, path: Path) -> None:
    chat = answered(
        store, store.new_chat(title="t", root="", model="demo", base=(FILE,)), "one?", tail=(FILE,)
    )
    fork = store.new_chat(title="t", root="", model="demo", base=chat.base, turns=chat.turns)
    answered(store, chat, "two?")
    assert (rows(path, "turns"), rows(path, "segments")) == (2, 1)
    store.delete(chat.id)
    assert (rows(path, "turns"), rows(path, "segments")) == (1, 1)
    assert store.chat(fork.id).turns == chat.turns
    store.delete(fork.id)
    assert (rows(path, "turns"), rows(path, "segments")) == (0, 0)


# --- two editors ---------------------------------------------------------------------------------------


def test_of_two_editors_that_ask_at_once_one_goes_on_and_the_other_forks(path: Path, store: Store) -> None:
    other = Store(path)
    chat = answered(store, store.new_chat(title="t", root="", model="demo"), "one?")
    for number in range(10):
        with ThreadPoolExecutor(2) as threads:
            asked = [
                threads.submit(editor.begin, chat, f"{side} {number}", (), "demo")
                for editor, side in ((store, "left"), (other, "right"))
            ]
            both = [one.result() for one in asked]
        for editor, (_, turn) in zip((store, other), both, strict=True):
            editor.write(attrs.evolve(turn, status=Status.DONE, answer="Yes."))
        assert sum(one.id == chat.id for one, _ in both) == 1
        assert {one.forked_from for one, _ in both} == {None, chat.id}
        for one, turn in both:
            assert [stored.id for stored in store.chat(one.id).turns] == [
                *(before.id for before in chat.turns),
                turn.id,
            ]
        chat = store.chat(chat.id)
    other.close()
    assert len(store.chats()) == 11


def test_a_question_to_a_chat_that_was_deleted_meanwhile_is_told(path: Path, store: Store) -> None:
    chat = answered(store, store.new_chat(title="t", root="", model="demo"), "one?")
    other = Store(path)
    other.delete(chat.id)
    other.close()
    with pytest.raises(NotFound, match=r"This chat was deleted\."):
        store.begin(chat, "two?", (), "demo")
    with pytest.raises(NotFound, match=r"This chat was deleted\."):
        store.new_chat(title="t", root="", model="demo", turns=chat.turns)
    assert store.chats() == []


async def test_processes_that_start_at_once_make_one_database(path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from sessions.store import Store\n"
        "sys.stdin.read()\n"
        "store = Store(Path(sys.argv[2])); print(store.new_chat(title='t', root='', model='m').id)\n"
        "assert store.moved is None"
    )
    starters = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, ROOMS, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    told = await asyncio.gather(*(starter.communicate(b"") for starter in starters))
    assert [starter.returncode for starter in starters] == [0] * 4
    store = Store(path)
    assert {out.decode().strip() for out, _ in told} == {chat.id for chat in store.chats()}
    assert rows(path, "migrations") == len(STEPS)
    store.close()


# --- a writer that dies --------------------------------------------------------------------------------


def test_a_killed_writer_loses_at_most_what_it_had_not_stored(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(ROOMS), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    chat_id = process.stdout.readline().strip()
    for piece in ("It is ", "not slow."):
        process.stdin.write(f"{piece}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "stored\n"
    alive = Store(path)
    assert alive.chat(chat_id).turns[0].status is Status.ANSWERING
    os.kill(process.pid, signal.SIGKILL)
    # Before it is reaped its number still names a process: a dead one.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    after = Store(path)
    (turn,) = after.chat(chat_id).turns
    assert (turn.status, turn.answer) == (Status.INTERRUPTED, "It is \nnot slow.\n")
    process.communicate()
    for one in (alive, after):
        one.close()


def test_a_number_given_again_is_not_the_writer(store: Store, path: Path) -> None:
    chat, turn = begun(store)
    store.recover()
    assert store.chat(chat.id).turns[0].status is Status.QUEUED
    database = sqlite3.connect(path)
    # As if another process had had the number of this one before.
    database.execute("UPDATE turns SET writer = writer - (1 << 32) WHERE id = ?", (turn.id,))
    database.commit()
    database.close()
    store.recover()
    assert store.chat(chat.id).turns[0].status is Status.INTERRUPTED


# --- a file in trouble ---------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_kept_beside_a_new_one(path: Path) -> None:
    path.write_bytes(b"This is not a database. " * 100)
    store = Store(path)
    assert store.moved is not None
    assert store.moved.read_bytes() == b"This is not a database. " * 100
    chat = answered(store, store.new_chat(title="t", root="", model="demo"), "one?")
    store.close()
    again = Store(path)
    assert (again.moved, [one.id for one in again.chats()]) == (None, [chat.id])
    again.close()


def test_editors_that_find_the_damage_at_once_keep_it_and_share_a_new_one(path: Path) -> None:
    damage = b"This is not a database. " * 100
    path.write_bytes(damage)
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(Store, [path] * 4))
    (moved,) = {store.moved for store in stores} - {None}
    assert moved
    assert moved.read_bytes() == damage
    for store in stores:
        begun(store)
    assert all(len(store.chats()) == 4 for store in stores)
    for store in stores:
        store.close()


def test_damage_that_shows_later_is_put_aside_too(path: Path) -> None:
    store = Store(path)
    for number in range(40):
        answered(store, store.new_chat(title=f"chat {number}", root="", model="demo"), "why?", "so " * 500)
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(data.find(b"so so"), len(data), 4096):
        data[page : page + 2000] = b"\xff" * 2000
    path.write_bytes(data)
    # It opens: the tables' description on the first page is whole.
    store = Store(path)
    assert store.moved is None
    with pytest.raises(StoreError, match=f"{path} was damaged: it was put aside"):  # noqa: PT012 - any of these
        for listed in store.chats():
            store.chat(listed.id)
        answered(store, store.new_chat(title="another", root="", model="demo"), "one?", "so " * 5000)
    assert store.moved is not None
    assert store.moved.stat().st_size == len(data)
    assert store.chats() == []
    begun(store)
    store.close()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file cannot be written: (Not a directory|File exists)\."):
        Store(tmp_path / "file" / "chats.db")
    (tmp_path / "chats.db").mkdir()
    with pytest.raises(StoreError, match=r"chats\.db cannot be used"):
        Store(tmp_path / "chats.db")


def test_a_locked_database_is_told_and_the_question_can_be_sent_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0.05)
    store = Store(path)
    chat = answered(store, store.new_chat(title="t", root="", model="demo"), "one?")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as told:
        store.begin(chat, "two?", (), "demo")
    assert str(told.value) == f"{path} has been locked by another program for 0 seconds. Try again."
    assert store.chat(chat.id) == chat
    other.execute("ROLLBACK")
    other.close()
    answered(store, chat, "two?")
    store.close()


def test_a_full_disk_is_told_and_nothing_stored_is_lost(store: Store) -> None:
    chat = answered(store, store.new_chat(title="t", root="", model="demo"), "one?")
    (pages,) = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    big = "so " * 100_000
    with pytest.raises(StoreError) as told:
        store.begin(chat, big, (), "demo")
    assert str(told.value) == (
        f"{store.path} cannot be written (database or disk is full). Free some space; nothing stored is lost."
    )
    assert store.chat(chat.id) == chat
    store._database.execute("PRAGMA max_page_count = 100000")
    assert answered(store, chat, big).turns[-1].question == big


def test_a_disk_that_fills_up_while_committing_leaves_no_transaction_open(path: Path) -> None:
    # A limit on the size of files stands for the disk: the write-ahead log cannot grow, so COMMIT itself fails.
    code = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sessions.errors import StoreError
from sessions.store import Store

path = Path(sys.argv[2])
store = Store(path)
chat = store.new_chat(title="before", root="", model="m")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("chats.db-wal").stat().st_size, hard))
try:
    store.new_chat(title="refused", root="", model="m")
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.new_chat(title="after", root="", model="m")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOMS), str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{path} cannot be written (")
    store = Store(path)
    assert [chat.title for chat in store.chats()] == ["after", "before"]
    store.close()


# --- finding -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("quicksort", True),
        ("quick", True),
        ("QUICKSORT pivot", True),
        ("pivot quicksort", True),
        ("quicksort heap", False),
        ("naïve", True),
        ("naive", True),
        ("größe", True),
        ("日本語", True),
        ('"quoted"', True),
        ('say "quoted', True),
        ("a-b", True),
        ("AND", False),
        ("quicksort AND pivot", False),
        ("quicksort OR heap", False),
        ("NEAR(quicksort pivot)", False),
        ("answer:quicksort", False),
        ("quick*", True),
        ("^quicksort", True),
        ("(", False),
        ("'; DROP TABLE turns; --", False),
        ("quicksort\0", True),
        ("_", False),
        ("%", True),
        ("100%", True),
        ("   ", True),
    ],
)
def test_words_are_found_whatever_else_they_mean(store: Store, query: str, found: bool) -> None:
    chat = store.new_chat(title="sorting 100% right", root="", model="demo")
    answered(store, chat, 'Is quicksort naïve? I say "quoted" a-b', "The pivot decides. Größe 日本語.")
    answered(store, store.new_chat(title="other", root="", model="demo"), "why?", "so")
    assert (chat.id in ids(store, query)) is found


def test_an_answer_is_found_while_it_grows_and_in_every_fork(store: Store) -> None:
    chat, turn = begun(store, root="/one")
    store.write(attrs.evolve(turn, status=Status.ANSWERING, answer="The pivot"))
    assert ids(store, "pivot") == {chat.id}
    store.write(attrs.evolve(turn, status=Status.DONE, answer="The heap"))
    assert (ids(store, "pivot"), ids(store, "heap")) == (set(), {chat.id})
    stored = store.chat(chat.id)
    fork = store.new_chat(title="t", root="/two", model="demo", turns=stored.turns)
    assert ids(store, "heap") == {chat.id, fork.id}
    assert ids(store, "heap", root="/two") == {fork.id}
    assert [one.id for one in store.chats(limit=1)] == [fork.id]


def test_a_document_shows_one_chat(store: Store) -> None:
    one, other = (store.new_chat(title="t", root="", model="demo") for _ in range(2))
    store.set_document(one.id, "/chat.md")
    store.set_document(other.id, "/chat.md")
    found = store.chat_of_document("/chat.md")
    assert found is not None
    assert found.id == other.id
    assert store.chat(one.id).document is None
    store.set_document(other.id, None)
    assert store.chat_of_document("/chat.md") is None


def test_unknown_chats_are_told(store: Store) -> None:
    for call in (
        lambda: store.chat("nosuch"),
        lambda: store.delete("nosuch"),
        lambda: store.rename("nosuch", "t"),
        lambda: store.set_model("nosuch", "demo"),
    ):
        with pytest.raises(NotFound, match="There is no chat 'nosuch'"):
            call()


def test_an_edited_turn_stands_beside_the_one_it_came_from(store: Store) -> None:
    chat = answered(store, store.new_chat(title="t", root="", model="demo"), "one?", tail=(FILE,))
    edited = store.add_final(None, attrs.evolve(chat.turns[0], answer="Another.", usage=USAGE))
    fork = store.new_chat(title="t", root="", model="demo", turns=(edited,))
    (turn,) = store.chat(fork.id).turns
    assert (turn.answer, turn.tail, turn.usage, turn.status) == ("Another.", (FILE,), None, Status.DONE)
    assert store.chat(chat.id) == chat
