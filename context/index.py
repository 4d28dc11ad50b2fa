"""What a project holds, searchable: one SQLite file for a workspace, which any number of processes share.

Write-ahead logging lets readers go on beside a writer, and a killed process loses at most what it had not
committed. The file holds nothing that cannot be found out again: a damaged one, or one of another version, is
put aside and filled anew, and one that was moved or deleted under our hands is made anew.
"""

import functools
import hashlib
import itertools
import re
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import apsw
import attrs

from context.definition import Definition
from context.index_file import IndexFile, as_ours, is_damage
from context.index_schema import Connection
from context.parse import Chunk, Parsed
from context.terms import indexed, of_text

if TYPE_CHECKING:
    from context.graph import SymbolGraph
    from context.ranks import Uses

KEPT_NAMES = 500_000

P = ParamSpec("P")
R = TypeVar("R")


@attrs.frozen
class Stamp:
    """What a file looked like when it was read: time and size tell quickly, the digest of its text surely."""

    mtime_ns: int
    size: int
    digest: str


@attrs.frozen
class Entry:
    """A file to be indexed; ``path`` is relative to the workspace, with ``/``.

    Of ``text`` only the terms are kept.
    """

    path: str
    stamp: Stamp
    language: str
    weight: float
    parsed: Parsed
    text: str


@attrs.frozen
class Hit:
    """A chunk that answers to a search; a larger ``score`` is better, all are above 0."""

    path: str
    first: int
    last: int
    symbols: tuple[str, ...]
    score: float


@attrs.frozen
class Found:
    """A definition and the file that holds it."""

    path: str
    definition: Definition


def digest_of(text: str) -> str:
    """The digest of a text, as a stamp holds it."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _told(method: Callable[Concatenate["Index", P], R]) -> Callable[Concatenate["Index", P], R]:
    """One call at a time, on the file that is there now; SQLite's errors in words, damage repaired."""

    @functools.wraps(method)
    def call(self: "Index", *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            try:
                self.turn(self.file.follow)
                return method(self, *args, **kwargs)
            except apsw.Error as error:
                if not (is_damage(error) or self.file.is_replaced):
                    raise as_ours(self.file.database, error) from error
                damage = error
            self.turn(lambda: self.file.replace_damaged(damage))
            try:
                return method(self, *args, **kwargs)
            except apsw.Error as error:
                raise as_ours(self.file.database, error) from error

    return call


class Index:
    """The index of one workspace. Calls take milliseconds and may come from any thread."""

    def __init__(self, database: Path, *, writable: bool) -> None:
        self.file = IndexFile(database, writable=writable)
        self.lock = threading.RLock()
        self._ids: dict[str, int] = {}
        self._graph: SymbolGraph | None = None

    @classmethod
    def open(cls, database: Path, *, writable: bool) -> "Index":
        """Open the index, an empty one if there is none; ``IndexUnusable`` if there cannot be one."""
        return cls(database, writable=writable)

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    @property
    def connection(self) -> Connection:
        """The connection to the database; use it under ``lock``."""
        return self.file.connection

    @property
    def moved(self) -> Path | None:
        """Where an unusable predecessor was put, if there was one."""
        return self.file.moved

    @property
    def instance(self) -> str:
        """Names this filling of the index: when it changes, everything is to be indexed again."""
        return self.file.instance

    def turn(self, act: Callable[[], None]) -> None:
        """Do what may leave us with another file: the numbers of names are those of one."""
        before = self.file.instance
        act()
        if self.file.instance != before:
            self._ids.clear()

    @_told
    def follow(self) -> None:
        """Turn to the file that is there now; every call does so by itself."""

    # --- reading -----------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Grows with every change of any file."""
        return self._meta_number("generation")

    @_told
    def known(self) -> dict[str, Stamp]:
        """What is indexed, by path."""
        rows = self.connection.execute("SELECT path, mtime_ns, size, digest FROM files")
        return {path: Stamp(*stamp) for path, *stamp in rows}

    @_told
    def search(self, terms: Sequence[str], limit: int = 200) -> list[Hit]:
        """The chunks that have any of the terms, best first (BM25; paths and symbols count twice)."""
        wanted = _any(terms)
        if not wanted:
            return []
        rows = self.connection.execute(
            "SELECT path, first, last, symbols, -score FROM"
            " (SELECT rowid AS number, bm25(fts, 2.0, 2.0, 1.0) AS score FROM fts WHERE fts MATCH ?"
            " ORDER BY score LIMIT ?)"
            " JOIN chunks ON chunks.id = number JOIN files ON files.id = chunks.file ORDER BY score, number",
            (wanted, limit),
        )
        return [Hit(path, first, last, _split(symbols), score) for path, first, last, symbols, score in rows]

    @_told
    def definitions(self, name: str) -> list[Found]:
        """Who defines a name, by path."""
        rows = self.connection.execute(
            "SELECT path, names.name, kind, first, last, signature, scope FROM names"
            " JOIN definitions ON definitions.name = names.id JOIN files ON files.id = definitions.file"
            " WHERE names.name = ? ORDER BY path, number",
            (_storable(name),),
        )
        return [Found(path, Definition(*definition)) for path, *definition in rows]

    @_told
    def outline(self, path: str) -> list[Definition]:
        """What a file defines, in its order."""
        rows = self.connection.execute(
            "SELECT names.name, kind, first, last, signature, scope FROM files"
            " JOIN definitions ON definitions.file = files.id JOIN names ON names.id = definitions.name"
            " WHERE path = ? ORDER BY number",
            (path,),
        )
        return [Definition(*row) for row in rows]

    @_told
    def chunks(self, path: str) -> list[Chunk]:
        """The chunks of a file, in its order."""
        rows = self.connection.execute(
            "SELECT first, last, symbols FROM files JOIN chunks ON chunks.file = files.id WHERE path = ?"
            " ORDER BY first",
            (path,),
        )
        return [Chunk(first, last, _split(symbols)) for first, last, symbols in rows]

    @_told
    def references(self, name: str) -> list[tuple[str, int]]:
        """Who uses a name and how often, most first."""
        row = self.connection.execute("SELECT id FROM names WHERE name = ?", (_storable(name),)).fetchone()
        if row is None:
            return []
        # Who uses a name has its terms in the text, which spares looking through all files.
        terms = of_text(name)
        if terms:
            rows = self.connection.execute(
                "SELECT path, used FROM files WHERE id IN"
                " (SELECT file FROM fts JOIN chunks ON chunks.id = fts.rowid WHERE fts MATCH ?)",
                ("body : (" + " AND ".join(f'"{term}"' for term in terms) + ")",),
            )
        else:
            rows = self.connection.execute("SELECT path, used FROM files")
        counts = ((path, _pairs(used).get(row[0], 0)) for path, used in rows)
        return sorted((found for found in counts if found[1]), key=lambda found: (-found[1], found[0]))

    @_told
    def names_in(self, path: str) -> Mapping[str, int]:
        """The names that a file uses, and how often."""
        row = self.connection.execute("SELECT used FROM files WHERE path = ?", (path,)).fetchone()
        counts = _pairs(row[0]) if row else {}
        return {name: counts[number] for number, name in self._names(counts)}

    @_told
    def weights(self) -> dict[str, float]:
        """How much each file counts in a ranking, by path."""
        return dict(self.connection.execute("SELECT path, weight FROM files"))

    @_told
    def graph(self) -> "Uses":
        """Who defines and who uses which name. Kept; only what changed since the last call is read."""
        from context.graph import SymbolGraph

        if self._graph is None or self._graph.instance != self.instance:
            self._graph = SymbolGraph(self.instance)
        return self._graph.read(self.connection)

    # --- writing -----------------------------------------------------------------------------------

    @_told
    def put(self, entries: Sequence[Entry]) -> None:
        """Add files or bring them up to date, in one transaction. Chunks that stayed are kept."""
        names = {
            name
            for entry in entries
            for name in (*(one.name for one in entry.parsed.definitions), *entry.parsed.references)
        }
        with self.file.transaction():
            generation = self._grown()
            ids = self._numbers(names)
            chunks = _NewChunks(self._last_chunk())
            for entry in entries:
                self._put_chunks(self._put(entry, generation, ids), entry, chunks)
            chunks.store(self.connection)
        if len(self._ids) > KEPT_NAMES:
            self._ids.clear()
        self._ids |= ids

    @_told
    def stamp(self, stamps: Mapping[str, Stamp]) -> None:
        """Note other times of files whose text is the same."""
        rows = [(stamp.mtime_ns, stamp.size, stamp.digest, path) for path, stamp in stamps.items()]
        with self.file.transaction():
            self.connection.executemany(
                "UPDATE files SET mtime_ns = ?, size = ?, digest = ? WHERE path = ?", rows
            )

    @_told
    def weigh(self, weights: Mapping[str, float]) -> None:
        """Set how much files count."""
        rows = [(weight, path) for path, weight in weights.items()]
        with self.file.transaction():
            self.connection.executemany("UPDATE files SET weight = ? WHERE path = ?", rows)

    @_told
    def remove(self, paths: Sequence[str]) -> None:
        """Forget files, in one transaction."""
        with self.file.transaction():
            self._grown()
            for path in paths:
                row = self.connection.execute(
                    "DELETE FROM files WHERE path = ? RETURNING id", (path,)
                ).fetchone()
                if row is None:
                    continue
                gone = self.connection.execute(
                    "DELETE FROM chunks WHERE file = ? RETURNING id", row
                ).fetchall()
                self.connection.executemany("DELETE FROM fts WHERE rowid = ?", gone)
                self.connection.execute("DELETE FROM definitions WHERE file = ?", row)

    @_told
    def tidy(self) -> None:
        """Give back what a large change has freed; for an idle moment after it."""
        self.connection.execute("PRAGMA incremental_vacuum").fetchall()
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _put(self, entry: Entry, generation: int, ids: Mapping[str, int]) -> int:
        """Write all of a file but its chunks; its number."""
        parsed, stamp = entry.parsed, entry.stamp
        defined = array("i", (ids[one.name] for one in parsed.definitions))
        pairs = ((ids[name], count) for name, count in parsed.references.items())
        used = array("i", itertools.chain.from_iterable(pairs))
        row = (
            *attrs.astuple(stamp),
            entry.language,
            entry.weight,
            generation,
            defined.tobytes(),
            used.tobytes(),
        )
        (file,) = self.connection.execute(
            "INSERT INTO files (path, mtime_ns, size, digest, language, weight, generation, defined, used)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET"
            " mtime_ns = excluded.mtime_ns, size = excluded.size, digest = excluded.digest,"
            " language = excluded.language, weight = excluded.weight, generation = excluded.generation,"
            " defined = excluded.defined, used = excluded.used RETURNING id",
            (entry.path, *row),
        ).fetchone()
        self.connection.execute("DELETE FROM definitions WHERE file = ?", (file,))
        self.connection.executemany(
            "INSERT INTO definitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (file, at, ids[one.name], one.kind, one.first, one.last, one.signature, one.scope)
                for at, one in enumerate(parsed.definitions)
            ],
        )
        return file

    def _put_chunks(self, file: int, entry: Entry, new: "_NewChunks") -> None:
        """Collect the chunks that are new, move those that stayed, drop the rest."""
        there: dict[bytes, list[tuple[int, int, int]]] = {}
        rows = self.connection.execute("SELECT id, first, last, digest FROM chunks WHERE file = ?", (file,))
        for number, first, last, digest in rows:
            there.setdefault(digest, []).append((number, first, last))
        path_terms = indexed(entry.path)
        lines = entry.text.split("\n")
        for chunk in entry.parsed.chunks:
            text, symbols = "\n".join(lines[chunk.first : chunk.last]), "\n".join(chunk.symbols)
            digest = hashlib.blake2b(f"{symbols}\0{text}".encode("utf-8", "replace"), digest_size=16).digest()
            if same := there.get(digest):
                number, first, last = same.pop()
                if (first, last) != (chunk.first, chunk.last):
                    self.connection.execute(
                        "UPDATE chunks SET first = ?, last = ? WHERE id = ?",
                        (chunk.first, chunk.last, number),
                    )
                continue
            number = new.number()
            new.chunks.append((number, file, chunk.first, chunk.last, _storable(symbols), digest))
            new.terms.append((number, path_terms, indexed(symbols), indexed(text)))
        gone = [(number,) for same in there.values() for number, _, _ in same]
        self.connection.executemany("DELETE FROM chunks WHERE id = ?", gone)
        self.connection.executemany("DELETE FROM fts WHERE rowid = ?", gone)

    def _numbers(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers of names, new ones included; the caller keeps them once they are committed."""
        ids: dict[str, int] = {}
        for name in names:
            if (known := self._ids.get(name)) is not None:
                ids[name] = known
                continue
            stored = (_storable(name),)
            row = self.connection.execute("SELECT id FROM names WHERE name = ?", stored).fetchone()
            if row is None:
                self.connection.execute("INSERT INTO names (name) VALUES (?)", stored)
            ids[name] = row[0] if row else self.connection.last_insert_rowid()
        return ids

    def _last_chunk(self) -> int:
        return int(self.connection.execute("SELECT ifnull(max(id), 0) FROM chunks").fetchone()[0])

    def _names(self, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
        listed = ",".join(map(str, numbers))
        return self.connection.execute(f"SELECT id, name FROM names WHERE id IN ({listed})")  # noqa: S608 - numbers

    def _grown(self) -> int:
        row = self.connection.execute(
            "UPDATE meta SET value = value + 1 WHERE key = 'generation' RETURNING value"
        )
        return int(row.fetchone()[0])

    @_told
    def _meta_number(self, key: str) -> int:
        return int(self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])


@attrs.define
class _NewChunks:
    """Rows to be written at once, numbered on from ``last``."""

    last: int
    chunks: list[tuple[int, int, int, int, str, bytes]] = attrs.field(factory=list)
    terms: list[tuple[int, str, str, str]] = attrs.field(factory=list)

    def number(self) -> int:
        self.last += 1
        return self.last

    def store(self, connection: Connection) -> None:
        connection.executemany(
            "INSERT INTO chunks (id, file, first, last, symbols, digest) VALUES (?, ?, ?, ?, ?, ?)",
            self.chunks,
        )
        connection.executemany("INSERT INTO fts (rowid, path, sym, body) VALUES (?, ?, ?, ?)", self.terms)


def _any(terms: Iterable[str]) -> str:
    """The terms as the full-text index is asked for any of them."""
    plain = (re.sub(r'["\0\s]+', " ", _storable(term)).strip() for term in terms)
    return " OR ".join(f'"{term}"' for term in dict.fromkeys(plain) if term)


def _pairs(used: bytes) -> dict[int, int]:
    numbers = array("i", used)
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def _split(symbols: str) -> tuple[str, ...]:
    return tuple(symbols.split("\n")) if symbols else ()


def _storable(text: str) -> str:
    """The text without what UTF-8 cannot say."""
    return text.encode("utf-8", "replace").decode()
