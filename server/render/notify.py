"""Mode M1: a plug-in of ours renders what it is told."""

import asyncio

from handlers.editor import Place
from server.render.answer import Answer, Sink
from server.render.marks import Closing, rest_behind
from server.render.paces import Paces
from server.render.screen import Screen
from server.render.wire import STALLED_BYTES, Wire

DELTA = "kvasir/delta"


class NotifySink(Sink):
    """Mode M1: ``kvasir/delta``. A plug-in appends pieces to the answer, a mark replaces the stop line."""

    def __init__(self, answer: Answer, wire: Wire, screen: Screen, paces: Paces) -> None:
        super().__init__(answer, paces.notify_s)
        self._wire = wire
        self._screen = screen
        self._settle_s = paces.settle_s
        self._position = 0
        self._sequence = 0
        self._was_opened = False

    def opened(self) -> None:
        """Look again how much of the answer the document has."""
        self._was_opened = self._position > 0
        self.wake()

    async def flush(self) -> None:
        """Carry what is new."""
        if self._wire.backlog_bytes > STALLED_BYTES:
            self.wake()  # again after the pause; what comes until then is merged
            return
        await self._send()

    async def close(self, closing: Closing) -> None:
        """Carry the rest and the closing."""
        await self._send()
        place = self.answer.place
        text = self._screen.text(place.path)
        self._notify("mark", closing.before(rest_behind(text, place.turn_id) if text else ""))

    async def _send(self) -> None:
        if self._was_opened:
            await self._settle()
        for piece in self.answer.pieces_from(self._position):
            self._position = self.answer.reach(self._position + len(piece.text))
            self._notify(piece.kind, piece.text)

    async def _settle(self) -> None:
        """The document was read from disk while pieces were on their way: go on from what it has."""
        await asyncio.sleep(self._settle_s)
        self._was_opened = False
        if (text := self._screen.text(self.answer.place.path)) is not None:
            self._position = self.answer.part_in(text, self._position)

    def _notify(self, kind: str, text: str) -> None:
        self._sequence += 1
        self._wire.notify(DELTA, _delta(self.answer.place, self._sequence, kind, text))


def _delta(place: Place, sequence: int, kind: str, text: str) -> dict[str, object]:
    return {
        "v": 1,
        "session": place.chat,
        "turn": place.turn,
        "job": place.job,
        "seq": sequence,
        "uri": place.path.as_uri(),
        "path": str(place.path),
        "text": text,
        "kind": kind,
    }
