"""``textDocument/codeLens``: above each turn of a chat document what can be done with it."""

from collections.abc import Iterator
from typing import Any

from lsprotocol import types

from handlers.chat_document import read
from handlers.desk import Desk
from handlers.documents import path_of_uri
from handlers.turns import offers, unsent_turns
from sessions.transcript.parser import Document, Section


def code_lens(desk: Desk, uri: str) -> list[types.CodeLens]:
    """Send what was not sent yet, stop what is being written, fork from and retry all else."""
    document = read(desk, uri)
    return [] if document is None else list(_lenses(document, uri, unsent_turns(desk, path_of_uri(uri))))


def _lenses(document: Document, uri: str, unsent: frozenset[int]) -> Iterator[types.CodeLens]:
    for index, section in enumerate(document.sections):
        if index in unsent:
            yield _lens(section, "Send", "kvasir.send", {"uri": uri})
        if section.answer is not None and section.answer.streaming and document.chat is not None:
            yield _lens(section, "Stop", "kvasir.cancel", {"session": document.chat})
        for offer in offers(document, uri, index):
            yield _lens(section, offer.verb.capitalize(), offer.command, offer.argument)
    if document.unsent is not None and len(document.sections) in unsent:
        yield _lens(document.unsent, "Send", "kvasir.send", {"uri": uri})


def _lens(section: Section, title: str, command: str, argument: dict[str, Any]) -> types.CodeLens:
    line = section.span.start if section.heading is None else section.heading
    place = types.Position(line, 0)
    return types.CodeLens(
        range=types.Range(place, place),
        command=types.Command(title=title, command=command, arguments=[{"v": 1, **argument}]),
    )
