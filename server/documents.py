r"""Open documents, split into lines as LSP defines them: at ``\n``, ``\r\n`` and ``\r`` only.

pygls splits with ``str.splitlines``, so that a form feed or U+2028 in a file shifts every position below it,
and it splits and rebuilds the whole file for each edit. Private names of pygls 2.1 are used in this file and
in ``protocol``, nowhere else.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any

from lsprotocol import types
from pygls.workspace import PositionCodec, ServerTextPosition, TextDocument
from pygls.workspace import Workspace as StockWorkspace

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

logger = logging.getLogger("kvasir.server.documents")


def split_lines(text: str) -> list[str]:
    """Split into lines that keep their ends; a text that ends with a line end has no empty last line."""
    return _LINE.findall(text)


class Codec(PositionCodec):
    """Columns in the client's units to code points.

    Unlike pygls' own it never changes the position that it is given, and a column past the end of a line
    means that end, also on a last line without line end.
    """

    def position_from_client_units(
        self, lines: Sequence[str], position: types.Position
    ) -> ServerTextPosition:
        """A line past the last one means the end of the document; half a character counts as the whole."""
        if not lines:
            return ServerTextPosition(0, 0)
        if position.line >= len(lines):
            return ServerTextPosition(len(lines) - 1, len(lines[-1]))
        return ServerTextPosition(position.line, self._column(lines[position.line], position.character))

    def _column(self, line: str, units: int) -> int:
        content = line.rstrip("\r\n")
        if content.isascii():
            return min(units, len(content))
        counted = 0
        for column, character in enumerate(content):
            if counted >= units:
                return column
            counted += self.impl.code_units_for_char(character)
        return len(content)


class Document(TextDocument):
    """An edit costs the lines it touches, not the file: lines are kept, ``source`` is joined when asked for.

    ``lines`` is the live list: whoever keeps it across an ``await`` copies it.
    """

    def __init__(self, uri: str, source: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401 (pygls' own options)
        super().__init__(uri, source, **kwargs)
        self._lines = None if source is None else split_lines(source)

    @property
    def lines(self) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]  # pygls: Sequence, and a tuple never comes
        """Lines with their ends; read from disk if the document is not open."""
        return split_lines(super().source) if self._lines is None else self._lines

    @property
    def source(self) -> str:
        """The text; read from disk (``OSError``, ``UnicodeDecodeError``) if the document is not open."""
        if self._source is None and self._lines is not None:
            self._source = "".join(self._lines)
        return super().source

    def _apply_incremental_change(self, change: types.TextDocumentContentChangePartial) -> None:
        lines = self.lines
        span = self.position_codec.range_from_client_units(lines, change.range)
        first, last = span.start.line, span.end.line
        head = lines[first][: span.start.character] if first < len(lines) else ""
        tail = lines[last][span.end.character :] if last < len(lines) else ""
        # One line more on each side: a \r and a \n that come to meet are one line end.
        above, below = max(first - 1, 0), last + 2
        touched = [*lines[above:first], head, change.text, tail, *lines[last + 1 : below]]
        lines[above:below] = split_lines("".join(touched))
        self._lines, self._source = lines, None

    def _apply_full_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        self._lines, self._source = split_lines(change.text), change.text


class Workspace(StockWorkspace):
    """The client's documents, in the units in which it really counts columns."""

    @classmethod
    def like(cls, stock: StockWorkspace, encoding: types.PositionEncodingKind | str | None) -> "Workspace":
        """The same folders and synchronisation as ``stock``, which has no documents yet."""
        folders = list(stock.folders.values())
        workspace = cls(stock.root_uri, stock._sync_kind, folders, encoding)  # noqa: SLF001
        workspace._position_codec = Codec(encoding)
        return workspace

    def update_text_document(
        self,
        text_doc: types.VersionedTextDocumentIdentifier,
        change: types.TextDocumentContentChangeEvent,
    ) -> None:
        """Apply a change; one for a document that is not open is dropped, where pygls makes a pop-up."""
        try:
            super().update_text_document(text_doc, change)
        except KeyError:
            logger.warning("The client changed a document that it had not opened.")

    def _create_text_document(
        self,
        doc_uri: str,
        source: str | None = None,
        version: int | None = None,
        language_id: str | None = None,
    ) -> TextDocument:
        return Document(
            doc_uri,
            source=source,
            version=version,
            language_id=language_id,
            sync_kind=self._sync_kind,
            position_codec=self._position_codec,
        )
