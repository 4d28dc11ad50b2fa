"""What earlier commits say about where things are: their messages, searchable, and the files they touched.

Two views of the same messages. A file's *document* is all that was said of commits that touched it. The
*nearest* commits to a question vote for the files they touched. Both live beside the index in its database.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from context import git_process
from context.index import Index
from context.index_schema import Connection
from context.terms import indexed

COMMITS = 4000
DOCUMENT_FILES = 12
"""A commit that touched more files says little about each."""
MOST_FILES = 30
BODY_WORDS = 60
NEAREST = 30
SECONDS = 120.0

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS history (version INTEGER NOT NULL, head TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commits (id INTEGER PRIMARY KEY, terms TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commit_paths (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS commit_files (
    commit_id INTEGER NOT NULL, path_id INTEGER NOT NULL, PRIMARY KEY (commit_id, path_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commit_files_by_path ON commit_files (path_id, commit_id);
CREATE VIRTUAL TABLE IF NOT EXISTS commit_terms USING fts5 (
    terms, content='', contentless_delete=1, tokenize="ascii tokenchars '_'"
);
CREATE VIRTUAL TABLE IF NOT EXISTS path_terms USING fts5 (
    terms, content='', contentless_delete=1, tokenize="ascii tokenchars '_'"
);
"""
_TABLES = ("history", "commits", "commit_paths", "commit_files", "commit_terms", "path_terms")

logger = logging.getLogger("kvasir.context.history")


@attrs.frozen
class Commit:
    """A message as search terms, and the files that its commit touched, relative to the workspace.

    ``moved`` are pairs of an old name and a new one, which is among ``paths``.
    """

    terms: str
    paths: tuple[str, ...]
    moved: tuple[tuple[str, str], ...]


def update(index: Index, root: Path) -> int:
    """Bring the commits in an index to the workspace's ``HEAD``; how many came in.

    Without git, a repository or a commit there is no history, which is no error.
    """
    try:
        head = git_process.run(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").text.strip()
        before = _known_head(index)
        if head == before:
            return 0
        known = before if before is not None and _is_ancestor(root, before, head) else None
        commits = list(_commits(_log(root, f"{known}..{head}" if known else head)))
    except git_process.GitFailed as error:
        logger.info("no history of %s: %s", root, error)
        return 0
    with index.lock:
        # While git was asked, another process may have written them, or put a new file there.
        if _known_head(index) != before:
            return 0
        with index.file.transaction():
            _write(index.connection, head, commits, anew=known is None)
    return len(commits)


def _write(connection: Connection, head: str, commits: Sequence[Commit], *, anew: bool) -> None:
    connection.execute(_SCHEMA)
    if anew:
        _clear(connection)
    _add(connection, reversed(commits))
    connection.execute("DELETE FROM history")
    connection.execute("INSERT INTO history (version, head) VALUES (?, ?)", (_VERSION, head))


def documents(index: Index, terms: Sequence[str]) -> dict[str, float]:
    """By path, how well what was said of a file answers to the terms (BM25, larger is better)."""
    with index.lock:
        if not terms or not _is_filled(index):
            return {}
        return dict(
            index.connection.execute(
                "SELECT path, -rank FROM path_terms JOIN commit_paths ON id = path_terms.rowid"
                " WHERE path_terms MATCH ?",
                (_any(terms),),
            )
        )


def nearest(index: Index, terms: Sequence[str]) -> dict[str, float]:
    """By path, the votes of the commits whose messages are nearest to the terms."""
    votes: dict[str, float] = {}
    with index.lock:
        if not terms or not _is_filled(index):
            return votes
        found = index.connection.execute(
            "SELECT rowid, -rank FROM commit_terms WHERE commit_terms MATCH ? ORDER BY rank LIMIT ?",
            (_any(terms), NEAREST),
        ).fetchall()
        for commit, score in found:
            paths = index.connection.execute(
                "SELECT path FROM commit_files JOIN commit_paths ON id = path_id WHERE commit_id = ?",
                (commit,),
            ).fetchall()
            for (path,) in paths:
                votes[path] = votes.get(path, 0.0) + score / math.sqrt(len(paths))
    return votes


def _is_filled(index: Index) -> bool:
    """Whether ``update`` ever ran on the index that is there now."""
    index.follow()
    found = index.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'history'")
    return found.fetchone() is not None


def _known_head(index: Index) -> str | None:
    with index.lock:
        if not _is_filled(index):
            return None
        rows = index.connection.execute("SELECT head FROM history WHERE version = ?", (_VERSION,))
        row = rows.fetchone()
    return row[0] if row else None


def _clear(connection: Connection) -> None:
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names


def _add(connection: Connection, commits: Iterable[Commit]) -> None:
    """Add commits, oldest first, forget those beyond ``COMMITS``, and write the documents of their files."""
    concerned: set[int] = set()
    for commit in commits:
        for old, new in commit.moved:
            concerned |= _move(connection, _path_number(connection, old), _path_number(connection, new))
        if not commit.terms or not 0 < len(commit.paths) <= MOST_FILES:
            continue
        connection.execute("INSERT INTO commits (terms) VALUES (?)", (commit.terms,))
        number = connection.last_insert_rowid()
        connection.execute("INSERT INTO commit_terms (rowid, terms) VALUES (?, ?)", (number, commit.terms))
        paths = [_path_number(connection, path) for path in commit.paths]
        connection.executemany("INSERT INTO commit_files VALUES (?, ?)", [(number, path) for path in paths])
        concerned.update(paths)
    concerned |= _forget(connection)
    for path in sorted(concerned):
        _write_document(connection, path)


def _move(connection: Connection, old: int, new: int) -> set[int]:
    """Let a file have the history of the name that it had before."""
    connection.execute("UPDATE OR IGNORE commit_files SET path_id = ? WHERE path_id = ?", (new, old))
    connection.execute("DELETE FROM commit_files WHERE path_id = ?", (old,))
    return {old, new}


def _forget(connection: Connection) -> set[int]:
    """Drop the oldest commits beyond ``COMMITS``; the files they touched."""
    beyond = connection.execute("SELECT id FROM commits ORDER BY id DESC LIMIT -1 OFFSET ?", (COMMITS,))
    touched: set[int] = set()
    for row in beyond.fetchall():
        paths = connection.execute("DELETE FROM commit_files WHERE commit_id = ? RETURNING path_id", row)
        touched.update(path for (path,) in paths.fetchall())
        connection.execute("DELETE FROM commits WHERE id = ?", row)
        connection.execute("DELETE FROM commit_terms WHERE rowid = ?", row)
    return touched


def _write_document(connection: Connection, path: int) -> None:
    rows = connection.execute(
        "SELECT terms FROM commits WHERE id IN (SELECT commit_id FROM commit_files WHERE path_id = ?)"
        " AND (SELECT count(*) FROM commit_files WHERE commit_id = id) <= ? ORDER BY id",
        (path, DOCUMENT_FILES),
    )
    said = " ".join(terms for (terms,) in rows)
    connection.execute("DELETE FROM path_terms WHERE rowid = ?", (path,))
    if said:
        connection.execute("INSERT INTO path_terms (rowid, terms) VALUES (?, ?)", (path, said))


def _path_number(connection: Connection, path: str) -> int:
    rows = connection.execute(
        "INSERT INTO commit_paths (path) VALUES (?)"
        " ON CONFLICT (path) DO UPDATE SET path = path RETURNING id",
        (path,),
    )
    return rows.fetchone()[0]


def _commits(log: str) -> Iterator[Commit]:
    """Read what ``_log`` printed, newest first."""
    for record in log.split("\x01")[1:]:
        head, _, tail = record.partition("\x03")
        subject, _, body = head.partition("\x02")
        paths, moved = _touched(tail)
        yield Commit(indexed(f"{subject} {' '.join(body.split()[:BODY_WORDS])}"), paths, moved)


def _touched(status: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The paths of a commit, and those of them that had another name: from ``M path`` and ``R old new``."""
    fields = iter(status.lstrip("\0\n").split("\0"))
    paths: dict[str, None] = {}
    moved: list[tuple[str, str]] = []
    for letter in fields:
        if not letter:
            break
        path = next(fields, "")
        if letter.startswith("R"):
            old, path = path, next(fields, "")
            moved.append((old, path))
        paths[path] = None
    return tuple(paths), tuple(moved)


def _log(root: Path, span: str) -> str:
    return git_process.run(
        root, "-c", "log.follow=false", "log", "-z", f"--max-count={COMMITS}", "--no-merges", "-M",
        "--name-status", "--relative", "--no-ext-diff", "--no-show-signature", "--no-notes",
        "--encoding=UTF-8", "--format=%x01%s%x02%b%x03", span, "--", ".", seconds=SECONDS,
    ).text  # fmt: skip


def _is_ancestor(root: Path, commit: str, head: str) -> bool:
    try:
        git_process.run(root, "merge-base", "--is-ancestor", commit, head)
    except git_process.GitFailed:
        return False
    return True


def _any(terms: Sequence[str]) -> str:
    return " OR ".join(f'"{term}"' for term in terms)
