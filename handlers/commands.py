"""The commands, each once, with the function that answers it: for capabilities, dispatch and docs."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import attrs

from handlers import ask, chats, models
from handlers.answering import Reply
from handlers.arguments import Arguments, WordsKey
from handlers.desk import Desk

Answer: TypeAlias = Callable[[Desk, Arguments], Awaitable[Reply]]


@attrs.frozen
class Command:
    """A command. ``words`` is the key that words beside the object fill; ``keys`` are those that it reads."""

    answer: Answer
    words: WordsKey
    keys: str

    @property
    def doc(self) -> str:
        """Its documentation, in a paragraph."""
        return " ".join((self.answer.__doc__ or "").split())


_CODE = "uri | file, range | lines | lines1, text, version, flags, include, paths, diagnostics"
_CHAT = "session | uri | file"

COMMANDS: Mapping[str, Command] = {
    "kvasir.ask": Command(
        ask.ask, "question", f"question, preset, {_CODE}, session, turn, new, model, view, id"
    ),
    "kvasir.warmup": Command(ask.warmup, "question", f"question, {_CODE}, session, model"),
    "kvasir.fork": Command(
        chats.fork, "question", f"{_CHAT}, turn | lines | range, question, model, view, id"
    ),
    "kvasir.retry": Command(ask.retry, "model", f"{_CHAT}, turn | lines | range, model, view, id"),
    "kvasir.send": Command(chats.send, "session", f"{_CHAT}, model, view, id"),
    "kvasir.cancel": Command(ask.cancel, "job", f"job, {_CHAT}"),
    "kvasir.open": Command(chats.open_chat, "query", "session, query, view"),
    "kvasir.chats": Command(chats.chats, "query", "query"),
    "kvasir.rename": Command(chats.rename, "title", f"{_CHAT}, title"),
    "kvasir.delete": Command(chats.delete, "session", "session"),
    "kvasir.model": Command(models.model, "model", f"model, {_CHAT}"),
    "kvasir.context": Command(ask.context, "question", f"question, preset, {_CODE}, session, model"),
    "kvasir.status": Command(models.status, "query", ""),
}
