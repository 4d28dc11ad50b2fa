"""What happens while a question is answered: Loading*, Prefill*, Delta*, then Done or Failed."""

from typing import TypeAlias

import attrs

from sessions.chat import Turn
from sessions.errors import KvasirError


@attrs.frozen
class Loading:
    """The model is not ready yet: what its server is doing."""

    message: str


@attrs.frozen
class Prefill:
    """Prompt tokens: all of them, those found in the slot, and those evaluated so far (cached included)."""

    total: int
    cached: int
    done: int


@attrs.frozen
class Delta:
    """A piece of the answer, or of the reasoning before it."""

    text: str
    reasoning: bool = False


@attrs.frozen
class Done:
    """The answer is complete, or was stopped; ``turn`` is as stored."""

    turn: Turn


@attrs.frozen
class Failed:
    """The road ended early; ``turn`` keeps what had been answered."""

    turn: Turn
    error: KvasirError


Event: TypeAlias = Loading | Prefill | Delta | Done | Failed
