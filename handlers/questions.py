"""From a command's arguments to a question: which code goes with it, and in which chat it is asked."""

import asyncio
from pathlib import Path

import attrs

from context.gather import Wanted
from context.selection import Selection
from handlers import sources
from handlers.arguments import Arguments, Flag, Include
from handlers.desk import Desk, Focus
from handlers.documents import (
    chat_meant,
    code_focus,
    is_chat,
    path_given,
    paths_named,
)
from sessions.chat import Chat
from sessions.errors import BadRequest
from sessions.question import Question
from sessions.transcript.front import added_sources
from sessions.transcript.parser import Document

_CHOICES = {Flag.SELECTION, Flag.FILE, Flag.PROJECT, Flag.RELATED}
_ADDED = ("notes", "diagnostics")
"""What comes on top, and leaves open which code goes with a question."""


async def with_names(desk: Desk, given: Arguments, folder: Path | None = None) -> Arguments:
    """The same with each pattern and folder among the paths replaced by the files that it stands for."""
    if not given.paths:
        return given
    paths = await asyncio.to_thread(paths_named, desk, given.paths, folder)
    return attrs.evolve(given, paths=tuple(map(str, paths)))


def question(desk: Desk, given: Arguments) -> Question:
    """What is asked. Remembers the document, so that the next command may leave it out."""
    focus = _focus(desk, given)
    if focus is not None and is_chat(desk, focus.path):
        return _in_chat(desk, given)
    wanted = _wanted(desk, given, focus)
    chat, after = _chat(desk, given, wanted)
    if chat is None and given.include.notes is None:
        wanted = attrs.evolve(wanted, notes=desk.context.notes and wanted.root is not None)
    return Question(
        text=given.question,
        mode=given.preset.value if given.preset else None,
        wanted=wanted,
        chat=chat,
        after=after,
        model=given.model or (desk.model if chat is None else None),
        editor="editor",
    )


async def typed_question(
    desk: Desk, text: str, chat: Chat, document: Document
) -> tuple[Question, BadRequest | None]:
    """A question that was typed into a chat's document, with what was added to the context in its front.

    What the chat began with is not asked for again. The error is for a word that nothing stands behind now:
    the question goes without.
    """
    given = sources.included(added_sources(chat, document.front))
    root = Path(chat.root) if chat.root else None
    wanted, lacking = _wanted_in_chat(desk, await with_names(desk, given, root), root)
    model = document.model if document.model != chat.model else None
    return Question(text, wanted=wanted, chat=chat.id, model=model, editor="editor"), lacking


def _in_chat(desk: Desk, given: Arguments) -> Question:
    """Asked from a chat document: that chat goes on, with what is named there."""
    wanted, lacking = _wanted_in_chat(desk, given, None)
    if lacking is not None:
        raise lacking
    chat = None if given.wants_new_chat else chat_meant(desk, given)[0]
    return Question(
        text=given.question,
        mode=given.preset.value if given.preset else None,
        wanted=wanted,
        chat=chat.id if chat else None,
        after=given.turn if chat else None,
        model=given.model or (None if chat else desk.model),
        editor="editor",
    )


def _wanted_in_chat(desk: Desk, given: Arguments, root: Path | None) -> tuple[Wanted, BadRequest | None]:
    """What is wanted from within a chat: of the code where the person was only what is asked for."""
    focus = code_focus(desk)
    about_lines = given.wants_selection or given.wants_related or given.include.blame
    code = Arguments(include=Include(selection=bool(about_lines)))
    paths = paths_named(desk, given.paths, root)
    if given.wants_file and focus is not None:
        paths = (*paths, focus.path)
    root = root or desk.root_of(None)
    found = sources.wanted(given, root, _selection(code, focus), paths, focus=focus)
    return found, sources.missing(given, found, focus)


def _focus(desk: Desk, given: Arguments) -> Focus | None:
    path = path_given(desk, given)
    if path is None:
        # A text without a document is from none, say from a terminal or a buffer without a name.
        return None if given.text is not None else desk.recent_focus()
    lines, before = _lines(given), desk.focus
    same = before is not None and (before.path, before.lines) == (path, lines)
    said = given.diagnostics or (before.diagnostics if same and before else ())
    desk.focus = Focus(path, lines, diagnostics=said)
    return desk.focus


def _lines(given: Arguments) -> tuple[int, int] | None:
    """Whole lines: what a model reads best, and the same in every position encoding."""
    if given.range is None:
        return given.line_span
    start, end = given.range.start, given.range.end
    return start.line, end.line + (1 if end.character > 0 or end.line == start.line else 0)


def _wanted(desk: Desk, given: Arguments, focus: Focus | None) -> Wanted:
    chosen = bool(_CHOICES & set(given.flags)) or any(
        wish is not None for name, wish in attrs.asdict(given.include).items() if name not in _ADDED
    )
    paths = paths_named(desk, given.paths)
    beside = () if focus is None or chosen or focus.path in paths else (focus.path,)
    if focus is not None and (given.wants_file or not chosen):
        paths = tuple(dict.fromkeys((*paths, focus.path)))
    root = desk.root_of(focus.path if focus else None)
    found = sources.wanted(given, root, _selection(given, focus), paths, focus=focus, if_readable=beside)
    if (lacking := sources.missing(given, found, focus)) is not None:
        raise lacking
    return found


def _selection(given: Arguments, focus: Focus | None) -> Selection | None:
    if given.include.selection is False:
        return None
    lines = _lines(given) or (focus.lines if focus else None)
    if lines is None or lines[0] == lines[1]:
        return None if given.text is None else Selection(focus.path if focus else None, text=given.text)
    return Selection(focus.path if focus else None, *lines, text=given.text)


def _chat(desk: Desk, given: Arguments, wanted: Wanted) -> tuple[str | None, int | None]:
    """A bare question goes on with the last chat; one about a selection or files begins another."""
    if given.session:
        return given.session, given.turn
    fresh = given.wants_new_chat or wanted.selection or wanted.project or given.paths or given.preset
    return (None, None) if fresh or not desk.last_chat else (desk.last_chat, given.turn)
