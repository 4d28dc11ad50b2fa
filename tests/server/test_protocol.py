"""Every request gets exactly one reply, whatever comes."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable

import pytest
from lsprotocol import types

from context.errors import Unreadable
from server.protocol import Server
from tests.lsp import Editor, Refused, Value, connected, initialize, profile, wired


class Example(Server):
    """A server with one command for each way in which a command can go."""

    def __init__(self) -> None:
        super().__init__("kvasir", "0")
        self.began = asyncio.Event()
        self.ended: list[str] = []
        self.got: list[Value] = []

        @self.command("kvasir.ask")
        async def echo(params: types.ExecuteCommandParams) -> Value:
            return params.arguments

        @self.command("kvasir.wait")
        async def wait(params: types.ExecuteCommandParams) -> None:
            self.began.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.append("wait")

        @self.command("kvasir.refuse")
        async def refuse(params: types.ExecuteCommandParams) -> None:
            raise Unreadable("a.bin is not text.", hint="Choose another file.")

        @self.command("kvasir.break")
        def fail(params: types.ExecuteCommandParams) -> None:
            raise KeyError("/home/me/secret.py")

        @self.command("kvasir.unprintable")
        def unprintable(params: types.ExecuteCommandParams) -> object:
            return {1, 2}

        @self.feature("kvasir/selection")
        @self.feature("kvasir/count")
        def selected(params: Value) -> Value:
            self.got.append(params)
            return params

        @self.feature("kvasir/bad")
        async def refused(params: Value) -> None:
            raise Unreadable("a.bin is not text.")

        @self.feature("kvasir/worse")
        async def broken(params: Value) -> None:
            raise KeyError("bug")


@pytest.fixture
def server() -> Example:
    return Example()


@pytest.fixture
async def editor(server: Example) -> AsyncGenerator[Editor]:
    async with connected(server) as one:
        yield one
        assert one.unsolicited == []


async def refused(request: Awaitable[Value]) -> Refused:
    with pytest.raises(Refused) as caught:
        await request
    return caught.value


async def test_a_command_gets_its_arguments_as_plain_json(editor: Editor):
    nested = {"session": "k1", "jsonrpc": "2.0", "deep": [{"jsonrpc": "2.0", "id": 1, "method": "x"}]}
    assert await editor.command("kvasir.ask", nested, "why?") == [nested, "why?"]


async def test_a_sentence_for_a_person_is_the_error(editor: Editor):
    error = await refused(editor.command("kvasir.refuse"))
    assert (error.code, str(error)) == (-32803, "a.bin is not text. Choose another file.")
    assert error.data == {"code": "unreadable", "hint": "Choose another file."}


async def test_a_bug_is_one_line_without_a_traceback(editor: Editor, caplog: pytest.LogCaptureFixture):
    error = await refused(editor.command("kvasir.break"))
    assert error.code == -32603
    assert str(error) == "Kvasir made a mistake, and its log says where: KeyError: '/home/me/secret.py'"
    assert error.data is None
    assert "Traceback" in caplog.text


async def test_a_result_that_is_no_json_is_answered(editor: Editor, caplog: pytest.LogCaptureFixture):
    error = await refused(editor.command("kvasir.unprintable"))
    assert error.code == -32603
    assert "could not be written" in caplog.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kvasir.asq", 'There is no command "kvasir.asq". Did you mean "kvasir.ask"?'),
        ("refuse", 'There is no command "refuse". Did you mean "kvasir.refuse"?'),
        (
            "x",
            'There is no command "x". The commands are kvasir.ask, kvasir.break, kvasir.refuse, kvasir.unprintable, kvasir.wait.',
        ),
    ],
)
async def test_an_unknown_command(editor: Editor, name: str, said: str):
    error = await refused(editor.command(name))
    assert (error.code, str(error)) == (-32803, said)


async def test_cancelling_reaches_a_command(server: Example, editor: Editor):
    pending = editor.begin("workspace/executeCommand", {"command": "kvasir.wait"})
    await server.began.wait()
    editor.cancel(pending)
    assert (await refused(pending.answer)).code == -32800
    assert server.ended == ["wait"]


async def test_cancelling_what_was_answered_is_nothing(server: Example, editor: Editor):
    pending = editor.begin("workspace/executeCommand", {"command": "kvasir.ask"})
    await pending.answer
    editor.cancel(pending)
    assert await editor.command("kvasir.ask", 1) == [1]


async def test_shutdown_with_a_command_in_flight(server: Example, editor: Editor):
    pending = editor.begin("workspace/executeCommand", {"command": "kvasir.wait"})
    await server.began.wait()
    await editor.request("shutdown")
    assert (await refused(pending.answer)).code == -32800
    assert server.ended == ["wait"]
    assert (await refused(editor.command("kvasir.ask"))).code == -32600
    editor.notify("exit")


async def test_exit_codes():
    for polite, code in ((True, 0), (False, 1)):
        server = Example()
        async with connected(server) as editor:
            if polite:
                await editor.request("shutdown")
            editor.notify("exit")
            while server.protocol.exit_code is None:  # noqa: ASYNC110 (the server sends nothing at exit)
                await asyncio.sleep(0)
        assert server.protocol.exit_code == code


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        (
            "textDocument/hover",
            {"textDocument": {}},
            "textDocument/hover: params.textDocument.uri: is missing; params.position: is missing",
        ),
        (
            "textDocument/codeAction",
            {
                "textDocument": {"uri": "file:///a"},
                "range": {"start": {"line": -1, "character": 0}, "end": {"line": 0, "character": 0}},
                "context": {"diagnostics": []},
            },
            "textDocument/codeAction: params.range.start: Position.line should be in range [0:2147483647], but was -1",
        ),
        (
            "workspace/executeCommand",
            {"arguments": []},
            "workspace/executeCommand: params.command: is missing",
        ),
    ],
)
async def test_params_that_do_not_fit_are_answered(editor: Editor, method: str, params: Value, said: str):
    error = await refused(editor.request(method, params))
    assert (error.code, str(error)) == (-32602, said)


async def test_an_unknown_method_is_answered(editor: Editor):
    assert (await refused(editor.request("kvasir/unknown", {}))).code == -32601


@pytest.mark.parametrize("params", [None, {}, [], {"uri": "a", "a-b": [1]}, 3])
async def test_custom_methods_get_plain_json(server: Example, editor: Editor, params: Value):
    assert await editor.request("kvasir/count", params) == params
    editor.notify("kvasir/selection", params)
    await editor.command("kvasir.ask")
    assert server.got == [params, params]


async def test_custom_methods_without_params(server: Example, editor: Editor):
    editor.send({"jsonrpc": "2.0", "method": "kvasir/selection"})
    editor.send({"jsonrpc": "2.0", "id": "x", "method": "kvasir/count"})
    await editor.until(lambda: bool(editor.unsolicited))
    assert editor.unsolicited.pop() == {"jsonrpc": "2.0", "id": "x", "result": None}
    assert server.got == [None, None]


@pytest.mark.parametrize(
    "message",
    [[], "text", 3, {"id": 1, "method": "shutdown"}, {"jsonrpc": "1.0", "id": 1, "method": "shutdown"}],
)
async def test_what_is_no_message_is_refused(server: Example, message: Value):
    async with connected(server) as editor:
        editor.send(message)
        await editor.until(lambda: bool(editor.unsolicited))
        assert editor.unsolicited[0]["error"]["code"] == -32600


async def test_malformed_json_does_not_end_the_connection(server: Example):
    async with connected(server) as editor:
        editor.write(b"content-length: 3\r\n\r\n{]}")
        await editor.until(lambda: bool(editor.unsolicited))
        assert editor.unsolicited[0]["error"] == {
            "code": -32700,
            "message": "The client sent 3 bytes that are not JSON.",
        }
        assert await editor.command("kvasir.ask", 1) == [1]


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"Content-Length: many\r\n\r\n",
        b"Content-Length: 99999999999\r\n\r\n",
    ],
)
async def test_a_client_that_speaks_something_else(
    server: Example, noise: bytes, caplog: pytest.LogCaptureFixture
):
    async with wired(server) as (editor, _):
        editor.write(noise)
        await editor.until(lambda: bool(editor.unsolicited))
        assert editor.unsolicited[0]["error"]["code"] == -32700


async def test_order_of_life(server: Example):
    async with wired(server) as (editor, _):
        assert (await refused(editor.command("kvasir.ask"))).code == -32002
        await initialize(editor)
        assert (await refused(editor.request("initialize", {"capabilities": {}}))).code == -32600
        await editor.request("shutdown")
        assert (await refused(editor.request("shutdown"))).code == -32600
        editor.notify("exit")


async def test_nothing_is_kept_of_what_is_done(server: Example, editor: Editor):
    uri = "file:///a.md"
    editor.notify(
        "textDocument/didOpen",
        {"textDocument": {"uri": uri, "languageId": "markdown", "version": 1, "text": ""}},
    )
    for version in range(2, 102):
        identifier = {"uri": uri, "version": version}
        editor.notify(
            "textDocument/didChange", {"textDocument": identifier, "contentChanges": [{"text": "x"}]}
        )
        editor.notify("kvasir/selection", {})
    for _ in range(20):
        await editor.command("kvasir.ask")
        with contextlib.suppress(Refused):
            await editor.command("kvasir.refuse")
    assert server.protocol.in_flight == 0


async def test_a_silent_client_is_not_waited_for_and_nothing_is_kept(server: Example, editor: Editor):
    editor.silent.add("workspace/applyEdit")
    params = types.ApplyWorkspaceEditParams(edit=types.WorkspaceEdit(changes={}))
    with pytest.raises(TimeoutError):
        await server.protocol.ask("workspace/applyEdit", params, 0.01)
    assert server.protocol.in_flight == 0
    late = editor.requests[-1]["id"]
    editor.send({"jsonrpc": "2.0", "id": late, "result": {"applied": True}})
    assert await editor.command("kvasir.ask", 1) == [1]


async def test_an_answer_that_does_not_fit_is_an_error_not_silence(server: Example, editor: Editor):
    editor.silent.add("workspace/applyEdit")
    params = types.ApplyWorkspaceEditParams(edit=types.WorkspaceEdit(changes={}))
    asked = asyncio.create_task(server.protocol.ask("workspace/applyEdit", params, 20))
    await editor.until(lambda: bool(editor.requests))
    editor.send({"jsonrpc": "2.0", "id": editor.requests[-1]["id"], "result": {"applied": "yes", "x": []}})
    editor.send({"jsonrpc": "2.0", "id": editor.requests[-1]["id"], "result": None})
    with contextlib.suppress(Exception):
        assert await asked
    assert asked.done()


async def test_errors_of_notifications_are_said_once_and_bugs_are_logged(
    server: Example, editor: Editor, caplog: pytest.LogCaptureFixture
):
    for _ in range(3):
        editor.notify("kvasir/bad", {})
        editor.notify("kvasir/worse", {})
        editor.notify("textDocument/didOpen", {"textDocument": 3})
        editor.notify("no/such", {})
    await editor.command("kvasir.ask")
    assert editor.received("window/showMessage") == [{"type": 2, "message": "a.bin is not text."}]
    assert "KeyError: 'bug'" in caplog.text


async def test_bodies_are_not_logged(server: Example, editor: Editor, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    await editor.command("kvasir.ask", "secret source")
    editor.notify("textDocument/didOpen", {"textDocument": {"uri": "file:///a", "text": "secret source"}})
    await refused(editor.request("textDocument/hover", {"secret source": 1}))
    assert "secret source" not in caplog.text


@pytest.mark.parametrize(
    ("name", "announced", "counted"),
    [
        ("nvim_0_12_4", "utf-8", "utf-8"),
        ("nvim_0_10_4", "utf-16", "utf-16"),
        ("helix_25_07_1_git20260723", "utf-8", "utf-8"),
        ("eglot_1_17_30_emacs_30_2", "utf-32", "utf-32"),
        ("vscode_languageclient_11_0", "utf-16", "utf-16"),
        ("vim_lsp_474c656", "utf-16", "utf-32"),
    ],
)
async def test_position_encodings(server: Example, name: str, announced: str, counted: str):
    params = profile(name)
    client = params.get("clientInfo", {}).get("name")
    async with connected(server, params["capabilities"], client_name=client) as editor:
        assert editor.server["capabilities"]["positionEncoding"] == announced
        assert server.workspace.position_codec.encoding == counted


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("vscode_languageclient_11_0", True),
        ("coc_0_0_82", True),
        ("nvim_0_12_4", False),
        ("ale_4_0_0", False),
    ],
)
async def test_virtual_documents_are_offered_to_those_who_have_them(server: Example, name: str, has: bool):
    async with connected(server, profile(name)["capabilities"]) as editor:
        offered = editor.server["capabilities"]["workspace"].get("textDocumentContent")
        assert offered == ({"schemes": ["kvasir"]} if has else None)


async def test_lines_end_where_lsp_says(server: Example, editor: Editor):
    uri = "file:///a.md"
    text = "one\n\x0ctwo\u2028three\nfour\n"
    editor.notify(
        "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "c", "version": 1, "text": text}}
    )
    span = {"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 4}}
    changes = [{"range": span, "text": "FOUR"}]
    editor.notify(
        "textDocument/didChange", {"textDocument": {"uri": uri, "version": 2}, "contentChanges": changes}
    )
    await editor.command("kvasir.ask")
    assert server.workspace.get_text_document(uri).source == "one\n\x0ctwo\u2028three\nFOUR\n"
