"""What happens to the files in some folders, told by the kernel."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles._rust_notify import RustNotify  # the door that watchfiles documents for its backend

logger = logging.getLogger("kvasir.context.watching")

DEBOUNCE_MS = 50
STEP_MS = 50
POLL_MS = 1000


class Watching:
    """Watches folders, each without what is below it, from when it is made until it is closed.

    ``tell`` is called in the event loop with the paths to look at again. ``OSError`` when the kernel has no
    watches left.
    """

    def __init__(self, folders: Iterable[Path], tell: Callable[[set[Path]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._tell = tell
        self._ending = threading.Event()
        there = [str(folder) for folder in folders if folder.is_dir()]
        try:
            self._notify = RustNotify(there, False, False, POLL_MS, False, True)  # noqa: FBT003 - not ours
        except Exception as error:
            # Its own exception class when the kernel refuses, an OSError when a folder has just gone.
            raise OSError(str(error)) from error
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; nothing is told after this."""
        self._ending.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            found = self._notify.watch(DEBOUNCE_MS, STEP_MS, 0, self._ending)
            if isinstance(found, set) and not self._ending.is_set():
                paths = {Path(path) for _, path in found}
                self._loop.call_soon_threadsafe(self._told, paths)
            elif not isinstance(found, set):
                break
        self._notify.close()

    def _told(self, paths: set[Path]) -> None:
        if not self._ending.is_set():
            self._tell(paths)
