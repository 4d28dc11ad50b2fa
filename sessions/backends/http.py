"""The HTTP client, and its errors as ours.

The one module that imports it: ``httpx2`` is httpx continued by its author, and what ``anthropic`` requires.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2

from sessions.errors import ModelRefused, ModelUnavailable

Client = httpx2.AsyncClient
Response = httpx2.Response

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 600.0
"""How long a server may be silent in a stream: one batch of a large model on a slow machine."""


def local_client(url: str, api_key: str = "") -> Client:
    """A client for one server on this machine: no proxy, no redirects, one connection per stream."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        _ = urlsplit(url).port  # refused when it is too large, which connecting tells as an error group only
        return httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=64, keepalive_expiry=60),
            trust_env=False,  # HTTP_PROXY would send loopback requests away
            verify=url.startswith("https:"),  # reading the system's certificates costs 30 ms
        )
    except (httpx2.InvalidURL, ValueError) as error:
        raise ModelUnavailable(
            f"{url} is no URL of a model server: {error}.", hint="Correct it in the configuration."
        ) from error


@asynccontextmanager
async def told_as_ours(url: str) -> AsyncGenerator[None]:
    """Raise transport errors as ``ModelUnavailable`` or ``ModelRefused``, in words."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise ModelUnavailable(
            f"No model server answers at {url}.", hint='Start it, or see "kvasir doctor".'
        ) from error
    except httpx2.TimeoutException as error:
        raise ModelUnavailable(
            f"The model server at {url} has been silent for {SILENCE_SECONDS:.0f} seconds.",
            hint='Ask again; if it stays so, restart it ("kvasir server stop" ends one of ours).',
        ) from error
    except (httpx2.SSEError, httpx2.DecodingError, httpx2.InvalidURL, httpx2.StreamError) as error:
        reason = str(error).rstrip(".")
        raise ModelRefused(
            f"The server at {url} does not answer as a model server does: {reason}."
        ) from error
    except httpx2.TransportError as error:
        raise ModelUnavailable(
            f"The model server at {url} went away: {str(error).rstrip('.') or type(error).__name__}.",
            hint="Ask again: a server of ours is started anew, the answer so far is kept.",
        ) from error


async def events(response: Response) -> AsyncGenerator[str]:
    """The ``data`` of each server-sent event of a stream."""
    async for event in httpx2.EventSource(response, max_event_size=None):
        yield event.data
