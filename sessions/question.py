"""What is asked, and what goes with it."""

import attrs

from context.files import unified
from context.gather import Wanted
from context.segment import Segment
from sessions.chat import Epoch


@attrs.frozen
class Question:
    """What is asked, about what, where in which chat. ``after`` counts turns: 0 keeps only the base."""

    text: str = attrs.field(default="", converter=unified)
    mode: str | None = None
    wanted: Wanted = attrs.field(factory=Wanted)
    chat: str | None = None
    after: int | None = None
    model: str | None = None
    editor: str = ""
    """Who asks: each editor has one warmup at a time."""


@attrs.frozen
class Context:
    """What is sent with a question; ``epoch`` lays out anew what is in front of it."""

    base: tuple[Segment, ...]
    tail: tuple[Segment, ...]
    notes: tuple[str, ...]
    epoch: Epoch | None = None
