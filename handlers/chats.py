"""Chats and their documents: ``kvasir.fork``, ``send``, ``open``, ``chats``, ``rename``, ``delete``."""

import asyncio
import contextlib
from pathlib import Path

import attrs

from handlers.answering import Reply, begin, reply
from handlers.arguments import Arguments, View
from handlers.desk import Desk, Focus
from handlers.documents import (
    chat_meant,
    document_path,
    path_given,
    put_chat,
    read_chat,
    refresh,
    text_of,
)
from handlers.questions import typed_question
from sessions.chat import Chat
from sessions.errors import BadRequest, KvasirError, NotFound
from sessions.question import Question
from sessions.transcript.changes import Change, ChangedTurn, changed_turn
from sessions.transcript.parser import Document


async def fork(desk: Desk, given: Arguments) -> Reply:
    """A new chat that shares the turns up to one; with a question, that is asked there at once."""
    chat, turn = chat_meant(desk, given)
    forked = await desk.sessions.fork(chat.id, turn)
    if given.question:
        asked = Question(text=given.question, chat=forked.id, model=given.model, editor="editor")
        return await begin(desk, await desk.sessions.ask(asked), show=given.view is not View.NONE)
    path = await _shown(desk, forked, given)
    desk.warm_later(Question(chat=forked.id, editor="editor"))
    return reply(desk, forked.id, path, turn=len(forked.turns))


async def send(desk: Desk, given: Arguments) -> Reply:
    """Send what was typed at the end of a chat document, or the question that was edited in it."""
    path = path_given(desk, given)
    if path is None:
        chat, _ = chat_meant(desk, given)
        path = document_path(desk, chat)
    async with desk.sending:
        return await _send(desk, path, given)


async def saved(desk: Desk, path: Path) -> None:
    """A chat document was saved: send what was typed in it, if anything was."""
    if not desk.chat.send_on_save:
        return
    async with desk.sending:
        chat, document = read_chat(desk, path)
        if desk.sessions.asking(chat.id):
            return
        if document.draft or _edited_question(changed_turn(document, chat)):
            await _send(desk, path, Arguments())


async def drafted(desk: Desk, chat: str, document: Document) -> Question:
    """The question that is being typed in a chat's document, as it would be sent by now."""
    asked, _ = await typed_question(desk, document.draft, desk.sessions.store.chat(chat), document)
    return asked


async def closed(desk: Desk, path: Path) -> None:
    """A chat document was closed: without what was not saved it would lack the answers that were shown."""
    with contextlib.suppress(KvasirError):
        chat, _ = read_chat(desk, path)
        await refresh(desk, chat, path)


async def open_chat(desk: Desk, given: Arguments) -> Reply:
    """Show a chat: one that is named, found by words, or the last one."""
    if given.session:
        chat = desk.sessions.store.chat(given.session)
    else:
        found = desk.sessions.store.chats(given.query or "", limit=1)
        if not found:
            raise NotFound(
                f"No chat holds {given.query!r}." if given.query else "There is no chat yet.",
                hint="Ask a question.",
            )
        chat = desk.sessions.store.chat(found[0].id)
    path = await _shown(desk, chat, given)
    desk.warm_later(Question(chat=chat.id, editor="editor"))
    return reply(desk, chat.id, path, turn=len(chat.turns))


async def chats(desk: Desk, given: Arguments) -> Reply:
    """List chats, newest first, all or those that hold some words."""
    found = desk.sessions.store.chats(given.query or "")
    return {
        "v": 1,
        "ok": True,
        "sessions": [
            {
                "session": chat.id,
                "title": chat.title,
                "root": chat.root,
                "turns": chat.turns,
                "model": chat.model,
                "path": chat.document,
                "updated": chat.updated,
            }
            for chat in found
        ],
    }


async def rename(desk: Desk, given: Arguments) -> Reply:
    """Give a chat another title."""
    chat, _ = chat_meant(desk, given)
    if not (given.title or "").strip():
        raise BadRequest("The new title is missing.", hint='Give it as "title".')
    desk.sessions.store.rename(chat.id, given.title or "")
    return {"v": 1, "ok": True, "session": chat.id}


async def delete(desk: Desk, given: Arguments) -> Reply:
    """Delete a chat and its document. It must be named: no chat is deleted by guess."""
    if not given.session:
        raise BadRequest("Which chat?", hint='Name it as "session".')
    chat = desk.sessions.store.chat(given.session)
    if (asking := desk.sessions.asking(chat.id)) is not None:
        asking.stop()
    desk.sessions.store.delete(chat.id)
    if chat.document:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(Path(chat.document).unlink, missing_ok=True)
    if desk.last_chat == chat.id:
        desk.last_chat = None
    return {"v": 1, "ok": True, "session": chat.id}


async def _shown(desk: Desk, chat: Chat, given: Arguments) -> Path:
    path = document_path(desk, chat)
    if text_of(desk, path) is None:
        await put_chat(desk, chat)
    else:
        await refresh(desk, chat, path)
    desk.last_chat, desk.focus = chat.id, Focus(path)
    if given.view is not View.NONE:
        await desk.editor.open(chat.id, path)
    return path


async def _send(desk: Desk, path: Path, given: Arguments) -> Reply:
    asked = await _typed(desk, path)
    if asked is None:
        raise BadRequest("There is nothing to send.", hint='Write a question under the last "## You".')
    desk.warmups.asked()
    question = attrs.evolve(asked, model=given.model or asked.model)
    return await begin(desk, await desk.sessions.ask(question), show=given.view is not View.NONE)


async def _typed(desk: Desk, path: Path) -> Question | None:
    """The question in a document, in the chat where it belongs: a fork if what is before it was changed."""
    chat, document = read_chat(desk, path)
    change = changed_turn(document, chat)
    if change is None:
        if not document.draft:
            return None
        asked = await _complete(desk, document.draft, chat, document)
        await refresh(desk, chat, path)
        return asked
    edited = _edited_question(change)
    text = edited or document.draft
    if not text:
        return None
    asked = await _complete(desk, text, chat, document)
    forked = await _branched(desk, chat, change)
    # The old document says again what was said; what is new stands in the fork's.
    await put_chat(desk, chat, document.draft if edited else "")
    return attrs.evolve(asked, chat=forked.id)


async def _complete(desk: Desk, text: str, chat: Chat, document: Document) -> Question:
    asked, lacking = await typed_question(desk, text, chat, document)
    if lacking is not None:
        desk.editor.message(str(lacking))
    return asked


def _edited_question(change: ChangedTurn | None) -> str | None:
    return change.question if change is not None and change.kind is Change.QUESTION else None


async def _branched(desk: Desk, chat: Chat, change: ChangedTurn) -> Chat:
    """A fork before the change, with the turn as it was edited if its answer was."""
    kept = chat.turns[: change.index]
    if change.kind is Change.ANSWER and change.answer:
        turn = attrs.evolve(chat.turns[change.index], answer=change.answer, reasoning="")
        parent = kept[-1].id if kept else None
        kept = (*kept, desk.sessions.store.add_final(parent, turn))
    return desk.sessions.store.new_chat(
        title=chat.title, root=chat.root, model=chat.model, base=chat.base, turns=kept, forked_from=chat.id
    )
