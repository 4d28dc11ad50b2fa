"""llama-server over HTTP: template, tokens, prefill, answers and slot files.

Endpoints and fields as of llama.cpp 0.7.0 (build 11669) and xllamacpp 2026.10 (build 11549).
"""

import json
import secrets
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from http import HTTPStatus
from typing import Any, TypeAlias, cast

import attrs

from sessions.backends.http import Client, Response, events, local_client, told_as_ours
from sessions.errors import ContextFull, ModelError, ModelRefused, ModelUnavailable
from sessions.events import Delta, Prefill
from sessions.prompt import Message

Json: TypeAlias = dict[str, Any]

ANY_SLOT = -1
BORDER_TOKENS = 4
"""Left out at the end of a warmed prefix: the next text may merge with its last tokens, and recurrent
models can only go back to a checkpoint that lies this far before the end."""


@attrs.frozen
class Properties:
    """What a server says of itself. ``window_tokens`` is per slot."""

    window_tokens: int
    slots: int
    model: str
    build: str


@attrs.frozen
class Finished:
    """The end of a stream. Counts are tokens, times milliseconds."""

    cached: int
    new: int
    out: int
    prefill_ms: float
    decode_ms: float
    reason: str

    @property
    def prompt(self) -> int:
        return self.cached + self.new


class LlamaServer:
    """One llama-server, ours or not."""

    def __init__(self, url: str, api_key: str = "") -> None:
        self.url = url
        self._client: Client = local_client(url, api_key)

    async def close(self) -> None:
        await self._client.aclose()

    async def properties(self) -> Properties:
        """What the server says of itself; ``ModelUnavailable`` while it loads."""
        said = await self._get("/props")
        with self._promised():
            window = int(said["default_generation_settings"]["n_ctx"])
            label = str(said.get("model_alias") or said.get("model_path") or "")
            return Properties(window, int(said["total_slots"]), label, str(said.get("build_info", "")))

    async def tokens(self, text: str) -> list[int]:
        """Token ids of a text as it would stand at the beginning of a prompt."""
        body = {"content": text, "add_special": True, "parse_special": True}
        said = await self._post("/tokenize", body)
        with self._promised():
            return [int(token) for token in said["tokens"]]

    async def prefix(self, messages: Sequence[Message]) -> list[int]:
        """Token ids that every prompt which goes on after ``messages`` begins with.

        The template renders them with a marker where the person goes on; what stands before the marker is
        a true prefix in every template of llama.cpp's collection.
        """
        marker = f"kv{secrets.token_hex(8)}"
        open_ended = [dict(message) for message in messages]
        if open_ended and open_ended[-1]["role"] == "user":
            open_ended[-1]["content"] += marker
        else:
            open_ended.append({"role": "user", "content": marker})
        said = await self._post("/apply-template", {"messages": open_ended})
        with self._promised():
            rendered = str(said["prompt"])
        if marker not in rendered:
            raise ModelRefused(f"The chat template of {self.url} drops the question.")
        ids = await self.tokens(rendered[: rendered.index(marker)])
        return ids[:-BORDER_TOKENS]

    async def prefill(self, tokens: Sequence[int], slot: int) -> AsyncGenerator[Prefill | Finished]:
        """Evaluate tokens into a slot and generate nothing."""
        body = {
            "prompt": list(tokens),
            "id_slot": slot,
            "n_predict": 0,
            "cache_prompt": True,
            "stream": True,
            "return_progress": True,
        }
        async with aclosing(self._stream("/completion", body)) as stream:
            async for said in stream:
                with self._promised():
                    progress = said.get("prompt_progress")
                    piece = (
                        _finished(said, str(said.get("stop_type", "")))
                        if said.get("stop")
                        else None
                        if progress is None
                        else _prefill(progress)
                    )
                if piece is not None:
                    yield piece
                if isinstance(piece, Finished):
                    # Not read to its end, the connection is not used again: the server is about to close it.
                    return

    async def answer(
        self,
        messages: Sequence[Message],
        slot: int,
        *,
        max_tokens: int,
        temperature: float | None = None,
    ) -> AsyncGenerator[Prefill | Delta | Finished]:
        """Stream the answer to ``messages``; the last thing yielded is ``Finished``."""
        body: Json = {
            "messages": list(messages),
            "id_slot": slot,
            "max_tokens": max_tokens,
            "cache_prompt": True,
            "stream": True,
            "return_progress": True,
            "timings_per_token": False,
        }
        if temperature is not None:
            body["temperature"] = temperature
        reason = ""
        async with aclosing(self._stream("/v1/chat/completions", body)) as stream:
            async for said in stream:
                with self._promised():
                    reason = _reason(said) or reason
                    pieces = _pieces(said, reason)
                for piece in pieces:
                    yield piece
                    if isinstance(piece, Finished):
                        return
        raise ModelUnavailable(
            f"The model server at {self.url} broke off in the middle of the answer.",
            hint="The answer so far is kept; retry it.",
        )

    async def save(self, slot: int, filename: str) -> int:
        """Write a slot's KV cache to a file in the server's own folder; bytes written."""
        said = await self._post(f"/slots/{slot}?action=save", {"filename": filename})
        with self._promised():
            return int(said["n_written"])

    async def restore(self, slot: int, filename: str) -> int:
        """Read a slot's KV cache back; tokens that it holds then."""
        said = await self._post(f"/slots/{slot}?action=restore", {"filename": filename})
        with self._promised():
            return int(said["n_restored"])

    @contextmanager
    def _promised(self) -> Generator[None]:
        """Read a field that llama-server promises; without it, it is none."""
        try:
            yield
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ModelRefused(
                f"The server at {self.url} does not answer as llama-server does: {error!r}.",
                hint="Check the URL; another program may be listening there.",
            ) from error

    async def _get(self, path: str) -> Json:
        async with told_as_ours(self.url):
            response = await self._client.get(path)
        return self._read(response)

    async def _post(self, path: str, body: Mapping[str, object]) -> Json:
        async with told_as_ours(self.url):
            response = await self._client.post(path, json=body)
        return self._read(response)

    async def _stream(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[Json]:
        async with told_as_ours(self.url), self._client.stream("POST", path, json=body) as response:
            if response.status_code != HTTPStatus.OK:
                await response.aread()
                self._read(response)
            async for data in events(response):
                if data == "[DONE]":
                    return
                said = self._json(data)
                if "error" in said:
                    raise self._refusal(said["error"], HTTPStatus.INTERNAL_SERVER_ERROR)
                yield said

    def _read(self, response: Response) -> Json:
        if response.status_code == HTTPStatus.OK:
            return self._json(response.text)
        try:
            error = self._json(response.text).get("error")
        except ModelRefused:
            # A proxy in between, or a router of another program: the status says more than its page.
            error = response.reason_phrase
        raise self._refusal(error, response.status_code)

    def _json(self, text: str) -> Json:
        with self._promised():
            said: object = json.loads(text)
            if not isinstance(said, dict):
                raise TypeError(text[:80])
            return cast("Json", said)

    def _refusal(self, error: object, status: int) -> ModelError:
        told: Json = cast("Json", error) if isinstance(error, dict) else {"message": error}
        if told.get("type") == "exceed_context_size_error":
            with self._promised():
                return ContextFull(int(told["n_prompt_tokens"]), int(told["n_ctx"]))
        message = str(told.get("message") or "no reason given")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return ModelUnavailable(f"The model server at {self.url} is not ready: {message}.")
        if status == HTTPStatus.UNAUTHORIZED:
            return ModelRefused(f"The model server at {self.url} refused the API key.")
        return ModelRefused(f"The model server at {self.url} refused ({status}): {message}")


def _reason(said: Json) -> str:
    return next(
        (str(choice["finish_reason"]) for choice in _choices(said) if choice.get("finish_reason")), ""
    )


def _pieces(said: Json, reason: str) -> list[Prefill | Delta | Finished]:
    """What one event of a chat completion says."""
    pieces: list[Prefill | Delta | Finished] = []
    if (progress := said.get("prompt_progress")) is not None:
        pieces.append(_prefill(progress))
    for choice in _choices(said):
        delta: Json = choice.get("delta") or {}
        if text := delta.get("reasoning_content"):
            pieces.append(Delta(str(text), reasoning=True))
        if text := delta.get("content"):
            pieces.append(Delta(str(text)))
    if "timings" in said:
        pieces.append(_finished(said, reason))
    return pieces


def _choices(said: Json) -> list[Json]:
    return cast("list[Json]", said.get("choices") or [])


def _prefill(progress: Mapping[str, Any]) -> Prefill:
    return Prefill(int(progress["total"]), int(progress["cache"]), int(progress["processed"]))


def _finished(said: Json, reason: str) -> Finished:
    timings: Json = said.get("timings") or {}
    return Finished(
        cached=int(timings.get("cache_n", 0)),
        new=int(timings.get("prompt_n", 0)),
        out=int(timings.get("predicted_n", 0)),
        prefill_ms=float(timings.get("prompt_ms", 0.0)),
        decode_ms=float(timings.get("predicted_ms", 0.0)),
        reason=reason,
    )
