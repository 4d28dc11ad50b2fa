"""``textDocument/codeAction``: what can be asked about a selection, and what can be done in a chat.

An editor that asks by itself tells where the person is: it gets ``[]`` at once, so that no light bulb is lit,
and the selection is warmed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
from lsprotocol import types

from handlers import diagnostics
from handlers.arguments import Arguments, Preset
from handlers.desk import Desk, Focus
from handlers.documents import is_chat, path_of_uri, text_of
from handlers.questions import question
from handlers.turns import offers, unsent_turns
from sessions.errors import KvasirError
from sessions.transcript.parser import parse, turn_at

KIND = "refactor.kvasir"
MOST_MODELS = 5
"""A chat then offers eight actions at most, which any menu holds."""

TITLES = {
    Preset.EXPLAIN: "Kvasir: explain",
    Preset.REVIEW: "Kvasir: review",
    Preset.FIX: "Kvasir: fix",
    Preset.TESTS: "Kvasir: write tests",
    Preset.DOCUMENT: "Kvasir: document",
    Preset.BRAINSTORM: "Kvasir: brainstorm",
    Preset.TUTOR: "Kvasir: teach me",
    Preset.REFACTOR: "Kvasir: simplify",
}
_ABOUT_TROUBLE = frozenset({Preset.EXPLAIN, Preset.FIX})
"""These take along what the editor's language servers say about the lines."""
_AT_TURN = {"fork": "Kvasir: fork from turn {}", "retry": "Kvasir: retry turn {}"}


def code_action(desk: Desk, params: types.CodeActionParams) -> list[types.CodeAction]:
    """The actions for a range; none, but a warmup, when nobody asked for them."""
    uri = params.text_document.uri
    try:
        path = path_of_uri(uri)
    except KvasirError:
        return []
    chat = is_chat(desk, path)
    if _automatic(params.context):
        _warm(desk, path, params, chat=chat)
        return []
    actions = [
        *_stop(desk),
        *(_in_chat(desk, path, params) if chat else _ask(desk, params)),
    ]
    return [action for action in actions if _wanted(action, params.context.only)]


def _automatic(context: types.CodeActionContext) -> bool:
    """vim-lsp tells no trigger, but lists ``source`` kinds only in what the person asks for."""
    if context.trigger_kind is not None:
        return context.trigger_kind == types.CodeActionTriggerKind.Automatic
    kinds = context.only or []
    return "" in kinds and not any(str(kind).startswith("source") for kind in kinds)


def _warm(desk: Desk, path: Path, params: types.CodeActionParams, *, chat: bool) -> None:
    span = params.range
    if chat or span.end.line <= span.start.line:
        desk.focus = Focus(path)
        return
    desk.warm_later(question(desk, Arguments(uri=params.text_document.uri, range=span, new=True)))
    if desk.focus is not None:
        # Not warmed, as most questions go without: remembered for one that asks for them.
        said = diagnostics.told(params.context.diagnostics)
        desk.focus = attrs.evolve(desk.focus, diagnostics=said)


def _ask(desk: Desk, params: types.CodeActionParams) -> Iterable[types.CodeAction]:
    place = {"uri": params.text_document.uri, "range": _json(params.range)}
    said = list(diagnostics.told(params.context.diagnostics))
    for preset, title in TITLES.items():
        trouble = {"diagnostics": said} if said and preset in _ABOUT_TROUBLE else {}
        argument = {**place, "preset": preset.value, **trouble}
        yield _action(desk, title, f"{KIND}.{preset.value}", "kvasir.ask", argument)


def _in_chat(desk: Desk, path: Path, params: types.CodeActionParams) -> Iterable[types.CodeAction]:
    uri = params.text_document.uri
    document = parse(text_of(desk, path) or "")
    index, count = turn_at(document, params.range.start.line), len(document.sections)
    if (count if index is None else index) in unsent_turns(desk, path):
        yield _action(desk, "Kvasir: send", f"{KIND}.send", "kvasir.send", {"uri": uri}, preferred=True)
    # Below the last answer the person is still at the last turn, but for sending.
    for offer in offers(document, uri, count - 1 if index is None else index) if count else ():
        title = _AT_TURN[offer.verb].format(offer.argument["turn"])
        yield _action(desk, title, f"{KIND}.{offer.verb}", offer.command, offer.argument)
    names = [name for name in desk.sessions.models.names() if name != document.model]
    for name in names[:MOST_MODELS]:
        title = f"Kvasir: use model {name}"
        yield _action(desk, title, f"{KIND}.model", "kvasir.model", {"uri": uri, "model": name})


def _stop(desk: Desk) -> Iterable[types.CodeAction]:
    """Offered in any file: the person need not look for the chat."""
    for job in desk.jobs.all():
        yield _action(desk, "Kvasir: stop", f"{KIND}.stop", "kvasir.cancel", {"job": job.id}, preferred=True)


def _action(
    desk: Desk, title: str, kind: str, command: str, argument: dict[str, Any], *, preferred: bool = False
) -> types.CodeAction:
    return types.CodeAction(
        title=title,
        kind=kind,
        is_preferred=preferred or None,
        tags=[types.CodeActionTag.LlmGenerated] if desk.tags_llm else None,
        command=types.Command(title=title, command=command, arguments=[{"v": 1, **argument}]),
    )


def _wanted(action: types.CodeAction, only: Sequence[types.CodeActionKind | str] | None) -> bool:
    """Kinds are hierarchical; an empty one among them means all."""
    if not only:
        return True
    kinds = [kind.value if isinstance(kind, types.CodeActionKind) else kind for kind in only]
    return any(kind in ("", action.kind) or str(action.kind).startswith(f"{kind}.") for kind in kinds)


def _json(span: types.Range) -> dict[str, dict[str, int]]:
    return {
        name: {"line": place.line, "character": place.character}
        for name, place in (("start", span.start), ("end", span.end))
    }
