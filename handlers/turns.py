"""What can be done with a turn of a chat document, for menus and lenses alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from handlers.desk import Desk
from handlers.documents import read_chat
from sessions.errors import KvasirError
from sessions.transcript.changes import Change, changed_turn
from sessions.transcript.parser import Document


@attrs.frozen
class Offer:
    """One thing that can be done, and the command with its argument that does it."""

    verb: str
    command: str
    argument: dict[str, Any]


def offers(document: Document, uri: str, index: int) -> Iterator[Offer]:
    """What can be done with the turn at ``index``: nothing while it is being answered."""
    answer = document.sections[index].answer
    if answer is None or not answer.streaming:
        where = {"uri": uri, "turn": index + 1}
        yield Offer("fork", "kvasir.fork", where)
        yield Offer("retry", "kvasir.retry", where)


def unsent_turns(desk: Desk, path: Path) -> frozenset[int]:
    """Indices of the turns whose question can be sent: an edited one, and the new one behind the last."""
    try:
        chat, document = read_chat(desk, path)
    except KvasirError:
        return frozenset()
    change = changed_turn(document, chat)
    edited = {change.index} if change is not None and change.kind is Change.QUESTION else set[int]()
    new = {len(document.sections)} if document.draft else set[int]()
    return frozenset(edited | new)
