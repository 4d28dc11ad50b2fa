"""The SQLite file of an index: opened, followed when it is replaced, put aside when it cannot be used."""

import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import Generator
from pathlib import Path

import apsw

from context import index_schema
from context.errors import KvasirError
from context.index_schema import Connection

logger = logging.getLogger("kvasir.context.index")

BUSY_MS = 10_000
SUFFIXES = ("", "-wal", "-shm")
# The first only before there are tables: what is freed can then be given back (``Index.tidy``).
_PRAGMAS = ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = NORMAL", "cache_size = -16000")


class IndexUnusable(KvasirError):
    """The index cannot be read or written right now."""

    code = "index"


class _OtherVersion(Exception):
    """The file was made by another version of Kvasir."""


class IndexFile:
    """A connection to the database that is there now.

    ``instance`` names this filling of it: when it changes, everything is to be indexed again. ``moved`` is
    where an unusable predecessor was put. Not safe for several threads at a time.
    """

    def __init__(self, database: Path, *, writable: bool) -> None:
        self.database = database
        self.writable = writable
        self.moved: Path | None = None
        self.instance = ""
        self.connection: Connection = None
        self._inode = 0
        try:
            self._open()
        except (apsw.Error, OSError) as error:
            raise as_ours(database, error) from error

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing of what is done to ``connection`` within."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # A damaged database may have ended the transaction by itself.
            with contextlib.suppress(apsw.Error):
                self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def follow(self) -> None:
        """Turn to the file that is there now, if ours was put aside or deleted."""
        if not self.is_replaced:
            return
        try:
            self._open()
        except OSError as error:
            raise as_ours(self.database, error) from error

    @property
    def is_replaced(self) -> bool:
        """Whether another file, or none, is where ours was."""
        try:
            return self.database.stat().st_ino != self._inode
        except OSError:
            return True

    def replace_damaged(self, error: Exception) -> None:
        """Put the file aside and begin an empty one, unless another process has just done so."""
        try:
            with self._alone():
                if not self.is_replaced:
                    self._put_aside(f"it is damaged: {error}")
            self._open()
        except (apsw.Error, OSError) as failure:
            raise as_ours(self.database, failure) from failure

    def _open(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone():
            try:
                self._connect()
            except apsw.Error as error:
                if not is_damage(error):
                    raise
                self._put_aside(f"it is damaged: {error}")
                self._connect()
            except _OtherVersion as other:
                self._put_aside(f"it is of version {other}, not {index_schema.VERSION}")
                self._connect()
            self._inode = self.database.stat().st_ino

    def _connect(self) -> None:
        """Open the file and see that it is ours; the caller is alone."""
        if not self.database.exists():
            # The log of a file that was deleted must not be taken for that of the new one.
            for suffix in SUFFIXES:
                Path(f"{self.database}{suffix}").unlink(missing_ok=True)
            os.close(os.open(self.database, os.O_RDWR | os.O_CREAT, 0o600))
        self.connection = connection = _connected(self.database)
        try:
            connection.set_busy_timeout(BUSY_MS)
            for pragma in _PRAGMAS:
                # Until its row is fetched, a statement is not done.
                connection.execute(f"PRAGMA {pragma}").fetchall()
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                with self.transaction():
                    index_schema.create(connection, secrets.token_hex(8))
            meta = dict(connection.execute("SELECT key, value FROM meta"))
            _expect_version(meta.get("version"))
            self.instance = str(meta["instance"])
            if not self.writable:
                connection.execute("PRAGMA query_only = 1")
        except BaseException:
            connection.close()
            raise

    def _put_aside(self, why: str) -> None:
        self.moved = self.database.with_name(f"{self.database.name}.aside")
        for suffix in SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.database}{suffix}").replace(f"{self.moved}{suffix}")
        logger.warning(
            "%s cannot be used, as %s. It is now %s and filled anew.", self.database, why, self.moved
        )

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """Be the only process that opens or replaces the file."""
        lock = os.open(f"{self.database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _connected(database: Path) -> Connection:
    return apsw.Connection(str(database))


def _expect_version(found: object) -> None:
    if found != index_schema.VERSION:
        raise _OtherVersion(str(found))


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that the file is not what it should be."""
    return isinstance(error, apsw.CorruptError | apsw.NotADBError) or (
        isinstance(error, apsw.SQLError) and "no such" in str(error)
    )


def as_ours(database: Path, error: Exception) -> IndexUnusable:
    """What went wrong with the file, in words."""
    if isinstance(error, apsw.BusyError):
        return IndexUnusable(f"{database} is busy.", hint="Try again; if it stays so, another Kvasir hangs.")
    if isinstance(error, apsw.FullError):
        return IndexUnusable(f"The disk that holds {database} is full.", hint="Make room on it.")
    return IndexUnusable(f"{database} cannot be used: {error}.", hint="Delete it; it is then made anew.")
