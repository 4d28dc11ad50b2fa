"""Mode M1: a plug-in of ours renders what it is told."""

from handlers.editor import Place
from server.render.answer import Answer, Sink
from server.render.marks import Closing, rest_behind
from server.render.paces import Paces
from server.render.screen import Screen
from server.render.wire import STALLED_BYTES, Wire

DELTA = "kvasir/delta"


class NotifySink(Sink):
    """Mode M1: ``kvasir/delta``. A plug-in appends pieces to the answer, a mark replaces the stop line.

    Each piece says where in the answer it begins. A plug-in whose editor was busy, or read the document from
    disk while pieces were on their way, so tells what it has already.
    """

    def __init__(self, answer: Answer, wire: Wire, screen: Screen, paces: Paces) -> None:
        super().__init__(answer, paces.notify_s)
        self._wire = wire
        self._screen = screen
        self._position = 0
        self._sequence = 0
        self._was_opened = True

    def opened(self) -> None:
        """Go on from what the document has: it was read from disk."""
        self._was_opened = True
        self.wake()

    async def flush(self) -> None:
        """Carry what is new."""
        if self._wire.backlog_bytes > STALLED_BYTES:
            self.wake()  # again after the pause; what comes until then is merged
            return
        self._send()

    async def close(self, closing: Closing) -> None:
        """Carry the rest and the closing."""
        self._send()
        place = self.answer.place
        text = self._screen.text(place.path)
        mark = closing.before(rest_behind(text, place.turn_id) if text else "")
        self._notify("mark", mark, self._position)

    async def mend(self, closing: Closing) -> bool:
        """Carry the end again if the document was opened since; else it is on its way."""
        if self._was_opened:
            await self.close(closing)
        return True

    def _send(self) -> None:
        if self._was_opened:
            self._was_opened = False
            text = self._screen.text(self.answer.place.path)
            self._position = self.answer.part_in(text, self._position) if text else self._position
        for piece in self.answer.pieces_from(self._position):
            at, self._position = self._position, self.answer.reach(self._position + len(piece.text))
            self._notify(piece.kind, piece.text, at)

    def _notify(self, kind: str, text: str, at: int) -> None:
        self._sequence += 1
        self._wire.notify(
            DELTA, {**_where(self.answer.place), "seq": self._sequence, "at": at, "text": text, "kind": kind}
        )


def _where(place: Place) -> dict[str, object]:
    return {
        "v": 1,
        "session": place.chat,
        "turn": place.turn,
        "job": place.job,
        "uri": place.path.as_uri(),
        "path": str(place.path),
    }
