"""Requests and notifications to one client that may never answer, and may have stopped reading."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from server.protocol import Protocol

STALLED_BYTES = 1 << 16
"""With more than this unread, what can be merged or left out is."""

logger = logging.getLogger("kvasir.server.render.wire")


class Wire:
    """A client that is silent for ``limit_s`` seconds on a request is not sent that method again.

    Unless it answers after all: it was busy, as Vim is while it waits for a key. ``late`` is then called with
    the method, and may ``revive`` it.
    """

    def __init__(self, protocol: Protocol, limit_s: float, late: Callable[[str], None]) -> None:
        self._protocol = protocol
        self._limit_s = limit_s
        self._late = late
        self._dead: set[str] = set()

    @property
    def limit_s(self) -> float:
        """How long a request is waited for, in seconds."""
        return self._limit_s

    @property
    def backlog_bytes(self) -> int:
        """What the client has not read yet."""
        return int(getattr(self._protocol.writer, "backlog_bytes", 0))

    def answers(self, method: str) -> bool:
        """Whether the method is worth asking."""
        return method not in self._dead

    def revive(self, method: str) -> None:
        """Ask for it again."""
        self._dead.discard(method)

    def notify(self, method: str, params: object) -> None:
        """Send a notification."""
        self._protocol.notify(method, params)

    async def ask(self, method: str, params: object) -> Any | None:  # noqa: ANN401 (the method's result)
        """The result, or ``None`` if the client refuses or does not answer."""
        _, result = await self._asked(method, params)
        return result

    async def accepts(self, method: str, params: object) -> bool:
        """Whether the client answers, and not with an error, where the result itself says nothing."""
        accepted, _ = await self._asked(method, params)
        return accepted

    async def _asked(self, method: str, params: object) -> tuple[bool, Any | None]:
        if method in self._dead:
            return False, None
        try:
            return True, await self._protocol.ask(method, params, self._limit_s, partial(self._late, method))
        except TimeoutError:
            self._dead.add(method)
            logger.warning(
                "The client did not answer %s in %s s; it is not asked until it does.", method, self._limit_s
            )
        except JsonRpcException as error:
            logger.warning("The client refused %s: %s", method, error.message)
        return False, None

    def show_message(self, text: str, kind: types.MessageType) -> None:
        """Show a message of this kind."""
        self.notify(types.WINDOW_SHOW_MESSAGE, types.ShowMessageParams(type=kind, message=text))
