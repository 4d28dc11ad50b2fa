"""The indexes of the workspaces that are open: begun in the background, told of edits, left at the end."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from context.files import Files
from context.indexer_wire import Progress
from context.indexing import Indexing
from context.library import Library
from handlers.editor import Editor

IDLE_SECONDS = 5.0
"""How long an indexer outlives its last editor: one that is started again at once finds it."""
FIRST_WALK_SECONDS = 10.0
"""How long a question waits for a workspace to be walked for the first time."""
FILES_SHOWN = 200
"""Indexing fewer takes less time than reading that it is done."""
SOCKET_BYTES = 100
"""A longer path is no address of a socket."""


class Indexes:
    """The indexes of one process, by workspace folder. ``is_on``: whether the person has them."""

    def __init__(self, folder: Path, idle_seconds: float = IDLE_SECONDS) -> None:
        self.is_on = True
        self._folder = folder
        self._idle_seconds = idle_seconds
        self._indexing: dict[Path, Indexing] = {}
        self._libraries: dict[Path, Library] = {}
        self._walked: set[Path] = set()

    def begin(self, root: Path) -> bool:
        """Keep the index of a workspace filled from now on; whether that is new."""
        if not self.is_on or root in self._indexing:
            return False
        database = self.database(root)
        indexing = Indexing(root, database, _socket(database.parent), idle_seconds=self._idle_seconds)
        self._indexing[root] = indexing
        indexing.start()
        return True

    def tell(self, path: Path, text: str | None) -> None:
        """Tell an unsaved text, or ``None`` when the file is saved or closed."""
        for indexing in self._indexing.values():
            indexing.tell(path, text)

    async def walk(self, root: Path) -> AsyncGenerator[Progress]:
        """How far the first walk through a workspace is, up to its end."""
        indexing = self._indexing[root]
        progress = await indexing.until(lambda now: bool(now.total) or now.complete)
        yield progress
        while not progress.complete:
            before = progress
            progress = await indexing.until(lambda now, before=before: now != before)
            yield progress

    def library(self, root: Path, files: Files) -> Library:
        """What the index of a workspace gives to questions; begun with the first of them."""
        if not self.is_on:
            return Library(root, None, files, lambda: self._is_walked(root))
        if root not in self._libraries:
            self._libraries[root] = Library(root, self.database(root), files, lambda: self._is_walked(root))
        return self._libraries[root]

    def database(self, root: Path) -> Path:
        """Where the index of a workspace is kept."""
        digest = hashlib.blake2b(os.fsencode(root.resolve()), digest_size=16).hexdigest()
        return self._folder / digest / "index.db"

    async def close(self) -> None:
        """Leave all of them; an indexer that nobody needs ends by itself."""
        left, libraries = list(self._indexing.values()), list(self._libraries.values())
        self._indexing.clear()
        self._libraries.clear()
        for indexing in left:
            await indexing.close()
        for library in libraries:
            library.close()

    async def _is_walked(self, root: Path) -> bool:
        self.begin(root)
        if root in self._indexing and root not in self._walked:
            waiting = self._indexing[root].until(lambda progress: progress.complete)
            try:
                await asyncio.wait_for(waiting, FIRST_WALK_SECONDS)
            except TimeoutError:
                return False
            self._walked.add(root)
        return root in self._walked


async def show_walk(indexes: Indexes, root: Path, editor: Editor) -> None:
    """Show the first walk through a workspace, if there is enough to do to be worth a display."""
    walk = indexes.walk(root)
    progress = await anext(walk)
    if progress.complete or progress.total - progress.done < FILES_SHOWN:
        return
    # There is nothing to cancel: without its index a workspace is asked about as before.
    async with editor.progress(f"Indexing {root.name}", _nothing) as report:
        report(_said(progress), _percent(progress))
        async for progress in walk:
            report(_said(progress), _percent(progress))


def _said(progress: Progress) -> str:
    return f"{progress.done} of {progress.total} files"


def _percent(progress: Progress) -> int:
    return 100 * progress.done // max(progress.total, 1)


def _nothing() -> None:
    pass


def _socket(folder: Path) -> Path:
    """A place for the indexer's socket: beside its database, or where the path is short enough."""
    place = folder / "socket"
    if len(os.fsencode(place)) <= SOCKET_BYTES:
        return place
    return Path(tempfile.gettempdir()) / f"kvasir-{os.getuid()}" / folder.name
