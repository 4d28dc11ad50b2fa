"""The process that keeps the index of one workspace, however many editors are open.

Who holds ``indexer.lock`` beside the database is the indexer; the kernel frees it however that ends. Editors
connect to its socket, whose place stands in the lock file. Both sides say one JSON object a line::

    editor   {"path": "src/a.py", "text": "..."}   an unsaved text; null: saved, or closed
    indexer  {"done": 7, "total": 9, "complete": false, "generation": 3}

It ends when no editor has been connected for a while and nothing is left to do.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from context.errors import KvasirError
from context.index import Index
from context.indexer_wire import Progress, lock_of
from context.suspects import Suspects
from context.upkeep import ListFiles, Upkeep
from context.watching import Watching

logger = logging.getLogger("kvasir.context.indexer")

IDLE_SECONDS = 60.0
LINE_BYTES = 64 << 20
TICK_SECONDS = 5.0
"""How often it is looked whether the index file is still there, and whether anybody is."""
RESCAN_SECONDS = 30.0
"""How often all files are looked at where the kernel cannot watch them."""
LISTING_SHARE = 0.2
"""Of the time, how much is spent on listing files while new ones keep coming."""
TOLD_SECONDS = 0.1
NICE = 5


def main(root: Path, database: Path, socket: Path, idle_seconds: float = IDLE_SECONDS) -> int:
    """Be the indexer of a workspace, unless somebody else is; returns when it is no longer needed."""
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(lock_of(database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(socket), 0)
    os.umask(0o077)
    os.nice(NICE)
    try:
        asyncio.run(Indexer(root, database, socket, project_files(), idle_seconds).run())
    except KvasirError as error:
        logger.error("%s", error)  # noqa: TRY400 - told in a sentence, not as a bug
        return 1
    return 0


def project_files() -> ListFiles:
    """What lists the files of a workspace; what kind of file one is is found out once."""
    from context.listing import listed, peeked
    from context.nature import Nature

    natures: dict[Path, tuple[tuple[int, int], Nature]] = {}

    def peek(path: Path, found: os.stat_result) -> Nature:
        stamp = (found.st_mtime_ns, found.st_size)
        if path not in natures or natures[path][0] != stamp:
            natures[path] = (stamp, peeked(path, found))
        return natures[path][1]

    def listing(root: Path) -> list[tuple[Path, float]]:
        return [(file.path, file.weight) for file in listed(root, peek=peek).files]

    return listing


class Indexer:
    """The indexer at work: its event loop waits for editors and files, and does a step of work at a time."""

    def __init__(
        self, root: Path, database: Path, socket: Path, list_files: ListFiles, idle_seconds: float
    ) -> None:
        self._root = root
        self._database = database
        self._socket = socket
        self._list_files = list_files
        self._idle_seconds = idle_seconds
        self._index = Index.open(database, writable=True)
        self._suspects = Suspects(database)
        self._upkeep = Upkeep(root, self._index, self._suspects)
        self._woken = asyncio.Event()
        self._ending = False
        self._editors: dict[asyncio.StreamWriter, dict[str, str]] = {}
        self._used = time.monotonic()
        self._told = Progress()
        self._told_at = 0.0
        self._watching: Watching | None = None
        self._watched: set[Path] = set()
        self._list_after = 0.0
        self._wants_history = True
        self._history: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until nobody needs it or it is told to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._end)
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self._socket, limit=LINE_BYTES)
        try:
            while not self._ending:
                await self._work()
                await self._rest()
        finally:
            # While the lock is still ours: whoever finds no socket then starts the next one.
            server.close()
            self._socket.unlink(missing_ok=True)
            for writer in self._editors:
                writer.close()
            if self._watching:
                self._watching.close()
            self._suspects.close()
            self._index.close()

    def _end(self) -> None:
        self._ending = True
        self._woken.set()

    # --- work --------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Do all there is to do, in steps between which editors are heard."""
        more = True
        while more and not self._ending:
            if self._upkeep.wants_listing and time.monotonic() >= self._list_after:
                await self._list()
            try:
                more = self._upkeep.step()
            except KvasirError as error:
                # A full disk, say: what was to be done is found again by the next look at all files.
                logger.warning("%s", error)
                self._upkeep.wants_listing, more = True, False
                self._list_after = time.monotonic() + RESCAN_SECONDS
            self._tell_progress(now=not more)
            await asyncio.sleep(0)
        if self._wants_history and not self._ending and (self._history is None or self._history.done()):
            self._wants_history = False
            self._history = asyncio.create_task(self._read_history())

    async def _list(self) -> None:
        began = time.monotonic()
        self._upkeep.listed(await asyncio.to_thread(self._list_files, self._root))
        if self._upkeep.folders != self._watched:
            await self._watch(self._upkeep.folders)
            # What happened before the kernel watched is seen by looking again.
            self._upkeep.listed(await asyncio.to_thread(self._list_files, self._root))
        ended = time.monotonic()
        self._list_after = ended + (ended - began) / LISTING_SHARE

    async def _watch(self, folders: set[Path]) -> None:
        if self._watching:
            self._watching.close()
            self._watching = None
        self._watched = folders
        try:
            self._watching = Watching([*folders, self._root / ".git"], self._touched)
        except OSError as error:
            logger.warning("%s cannot be watched (%s): it is looked through now and then.", self._root, error)

    async def _read_history(self) -> None:
        """Index the messages of new commits, beside the work on files."""
        try:
            await asyncio.to_thread(_update_history, self._database, self._root)
        except KvasirError as error:
            logger.warning("%s", error)

    def _touched(self, paths: set[Path]) -> None:
        self._upkeep.touched(paths)
        if any(path.parent.name == ".git" for path in paths):
            self._wants_history = True
        self._woken.set()

    async def _rest(self) -> None:
        """Wait for something to do, or for the time to look whether there is still anybody."""
        wait = TICK_SECONDS if self._editors else min(TICK_SECONDS, self._idle_seconds)
        if self._upkeep.wants_listing:
            wait = max(0.0, min(wait, self._list_after - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), wait)
        self._woken.clear()
        now = time.monotonic()
        if self._editors:
            self._used = now
        elif now - self._used >= self._idle_seconds and not self._upkeep.wants_listing:
            self._ending = True
        if self._watching is None and now >= self._list_after + RESCAN_SECONDS:
            self._upkeep.wants_listing = True
        if not self._root.is_dir():
            self._ending = True
        with contextlib.suppress(KvasirError):
            self._upkeep.follow()

    # --- editors -----------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unsaved = self._editors[writer] = {}
        self._send(writer, self._upkeep.progress)
        try:
            while line := await reader.readline():
                self._heard(unsaved, line)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.info("an editor is gone: %s", error)
        finally:
            del self._editors[writer]
            for path in unsaved:
                self._upkeep.tell(path, self._unsaved_elsewhere(path))
            self._used = time.monotonic()
            self._woken.set()
            writer.close()

    def _heard(self, unsaved: dict[str, str], line: bytes) -> None:
        said = json.loads(line)
        path, text = str(said["path"]), said["text"]
        if not isinstance(text, str | None):
            raise TypeError(f"{text!r} is no text")
        if text is None:
            unsaved.pop(path, None)
            text = self._unsaved_elsewhere(path)
        else:
            unsaved[path] = text
        self._upkeep.tell(path, text)
        self._woken.set()

    def _unsaved_elsewhere(self, path: str) -> str | None:
        """The text that another editor holds unsaved."""
        return next((unsaved[path] for unsaved in self._editors.values() if path in unsaved), None)

    def _tell_progress(self, *, now: bool) -> None:
        progress = self._upkeep.progress
        if progress == self._told or not (now or time.monotonic() - self._told_at > TOLD_SECONDS):
            return
        self._told, self._told_at = progress, time.monotonic()
        for writer in self._editors:
            self._send(writer, progress)

    def _send(self, writer: asyncio.StreamWriter, progress: Progress) -> None:
        # One that reads nothing is told nothing: only the newest word counts.
        if not writer.is_closing() and writer.transport.get_write_buffer_size() < 1 << 16:
            writer.write(json.dumps(attrs.asdict(progress)).encode() + b"\n")


def _update_history(database: Path, root: Path) -> None:
    from context.history import update

    index = Index.open(database, writable=True)
    try:
        update(index, root)
    finally:
        index.close()


def run(arguments: Sequence[str]) -> int:
    """Detach, then be the indexer: ``root database socket [idle seconds]``."""
    # The caller waits for this process only; its child belongs to no editor and leaves no zombie to one.
    if os.fork():
        os._exit(0)
    os.setsid()
    root, database, socket, *idle = arguments
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    return main(Path(root), Path(database), Path(socket), *map(float, idle))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
