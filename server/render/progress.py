"""A progress display in the editor, with a token of its own for each job."""

import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from lsprotocol import types

from handlers.editor import Report
from server.render.wire import Wire
from server.tasks import Tasks

_CREATE = types.WINDOW_WORK_DONE_PROGRESS_CREATE

Value: TypeAlias = types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd


class Progress:
    """The displays of one client, and which job their cancel buttons end."""

    def __init__(self, wire: Wire, tasks: Tasks) -> None:
        self._wire = wire
        self._tasks = tasks
        self._cancels: dict[str, Callable[[], None]] = {}
        self._numbers = itertools.count(1)

    def cancel(self, token: int | str) -> None:
        """The person pressed cancel (``window/workDoneProgress/cancel``); unknown tokens are old ones."""
        if cancel := self._cancels.get(str(token)):
            cancel()

    @asynccontextmanager
    async def shown(self, title: str, cancel: Callable[[], None]) -> AsyncGenerator[Report]:
        """Show while the block runs. The block does not wait for the client to agree."""
        display = _Display(self._wire, f"kvasir-{next(self._numbers)}")
        self._cancels[display.token] = cancel
        beginning = self._tasks.start(display.begin(title), f"progress of {title}")
        try:
            yield display.report
        finally:
            del self._cancels[display.token]
            beginning.cancel()
            display.end()


class _Display:
    """One token: created, begun, reported, ended, never used again."""

    def __init__(self, wire: Wire, token: str) -> None:
        self.token = token
        self._wire = wire
        self._begun = False
        self._last: types.WorkDoneProgressReport | None = None

    async def begin(self, title: str) -> None:
        if await self._wire.accepts(_CREATE, types.WorkDoneProgressCreateParams(token=self.token)):
            self._begun = True
            self._notify(types.WorkDoneProgressBegin(title=title, cancellable=True))
            if self._last:
                self._notify(self._last)

    def report(self, message: str, percent: int | None = None) -> None:
        self._last = types.WorkDoneProgressReport(message=message, percentage=percent)
        if self._begun:
            self._notify(self._last)

    def end(self) -> None:
        if self._begun:
            self._notify(types.WorkDoneProgressEnd())

    def _notify(self, value: Value) -> None:
        self._wire.notify(types.PROGRESS, types.ProgressParams(token=self.token, value=value))


def unreported(message: str, percent: int | None = None) -> None:
    """Report to nobody."""


@asynccontextmanager
async def hidden() -> AsyncGenerator[Report]:
    """A progress that no client shows."""
    yield unreported
