"""An editor's end of the indexer: starts it if nobody runs it, tells it what changes, hears how far it is."""

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from context.files import unified
from context.indexer_wire import Progress, lock_of

logger = logging.getLogger("kvasir.context.indexing")

# Neither the project's folder nor PYTHONPATH is searched: a stranger's json.py must not run here.
_PYTHON = (sys.executable, "-E", "-P")
_ROOM = Path(__file__).resolve().parent.parent
_START = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from context.indexer import run
sys.exit(run(sys.argv[1:]))
"""
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 10.0
LOG_BYTES = 1 << 20


class Indexing:
    """Keeps the index of a workspace filled while it is open. Nothing here waits for the indexer.

    ``changed`` is called in the event loop whenever ``progress`` is another. An indexer that ends is
    replaced, and told again what is unsaved.
    """

    def __init__(
        self,
        root: Path,
        database: Path,
        socket: Path,
        *,
        changed: Callable[[Progress], None] | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        self.root = root
        self.progress = Progress()
        self._database = database
        self._socket = socket
        self._changed = changed
        self._idle = () if idle_seconds is None else (str(idle_seconds),)
        self._unsaved: dict[str, str] = {}
        self._pending: dict[str, str | None] = {}
        self._news = asyncio.Event()
        self._progressed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Leave; the indexer ends by itself when nobody needs it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def tell(self, path: Path, text: str | None) -> None:
        """Tell an unsaved text, or ``None`` when the file is saved or closed. Only the newest counts."""
        if not path.is_relative_to(self.root):
            return
        name = unified(path.relative_to(self.root).as_posix())
        if text is None:
            self._unsaved.pop(name, None)
        else:
            self._unsaved[name] = text
        self._pending[name] = text
        self._news.set()

    async def until(self, reached: Callable[[Progress], bool]) -> Progress:
        """Wait for a progress, such as ``lambda progress: progress.complete``."""
        while not reached(self.progress):
            self._progressed.clear()
            await self._progressed.wait()
        return self.progress

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            connection = await self._connected()
            if connection is None:
                await self._spawn()
                connection = await self._connected()
            if connection is not None:
                pause = FIRST_PAUSE_SECONDS
                await self._talk(*connection)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the indexer, wherever its starter has put its socket."""
        with contextlib.suppress(OSError):
            place = os.fsdecode(lock_of(self._database).read_bytes()) or str(self._socket)
            return await asyncio.open_unix_connection(place)
        return None

    async def _spawn(self) -> None:
        try:
            await asyncio.to_thread(self._spawned)
        except (OSError, subprocess.SubprocessError) as error:
            logger.warning("the indexer could not be started: %s", error)

    def _spawned(self) -> None:
        self._database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = os.open(self._database.with_name("indexer.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(log).st_size > LOG_BYTES:
                os.ftruncate(log, 0)
            subprocess.run(
                [*_PYTHON, "-c", _START, _ROOM, self.root, self._database, self._socket, *self._idle],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._database.parent,
                check=True,
            )
        finally:
            os.close(log)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell and listen until the indexer is gone."""
        self._pending = {
            **self._unsaved,
            **{path: None for path, text in self._pending.items() if text is None},
        }
        self._news.set()
        telling = asyncio.create_task(self._tell_all(writer))
        try:
            while line := await reader.readline():
                self.progress = Progress(**json.loads(line))
                self._progressed.set()
                if self._changed is not None:
                    self._changed(self.progress)
        except (OSError, ValueError) as error:
            logger.info("the indexer is gone: %s", error)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            writer.close()

    async def _tell_all(self, writer: asyncio.StreamWriter) -> None:
        while await self._news.wait():
            self._news.clear()
            while self._pending:
                path = next(iter(self._pending))
                line = json.dumps({"path": path, "text": self._pending.pop(path)})
                writer.write(line.encode() + b"\n")
                await writer.drain()
