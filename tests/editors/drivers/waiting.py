"""Waiting for what a test expects, with a deadline and without sleeping past it."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""A bound for hangs, not an expectation: a busy machine takes its time."""
POLL_S = 0.02


def until(look: Callable[[], T | None], awaited: str, seconds: float = PATIENCE_S) -> T:
    """Look until the value is true and return it.

    ``TimeoutError`` names what was awaited and what was seen last.
    """
    end = time.monotonic() + seconds
    while not (value := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"{awaited}: not within {seconds:g} s; seen last: {value!r}")
        time.sleep(POLL_S)
    return value


class Growth:
    """The distinct states of a text while it is written: more than a few mean that it grew live."""

    def __init__(self, read: Callable[[], str | None], finished: Callable[[str], bool]) -> None:
        self._read = read
        self._finished = finished
        self.states: list[str] = []

    @property
    def finished(self) -> bool:
        return bool(self.states) and self._finished(self.states[-1])

    def next(self) -> str:
        """Wait for a state that was not seen yet and return it."""
        return until(self._look, f"the text to change after {self.states[-1:]!r}")

    def to_end(self) -> list[str]:
        """Wait until the text is finished; return all states seen since the beginning."""
        while not self.finished:
            self.next()
        return self.states

    def _look(self) -> str | None:
        text = self._read()
        if text is None or (self.states and text == self.states[-1]):
            return None
        self.states.append(text)
        return text
