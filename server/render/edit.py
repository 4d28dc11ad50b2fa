"""Mode M3: the open document is edited."""

from collections.abc import Callable
from functools import partial

from server.documents import Document
from server.render.answer import Answer, Sink
from server.render.marks import Closing, Edit, completed, continued, rewritten
from server.render.screen import Screen

_REFUSALS = 2
_LONG_LINE = 240


class EditSink(Sink):
    """Mode M3: edits of the open document; while it is not open, nothing."""

    def __init__(
        self, answer: Answer, screen: Screen, interval_s: float, lines: Callable[[str], str]
    ) -> None:
        super().__init__(answer, interval_s)
        self._screen = screen
        self._ready = lines
        self._position = 0
        self._counted: Document | None = None
        """The document that has ``_position`` of the answer; one that is opened anew is another."""
        self._refused = 0

    def opened(self) -> None:
        """Carry what the document lacks."""
        self.wake()

    async def flush(self) -> None:
        """Carry what is new."""
        place = self.answer.place
        rest = self._rest()
        piece = self._ready(rest) if rest else ""
        if not piece:
            return
        reached = self.answer.reach(self._position + len(piece))
        edited = self._counted
        if await self._edit(partial(continued, turn=place.turn_id, piece=piece)):
            self._position = reached
            if self._screen.document(place.path) not in (edited, None):
                # The edit met a close: Helix opens the file anew for it, which lacks what came before.
                await self._edit(partial(rewritten, turn=place.turn_id, answer=self.answer.text[:reached]))
            return
        self._counted = None  # perhaps it has it all the same, later
        if self._refused:
            self.wake()  # once more after the pause

    async def close(self, closing: Closing) -> None:
        """Carry the rest and the closing."""
        place = self.answer.place
        for _ in range(_REFUSALS):
            if (rest := self._rest()) is None:
                return
            make = partial(completed, turn=place.turn_id, piece=rest, closing=closing)
            if await self._edit(make) or not self._refused:
                return

    def _rest(self) -> str | None:
        """What the open document lacks; ``None`` if it is not open or takes no edits."""
        document = self._screen.document(self.answer.place.path)
        if document is None or not self._screen.takes_edits or self._refused >= _REFUSALS:
            return None
        if document is not self._counted:
            self._counted = document
            self._position = self.answer.part_in(document.source, self._position)
        return self.answer.text[self._position :]

    async def _edit(self, make: Callable[[str], Edit | None]) -> bool:
        """True when it is done; counts refusals of edits that there were."""
        wanted = False

        def noting(text: str) -> Edit | None:
            nonlocal wanted
            edit = make(text)
            wanted = edit is not None
            return edit

        done = await self._screen.edit(self.answer.place.path, noting)
        self._refused = 0 if done else self._refused + wanted
        return done


def whole_lines(text: str) -> str:
    """As much of ``text`` as ends with a line end; of a line that is long by now, whole words too."""
    end = text.rfind("\n") + 1
    if len(text) - end > _LONG_LINE:
        end = max(end, text.rfind(" "))
    return text[:end]


def all_of(text: str) -> str:
    """All of ``text``."""
    return text
