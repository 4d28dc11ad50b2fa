"""llama-server without Kvasir: the least client that streams an answer, to compare with."""

import json
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import attrs

from sessions.llama import Running
from sessions.prompt import Message

Json: TypeAlias = dict[str, Any]


@attrs.frozen
class Streamed:
    """An answer: times in milliseconds, counts in tokens. ``decode_ms`` is from the first delta to the last."""

    text: str
    ttft_ms: float
    decode_ms: float
    cached: int
    new: int
    out: int


class Raw:
    """One connection that uses one slot. It blocks: nothing else goes on meanwhile."""

    def __init__(self, server: Running, slot: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", urlsplit(server.url).port)
        self._headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
        self.slot = slot

    def close(self) -> None:
        self._connection.close()

    def copy(self, slot: int) -> None:
        """Bring another slot's content into ours."""
        self.close()  # the server hangs up after some seconds; the next request connects again
        self._post(f"/slots/{slot}?action=save", {"filename": "raw"})
        self._post(f"/slots/{self.slot}?action=restore", {"filename": "raw"})

    def answer(self, messages: Sequence[Message], max_tokens: int) -> Streamed:
        """Ask with the same fields as Kvasir does."""
        began = time.perf_counter()
        body = {
            "messages": messages,
            "id_slot": self.slot,
            "max_tokens": max_tokens,
            "cache_prompt": True,
            "stream": True,
            "return_progress": True,
            "timings_per_token": False,
            "temperature": 0.0,
        }
        self._connection.request("POST", "/v1/chat/completions", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        assert response.status == 200, response.read()
        arrived: list[float] = []
        pieces: list[str] = []
        timings: Json = {}
        while line := response.readline():
            if not line.startswith(b"data: {"):
                continue
            said: Json = json.loads(line[6:])
            timings = said.get("timings") or timings
            for choice in cast("list[Json]", said.get("choices") or []):
                if text := choice["delta"].get("content"):
                    arrived.append(time.perf_counter())
                    pieces.append(str(text))
        self.close()  # the server has hung up, although its header promises otherwise
        return Streamed(
            text="".join(pieces),
            ttft_ms=(arrived[0] - began) * 1000,
            decode_ms=(arrived[-1] - arrived[0]) * 1000,
            cached=timings["cache_n"],
            new=timings["prompt_n"],
            out=timings["predicted_n"],
        )

    def _post(self, path: str, body: Json) -> Json:
        self._connection.request("POST", path, json.dumps(body), self._headers)
        response = self._connection.getresponse()
        said = response.read()
        assert response.status == 200, said
        return json.loads(said)
