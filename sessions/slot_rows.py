"""The table of a server's slots: a small SQLite file beside its state, shared by all processes of the user.

It knows what each slot and each saved file holds, as chains of digests, and how many tokens some of these
prefixes have. It goes with the server, so nothing in it need survive a crash of the machine.
"""

import contextlib
import json
import sqlite3
from collections.abc import Generator, Mapping
from enum import IntEnum
from pathlib import Path

import attrs

from sessions.prompt import Chain

_FILE = "slots.db"


class Priority(IntEnum):
    """An ask never waits for a warmup that it cannot use."""

    WARMUP = 0
    ASK = 1


@attrs.frozen
class Slot:
    """One row of the table.

    ``doing`` is the chain that is being evaluated, empty when idle; ``tokens`` the longest known prefix of
    what it holds.
    """

    number: int
    owner: str
    chain: Chain
    tokens: int
    used: float
    doing: Chain
    priority: Priority


@attrs.frozen
class Saved:
    """KV of a slot in a file."""

    filename: str
    owner: str
    chain: Chain
    size_bytes: int
    used: float


@attrs.frozen
class Counters:
    """Since the server was started. ``missed_tokens`` were expected in a slot and evaluated again."""

    answers: int = 0
    misses: int = 0
    missed_tokens: int = 0
    cached_tokens: int = 0
    new_tokens: int = 0
    warmups: int = 0
    warmed_tokens: int = 0
    saves: int = 0
    restores: int = 0


_KNOWN_TOKENS = (
    "ifnull((SELECT max(prefixes.tokens) FROM prefixes WHERE digest IN (SELECT value FROM json_each({}))), 0)"
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS slots (
    number INTEGER PRIMARY KEY, owner TEXT NOT NULL DEFAULT '', chain TEXT NOT NULL DEFAULT '[]',
    used REAL NOT NULL DEFAULT 0, doing TEXT NOT NULL DEFAULT '[]', priority INTEGER NOT NULL DEFAULT 1,
    wanted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS saved (
    filename TEXT PRIMARY KEY, owner TEXT NOT NULL, chain TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    used REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS prefixes (digest TEXT PRIMARY KEY, tokens INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class SlotRows:
    """The table in ``directory``, made if it is not there. Calls raise ``sqlite3.Error``."""

    def __init__(self, directory: Path, slots: int) -> None:
        self._database = sqlite3.connect(directory / _FILE, timeout=2.0, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_SCHEMA)
        self._database.executemany(
            "INSERT OR IGNORE INTO slots (number) VALUES (?)", [(number,) for number in range(slots)]
        )

    def close(self) -> None:
        self._database.close()

    # --- slots -------------------------------------------------------------------------------------

    def slots(self) -> list[Slot]:
        """All slots, by number."""
        return _slots(self._database)

    def slot(self, number: int) -> Slot:
        return self.slots()[number]

    def update(self, number: int, **values: str | float) -> None:
        """Set columns of a slot."""
        columns = ", ".join(f"{name} = ?" for name in values)
        self._database.execute(
            f"UPDATE slots SET {columns} WHERE number = ?",  # noqa: S608 - our own column names
            (*values.values(), number),
        )

    def holds(self, number: int, chain: Chain) -> None:
        """What a slot holds now."""
        self.update(number, chain=json.dumps(chain))

    def is_wanted(self, number: int) -> bool:
        """Whether an ask needs this slot, which is warming."""
        (wanted,) = self._database.execute("SELECT wanted FROM slots WHERE number = ?", (number,)).fetchone()
        return bool(wanted)

    # --- saved files -------------------------------------------------------------------------------

    def saved(self) -> list[Saved]:
        """All files."""
        rows = self._database.execute("SELECT filename, owner, chain, size_bytes, used FROM saved")
        return [
            Saved(filename, owner, _chain(chain), size, used) for filename, owner, chain, size, used in rows
        ]

    def keep(self, saved: Saved) -> None:
        """Note a file."""
        self._database.execute(
            "INSERT INTO saved VALUES (?, ?, ?, ?, ?)",
            (saved.filename, saved.owner, json.dumps(saved.chain), saved.size_bytes, saved.used),
        )

    def restored(self, saved: Saved, now: float) -> None:
        """A file was of use."""
        self._database.execute("UPDATE saved SET used = ? WHERE filename = ?", (now, saved.filename))

    def forget(self, saved: Saved) -> None:
        """A file is gone."""
        self._database.execute("DELETE FROM saved WHERE filename = ?", (saved.filename,))

    # --- what is known and counted -----------------------------------------------------------------

    def learn(self, digest: str, tokens: int) -> None:
        """A prefix has this many tokens.

        An ask counts the template's words after the question too, which a warmup has not evaluated: the
        smaller count is the one to rely on.
        """
        self._database.execute(
            "INSERT INTO prefixes VALUES (?, ?)"
            " ON CONFLICT (digest) DO UPDATE SET tokens = min(tokens, excluded.tokens)",
            (digest, tokens),
        )

    def expected(self, chain: Chain) -> int:
        """The longest known count of tokens among the prefixes of a chain."""
        row = self._database.execute(f"SELECT {_KNOWN_TOKENS.format('?')}", (json.dumps(chain),)).fetchone()
        return row[0]

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to counters."""
        self._database.executemany(
            "INSERT INTO counters VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            counts.items(),
        )

    def count_of(self, name: str) -> int:
        row = self._database.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else row[0]

    def counters(self) -> Counters:
        """What was counted since the server was started, by all processes."""
        return _counters(self._database)

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing of what is written inside."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise


def read_table(directory: Path) -> tuple[list[Slot], Counters]:
    """The table of a running server, for a process that does not use it; ``sqlite3.Error`` without one."""
    database = sqlite3.connect(f"{(directory / _FILE).as_uri()}?mode=ro", timeout=2.0, uri=True)
    try:
        return _slots(database), _counters(database)
    finally:
        database.close()


def _slots(database: sqlite3.Connection) -> list[Slot]:
    rows = database.execute(
        f"SELECT number, owner, chain, {_KNOWN_TOKENS.format('chain')}, used, doing, priority"  # noqa: S608 - ours
        " FROM slots ORDER BY number"
    )
    return [
        Slot(number, owner, _chain(chain), tokens, used, _chain(doing), Priority(priority))
        for number, owner, chain, tokens, used, doing, priority in rows
    ]


def _counters(database: sqlite3.Connection) -> Counters:
    names = {field.name for field in attrs.fields(Counters)}
    rows = database.execute("SELECT name, value FROM counters").fetchall()
    return Counters(**{name: value for name, value in rows if name in names})


def _chain(text: str) -> Chain:
    return tuple(json.loads(text))
