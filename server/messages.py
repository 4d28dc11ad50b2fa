"""The framing of JSON-RPC: messages out of a byte stream, whatever stands in them.

pygls reads with a JSON hook that takes every nested object with a key ``jsonrpc`` for a message, loses the
request then, and shows a pop-up for malformed JSON. Here only the outermost object is a message.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

HEADER_BYTES = 1 << 16
MESSAGE_BYTES = 1 << 30

logger = logging.getLogger("kvasir.server.messages")


class Reader(Protocol):
    """Where bytes come from. At the end of the input both give less than was asked for, or raise."""

    def readline(self) -> Awaitable[bytes]:
        """The next line with its end."""
        ...

    def readexactly(self, n: int) -> Awaitable[bytes]:
        """``n`` bytes."""
        ...


class Malformed(Exception):
    """A body is not JSON; the next message can still be read."""


class Lost(Malformed):
    """The header makes no sense, so nothing tells where the next message begins."""


async def read_message(reader: Reader) -> Any | None:  # noqa: ANN401 (a JSON value)
    """The next JSON value, ``None`` at the end of the input; ``Malformed`` when it is something else."""
    size = await _body_size(reader)
    if size is None:
        return None
    try:
        body = await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None
    if len(body) < size:
        return None
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The client sent {size} bytes that are not JSON.") from error
    if message is None:
        raise Malformed("The client sent null where a message belongs.")
    return message


async def read_messages(
    reader: Reader,
    handle: Callable[[Any], None],
    malformed: Callable[[Malformed], None],
    ended: Callable[[], bool],
) -> None:
    """Hand each message to ``handle`` until the input ends, its framing is lost or ``ended`` says so."""
    while not ended():
        try:
            message = await read_message(reader)
        except Malformed as error:
            malformed(error)
            if isinstance(error, Lost):
                return
            continue
        if message is None:
            return
        handle(message)


async def _body_size(reader: Reader) -> int | None:
    size: int | None = None
    read = 0
    while read < HEADER_BYTES:
        try:
            line = await reader.readline()
        except ValueError as error:  # asyncio: a line longer than its buffer
            raise Lost("The client sent a header without end.") from error
        if not line:
            return None
        read += len(line)
        if not line.strip():
            if size is not None:
                return size
            break
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            size = _size(value)
    raise Lost("The client sends no Content-Length: it does not speak LSP.")


def _size(value: bytes) -> int:
    digits = value.strip()
    if not digits.isdigit() or int(digits) > MESSAGE_BYTES:
        raise Lost(f"The client sent a Content-Length of {digits[:20]!r}.")
    return int(digits)
