"""What the index of a workspace gives to a question: related symbols, a map, pieces that answer it.

The index is opened when it is first needed, and what reads it is imported then: most runs need neither.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from context.errors import Unreadable
from context.files import Files, is_inside, source
from context.masking import safe_text
from context.ports import Size, Walked
from context.segment import WHOLE_FILES, Kind, Segment
from context.selection import Selection

if TYPE_CHECKING:
    from context.index import Index
    from context.related import Related, Relations
    from context.retrieve import Piece, Retriever

MAP_SECONDS = 600.0
"""How long a map is given again as it was: where it stands, a moved line makes all behind it cold."""

_LINES = "#L"


@attrs.frozen
class Looked:
    """What was found, and sentences about what was not."""

    segments: tuple[Segment, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen
class _Map:
    allowance: int
    made: float
    text: str


class _NoSymbols:
    """In place of an index that is not there: what is related stands in the same file, or is not found."""

    def definitions(self, _name: str, /) -> tuple[()]:
        return ()

    def references(self, _name: str, /) -> tuple[()]:
        return ()

    def search(self, terms: Sequence[str], limit: int = 200) -> tuple[()]:
        del terms, limit
        return ()


class Library:
    """The index of one workspace. Nothing blocks the event loop; ``database`` is ``None`` without one."""

    def __init__(self, root: Path, database: Path | None, files: Files, walked: Walked) -> None:
        self._root = root
        self._database = database
        self._files = files
        self._walked = walked
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._retriever: Retriever | None = None
        self._map: _Map | None = None

    def close(self) -> None:
        """Close the index, if it was opened."""
        if self._index is not None:
            self._index.close()
            self._index = self._retriever = None

    async def related(self, selection: Selection, allowance_tokens: int, size: Size) -> Looked:
        """Definitions that a selection uses and callers of what it defines; of its own file at least."""
        path = selection.path
        if path is None or not path.is_relative_to(self._root):
            return Looked(notes=("What is related is found for code of the project only.",))
        walked = await self._walked() if self._database else False
        found = await asyncio.to_thread(self._related, path, selection, allowance_tokens, size)
        if walked:
            return found
        note = f"What is related may be missing from other files: {self._lacking}"
        return attrs.evolve(found, notes=(*found.notes, note))

    async def map(self, allowance_tokens: int, size: Size) -> Looked:
        """The most used definitions of the workspace by file."""
        if self._database is None or not await self._walked():
            return Looked(notes=(f"There is no map of the project: {self._lacking}",))
        text = await asyncio.to_thread(self._mapped, allowance_tokens, size)
        if not text:
            return Looked(
                notes=("There is no map of the project: nothing of it fits, or it defines nothing.",)
            )
        return Looked((Segment(Kind.MAP, "map", text),))

    async def retrieve(
        self, question: str, allowance_tokens: int, size: Size, known: Sequence[Segment] = ()
    ) -> Looked:
        """Pieces of files that answer a question, but for what ``known`` segments show already."""
        if self._database is None or not await self._walked():
            return Looked(notes=(f"The project was not searched: {self._lacking}",))
        retriever = await asyncio.to_thread(self._searcher)
        found = await retriever.find(
            question, allowance_tokens=allowance_tokens, count=size, kept=_pieces(known)
        )
        segments = (
            Segment(Kind.CHUNK, f"{piece.path}{_LINES}{piece.first + 1}-L{piece.last}", piece.text)
            for piece in found.pieces
        )
        return Looked(tuple(segments), found.notes)

    @property
    def _lacking(self) -> str:
        if self._database is None:
            return "the index is turned off."
        return "its index is not complete yet."

    # --- in threads --------------------------------------------------------------------------------

    def _opened(self) -> "Index | None":
        """The index, ``None`` when it is turned off."""
        with self._lock:
            if self._index is None and self._database is not None:
                from context.index import Index

                self._index = Index.open(self._database, writable=False)
            return self._index

    def _required(self) -> "Index":
        index = self._opened()
        if index is None:
            raise Unreadable("The index of the project is turned off.", hint='Set "context.index".')
        return index

    def _related(self, path: Path, selection: Selection, allowance_tokens: int, size: Size) -> Looked:
        from context.related import fitted

        text = safe_text(self._files.read(path), path, self._root)
        first, last = selection.first, selection.last
        if last <= first:
            last = first + max(1, (selection.text or "").count("\n"))
        found = self._relations().of_selection(source(path, self._root), text, first, last)
        shown = fitted(found, allowance_tokens, size)
        return Looked(tuple(_segment(one) for one in shown))

    def _relations(self) -> "Relations":
        from context.related import Relations

        index = self._opened()
        return Relations(self._root, index or _NoSymbols(), self._read, paths=self._paths)

    def _paths(self) -> list[str]:
        from context.listing import listed

        return [source(file.path, self._root) for file in listed(self._root, self._files.max_bytes).files]

    def _mapped(self, allowance_tokens: int, size: Size) -> str:
        from context.ranks import rank
        from context.repomap import repo_map
        from context.retrieve import path_weight

        known = self._map
        if known and known.allowance == allowance_tokens and time.monotonic() - known.made < MAP_SECONDS:
            return known.text
        index = self._required()
        weights = {path: path_weight(path, weight) for path, weight in index.weights().items()}
        text = repo_map(
            rank(index.graph()),
            index.outline,
            allowance_tokens=allowance_tokens,
            count=size,
            weights=weights,
        )
        self._map = _Map(allowance_tokens, time.monotonic(), text)
        return text

    def _searcher(self) -> "Retriever":
        from context.retrieve import Retriever

        index = self._required()
        with self._lock:
            self._retriever = self._retriever or Retriever(index, self._read)
            return self._retriever

    def _read(self, name: str) -> str | None:
        """A file of the workspace without keys; ``None`` for one that may not be shown or is gone."""
        path = self._root / name
        if is_inside(path, self._root):
            with contextlib.suppress(Unreadable):
                return safe_text(self._files.read(path), path, self._root)
        return None


def _segment(one: "Related") -> Segment:
    return Segment(Kind.RELATED, f"{one.path}{_LINES}{one.first + 1}-L{one.last}", one.text)


def _pieces(known: Sequence[Segment]) -> "list[Piece]":
    from context.retrieve import Piece

    found: list[Piece] = []
    for part in known:
        if part.kind in WHOLE_FILES:
            found.append(Piece(part.source, 0, part.content.count("\n"), part.content))
        elif part.kind is Kind.CHUNK:
            found.append(Piece(part.source.rpartition(_LINES)[0], 0, 0, part.text))
    return found
