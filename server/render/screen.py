"""The editor's copies of documents: which are open, what they say, and edits that are seen to arrive."""

import asyncio
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import cast

from lsprotocol import types
from pygls.uris import to_fs_path
from pygls.workspace import ServerTextPosition

from server.documents import Document, Workspace
from server.render.marks import Edit
from server.render.wire import Wire

_APPLY = types.WORKSPACE_APPLY_EDIT


class Screen:
    """What the editor has open. One edit is outstanding at a time: the reply is the back-pressure."""

    def __init__(self, wire: Wire, workspace: Callable[[], Workspace]) -> None:
        self._wire = wire
        self._workspace = workspace
        self._changed = asyncio.Condition()
        self._editing = asyncio.Lock()
        self._untold: Callable[[], bool] | None = None
        """Whether the client has told of the edit that it took without telling."""

    def document(self, path: Path) -> Document | None:
        """The open document of a file, however the client spells its URI."""
        wanted = real(path)
        for document in self._workspace().text_documents.values():
            if _local(document.uri) == wanted:
                return cast("Document", document)
        return None

    def text(self, path: Path) -> str | None:
        """The text of an open document, ``None`` if it is not open."""
        document = self.document(path)
        return document.source if document else None

    def is_at(self, uri: str, path: Path) -> bool:
        """Whether the URI is that of the file."""
        return _local(uri) == real(path)

    @property
    def takes_edits(self) -> bool:
        """False once the client was silent on an edit, or did not tell of the change that it made."""
        return self._wire.answers(_APPLY) and self._untold is None

    async def changed(self) -> bool:
        """To be called when a document was opened, changed or closed.

        True if it was told so late that no more edits were sent; now they are.
        """
        async with self._changed:
            self._changed.notify_all()
        if self._untold is None or not self._untold():
            return False
        self._untold = None
        return True

    async def edit(self, path: Path, make: Callable[[str], Edit | None]) -> bool:
        """Apply the edit that ``make`` gives for the text as it is, and wait until our copy has it.

        False if there is nothing to edit or the client refuses.
        """
        async with self._editing:
            document = self.document(path)
            edit = make(document.source) if document else None
            if document is None or edit is None:
                return False
            before, version = document.source, document.version
            if not await self._apply(document, edit):
                return False
            told = partial(self._told, path, edit, before, version)
            self._untold = None if await self._wait_for(told) else told
            return True

    async def _apply(self, document: Document, edit: Edit) -> bool:
        lines = document.lines
        codec = document.position_codec
        span = types.Range(
            start=codec.position_to_client_units(lines, _position(lines, edit.start)),
            end=codec.position_to_client_units(lines, _position(lines, edit.end)),
        )
        # Only changes, no label, no version: what every client takes, and none prints for each edit.
        changes = {document.uri: [types.TextEdit(range=span, new_text=edit.text)]}
        params = types.ApplyWorkspaceEditParams(edit=types.WorkspaceEdit(changes=changes))
        result = await self._wire.ask(_APPLY, params)
        return isinstance(result, types.ApplyWorkspaceEditResult) and result.applied

    def _told(self, path: Path, edit: Edit, before: str, version: int | None) -> bool:
        """Whether our copy has an edit. Clients tell before or after they answer, Neovim 150 ms later."""
        document = self.document(path)
        if document is None or document.source == edit.applied(before):
            return True
        # A person typed at the same time: our text is there, but so is theirs.
        return document.version != version and document.source.count(edit.text) > before.count(edit.text)

    async def _wait_for(self, told: Callable[[], bool]) -> bool:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(told), self._wire.limit_s)
            except TimeoutError:
                return False
        return True


def real(path: Path) -> Path:
    """The path without links, by which a file is known here."""
    return path.resolve()


@lru_cache(maxsize=1024)
def _local(uri: str) -> Path | None:
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path).resolve() if path else None


def _position(lines: list[str], offset: int) -> ServerTextPosition:
    left = offset
    for number, line in enumerate(lines):
        if left < len(line) or (left == len(line) and not line.endswith(("\n", "\r"))):
            return ServerTextPosition(number, left)
        left -= len(line)
    return ServerTextPosition(len(lines), 0)
