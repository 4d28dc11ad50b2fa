"""Neovim's RPC: MessagePack over a socket, one request at a time."""

import itertools
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import msgpack as untyped

from tests.editors.drivers.waiting import PATIENCE_S

msgpack = cast("Any", untyped)

REQUEST, RESPONSE, NOTIFICATION = range(3)
CHUNK_BYTES = 1 << 16


class RpcError(Exception):
    """Neovim refused a call; the message is its own."""


def connected(address: Path) -> "Rpc | None":
    """Connect to a Neovim, if it listens at ``address`` by now: the file is there a moment earlier."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(address))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return Rpc(connection)


class Rpc:
    """A connection to a Neovim. A call that takes too long is a ``TimeoutError``."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(PATIENCE_S)
        self._unpacker = msgpack.Unpacker()
        self._ids = itertools.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever Neovim returns
        """Call an API function and return its value."""
        number = next(self._ids)
        self._send([REQUEST, number, method, arguments])
        while True:
            kind, *message = self._receive()
            if kind == RESPONSE and message[0] == number:
                break
        _, error, value = message
        if error is not None:
            raise RpcError(error[1])
        return value

    def notify(self, method: str, *arguments: object) -> None:
        """Call an API function without waiting for it."""
        self._send([NOTIFICATION, method, arguments])

    def _send(self, message: list[object]) -> None:
        self._socket.sendall(msgpack.packb(message))

    def _receive(self) -> Any:  # noqa: ANN401 - a message of any kind
        for message in self._unpacker:
            return message
        data = self._socket.recv(CHUNK_BYTES)
        if not data:
            raise RpcError("Neovim has ended.")
        self._unpacker.feed(data)
        return self._receive()
