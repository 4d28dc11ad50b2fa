"""What goes on after its command was answered."""

import itertools
from collections.abc import Callable
from pathlib import Path

import attrs

from sessions.errors import NotFound


@attrs.frozen
class Job:
    """Something that goes on after its command was answered, and can be stopped."""

    id: str
    chat: str
    path: Path | None
    stop: Callable[[], None]


class Jobs:
    """What is going on."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._running: dict[str, Job] = {}

    def new(self, chat: str, path: Path | None, stop: Callable[[], None]) -> Job:
        """Register a job; whoever runs it says when it has ended."""
        job = Job(f"j{next(self._numbers)}", chat, path, stop)
        self._running[job.id] = job
        return job

    def ended(self, job: Job) -> None:
        """Forget a job."""
        self._running.pop(job.id, None)

    def all(self) -> list[Job]:
        """Those that run, oldest first."""
        return list(self._running.values())

    def get(self, job_id: str) -> Job:
        """A running job; ``NotFound`` if it ended."""
        if job_id not in self._running:
            raise NotFound(f"No job {job_id!r} is running.", hint="It may have ended already.")
        return self._running[job_id]
