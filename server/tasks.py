"""Background work with an owner: kept alive, its failure logged, cancelled at the end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("kvasir.server.tasks")


class Tasks:
    """Every task that the process runs beside its requests."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run ``work`` as a task; whoever awaits it gets its error, which is logged in any case."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self, limit_s: float = 5.0) -> None:
        """Cancel all and wait for them to clean up, ``limit_s`` at most."""
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            _, late = await asyncio.wait(running, timeout=limit_s)
            for task in late:
                logger.error("%s did not stop in %s s.", task.get_name(), limit_s)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s failed.", task.get_name(), exc_info=error)
