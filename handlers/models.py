"""``kvasir.model`` and ``kvasir.status``."""

from typing import Any

import attrs

from handlers.answering import Reply
from handlers.arguments import Arguments
from handlers.desk import Desk
from handlers.documents import chat_meant, document_path
from sessions.errors import BadRequest
from sessions.slot_rows import Slot
from sessions.transcript.edits import applied, with_model
from sessions.transcript.parser import parse


async def model(desk: Desk, given: Arguments) -> Reply:
    """Choose the model of a chat, and of new chats; without a name, list what there is."""
    models = desk.sessions.models
    if given.model is None:
        return {"v": 1, "ok": True, "models": models.names(), "model": desk.model or models.default}
    name = models.name(given.model)
    desk.model = name
    chat = _chat_or_none(desk, given)
    if chat is not None:
        desk.sessions.store.set_model(chat[0], name)
        if chat[1] is not None:
            await _write_front_matter(desk, chat[0], name)
    desk.editor.message(f"Kvasir answers with {name} from now on.")
    return {"v": 1, "ok": True, "model": name, "session": chat[0] if chat else None}


async def status(desk: Desk, _given: Arguments) -> Reply:
    """What is loaded, what the slots hold, and how much was expected there and missing."""
    models = desk.sessions.models
    said: dict[str, Any] = {}
    for name in models.names():
        ready = models.running(name)
        if ready is None:
            continue
        table = ready.table
        said[name] = {
            "url": ready.server.url,
            "ours": table is not None,
            "windowTokens": ready.window_tokens,
            "slots": [_slot(slot) for slot in table.slots()] if table else [],
            "counters": attrs.asdict(table.counters()) if table else {},
        }
    jobs = [{"job": job.id, "session": job.chat} for job in desk.jobs.all()]
    return {"v": 1, "ok": True, "models": said, "jobs": jobs, "mode": desk.editor.mode}


def _slot(slot: Slot) -> dict[str, Any]:
    return {"slot": slot.number, "owner": slot.owner, "tokens": slot.tokens, "busy": bool(slot.doing)}


def _chat_or_none(desk: Desk, given: Arguments) -> tuple[str, str | None] | None:
    try:
        chat, _ = chat_meant(desk, given)
    except BadRequest:
        return None
    return chat.id, chat.document


async def _write_front_matter(desk: Desk, chat_id: str, name: str) -> None:
    """Let the document say the model too: it is where the person would look, and what sending reads."""
    chat = desk.sessions.store.chat(chat_id)

    def named(text: str | None) -> str | None:
        return None if text is None else applied(text, with_model(parse(text), name))

    await desk.editor.change(document_path(desk, chat), named)
