"""Chats in SQLite: written before they are shown, safe with several editors, found again after any end.

WAL with ``synchronous = NORMAL``: a killed process loses nothing that was committed, a power cut at most the
last commits. Times are seconds since the epoch.
"""

import base64
import contextlib
import fcntl
import functools
import hashlib
import json
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import attrs

from context.segment import Kind, Segment
from sessions.chat import Chat, Epoch, Status, Turn, Usage
from sessions.errors import NotFound, StoreError
from sessions.migrations import migrate

logger = logging.getLogger("kvasir.sessions.store")

BUSY_SECONDS = 5.0
_PID_BITS = 32
TITLE_CHARACTERS = 60

P = ParamSpec("P")
R = TypeVar("R")


@attrs.frozen
class Listed:
    """A chat as it stands in a list."""

    id: str
    title: str
    root: str
    model: str
    turns: int
    document: str | None
    forked_from: str | None
    updated: float


def _told(method: Callable[Concatenate["Store", P], R]) -> Callable[Concatenate["Store", P], R]:
    """One call at a time, and SQLite's errors in words."""

    @functools.wraps(method)
    def call(self: "Store", *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            try:
                return method(self, *args, **kwargs)
            except sqlite3.Error as error:
                if _is_damage(error):
                    self.replace_damaged()
                raise _as_ours(self.path, error) from error

    return call


class Store:
    """The chats of one person. Calls take about a millisecond and may come from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.moved: Path | None = None
        """Where a damaged database was put, when there was one."""
        self._database = self._opened()
        self.recover()

    @_told
    def close(self) -> None:
        self._database.close()

    # --- reading -----------------------------------------------------------------------------------

    @_told
    def chat(self, chat_id: str) -> Chat:
        """A chat with its turns; ``NotFound`` names what there is."""
        row = self._database.execute("SELECT * FROM chats WHERE id = ?", (chat_id,)).fetchone()
        if row is None:
            raise NotFound(f"There is no chat {chat_id!r}.", hint='"kvasir chats" lists them.')
        return self._chat(row)

    @_told
    def chat_of_document(self, document: str) -> Chat | None:
        row = self._database.execute("SELECT * FROM chats WHERE document = ?", (document,)).fetchone()
        return None if row is None else self._chat(row)

    @_told
    def path_to(self, turn_id: str | None) -> tuple[Turn, ...]:
        """The turns that lead to one, oldest first, that one included."""
        rows = self._database.execute(
            """
            WITH RECURSIVE path (id, depth) AS (
                SELECT ?, 0
                UNION ALL
                SELECT turns.parent, depth + 1 FROM path JOIN turns USING (id) WHERE turns.parent IS NOT NULL
            )
            SELECT turns.* FROM path JOIN turns USING (id) ORDER BY depth DESC
            """,
            (turn_id,),
        ).fetchall()
        return tuple(self._turn(row) for row in rows)

    @_told
    def chats(self, query: str = "", root: str | None = None, limit: int = 200) -> list[Listed]:
        """Newest first; with a query those with all its words in the title or in one turn."""
        query = query.replace("\0", " ").strip()
        statement = _SEARCH if query else _LIST
        values = {"root": root, "limit": limit, "query": _as_fts(query), "title": query}
        rows = self._database.execute(statement, values).fetchall()
        return [self._listed(row) for row in rows]

    # --- writing -----------------------------------------------------------------------------------

    @_told
    def new_chat(
        self,
        *,
        title: str,
        root: str,
        model: str,
        base: Sequence[Segment] = (),
        turns: Sequence[Turn] = (),
        forked_from: str | None = None,
    ) -> Chat:
        """A new head; with ``turns`` it is a fork after the last of them."""
        now = time.time()
        chat = Chat(
            id=_new_id("", 6),
            title=_title(title),
            root=root,
            model=model,
            base=tuple(base),
            turns=tuple(turns),
            forked_from=forked_from,
            created=now,
            updated=now,
        )
        with self._transaction() as database:
            self._check_there(chat.head)
            database.execute(
                "INSERT INTO chats VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
                (chat.id, chat.title, root, model, self._keep(base), chat.head, forked_from, now, now),
            )
        return chat

    @_told
    def begin(
        self,
        chat: Chat,
        question: str,
        tail: Sequence[Segment],
        model: str,
        *,
        replacing: str | None = None,
        epoch: Epoch | None = None,
    ) -> tuple[Chat, Turn]:
        """Append a question to a chat, in the place of its last turn ``replacing`` if that is given.

        When the stored chat goes on differently (it was moved on in another editor, or ``chat`` is an
        earlier part of it), the question goes to a fork: look at the id of the chat that comes back.
        """
        turn = Turn(
            id=_new_id("t", 7),
            parent=chat.head,
            question=question,
            tail=tuple(tail),
            model=model,
            created=time.time(),
            epoch=epoch,
        )
        with self._transaction() as database:
            self._check_there(chat.head)
            self._insert(turn, _process(os.getpid()))
            moved = database.execute(
                "UPDATE chats SET head = ?, model = ?, updated = ? WHERE id = ? AND head IS ?",
                (turn.id, model, turn.created, chat.id, replacing or chat.head),
            )
            if moved.rowcount == 1:
                return attrs.evolve(chat, turns=(*chat.turns, turn), model=model), turn
            fork = self.new_chat(
                title=chat.title,
                root=chat.root,
                model=model,
                base=chat.base,
                turns=(*chat.turns, turn),
                forked_from=chat.id,
            )
            return fork, turn

    @_told
    def write(self, turn: Turn) -> None:
        """What has come so far of an answer, or all of it. A final turn is never written again."""
        usage = None if turn.usage is None else json.dumps(attrs.asdict(turn.usage))
        with self._transaction() as database:
            database.execute(
                "UPDATE turns SET answer = ?, reasoning = ?, status = ?, usage = ?, error = ?, model = ?"
                " WHERE id = ? AND status IN ('queued', 'answering')",
                (turn.answer, turn.reasoning, turn.status, usage, turn.error, turn.model, turn.id),
            )

    @_told
    def add_final(self, parent: str | None, turn: Turn) -> Turn:
        """A turn as the person edited it, beside the one that it came from."""
        edited = attrs.evolve(
            turn,
            id=_new_id("t", 7),
            parent=parent,
            status=Status.DONE,
            usage=None,
            error="",
            created=time.time(),
        )
        with self._transaction():
            self._insert(edited, None)
        return edited

    @_told
    def set_document(self, chat_id: str, document: str | None) -> None:
        with self._transaction() as database:
            database.execute("UPDATE chats SET document = NULL WHERE document = ?", (document,))
            database.execute("UPDATE chats SET document = ? WHERE id = ?", (document, chat_id))

    @_told
    def set_model(self, chat_id: str, model: str) -> None:
        self._change(chat_id, "UPDATE chats SET model = ? WHERE id = ?", model)

    @_told
    def rename(self, chat_id: str, title: str) -> None:
        self._change(chat_id, "UPDATE chats SET title = ? WHERE id = ?", _title(title))

    @_told
    def delete(self, chat_id: str) -> None:
        """Remove a chat, and the turns and segments that no other chat leads to."""
        with self._transaction() as database:
            if database.execute("DELETE FROM chats WHERE id = ?", (chat_id,)).rowcount == 0:
                raise NotFound(f"There is no chat {chat_id!r}.", hint='"kvasir chats" lists them.')
            database.execute(_DROP_UNREACHABLE_TURNS)
            database.execute(_DROP_UNUSED_SEGMENTS)

    @_told
    def recover(self) -> None:
        """Mark the answers whose writer died."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT id, writer FROM turns WHERE status IN ('queued', 'answering')"
            ).fetchall()
            dead = [(Status.INTERRUPTED, row["id"]) for row in rows if not _lives(row["writer"])]
            database.executemany("UPDATE turns SET status = ? WHERE id = ?", dead)

    # --- inside ------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                return self._connected()
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise
                return self._started_anew()
        except sqlite3.Error as error:
            raise _as_ours(self.path, error) from error
        except OSError as error:
            raise StoreError(f"{self.path.parent} cannot be written: {error.strerror}.") from error

    def replace_damaged(self) -> None:
        """Go on with a new database where this one turned out to be damaged."""
        self._database.close()
        self._database = self._started_anew()

    def _started_anew(self) -> sqlite3.Connection:
        """A new database; the damaged one is kept, unless another process has put it aside already."""
        with _locked(self.path.with_name(f"{self.path.name}.lock")):
            if (sound := self._sound()) is not None:
                return sound
            stamp = time.strftime("%Y%m%d-%H%M%S")
            self.moved = self.path.with_name(f"{self.path.name}.damaged-{stamp}-{os.getpid()}")
            logger.warning("%s is damaged and was moved to %s", self.path, self.moved)
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").rename(f"{self.moved}{suffix}")
            return self._connected()

    def _sound(self) -> sqlite3.Connection | None:
        try:
            database = self._connected()
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
            return None
        if verdict == "ok":
            return database
        database.close()
        return None

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self.path.chmod(0o600)
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA foreign_keys = ON")
            migrate(database)
        except BaseException:
            database.close()
            raise
        return database

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        database = self._database
        if database.in_transaction:
            yield database
            return
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            # A full disk may have ended it already.
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _check_there(self, turn_id: str | None) -> None:
        found = self._database.execute("SELECT 1 FROM turns WHERE id = ?", (turn_id,)).fetchone()
        if turn_id is not None and found is None:
            raise NotFound("This chat was deleted.", hint='"kvasir chats" lists those that are left.')

    def _change(self, chat_id: str, statement: str, value: str) -> None:
        with self._transaction() as database:
            if database.execute(statement, (value, chat_id)).rowcount == 0:
                raise NotFound(f"There is no chat {chat_id!r}.", hint='"kvasir chats" lists them.')

    def _insert(self, turn: Turn, writer: int | None) -> None:
        """A turn, and which process writes its answer if that is still to come."""
        self._database.execute(
            "INSERT INTO turns (id, parent, question, tail, answer, status, model, created, epoch, writer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                turn.id,
                turn.parent,
                turn.question,
                self._keep(turn.tail),
                turn.answer,
                turn.status,
                turn.model,
                turn.created,
                self._kept_epoch(turn.epoch),
                writer,
            ),
        )

    def _keep(self, segments: Iterable[Segment]) -> str:
        """Store segments once each; their digests as JSON."""
        digests: list[str] = []
        for segment in segments:
            parts = [segment.kind, segment.source, segment.text, *([segment.whole] if segment.whole else [])]
            content = "\0".join(parts)
            digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
            digests.append(digest)
            self._database.execute(
                "INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?, ?)",
                (digest, segment.kind, segment.source, segment.text, segment.whole),
            )
        return json.dumps(digests)

    def _kept(self, digests: str) -> tuple[Segment, ...]:
        rows = self._database.execute(
            "SELECT kind, source, text, whole FROM json_each(?) JOIN segments ON digest = value ORDER BY key",
            (digests,),
        )
        return tuple(Segment(Kind(kind), source, text, whole) for kind, source, text, whole in rows)

    def _kept_epoch(self, epoch: Epoch | None) -> str | None:
        if epoch is None:
            return None
        base = json.loads(self._keep(epoch.base))
        return json.dumps({"base": base, "summary": epoch.summary, "folded": epoch.folded})

    def _epoch(self, stored: str | None) -> Epoch | None:
        if stored is None:
            return None
        said = json.loads(stored)
        return Epoch(self._kept(json.dumps(said["base"])), said["summary"], said["folded"])

    def _chat(self, row: sqlite3.Row) -> Chat:
        return Chat(
            id=row["id"],
            title=row["title"],
            root=row["root"],
            model=row["model"],
            base=self._kept(row["base"]),
            turns=self.path_to(row["head"]),
            forked_from=row["forked_from"],
            document=row["document"],
            created=row["created"],
            updated=row["updated"],
        )

    def _turn(self, row: sqlite3.Row) -> Turn:
        usage = row["usage"]
        return Turn(
            id=row["id"],
            parent=row["parent"],
            question=row["question"],
            tail=self._kept(row["tail"]),
            answer=row["answer"],
            reasoning=row["reasoning"],
            status=Status(row["status"]),
            model=row["model"],
            usage=None if usage is None else Usage(**json.loads(usage)),
            error=row["error"],
            created=row["created"],
            epoch=self._epoch(row["epoch"]),
        )

    def _listed(self, row: sqlite3.Row) -> Listed:
        return Listed(
            id=row["id"],
            title=row["title"],
            root=row["root"],
            model=row["model"],
            turns=row["turns"],
            document=row["document"],
            forked_from=row["forked_from"],
            updated=row["updated"],
        )


_TURNS = """(
    WITH RECURSIVE path (id) AS (
        SELECT chats.head
        UNION ALL
        SELECT turns.parent FROM path JOIN turns USING (id) WHERE turns.parent IS NOT NULL
    )
    SELECT count(id) FROM path
) AS turns"""

_LIST = f"""
SELECT *, {_TURNS} FROM chats
WHERE (:root IS NULL OR root = :root) ORDER BY updated DESC LIMIT :limit
"""  # noqa: S608 - our own words

_SEARCH = f"""
WITH RECURSIVE hits (id) AS (
    SELECT turns.id FROM words JOIN turns ON turns.number = words.rowid WHERE words MATCH :query
    UNION
    SELECT turns.id FROM turns JOIN hits ON turns.parent = hits.id
)
SELECT *, {_TURNS} FROM chats
WHERE (:root IS NULL OR root = :root)
    AND (head IN (SELECT id FROM hits) OR instr(lower(title), lower(:title)))
ORDER BY updated DESC LIMIT :limit
"""  # noqa: S608 - our own words

_DROP_UNREACHABLE_TURNS = """
DELETE FROM turns WHERE id NOT IN (
    WITH RECURSIVE reached (id) AS (
        SELECT head FROM chats WHERE head IS NOT NULL
        UNION
        SELECT turns.parent FROM reached JOIN turns USING (id) WHERE turns.parent IS NOT NULL
    )
    SELECT id FROM reached
)
"""

_DROP_UNUSED_SEGMENTS = """
DELETE FROM segments WHERE digest NOT IN (
    SELECT value FROM turns, json_each(turns.tail)
    UNION SELECT value FROM chats, json_each(chats.base)
    UNION SELECT value FROM turns, json_each(turns.epoch, '$.base') WHERE epoch IS NOT NULL
)
"""


def _as_fts(query: str) -> str:
    """Each word quoted, so that nothing in it is taken for FTS5 syntax; the last may be unfinished."""
    words = [f'"{word.replace(chr(34), chr(34) * 2)}"' for word in query.split()]
    return " ".join(words) + "*" if words else ""


def _title(text: str) -> str:
    line = " ".join(text.split())
    if not line:
        return "untitled"
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rstrip() + "…"


def _new_id(prefix: str, length: int) -> str:
    return prefix + base64.b32encode(secrets.token_bytes(8)).decode().lower()[:length]


def _process(pid: int) -> int:
    """What tells a running process from those before it with its number; 0 when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        state, start_ticks = fields[0], int(fields[19])
        return 0 if state in "ZX" else start_ticks << _PID_BITS | pid
    except OSError:
        if Path("/proc/self/stat").exists():
            return 0
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return 0
    except PermissionError:
        return pid
    return pid


def _lives(process: int | None) -> bool:
    return bool(process) and _process(process & (1 << _PID_BITS) - 1) == process


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is not what SQLite wrote. Its index of words alone is no reason to put chats aside."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    damaged = code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return damaged and code != sqlite3.SQLITE_CORRUPT_VTAB


def _as_ours(path: Path, error: sqlite3.Error) -> StoreError:
    text = str(error)
    if _is_damage(error):
        return StoreError(
            f"{path} was damaged: it was put aside beside a new one.", hint="Your question was not stored."
        )
    if "locked" in text or "busy" in text:
        return StoreError(
            f"{path} has been locked by another program for {BUSY_SECONDS:.0f} seconds.", hint="Try again."
        )
    if "full" in text or "readonly" in text or "I/O" in text:
        return StoreError(
            f"{path} cannot be written ({text}).", hint="Free some space; nothing stored is lost."
        )
    return StoreError(f"{path} cannot be used: {text}.")
