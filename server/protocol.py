"""pygls made dependable: every request gets exactly one reply, every command can be cancelled.

Private names of pygls 2.1 are used here and in ``documents``, nowhere else.
"""

import asyncio
import inspect
import itertools
import json
import logging
import traceback
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import Any, TypeAlias, TypeVar, cast

import cattrs
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams, JsonRpcRequestCancelled
from pygls.lsp.server import LanguageServer
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    LanguageServerProtocol,
    default_converter,
    lsp_method,
)

from context.errors import KvasirError
from handlers.structure import Misfit, nearest, problems_of
from server.client import CODE_POINT_CLIENTS, PROTOCOL
from server.documents import Workspace
from server.messages import Malformed
from sessions.errors import BadRequest

SCHEME = "kvasir"
_PREFIX = "kvasir."
_ONE_LINE = 200

MsgId: TypeAlias = int | str
Handler: TypeAlias = Callable[..., Any]
AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])

logger = logging.getLogger("kvasir.server.protocol")


def quiet_pygls() -> None:
    """Keep message bodies, which are source code, out of the log.

    ``pygls`` logs them at INFO, and the params of messages that failed at ERROR; the latter are all reported
    here in a line, so its own reports are turned off.
    """
    logging.getLogger("pygls").setLevel(logging.WARNING)
    logging.getLogger("pygls.protocol.json_rpc").setLevel(logging.CRITICAL)


def plain_converter() -> cattrs.Converter:
    """The converter of pygls, with params and results of custom methods left as plain JSON values."""
    converter = default_converter()
    _keep_plain(converter, JsonRPCRequestMessage, "params")
    _keep_plain(converter, JsonRPCNotification, "params")
    _keep_plain(converter, JsonRPCResponseMessage, "result")
    return converter


def _keep_plain(converter: cattrs.Converter, kind: type[Any], field: str) -> None:
    def structure(data: dict[str, Any], _: type[Any]) -> Any:  # noqa: ANN401
        known = {name: data.get(name) for name in ("id", "method", "jsonrpc") if name in data}
        return kind(**known, **{field: data.get(field)})

    converter.register_structure_hook(kind, structure)


def _lsp_method(name: str) -> Callable[[AnyCallable], AnyCallable]:
    return cast("Callable[[AnyCallable], AnyCallable]", lsp_method(name))


class Protocol(LanguageServerProtocol):
    """The wire of one client. ``exit_code`` is set by ``exit``: 0 after ``shutdown``, else 1."""

    def __init__(self, server: LanguageServer, converter: cattrs.Converter) -> None:
        super().__init__(server, converter)
        self.exit_code: int | None = None
        self.begun = asyncio.Event()
        """Set when the client has said who it is."""
        self._ids = itertools.count(1)
        self._late: dict[str, Callable[[], None]] = {}

    @property
    def in_flight(self) -> int:
        """How many requests wait for an answer, in either direction, and how many handlers run."""
        return len(self._request_futures)

    def receive(self, data: Any) -> None:  # noqa: ANN401 (a JSON value)
        """Handle one message. Never raises: what makes no sense is answered if it can be, and logged."""
        if not isinstance(data, dict) or cast("dict[str, Any]", data).get("jsonrpc") != self.VERSION:
            self._refuse(None, types.ErrorCodes.InvalidRequest, "That is not a JSON-RPC 2.0 message.")
            return
        message = cast("dict[str, Any]", data)
        if self._out_of_turn(message) or self._came_late(message):
            return
        try:
            self.handle_message(self.structure_message(message))
        except JsonRpcException as error:
            self._unfit(message, error)
        except Exception:
            logger.exception("A message could not be handled.")

    def malformed(self, error: Malformed) -> None:
        """Tell the client that its bytes were no message, as the specification asks, with no request's id."""
        logger.error("%s", error)
        self._refuse(None, types.ErrorCodes.ParseError, str(error))

    def structure_message(self, data: dict[str, Any]) -> Any:  # noqa: ANN401 (one of pygls' message types)
        """As pygls, but its error says which values do not fit."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if error.__cause__ is None:
                raise
            raise JsonRpcInvalidParams(str(Misfit(problems_of(error.__cause__)))) from None

    def _out_of_turn(self, message: dict[str, Any]) -> bool:
        """Answer or drop what may not come before ``initialize`` or after ``shutdown``."""
        method = message.get("method")
        if method is None or method == types.EXIT:
            return False
        if self._shutdown:
            self._refuse_request(message, types.ErrorCodes.InvalidRequest, "Kvasir is shutting down.")
            return True
        if self._workspace is None and method != types.INITIALIZE:
            self._refuse_request(message, types.ErrorCodes.ServerNotInitialized, "Send initialize first.")
            return True
        if self._workspace is not None and method == types.INITIALIZE:
            self._refuse_request(
                message, types.ErrorCodes.InvalidRequest, "initialize may be sent only once."
            )
            return True
        return False

    def _came_late(self, message: dict[str, Any]) -> bool:
        """Tell who gave up waiting for this answer that the client is there."""
        told = None if "method" in message else self._late.pop(str(message.get("id")), None)
        if told is not None:
            told()
        return told is not None

    def _unfit(self, message: dict[str, Any], error: JsonRpcException) -> None:
        """A message that does not fit its type: nobody may wait for ever, in either direction."""
        method, msg_id = message.get("method"), message.get("id")
        logger.warning("%s does not fit its type: %s", method or "A response", error.message)
        if method is not None:
            self._refuse_request(message, types.ErrorCodes.InvalidParams, f"{method}: {error.message}")
        elif msg_id in self._request_futures:
            self._request_futures.pop(msg_id).set_exception(error)

    def _refuse_request(self, message: dict[str, Any], code: int, sentence: str) -> None:
        if "id" in message:
            self._refuse(message["id"], code, sentence)

    def _refuse(self, msg_id: MsgId | None, code: int, sentence: str) -> None:
        error = types.ResponseError(code=int(code), message=sentence)
        self._send_data(types.ResponseErrorMessage(id=msg_id, error=error))

    def _execute_handler(
        self,
        msg_id: MsgId,
        handler: Handler,
        callback: Callable[[Future[Any]], None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Forget each future when it is done; pygls keeps those of notifications for ever."""

        def done(future: Future[Any]) -> None:
            self._request_futures.pop(msg_id, None)
            callback(future)

        super()._execute_handler(msg_id, handler, done, args, kwargs)

    def _send_handler_result(self, future: Future[Any], *, msg_id: MsgId) -> None:
        """Reply with the result, or with one sentence and never a traceback."""
        self._request_futures.pop(msg_id, None)
        if future.cancelled():
            error = JsonRpcRequestCancelled("The request was cancelled.").to_response_error()
            self._send_response(msg_id, error=error)
        elif (failure := future.exception()) is not None:
            self._send_response(msg_id, error=response_error(failure))
        else:
            self._send_response(msg_id, result=future.result())

    def _check_handler_result(self, future: Future[Any]) -> None:
        """Report what went wrong in a notification, which has no reply."""
        if future.cancelled() or (failure := future.exception()) is None:
            return
        if not isinstance(failure, KvasirError | JsonRpcException):
            logger.error("A notification could not be handled.", exc_info=failure)
        self._server.report_server_error(cast("Exception", failure), JsonRpcException)

    def _handle_cancel_notification(self, msg_id: MsgId) -> None:
        """Cancel a request; one that was already answered is no news."""
        if future := self._request_futures.pop(msg_id, None):
            future.cancel()

    @_lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """As pygls, with our documents, our protocol's version, and a capability that pygls forgets.

        A handler of ``initialize`` must not keep ``workspace``: it is replaced here, before any document is
        open.
        """
        result = yield from super().lsp_initialize(params)
        self._workspace = Workspace.like(self.workspace, _encoding(params, self.workspace.position_encoding))
        self.begun.set()
        result.capabilities.experimental = {SCHEME: {"protocol": PROTOCOL}}
        client = params.capabilities.workspace
        if client and client.text_document_content:
            options = types.TextDocumentContentOptions(schemes=[SCHEME])
            result.capabilities.workspace = result.capabilities.workspace or types.WorkspaceOptions()
            result.capabilities.workspace.text_document_content = options
        return result

    @_lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:  # noqa: ANN401
        """Cancel what is in flight; pygls' own fails when a command is."""
        features = cast("dict[str, Handler]", self.fm.features)  # pyright: ignore[reportUnknownMemberType]
        if (user_handler := features.get(types.SHUTDOWN)) is not None:
            yield user_handler, args, None
        for msg_id, future in list(self._request_futures.items()):
            if msg_id != self.msg_id:
                future.cancel()
        self._shutdown = True

    @_lsp_method(types.EXIT)
    def lsp_exit(self, *_: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # noqa: ANN401
        """Note the exit code; whoever reads the messages ends the process."""
        self.exit_code = 0 if self._shutdown else 1

    @_lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.ExecuteCommandParams
    ) -> Any:  # noqa: ANN401 (a JSON value)
        """Run a command, which gets the whole params, as the request's own task: cancelling reaches it."""
        commands = cast("dict[str, Handler]", self.fm.commands)  # pyright: ignore[reportUnknownMemberType]
        command = commands.get(params.command)
        if command is None:
            hint = _command_hint(params.command, commands)
            raise BadRequest(f'There is no command "{params.command}".', hint=hint)
        result = command(params)
        return await result if inspect.isawaitable(result) else result

    async def ask(
        self, method: str, params: object, limit_s: float, late: Callable[[], None] | None = None
    ) -> Any:  # noqa: ANN401 (the method's result)
        """Send a request to the client.

        ``TimeoutError`` after ``limit_s`` seconds without an answer (and then nothing of it is kept, but that
        ``late`` is called if the answer comes after all), ``JsonRpcException`` when it answers with an error
        or with something else than the method's result.
        """
        msg_id = f"kvasir-{next(self._ids)}"
        try:
            return await asyncio.wait_for(self.send_request_async(method, params, msg_id), limit_s)
        except TimeoutError:
            if late is not None:
                self._late[msg_id] = late
            raise
        finally:
            self._request_futures.pop(msg_id, None)
            self._result_types.pop(msg_id, None)

    def _send_data(self, data: Any) -> None:  # noqa: ANN401 (one of pygls' message types)
        """Write a message. A result that is not JSON becomes an error, so that its request is answered."""
        if self.writer is None:
            logger.error("There is no client to write to.")
            return
        try:
            body = json.dumps(data, default=self._serialize_message).encode()
        except (TypeError, ValueError, AttributeError) as failure:
            logger.exception("A message could not be written as JSON.")
            if isinstance(msg_id := getattr(data, "id", None), int | str) and not hasattr(data, "method"):
                self._send_data(types.ResponseErrorMessage(id=msg_id, error=response_error(failure)))
            return
        self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


class Server(LanguageServer):
    """A pygls server on ``Protocol``. Commands are ``async def name(ls, params: ExecuteCommandParams)``."""

    protocol: Protocol  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, name: str, version: str) -> None:
        quiet_pygls()
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            name, version, protocol_cls=Protocol, converter_factory=plain_converter
        )
        self._said: set[str] = set()

    def report_server_error(self, error: Exception, source: object) -> None:  # noqa: ARG002 (as pygls calls it)
        """Show what has no reply of its own, each thing once; the rest is logged.

        Only sentences meant for a person are shown: pygls would make a pop-up of every bad notification.
        """
        sentence = str(error)
        if sentence in self._said:
            return
        self._said.add(sentence)
        logger.warning("%s", one_line(error))
        if isinstance(error, KvasirError):
            message = types.ShowMessageParams(type=types.MessageType.Warning, message=sentence)
            self.window_show_message(message)


def response_error(failure: BaseException) -> types.ResponseError:
    """The one reply for an exception of a handler: a sentence for a person, or that there is a bug."""
    match failure:
        case KvasirError():
            data = {"code": failure.code, "hint": failure.hint}
            return types.ResponseError(
                code=types.LSPErrorCodes.RequestFailed, message=str(failure), data=data
            )
        case JsonRpcException():
            return failure.to_response_error()
        case asyncio.CancelledError():
            return JsonRpcRequestCancelled("The request was cancelled.").to_response_error()
        case _:
            logger.error("A request failed.", exc_info=failure)
            sentence = f"Kvasir made a mistake, and its log says where: {one_line(failure)}"
            return types.ResponseError(code=types.ErrorCodes.InternalError, message=sentence)


def one_line(error: BaseException) -> str:
    """What went wrong, in one short line."""
    first = "".join(traceback.format_exception_only(error)).strip().partition("\n")[0]
    return first if len(first) <= _ONE_LINE else f"{first[: _ONE_LINE - 1]}…"


def _encoding(
    params: types.InitializeParams, negotiated: types.PositionEncodingKind | str | None
) -> types.PositionEncodingKind | str | None:
    """vim-lsp offers no encoding, which means UTF-16, and sends code points."""
    if params.client_info and params.client_info.name in CODE_POINT_CLIENTS:
        return types.PositionEncodingKind.Utf32
    return negotiated


def _command_hint(name: str, commands: Iterable[str]) -> str:
    # Without the prefix that all share: it would make any two names look alike.
    known = {command.removeprefix(_PREFIX): command for command in commands}
    close = nearest(name.removeprefix(_PREFIX), known)
    return f'Did you mean "{known[close]}"?' if close else f"The commands are {', '.join(sorted(commands))}."
