"""Who uses what, as arrays: read from an index once, then brought up to date file by file."""

import contextlib
from typing import Any

import numpy as np

from context.index_schema import Connection
from context.ranks import Uses


class SymbolGraph:
    """The uses of a project as arrays, brought up to date file by file."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self._generation = -1
        self._files: dict[int, tuple[str, Any, Any]] = {}
        self._names: list[str] = []
        self._made: Uses | None = None

    def read(self, connection: Connection) -> Uses:
        """What the database holds now, read in one transaction."""
        with contextlib.ExitStack() as ending:
            if not connection.in_transaction:
                connection.execute("BEGIN")
                ending.callback(connection.execute, "COMMIT")
            (generation,) = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
            if self._made is None or generation != self._generation:
                self._update(connection)
                self._generation = generation
                self._made = self._uses()
        return self._made

    def _update(self, connection: Connection) -> None:
        names = connection.execute("SELECT id, name FROM names WHERE id > ? ORDER BY id", (len(self._names),))
        for number, name in names:
            # A number can be missing; what has none is called nothing.
            self._names += [*[""] * (number - 1 - len(self._names)), name]
        there = {number for (number,) in connection.execute("SELECT id FROM files")}
        for number in self._files.keys() - there:
            del self._files[number]
        changed = connection.execute(
            "SELECT id, path, defined, used FROM files WHERE generation > ?", (self._generation,)
        )
        for number, path, defined, used in changed:
            pairs = np.frombuffer(used, np.int32).reshape(-1, 2)
            self._files[number] = (path, np.unique(np.frombuffer(defined, np.int32)), pairs)

    def _uses(self) -> Uses:
        files = sorted(self._files.values(), key=lambda file: file[0])
        nothing = np.zeros((0, 2), np.int32)
        defined = np.concatenate([nothing[:, 0], *(file[1] for file in files)]).astype(np.int64) - 1
        used = np.concatenate([nothing, *(file[2] for file in files)]).astype(np.int64)
        numbers = np.arange(len(files))
        users = np.repeat(numbers, [len(file[2]) for file in files])
        # What nobody here defines links nothing.
        is_defined = np.zeros(len(self._names), bool)
        is_defined[defined] = True
        kept = is_defined[used[:, 0] - 1]
        return Uses(
            paths=[file[0] for file in files],
            names=tuple(self._names),
            defining_files=np.repeat(numbers, [len(file[1]) for file in files]),
            defined_names=defined,
            using_files=users[kept],
            used_names=used[kept, 0] - 1,
            counts=used[kept, 1],
        )
