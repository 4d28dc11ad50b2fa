"""One answer while it is written: what has come so far, and the sinks that carry it to where it is seen."""

import asyncio
from abc import ABC, abstractmethod

import attrs

from handlers.editor import Kind, Place
from server.render.marks import Closing, arrived, completed, has_stop
from server.tasks import Tasks

_PIECE_CHARACTERS = 4096


@attrs.frozen
class Piece:
    """A piece of the answer, all of one kind."""

    kind: Kind
    text: str


class Answer:
    """The ``Stream`` of the handlers: ``write`` collects, each sink takes what is new at its own pace."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.stopped = asyncio.Event()
        self.closing: Closing | None = None
        self.ended = asyncio.Event()
        """No more is written; what is left goes out without further delay."""
        self._pieces: list[Piece] = []
        self._reached = {0}
        self._had_stop = False
        self._sinks: list[Sink] = []
        self._running: list[asyncio.Task[None]] = []

    def start(self, sinks: list["Sink"], tasks: Tasks) -> None:
        """Begin to carry the answer."""
        self._sinks = sinks
        name = f"{self.place.chat} turn {self.place.turn}"
        self._running = [tasks.start(sink.run(), f"{name} to {type(sink).__name__}") for sink in sinks]

    def write(self, text: str, kind: Kind = Kind.ANSWER) -> None:
        """Append to the answer."""
        if not text or self.closing is not None:
            return
        if self._pieces and self._pieces[-1].kind is kind and len(self._pieces[-1].text) < _PIECE_CHARACTERS:
            self._pieces[-1] = Piece(kind, self._pieces[-1].text + text)
        else:
            self._pieces.append(Piece(kind, text))
        self._wake()

    async def finish(self, footer: str, ending: str = "") -> None:
        """Carry the rest and the closing; the first one counts."""
        if self.closing is None:
            self.closing = Closing(footer, ending)
            self.ended.set()
            self._wake()
        await self.carried()

    async def carried(self) -> None:
        """Wait until the sinks are done, each within its own limits."""
        if self._running:
            await asyncio.wait(self._running)

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(piece.text for piece in self._pieces)

    def pieces_from(self, position: int) -> list[Piece]:
        """What was written from ``position`` on, neighbours of one kind joined."""
        found: list[Piece] = []
        start = 0
        for piece in self._pieces:
            end = start + len(piece.text)
            if end > position:
                text = piece.text[max(0, position - start) :]
                if found and found[-1].kind is piece.kind:
                    text = found.pop().text + text
                found.append(Piece(piece.kind, text))
            start = end
        return found

    def reach(self, position: int) -> int:
        """Remember, before it is carried, that a document may have exactly this much of the answer."""
        self._reached.add(position)
        return position

    def part_in(self, document: str, otherwise: int) -> int:
        """How much of the answer a document has that something else wrote, if that can be told."""
        found = arrived(document, self.place.turn_id, self.text, self._reached)
        return otherwise if found is None else found

    def is_behind(self, document: str) -> bool:
        """Whether a document still waits for this answer, which is complete."""
        return self.closing is not None and has_stop(document, self.place.turn_id)

    def caught_up(self, document: str | None) -> str | None:
        """The document with the whole answer."""
        if document is None or self.closing is None:
            return None
        rest = self.text[self.part_in(document, len(self.text)) :]
        edit = completed(document, self.place.turn_id, rest, self.closing)
        return edit.applied(document) if edit else None

    async def mended(self) -> bool:
        """Let the sinks mend a document that is behind, as far as that is their way."""
        closing = self.closing
        return closing is not None and any([await sink.mend(closing) for sink in self._sinks])

    def seen(self, document: str) -> None:
        """Look at a new state of the document: without its stop line the person wants no more."""
        if has_stop(document, self.place.turn_id):
            self._had_stop = True
        elif self._had_stop and self.closing is None:
            self.stopped.set()

    def opened(self) -> None:
        """The editor opened the document."""
        for sink in self._sinks:
            sink.opened()

    def closed(self) -> None:
        """The editor closed the document."""
        self._wake()

    def _wake(self) -> None:
        for sink in self._sinks:
            sink.wake()


class Sink(ABC):
    """Carries one answer to one place: the first piece at once, later ones together, one flush at a time."""

    def __init__(self, answer: Answer, interval_s: float) -> None:
        self.answer = answer
        self._interval_s = interval_s
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """There is something to carry."""
        self._awake.set()

    def opened(self) -> None:  # noqa: B027 (most sinks look for themselves)
        """The editor opened the document."""

    async def run(self) -> None:
        """Carry until the answer is closed."""
        while self.answer.closing is None:
            await self._awake.wait()
            self._awake.clear()
            if self.answer.closing is None:
                await self.flush()
                await self._pause()
        await self.close(self.answer.closing)

    @abstractmethod
    async def flush(self) -> None:
        """Carry what is new."""

    @abstractmethod
    async def close(self, closing: Closing) -> None:
        """Carry the rest and the closing."""

    async def mend(self, closing: Closing) -> bool:  # noqa: ARG002 (a sink may need it)
        """Bring a document that was opened late to the end; False if this sink does not do that."""
        return False

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self.answer.ended.wait(), self._interval_s)
        except TimeoutError:
            return
