"""What editors show of chat documents only: turns as symbols, folds for long parts, links to files."""

from collections.abc import Iterable
from pathlib import Path

from lsprotocol import types

from handlers.desk import Desk
from handlers.documents import is_chat, path_of_uri, text_of
from sessions.errors import KvasirError
from sessions.transcript.parser import Document, Span, links, parse, symbols


def document_symbol(desk: Desk, uri: str) -> list[types.DocumentSymbol]:
    """A symbol per turn, named by its question."""
    document = read(desk, uri)
    if document is None:
        return []
    return [
        types.DocumentSymbol(
            name=symbol.name,
            kind=types.SymbolKind.String,
            range=_whole(document, symbol.span),
            selection_range=_line(document, symbol.heading),
        )
        for symbol in symbols(document)
    ]


def folding_range(desk: Desk, uri: str) -> list[types.FoldingRange]:
    """Each turn folds, and the reasoning in it."""
    document = read(desk, uri)
    return [] if document is None else list(_folds(document))


def document_link(desk: Desk, uri: str) -> list[types.DocumentLink]:
    """The files that a chat is about, where they exist."""
    document = read(desk, uri)
    if document is None:
        return []
    return [
        types.DocumentLink(range=_span(desk, document, link.line, link.start, link.end), target=target)
        for link in links(document)
        if (target := _target(desk, uri, link.path, link.first)) is not None
    ]


def read(desk: Desk, uri: str) -> Document | None:
    """The chat document of this URI, as the person sees it; ``None`` for any other document."""
    try:
        path = path_of_uri(uri)
    except KvasirError:
        return None
    text = text_of(desk, path) if is_chat(desk, path) else None
    return None if text is None else parse(text)


def _folds(document: Document) -> Iterable[types.FoldingRange]:
    for section in document.sections:
        yield _fold(section.span)
        if section.answer is not None and section.answer.thinking is not None:
            yield _fold(section.answer.thinking)


def _fold(span: Span) -> types.FoldingRange:
    return types.FoldingRange(start_line=span.start, end_line=max(span.start, span.end - 1))


def _target(desk: Desk, uri: str, name: str, line: int | None) -> str | None:
    path = Path(name).expanduser()
    places = [path] if path.is_absolute() else [root / path for root in _roots(desk, uri)]
    found = next((place for place in places if place.is_file()), None)
    return None if found is None else found.as_uri() + (f"#L{line}" if line else "")


def _roots(desk: Desk, uri: str) -> list[Path]:
    chat = desk.sessions.store.chat_of_document(str(path_of_uri(uri)))
    return [Path(chat.root)] if chat is not None and chat.root else desk.roots()


def _whole(document: Document, span: Span) -> types.Range:
    last = min(span.end, len(document.lines)) - 1
    return types.Range(types.Position(span.start, 0), types.Position(max(last, span.start), 0))


def _line(document: Document, line: int) -> types.Range:
    end = len(document.lines[line].split(" <!--")[0]) if line < len(document.lines) else 0
    return types.Range(types.Position(line, 0), types.Position(line, end))


def _span(desk: Desk, document: Document, line: int, start: int, end: int) -> types.Range:
    inner = types.Range(types.Position(line, start), types.Position(line, end))
    return desk.codec().range_to_client_units(list(document.lines), inner)
