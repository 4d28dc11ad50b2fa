"""The tables of an index.

The text of the files is not kept: the full-text index has its terms only, under the number of the chunk.
``names`` only grows; its numbers are what ``defined`` and ``used`` hold, as 32-bit integers::

    defined  name, name, ...                in the order of the definitions
    used     name, count, name, count, ...  uses of names by the file

History and vectors have tables of their own, made by their modules.
"""

from typing import Any, TypeAlias

VERSION = 1
"""Another one of these: the file is put aside and filled anew."""

Connection: TypeAlias = Any
"""A connection of apsw, whose own types are partly unknown to a checker."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    language TEXT NOT NULL,
    weight REAL NOT NULL,
    generation INTEGER NOT NULL,
    defined BLOB NOT NULL,
    used BLOB NOT NULL
);
CREATE INDEX files_by_generation ON files (generation);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    file INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    symbols TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE INDEX chunks_by_file ON chunks (file);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE definitions (
    file INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name INTEGER NOT NULL,
    kind TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    signature TEXT NOT NULL,
    scope TEXT NOT NULL,
    PRIMARY KEY (file, number)
) WITHOUT ROWID;
CREATE INDEX definitions_by_name ON definitions (name);
-- bm25() needs detail=full: with less it says 0 for every row. Terms come split, so ASCII blanks part them.
CREATE VIRTUAL TABLE fts USING fts5 (
    path, sym, body, content='', contentless_delete=1, detail=full, tokenize="ascii tokenchars '_'"
);
INSERT INTO fts (fts, rank) VALUES ('automerge', 16);
"""


def create(connection: Connection, instance: str) -> None:
    """Make the tables in an empty database, within a transaction; ``instance`` is its name."""
    connection.execute(_TABLES)
    rows = [("version", VERSION), ("instance", instance), ("generation", 0)]
    connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", rows)
