"""From a command's arguments to a question: which code goes with it, and in which chat it is asked."""

import attrs

from context.gather import Wanted
from context.selection import Selection
from handlers.arguments import Arguments, Flag
from handlers.desk import Desk, Focus
from handlers.documents import chat_meant, is_chat, path_given, path_named
from sessions.ask import Question
from sessions.errors import BadRequest


def question(desk: Desk, given: Arguments) -> Question:
    """What is asked. Remembers the document, so that the next command may leave it out."""
    focus = _focus(desk, given)
    if focus is not None and is_chat(desk, focus.path):
        return _in_chat(desk, given)
    wanted = _wanted(desk, given, focus)
    chat, after = _chat(desk, given, wanted)
    return Question(
        text=given.question,
        mode=given.preset.value if given.preset else None,
        wanted=wanted,
        chat=chat,
        after=after,
        model=given.model or (desk.model if chat is None else None),
        editor="editor",
    )


def _in_chat(desk: Desk, given: Arguments) -> Question:
    """Asked from a chat document: that chat goes on, with the files that are named."""
    if given.wants_selection or given.wants_file:
        raise BadRequest("A chat is no code to ask about.", hint="Ask from the code, or name files.")
    paths = tuple(path_named(desk, name) for name in given.paths)
    wanted = Wanted(desk.root_of(None), None, paths, given.wants_project)
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


def _focus(desk: Desk, given: Arguments) -> Focus | None:
    path = path_given(desk, given)
    if path is None:
        # A text without a document is from none, say from a terminal or a buffer without a name.
        return None if given.text is not None else desk.recent_focus()
    desk.focus = Focus(path, _lines(given))
    return desk.focus


def _lines(given: Arguments) -> tuple[int, int] | None:
    """Whole lines: what a model reads best, and the same in every position encoding."""
    if given.range is None:
        return given.line_span
    start, end = given.range.start, given.range.end
    return start.line, end.line + (1 if end.character > 0 or end.line == start.line else 0)


def _wanted(desk: Desk, given: Arguments, focus: Focus | None) -> Wanted:
    include = given.include
    chosen = bool({Flag.SELECTION, Flag.FILE, Flag.PROJECT, Flag.TAGS} & set(given.flags)) or any(
        wish is not None for wish in attrs.astuple(include)
    )
    paths = [path_named(desk, name) for name in given.paths]
    if given.wants_file and focus is None:
        raise BadRequest("Which file?", hint="Ask from a document, or name it.")
    selection = _selection(given, focus)
    if given.wants_selection and selection is None:
        raise BadRequest("Nothing is selected.", hint="Select some lines, or ask about the file.")
    if focus is not None and (given.wants_file or not chosen):
        paths.append(focus.path)
    root = desk.root_of(focus.path if focus else None)
    return Wanted(root, selection, tuple(paths), given.wants_project, () if chosen else tuple(paths[-1:]))


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
