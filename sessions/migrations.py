"""The store's schema: numbered steps, each applied once and never edited."""

import sqlite3

STEPS: tuple[tuple[str, str], ...] = (
    (
        "001 chats, turns, segments",
        """
        CREATE TABLE segments (
            digest TEXT PRIMARY KEY, kind TEXT NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE turns (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            parent TEXT REFERENCES turns (id),
            question TEXT NOT NULL,
            tail TEXT NOT NULL,
            answer TEXT NOT NULL DEFAULT '',
            reasoning TEXT NOT NULL DEFAULT '',
            status TEXT NOT NULL,
            model TEXT NOT NULL,
            usage TEXT,
            error TEXT NOT NULL DEFAULT '',
            created REAL NOT NULL,
            writer INTEGER
        );
        CREATE INDEX turns_parent ON turns (parent);
        CREATE INDEX turns_unfinished ON turns (status) WHERE status IN ('queued', 'answering');
        CREATE TABLE chats (
            id TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            root TEXT NOT NULL,
            model TEXT NOT NULL,
            base TEXT NOT NULL,
            head TEXT REFERENCES turns (id),
            forked_from TEXT,
            document TEXT UNIQUE,
            created REAL NOT NULL,
            updated REAL NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX chats_updated ON chats (root, updated);
        CREATE VIRTUAL TABLE words USING fts5 (question, answer, content = 'turns', content_rowid = 'number');
        CREATE TRIGGER words_of_new_turn AFTER INSERT ON turns BEGIN
            INSERT INTO words (rowid, question, answer) VALUES (new.number, new.question, new.answer);
        END;
        CREATE TRIGGER words_of_changed_turn AFTER UPDATE OF answer ON turns BEGIN
            INSERT INTO words (words, rowid, question, answer)
            VALUES ('delete', old.number, old.question, old.answer);
            INSERT INTO words (rowid, question, answer) VALUES (new.number, new.question, new.answer);
        END;
        CREATE TRIGGER words_of_gone_turn AFTER DELETE ON turns BEGIN
            INSERT INTO words (words, rowid, question, answer)
            VALUES ('delete', old.number, old.question, old.answer);
        END;
        """,
    ),
    (
        "002 epochs, and the whole text behind a change",
        """
        ALTER TABLE turns ADD COLUMN epoch TEXT;
        ALTER TABLE segments ADD COLUMN whole TEXT NOT NULL DEFAULT '';
        """,
    ),
)


def migrate(database: sqlite3.Connection) -> None:
    """Apply the steps that this database has not seen; two processes may try at once."""
    database.execute("BEGIN IMMEDIATE")
    try:
        database.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied TEXT NOT NULL)"
        )
        applied = {name for (name,) in database.execute("SELECT name FROM migrations")}
        for name, script in STEPS:
            if name not in applied:
                _run(database, script)
                database.execute("INSERT INTO migrations VALUES (?, datetime('now'))", (name,))
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _run(database: sqlite3.Connection, script: str) -> None:
    """``executescript`` would commit first; a trigger's body holds semicolons of its own."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                database.execute(statement)
            statement = ""
