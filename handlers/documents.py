"""Chat documents: where they lie, and their text as the person sees it."""

from collections.abc import Iterable
from pathlib import Path

import attrs
from pygls import uris

from context.named import named
from handlers.arguments import Arguments
from handlers.desk import Desk, Focus
from sessions.chat import Chat
from sessions.errors import BadRequest, StoreError
from sessions.transcript.changes import Change, changed_turn
from sessions.transcript.edits import applied, without
from sessions.transcript.front import added_sources
from sessions.transcript.markdown import document_name, render
from sessions.transcript.parser import Document, parse, turn_at

FOLDER = ".kvasir"


def path_of_uri(uri: str) -> Path:
    """The file of a ``file:`` URI; ``BadRequest`` for any other."""
    path = uris.to_fs_path(uri)
    if not path or not uri.startswith("file:"):
        raise BadRequest(f"{uri} is not a file.", hint="Save the document first.")
    return Path(path)


def is_chat(desk: Desk, path: Path) -> bool:
    """Whether a path is a chat document, by its place."""
    if path.suffix != ".md":
        return False
    if path.parent.name == "chat" and path.parent.parent.name == FOLDER:
        return True
    return path.parent in own_folders(desk)


def own_folders(desk: Desk) -> list[Path]:
    """Where chats lie that are not in their workspace."""
    chosen = [Path(desk.chat.directory).expanduser()] if desk.chat.directory else []
    return [*chosen, desk.state_folder / "chat"]


def document_path(desk: Desk, chat: Chat) -> Path:
    """Where a chat's document is, or is to be: in the workspace, or in our own folder if it is read-only."""
    if chat.document:
        return Path(chat.document)
    folder = _folder(desk, Path(chat.root) if chat.root else None)
    taken = {path.name for path in folder.glob("*.md")}
    path = folder / document_name(chat, taken)
    desk.sessions.store.set_document(chat.id, str(path))
    return path


def text_of(desk: Desk, path: Path) -> str | None:
    """A chat document's text: the editor's, else the disk's, ``None`` when there is neither."""
    if (text := desk.editor.text(path)) is not None:
        return text
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


async def put_chat(desk: Desk, chat: Chat, draft: str = "") -> Path:
    """Make a chat's document show it as it is stored; its path."""
    path = document_path(desk, chat)
    await desk.editor.change(path, lambda _: render(chat, draft))
    return path


async def refresh(desk: Desk, chat: Chat, path: Path) -> None:
    """Let a document catch up with a chat that went on without it; what a person changed in it stays."""
    if desk.sessions.asking(chat.id) is not None:
        return
    desk.sessions.store.recover()
    chat = desk.sessions.store.chat(chat.id)

    def caught_up(text: str | None) -> str | None:
        document = parse(text or "")
        if text is None or not _is_behind(document, chat):
            return None
        shown = attrs.evolve(chat, model=document.model or chat.model)
        return render(shown, document.draft, added_sources(chat, document.front))

    await desk.editor.change(path, caught_up)


async def remove_turn(desk: Desk, chat: Chat, turn: str) -> None:
    """Take a turn out of a chat's document."""

    def removed(text: str | None) -> str | None:
        return None if text is None else applied(text, without(parse(text), turn))

    await desk.editor.change(document_path(desk, chat), removed)


def _is_behind(document: Document, chat: Chat) -> bool:
    """Whether only the end is missing: turns, or what came of an answer after its writer died."""
    change = changed_turn(document, chat)
    if change is not None:
        return change.kind is Change.CUT
    answered = not chat.turns or chat.turns[-1].status.final
    return answered and any(part.answer and part.answer.streaming for part in document.sections)


def read_chat(desk: Desk, path: Path) -> tuple[Chat, Document]:
    """A chat document and the chat that it shows; ``BadRequest`` when it shows none."""
    text = text_of(desk, path)
    if text is None:
        raise BadRequest(f"{path} does not exist.", hint='Open a chat with "kvasir.open".')
    document = parse(text)
    chat = desk.sessions.store.chat_of_document(str(path))
    if chat is None and document.chat:
        chat = desk.sessions.store.chat(document.chat)
        if chat.document and not Path(chat.document).exists():
            # It was moved, and is where the person goes on with it.
            desk.sessions.store.set_document(chat.id, str(path))
            chat = attrs.evolve(chat, document=str(path))
    if chat is None:
        raise BadRequest(f"{path} shows no chat of Kvasir.", hint="Ask about some code to begin one.")
    return chat, document


def chat_meant(desk: Desk, given: Arguments) -> tuple[Chat, int | None]:
    """The chat that a command is about, and the turn (from 1 on, 0 before all) if one is meant."""
    if given.session:
        return desk.sessions.store.chat(given.session), given.turn
    path = path_given(desk, given)
    if path is None and (focus := desk.recent_focus()) is not None and is_chat(desk, focus.path):
        path = focus.path
    if path is not None and is_chat(desk, path):
        chat, document = read_chat(desk, path)
        return chat, given.turn if given.turn is not None else _turn_at(document, given)
    if desk.last_chat:
        return desk.sessions.store.chat(desk.last_chat), given.turn
    raise BadRequest("Which chat?", hint='Open one with "kvasir.open", or name it by its id.')


def path_given(desk: Desk, given: Arguments) -> Path | None:
    """The file that a command names; a relative one lies in a workspace folder."""
    if given.uri is not None:
        return path_of_uri(given.uri)
    return None if given.file is None else path_named(desk, given.file)


def path_named(desk: Desk, name: str) -> Path:
    """A path as a person or a key map writes it."""
    path = Path(name).expanduser()
    if path.is_absolute():
        return path
    places = [root / path for root in desk.roots()] or [Path.cwd() / path]
    return next((place for place in places if place.exists()), places[0])


def paths_named(desk: Desk, names: Iterable[str], folder: Path | None = None) -> tuple[Path, ...]:
    """The files that paths, folders and patterns stand for, each once; relative ones begin at ``folder``.

    Patterns look through the project: keep them off the event loop.
    """
    most_bytes = desk.sessions.files.max_bytes
    found: dict[Path, None] = {}
    for name in names:
        path = path_named(desk, name) if folder is None else folder / Path(name).expanduser()
        root = desk.root_of(path)
        found.update(dict.fromkeys(named([str(path)], root or path.parent, root, most_bytes)))
    return tuple(found)


def code_focus(desk: Desk) -> Focus | None:
    """Where the person was in the code in the last minutes, also from within a chat."""
    return next((at for at in reversed(desk.seen) if at.is_recent and not is_chat(desk, at.path)), None)


def _turn_at(document: Document, given: Arguments) -> int | None:
    line = given.range.start.line if given.range else given.line_span[0] if given.line_span else None
    index = None if line is None else turn_at(document, line)
    return None if index is None else index + 1


def _folder(desk: Desk, root: Path | None) -> Path:
    if desk.chat.directory:
        return _made(Path(desk.chat.directory).expanduser())
    if root is not None and root != Path.home():
        try:
            folder = _made(root / FOLDER / "chat")
            ignore = root / FOLDER / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except (OSError, StoreError):
            desk.editor.warn(f"{root} cannot be written: its chats are kept in {desk.state_folder / 'chat'}.")
        else:
            return folder
    return _made(desk.state_folder / "chat")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    return folder
