"""What the handlers of one editor share: the editor itself, the chats, the jobs, and where the person is."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
from pygls.workspace import PositionCodec

from context.files import project_root
from handlers.editor import Editor
from handlers.jobs import Jobs
from handlers.warmups import Warmups
from sessions.ask import Sessions
from sessions.question import Question
from sessions.settings import ChatSettings, ContextSettings, WarmupSettings

FOCUS_SECONDS = 600.0
"""A selection older than this is not what the person means."""


@attrs.frozen
class Focus:
    """A document and perhaps lines of it (0-based, end exclusive) that the person was at.

    ``diagnostics`` are what the editor's language servers said there.
    """

    path: Path
    lines: tuple[int, int] | None = None
    at: float = attrs.field(factory=time.monotonic)
    diagnostics: tuple[str, ...] = ()

    @property
    def is_recent(self) -> bool:
        """Whether the person may still mean it."""
        return time.monotonic() - self.at < FOCUS_SECONDS


def _seen(desk: "Desk", _field: object, focus: Focus | None) -> Focus | None:
    if focus is not None:
        desk.seen.append(focus)
    return focus


@attrs.define
class Desk:
    """One editor's place of work."""

    editor: Editor
    sessions: Sessions
    chat: ChatSettings
    warmup: WarmupSettings
    context: ContextSettings
    state_folder: Path
    roots: Callable[[], list[Path]]
    codec: Callable[[], PositionCodec]
    start: Callable[[Coroutine[Any, Any, None], str], None]
    tags_llm: bool = False
    """Whether the editor marks actions of language models."""
    jobs: Jobs = attrs.field(factory=Jobs)
    warmups: Warmups = attrs.field(init=False)
    sending: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    """Held while a chat document is read and sent, so that saving twice asks once."""
    seen: deque[Focus] = attrs.field(factory=lambda: deque[Focus](maxlen=16))
    """Where the person was, the last place at the end."""
    focus: Focus | None = attrs.field(default=None, on_setattr=_seen)
    last_chat: str | None = None
    model: str | None = None
    """Chosen for new chats by ``kvasir.model``."""

    def __attrs_post_init__(self) -> None:
        self.warmups = Warmups(self.editor, self.sessions, self.jobs)

    def warm_later(self, question: Question) -> None:
        """Warm what the person may be about to ask, unless they switched that off."""
        if self.warmup.enabled:
            self.warmups.later(question, self.warmup.delay_ms)

    def root_of(self, path: Path | None) -> Path | None:
        """The workspace folder that a file lies in, else its repository, else the only folder there is."""
        roots = self.roots()
        if path is not None:
            holding = [root for root in roots if path.is_relative_to(root)]
            return max(holding, key=lambda root: len(root.parts), default=None) or project_root(path)
        return roots[0] if roots else None

    def recent_focus(self) -> Focus | None:
        """Where the person was in the last minutes."""
        return self.focus if self.focus is not None and self.focus.is_recent else None
