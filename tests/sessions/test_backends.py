"""What a server does wrong, told in one sentence of our own: never a bug, never a silence."""

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from sessions.backends import http
from sessions.backends.http import told_as_ours
from sessions.backends.llama import BORDER_TOKENS, Finished, LlamaServer, Properties
from sessions.errors import ContextFull, KvasirError, ModelError, ModelRefused, ModelUnavailable
from sessions.events import Delta, Prefill
from tests.fakes.llama_server import (
    FakeLlamaServer,
    Json,
    Reply,
    delta,
    fake_server,
    finished,
    hang,
    raw,
    refusal,
    status,
    stream,
)

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "why?"}]
CHAT = "/v1/chat/completions"

UNAVAILABLE, REFUSED = ModelUnavailable, ModelRefused


@pytest.fixture
async def fake() -> AsyncIterator[FakeLlamaServer]:
    async with fake_server() as fake:
        yield fake


@pytest.fixture
async def server(fake: FakeLlamaServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlamaServer]:
    monkeypatch.setattr(http, "SILENCE_SECONDS", 0.2)
    server = LlamaServer(fake.url, "key")
    yield server
    await server.close()


async def answer(server: LlamaServer) -> list[Prefill | Delta | Finished]:
    return [event async for event in server.answer(MESSAGES, 0, max_tokens=5)]


async def told(call: Awaitable[object], kind: type[KvasirError]) -> str:
    """The sentence of an error of exactly this kind; its address is left out."""
    with pytest.raises(kind) as error:
        await call
    assert type(error.value) is kind
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


# --- the client library ---------------------------------------------------------------------------------

# How each error of the client library is told. Those that say None are bases, or need what we never do.
MAPPED: dict[str, type[ModelError] | None] = {
    "CloseError": UNAVAILABLE,
    "ConnectError": UNAVAILABLE,
    "ConnectTimeout": UNAVAILABLE,
    "CookieConflict": None,  # two cookies of one name, looked up: no cookie is ever read
    "DecodingError": REFUSED,
    "HTTPError": None,
    "HTTPStatusError": None,  # raised by raise_for_status only
    "InvalidURL": REFUSED,
    "LocalProtocolError": UNAVAILABLE,
    "NetworkError": UNAVAILABLE,
    "PoolTimeout": UNAVAILABLE,
    "ProtocolError": UNAVAILABLE,
    "ProxyError": UNAVAILABLE,
    "ReadError": UNAVAILABLE,
    "ReadTimeout": UNAVAILABLE,
    "RemoteProtocolError": UNAVAILABLE,
    "RequestError": None,
    "RequestNotRead": REFUSED,
    "ResponseNotRead": REFUSED,
    "SSEError": REFUSED,
    "StreamClosed": REFUSED,
    "StreamConsumed": REFUSED,
    "StreamError": REFUSED,
    "TimeoutException": UNAVAILABLE,
    "TooManyRedirects": None,  # redirects are not followed
    "TransportError": UNAVAILABLE,
    "UnsupportedProtocol": UNAVAILABLE,
    "WriteError": UNAVAILABLE,
    "WriteTimeout": UNAVAILABLE,
}


def test_every_error_of_the_client_library_is_thought_of() -> None:
    raised = {
        name for name, kind in vars(httpx2).items() if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert raised == set(MAPPED)


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kind in MAPPED.items() if kind])
async def test_every_error_of_the_client_library_is_told_as_ours(name: str, kind: type[ModelError]) -> None:
    error: type[Exception] = getattr(httpx2, name)
    silent = error() if name.startswith(("Stream", "Re", "")) and _takes_nothing(error) else error("why")
    with pytest.raises(kind) as ours:
        async with told_as_ours("http://127.0.0.1:1"):
            raise silent
    assert type(ours.value) is kind
    assert "http://127.0.0.1:1" in ours.value.message
    assert ours.value.__cause__ is silent


def _takes_nothing(error: type[Exception]) -> bool:
    parameters = list(inspect.signature(error).parameters.values())
    return all(
        one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        for one in parameters
    )


async def test_a_url_that_is_none_is_told() -> None:
    for url in ("http://127.0.0.1:99999", "http://[::1", "http://a..b\x00"):
        with pytest.raises(ModelUnavailable, match=r"is no URL of a model server"):
            LlamaServer(url)


async def test_nobody_at_the_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = LlamaServer(f"http://127.0.0.1:{taken.getsockname()[1]}")
        sentence = await told(server.properties(), ModelUnavailable)
        assert sentence == f'No model server answers at {server.url}. Start it, or see "kvasir doctor".'
        await server.close()


# --- a server in trouble ----------------------------------------------------------------------------------

CALLS: dict[str, tuple[str, Callable[[LlamaServer], Awaitable[Any]]]] = {
    "properties": ("/props", LlamaServer.properties),
    "tokens": ("/tokenize", lambda server: server.tokens("why")),
    "prefix": ("/apply-template", lambda server: server.prefix(MESSAGES)),
    "answer": (CHAT, answer),
    "save": ("/slots/0?action=save", lambda server: server.save(0, "a.kv")),
    "restore": ("/slots/0?action=restore", lambda server: server.restore(0, "a.kv")),
}
FAULTS: dict[str, tuple[Reply, type[ModelError], str]] = {
    "loads": (refusal(503, "Loading model"), UNAVAILABLE, "is not ready: Loading model."),
    "is busy, says a proxy": (
        status(503, "<html>busy</html>", "text/html"),
        UNAVAILABLE,
        "is not ready: Service Unavailable.",
    ),
    "fails": (refusal(500, "Out of memory"), REFUSED, "refused (500): Out of memory"),
    "fails without a reason": (status(500, {}), REFUSED, "refused (500): no reason given"),
    "fails with a page": (status(502, "<html>", "text/html"), REFUSED, "refused (502): Bad Gateway"),
    "asks for another key": (refusal(401, "Invalid API Key"), REFUSED, "refused the API key."),
    "does not know the path": (refusal(404, "File Not Found"), REFUSED, "refused (404): File Not Found"),
    "redirects": (status(302, "elsewhere"), REFUSED, "refused (302): Found"),
    "says in vain that it is full": (
        refusal(400, "full", type="exceed_context_size_error"),
        REFUSED,
        "does not answer as llama-server does: KeyError('n_prompt_tokens').",
    ),
    "goes away": (raw(b""), UNAVAILABLE, "went away: Server disconnected without sending a response."),
    "goes away in the middle": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 90\r\n\r\n{"),
        UNAVAILABLE,
        "went away: peer closed connection without sending complete message body",
    ),
    "hangs": (hang(), UNAVAILABLE, "has been silent for 0 seconds."),
    "hangs in the middle": (
        hang(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 90\r\n\r\n{"),
        UNAVAILABLE,
        "has been silent for 0 seconds.",
    ),
    "is another program": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), UNAVAILABLE, "went away: "),
    "is another web server": (status(200, "<html>Hello</html>", "text/html"), REFUSED, "does not answer as"),
    "is another API": (status(200, {"hello": "world"}), REFUSED, "does not answer as"),
    "answers a list": (status(200, "[1, 2]"), REFUSED, "does not answer as"),
    "answers garbage": (status(200, "\0\ufffd{"), REFUSED, "does not answer as"),
    "answers nested garbage": (status(200, "[" * 100_000), REFUSED, "does not answer as"),
    "lies about its encoding": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
        REFUSED,
        "does not answer as a model server does",
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_is_one_sentence(
    fake: FakeLlamaServer, server: LlamaServer, call: str, fault: str
) -> None:
    path, ask = CALLS[call]
    reply, kind, sentence = FAULTS[fault]
    fake.script[path] = [reply]
    assert sentence in (said := await told(ask(server), kind))
    assert fake.url in said


async def test_a_full_window_is_told_with_its_numbers(fake: FakeLlamaServer, server: LlamaServer) -> None:
    fake.script[CHAT] = [
        refusal(400, "full", type="exceed_context_size_error", n_prompt_tokens=5996, n_ctx=4096)
    ]
    assert await told(answer(server), ContextFull) == (
        "The prompt has 5996 tokens, the model takes 4096: 1900 too many."
        " Choose fewer files, a smaller selection or a larger context. Nothing was evaluated."
    )


# --- a stream in trouble ----------------------------------------------------------------------------------

STREAMS: dict[str, tuple[Reply, type[ModelError], str]] = {
    "breaks": (stream(delta("It "), ends=False), UNAVAILABLE, "went away: peer closed connection"),
    "ends without an end": (stream(delta("It ")), UNAVAILABLE, "broke off in the middle of the answer."),
    "hangs": (stream(delta("It "), hangs=True), UNAVAILABLE, "has been silent for 0 seconds."),
    "fails": (
        stream(delta("It "), {"error": {"code": 500, "message": "Context size has been exceeded."}}),
        REFUSED,
        "refused (500): Context size has been exceeded.",
    ),
    "is no JSON": (
        stream(delta("It "), "data: {broken\n\n"),
        REFUSED,
        "does not answer as llama-server does",
    ),
    "is a number": (stream(delta("It "), "data: 7\n\n"), REFUSED, "does not answer as llama-server does"),
    "has choices of another kind": (
        stream(delta("It "), {"choices": "all"}),
        REFUSED,
        "does not answer as llama-server does",
    ),
    "has timings of another kind": (
        stream(delta("It "), {"timings": {"cache_n": "many"}}),
        REFUSED,
        "does not answer as llama-server does",
    ),
    "has progress of another kind": (
        stream(delta("It "), {"prompt_progress": {"total": 1}}),
        REFUSED,
        "does not answer as llama-server does",
    ),
}


@pytest.mark.parametrize("fault", STREAMS)
async def test_what_came_before_a_stream_failed_was_handed_on(
    fake: FakeLlamaServer, server: LlamaServer, fault: str
) -> None:
    reply, kind, sentence = STREAMS[fault]
    fake.script[CHAT] = [reply]
    came: list[object] = []

    async def follow() -> None:
        async for event in server.answer(MESSAGES, 0, max_tokens=5):
            came.append(event)  # noqa: PERF401 - it is kept when the stream fails

    assert sentence in await told(follow(), kind)
    assert came == [Delta("It ")]


async def test_a_stream_with_pings_reasoning_and_progress_is_read(
    fake: FakeLlamaServer, server: LlamaServer
) -> None:
    progress: Json = {
        "choices": [],
        "prompt_progress": {"total": 9, "cache": 4, "processed": 6, "time_ms": 1},
    }
    fake.script[CHAT] = [
        stream(
            ":\n\n",
            {"choices": [{"delta": {"role": "assistant", "content": None}}]},
            progress,
            delta("Hm.", "reasoning_content"),
            ":\r\n\r\n",
            delta("Yes\u2028 🙂"),
            delta(""),
            finished(4, 5, 2, "length"),
        )
    ]
    assert await answer(server) == [
        Prefill(9, 4, 6),
        Delta("Hm.", reasoning=True),
        Delta("Yes\u2028 🙂"),
        Finished(4, 5, 2, 5.0, 4.0, "length"),
    ]
    (body,) = fake.bodies(CHAT)
    assert (body["id_slot"], body["max_tokens"], body["cache_prompt"]) == (0, 5, True)
    assert "temperature" not in body


async def test_an_answer_that_nobody_follows_any_more_is_cancelled(
    fake: FakeLlamaServer, server: LlamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SILENCE_SECONDS", 60)
    patient = LlamaServer(fake.url)
    for path, events in (
        (CHAT, patient.answer(MESSAGES, 0, max_tokens=5)),
        ("/completion", patient.prefill([1, 2], 0)),
    ):
        fake.gone.clear()
        fake.script[path] = [
            stream({"prompt_progress": {"total": 9, "cache": 4, "processed": 6}}, hangs=True)
        ]
        assert await anext(events) == Prefill(9, 4, 6)
        await events.aclose()
        async with asyncio.timeout(10):
            await fake.gone.wait()
    await patient.close()


# --- what it asks ----------------------------------------------------------------------------------------


async def test_what_a_server_says_of_itself(fake: FakeLlamaServer, server: LlamaServer) -> None:
    assert await server.properties() == Properties(4096, 2, "fake", "")


async def test_a_prefix_ends_where_the_person_goes_on(fake: FakeLlamaServer, server: LlamaServer) -> None:
    text = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nwhy?"
    assert await server.prefix(MESSAGES) == [ord(letter) for letter in text][:-BORDER_TOKENS]
    after_an_answer = [*MESSAGES, {"role": "assistant", "content": "So."}]
    text += "<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>\n<|im_start|>user\n"
    assert await server.prefix(after_an_answer) == [ord(letter) for letter in text][:-BORDER_TOKENS]
    assert MESSAGES[-1] == {"role": "user", "content": "why?"}


async def test_a_template_that_drops_the_question_is_told(fake: FakeLlamaServer, server: LlamaServer) -> None:
    fake.script["/apply-template"] = [status(200, {"prompt": "Hello."})]
    assert "drops the question" in await told(server.prefix(MESSAGES), ModelRefused)


async def test_prefill_evaluates_and_generates_nothing(fake: FakeLlamaServer, server: LlamaServer) -> None:
    fake.script["/completion"] = [
        stream(
            {"stop": False, "content": ""},
            {"prompt_progress": {"total": 2, "cache": 1, "processed": 2}},
            {"stop": True, "stop_type": "limit", **finished(1, 1, 1)},
        )
    ]
    events = [event async for event in server.prefill([1, 2], 3)]
    assert events == [Prefill(2, 1, 2), Finished(1, 1, 1, 5.0, 4.0, "limit")]
    (body,) = fake.bodies("/completion")
    assert (body["prompt"], body["id_slot"], body["n_predict"]) == ([1, 2], 3, 0)
