"""The language server: binds each LSP method to the handler that answers it. Read this first.

A request goes from here to one function of ``handlers``, which knows this editor's ``Desk``; what it does
with the chats is ``sessions``' business. Nothing here waits for a model.
"""

import asyncio
import contextlib
import logging
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import attrs
from lsprotocol import types

from handlers import chat_document, chats
from handlers.answering import Reply
from handlers.arguments import Arguments, parse
from handlers.code_action import KIND, code_action
from handlers.code_lens import code_lens
from handlers.commands import COMMANDS, Command
from handlers.desk import Desk, Focus
from handlers.documents import is_chat, own_folders, path_of_uri, text_of
from handlers.questions import question
from handlers.structure import structure
from server import client as clients
from server.compose import folders, log_to, options, sessions
from server.config import Layer, Settings
from server.indexing import Indexes, show_walk
from server.process import serve, serve_tcp
from server.protocol import SCHEME, Server
from server.render.renderer import Renderer
from server.tasks import Tasks
from sessions.ask import Sessions
from sessions.errors import BadRequest, KvasirError, NotFound, StoreError
from sessions.transcript import parser as transcript

logger = logging.getLogger("kvasir.server.app")

REPLIES_KEPT = 256


@attrs.frozen
class TurnText:
    """Params of ``kvasir/turnText``."""

    session: str
    turn: int
    from_seq: int = 0


class Kvasir(Server):
    """One editor's server."""

    client: clients.Client
    renderer: Renderer
    desk: Desk

    def __init__(self) -> None:
        super().__init__("kvasir", version("kvasir"))
        self.tasks = Tasks()
        self.layers: dict[str, Layer] = {}
        self.replies: OrderedDict[str, asyncio.Future[Reply]] = OrderedDict()
        self.indexes = Indexes(folders().indexes)
        _bind(self)

    # --- life --------------------------------------------------------------------------------------

    def begin(self, params: types.InitializeParams) -> None:
        """Meet the client: what it can do, where it works, what is configured."""
        if (given := _at(_at(params.initialization_options, "kvasir"), "settings")) is not None:
            self.layers["init"] = Layer("initializationOptions", given)
        root = _root(params)
        loaded = options(root, *self.layers.values())
        self.problems = [str(problem) for problem in loaded.problems]
        self.client = clients.resolve(params, view=loaded.settings.chat.view)
        self.renderer = Renderer(self.protocol, self.client, self.tasks)
        here = folders()
        self.desk = Desk(
            editor=self.renderer,
            sessions=self._sessions(loaded.settings),
            chat=loaded.settings.chat,
            warmup=loaded.settings.warmup,
            context=loaded.settings.context,
            state_folder=here.state,
            roots=self.roots,
            codec=lambda: self.workspace.position_codec,
            start=self._start,
            tags_llm=self.client.tags_llm,
        )

    async def begun(self) -> None:
        """The client is ready: register what concerns chat documents only, and tell what is wrong."""
        await self._register()
        if self.client.serves_configuration:
            await self.configure()
        if self.client.complaint:
            self.renderer.warn(self.client.complaint)
        for problem in self.problems:
            self.renderer.warn(problem)
        if (moved := self.desk.sessions.store.moved) is not None:
            self.renderer.warn(
                f"The chats on disk were damaged; they were moved to {moved} and new ones begun."
            )
        self._index()

    async def configure(self) -> None:
        """Ask the client for its settings, and take over all that changed."""
        wanted = types.ConfigurationParams(items=[types.ConfigurationItem(section="kvasir")])
        with contextlib.suppress(Exception):
            said = await self.protocol.ask(types.WORKSPACE_CONFIGURATION, wanted, 3.0)
            if said and isinstance(said[0], dict):
                self.layers["configuration"] = Layer("workspace/configuration", said[0])
        self.reload()

    def reload(self) -> None:
        """Read the options again."""
        roots = self.roots()
        loaded = options(roots[0] if roots else None, *self.layers.values())
        settings = loaded.settings
        self.desk.chat, self.desk.warmup, self.desk.context = settings.chat, settings.warmup, settings.context
        self.desk.sessions.settings = settings.context
        self.desk.sessions.models.configure(settings.models, settings.model, settings.server)
        self.indexes.is_on = settings.context.index
        self._index()
        for problem in loaded.problems:
            self.renderer.warn(str(problem))

    async def end(self) -> None:
        """Stop what is under way, and keep what was answered."""
        if hasattr(self, "desk"):
            self.desk.warmups.stop()
            await self.desk.sessions.close()
        await self.indexes.close()
        await self.tasks.stop()

    def roots(self) -> list[Path]:
        """The workspace folders."""
        found = [folder.uri for folder in self.workspace.folders.values()]
        if not found and self.workspace.root_uri:
            found = [self.workspace.root_uri]
        return [path_of_uri(uri) for uri in found if uri.startswith("file:")]

    # --- requests ----------------------------------------------------------------------------------

    async def run(self, name: str, params: types.ExecuteCommandParams) -> Reply:
        """Answer a command; its refusal is told by us where the editor does not."""
        try:
            return await self._run(COMMANDS[name], params)
        except KvasirError as error:
            if not self.client.shows_refusals:
                self.renderer.message(str(error))
            raise

    async def _run(self, command: Command, params: types.ExecuteCommandParams) -> Reply:
        """One that is repeated with the same id gets the first reply."""
        given = parse(params.arguments, command.words)
        if given.id is None:
            return await command.answer(self.desk, given)
        if given.id not in self.replies:
            self.replies[given.id] = asyncio.ensure_future(command.answer(self.desk, given))
            while len(self.replies) > REPLIES_KEPT:
                self.replies.popitem(last=False)
        return await asyncio.shield(self.replies[given.id])

    def selected(self, params: object) -> None:
        """``kvasir/selection``: warm what is selected; without a range it says only where the person is."""
        given = structure(params or {}, Arguments, "kvasir/selection")
        asked = question(self.desk, attrs.evolve(given, new=True))
        if asked.wanted.selection is not None:
            self.desk.warm_later(asked)

    def drafted(self, params: object) -> None:
        """``kvasir/draft``: warm the half-typed question with all that goes with it.

        A list is read as a command's arguments: the question may begin with options, as a person types it.
        """
        if not isinstance(params, list):
            given = structure(params or {}, Arguments, "kvasir/draft")
            self.desk.warm_later(question(self.desk, given))
            return
        arguments = cast("list[object]", params)
        if len(arguments) == 1 and isinstance(arguments[0], list):
            # vscode-jsonrpc, on which coc.nvim stands, puts a list into another.
            arguments = cast("list[object]", arguments[0])
        # Half an option is no mistake yet: whatever is wrong is told when the question is asked.
        with contextlib.suppress(BadRequest):
            self.desk.warm_later(question(self.desk, parse(arguments)))

    def turn_text(self, params: object) -> dict[str, Any]:
        """``kvasir/turnText``: an answer as far as it has come, for a client that missed a part."""
        given = structure(params, TurnText, "kvasir/turnText")
        asking = self.desk.sessions.asking(given.session)
        chat = self.desk.sessions.store.chat(given.session)
        if not 1 <= given.turn <= len(chat.turns):
            raise NotFound(f"Chat {chat.id} has {len(chat.turns)} turns; there is no turn {given.turn}.")
        turn = chat.turns[given.turn - 1]
        text = asking.text if asking is not None and asking.turn.id == turn.id else turn.answer
        return {"v": 1, "session": chat.id, "turn": given.turn, "text": text, "final": turn.status.final}

    # --- documents ---------------------------------------------------------------------------------

    async def opened(self, uri: str) -> None:
        """A document was opened: it is where the person is."""
        self._look_at(uri)
        await self.renderer.opened(uri)

    async def changed(self, uri: str) -> None:
        """A document was changed: in a chat, what is being typed at its end is warmed."""
        await self.renderer.changed(uri)
        path = _path(uri)
        if path is None:
            return
        if not is_chat(self.desk, path):
            self.desk.focus = Focus(path)
            self.indexes.tell(path, self.renderer.text(path))
            return
        document = transcript.parse(text_of(self.desk, path) or "")
        if document.chat and document.draft and self.desk.sessions.asking(document.chat) is None:
            # Whatever is wrong is told when it is sent.
            with contextlib.suppress(KvasirError):
                self.desk.warm_later(await chats.drafted(self.desk, document.chat, document))

    async def saved(self, uri: str) -> None:
        """A document was saved: a chat is sent, if there is something to send."""
        path = _path(uri)
        if path is not None and is_chat(self.desk, path):
            self._start(self._send(path), f"send {path.name}")
        else:
            self._look_at(uri)
            self._settle(path)

    async def closed(self, uri: str) -> None:
        """A document was closed: what was not saved of a chat is written now."""
        await self.renderer.closed(uri)
        path = _path(uri)
        if path is not None and is_chat(self.desk, path):
            self._start(chats.closed(self.desk, path), f"close {path.name}")
        else:
            self._settle(path)

    def _settle(self, path: Path | None) -> None:
        """What is on disk counts again."""
        if path is not None:
            self.indexes.tell(path, None)

    def _look_at(self, uri: str) -> None:
        path, before = _path(uri), self.desk.focus
        if path is not None:
            self.desk.focus = Focus(path, before.lines if before and before.path == path else None)

    async def _send(self, path: Path) -> None:
        try:
            await chats.saved(self.desk, path)
        except KvasirError as error:
            self.renderer.warn(f"Kvasir: {error}")

    # --- the index ---------------------------------------------------------------------------------

    def _index(self) -> None:
        """Keep an index of each workspace folder, if the person has it; leave it if no longer."""
        if not self.indexes.is_on:
            self._start(self.indexes.close(), "leave the indexes")
            return
        for root in self.roots():
            if self.indexes.begin(root):
                self._start(show_walk(self.indexes, root, self.renderer), f"index {root.name}")

    # --- inside ------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.start(work, name)

    def _sessions(self, settings: Settings) -> Sessions:
        def open_text(path: Path) -> str | None:
            return self.renderer.text(path)

        try:
            return sessions(settings, folders().database, open_text, self.indexes)
        except StoreError as error:
            self.problems.append(f"{error} Chats are kept only until this editor ends.")
            database = Path(tempfile.mkdtemp(prefix="kvasir-")) / "chats.db"
            return sessions(settings, database, open_text, self.indexes)

    async def _register(self) -> None:
        """Offer what concerns chat documents for those alone, where the client lets us."""
        methods = sorted(_OF_CHATS.keys() & self.client.registers)
        if not methods:
            return
        # Not earlier: what is bound during ``initialize`` is announced for every file.
        _bind_chat_features(self, methods)
        folders_of_chats = ["**/.kvasir/chat", *map(str, own_folders(self.desk))]
        files = [{"language": "markdown", "pattern": f"{folder}/*.md"} for folder in folders_of_chats]
        options = {"documentSelector": [*files, {"scheme": SCHEME}]}
        wanted = [
            types.Registration(id=method, method=method, register_options=options) for method in methods
        ]
        with contextlib.suppress(Exception):
            await self.protocol.ask(
                types.CLIENT_REGISTER_CAPABILITY, types.RegistrationParams(wanted), limit_s=3.0
            )


_OF_CHATS: dict[str, Callable[[Desk, str], Any]] = {
    types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: chat_document.document_symbol,
    types.TEXT_DOCUMENT_FOLDING_RANGE: chat_document.folding_range,
    types.TEXT_DOCUMENT_DOCUMENT_LINK: chat_document.document_link,
    types.TEXT_DOCUMENT_CODE_LENS: code_lens,
}


def run(tcp_port: int | None) -> int:
    """``kvasir lsp``: speak with one editor until it leaves."""
    log_to(logging.WARNING, folders().log)
    server = Kvasir()
    if tcp_port is None:
        serve(server, server.end)
    else:
        serve_tcp(
            server,
            server.end,
            "127.0.0.1",
            tcp_port,
            lambda port: print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True),
        )
    return 0


def _bind(server: Kvasir) -> None:
    """Every method that we answer."""
    _bind_life(server)
    _bind_documents(server)
    _bind_requests(server)
    for name in COMMANDS:
        _bind_command(server, name)


def _bind_life(server: Kvasir) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.begin(params)
        if server.client.answers_requests:
            # For all files only where it cannot be for chat documents alone, and harms nobody.
            _bind_chat_features(server, _OF_CHATS.keys() - server.client.registers)

    @server.feature(types.INITIALIZED)
    def initialized(_params: types.InitializedParams) -> None:
        # A task of ours: requests to the client must not be cut off as requests of the client are.
        server.tasks.start(server.begun(), "begin")

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        if server.client.serves_configuration:
            await server.configure()
            return
        said = _at(params.settings, "kvasir")
        server.layers["configuration"] = Layer("workspace/didChangeConfiguration", said)
        server.reload()


def _bind_documents(server: Kvasir) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def did_open(params: types.DidOpenTextDocumentParams) -> None:
        await server.opened(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(params: types.DidChangeTextDocumentParams) -> None:
        await server.changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def did_save(params: types.DidSaveTextDocumentParams) -> None:
        await server.saved(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def did_close(params: types.DidCloseTextDocumentParams) -> None:
        await server.closed(params.text_document.uri)


def _bind_requests(server: Kvasir) -> None:
    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[KIND]))
    def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        return code_action(server.desk, params)

    @server.feature(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    def progress_cancel(params: types.WorkDoneProgressCancelParams) -> None:
        server.renderer.cancelled(params.token)

    @server.feature(types.WORKSPACE_TEXT_DOCUMENT_CONTENT)
    def content(params: types.TextDocumentContentParams) -> types.TextDocumentContentResult:
        text = server.renderer.virtual_text(params.uri)
        return types.TextDocumentContentResult(text=text or f"{SCHEME}: there is no such chat.\n")

    # Not ``object``: pygls takes that for the server's class, and would hand us the server.
    @server.feature("kvasir/selection")
    def selection(params: Any) -> None:  # noqa: ANN401 - any JSON
        server.selected(params)

    @server.feature("kvasir/draft")
    def draft(params: Any) -> None:  # noqa: ANN401 - any JSON
        server.drafted(params)

    @server.feature("kvasir/turnText")
    def turn_text(params: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        return server.turn_text(params)


def _bind_command(server: Kvasir, name: str) -> None:
    @server.command(name)
    async def command(params: types.ExecuteCommandParams) -> Reply:
        return await server.run(name, params)


def _bind_chat_features(server: Kvasir, methods: Iterable[str]) -> None:
    for method in methods:
        _bind_chat_feature(server, method, _OF_CHATS[method])


def _bind_chat_feature(server: Kvasir, method: str, answer: Callable[[Desk, str], Any]) -> None:
    @server.feature(method)
    def feature(params: Any) -> Any:  # noqa: ANN401 - the method's own params
        return answer(server.desk, server.renderer.file_uri(params.text_document.uri))


def _root(params: types.InitializeParams) -> Path | None:
    uris = [folder.uri for folder in params.workspace_folders or ()] or [params.root_uri or ""]
    return next((path_of_uri(uri) for uri in uris if uri.startswith("file:")), None)


def _path(uri: str) -> Path | None:
    with contextlib.suppress(KvasirError):
        return path_of_uri(uri)
    return None


def _at(value: object, key: str) -> object:
    return cast("dict[str, object]", value).get(key) if isinstance(value, dict) else None
