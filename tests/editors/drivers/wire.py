"""What went over the wire between an editor and the server, as ``tap.py`` logged it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from tests.editors.drivers.waiting import PATIENCE_S, until

# JSON from the wire: each test names the shape that it expects by indexing it.
Json = dict[str, Any]


@attrs.frozen
class Message:
    """One JSON-RPC message. ``way`` is ``to_server`` or ``to_editor``, ``at`` seconds since the epoch."""

    at: float
    way: str
    body: Json

    @property
    def method(self) -> str | None:
        return self.body.get("method")

    @property
    def params(self) -> Any:  # noqa: ANN401 - see Json
        return self.body.get("params")


@attrs.frozen
class Wire:
    """The log of one editor's session."""

    path: Path

    def messages(self) -> list[Message]:
        """All complete lines so far."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [Message(**json.loads(line)) for line in lines if line.endswith("\n")]

    def sent(self, method: str) -> list[Message]:
        """List the editor's requests or notifications of this method."""
        return [
            message for message in self.messages() if (message.way, message.method) == ("to_server", method)
        ]

    def received(self, method: str) -> list[Message]:
        """List the server's requests or notifications of this method."""
        return [
            message for message in self.messages() if (message.way, message.method) == ("to_editor", method)
        ]

    def reply(self, request: Message) -> Json:
        """Wait for the response to a request from either side; returns the whole response."""
        back = "to_editor" if request.way == "to_server" else "to_server"
        # A server that was started again is sent the same numbers once more.
        starts = [message.at for message in self.messages() if message.way == "start"]
        begun = max(at for at in starts if at <= request.at)

        def look() -> Json | None:
            for message in self.messages():
                if (
                    message.way == back
                    and message.at >= begun
                    and message.method is None
                    and message.body.get("id") == request.body["id"]
                ):
                    return message.body
            return None

        return until(look, f"the reply to {request.method}")

    def wait(self, method: str, count: int = 1, seconds: float = PATIENCE_S) -> Message:
        """Wait until the editor has sent ``count`` messages of this method; return the last of them."""

        def look() -> list[Message] | None:
            found = self.sent(method)
            return found if len(found) >= count else None

        return until(look, f"{count} x {method} from the editor", seconds)[count - 1]

    def command(self, name: str, count: int = 1) -> Message:
        """Wait for the editor's ``count``-th ``workspace/executeCommand`` of this name."""

        def look() -> list[Message] | None:
            requests = self.sent("workspace/executeCommand")
            found = [message for message in requests if message.params["command"] == name]
            return found if len(found) >= count else None

        return until(look, f"{count} x {name} from the editor")[count - 1]

    def announced(self, method: str, matches: Callable[[Any], bool]) -> Message:
        """Wait for a message of the server whose params match; return the first such."""

        def look() -> Message | None:
            return next((message for message in self.received(method) if matches(message.params)), None)

        return until(look, f"{method} from the server")

    def server_exit(self, seconds: float = PATIENCE_S) -> int:
        """Wait for the server's end; returns its exit code."""

        def look() -> list[Message] | None:
            return [message for message in self.messages() if message.way == "exit"] or None

        return until(look, "the server's end", seconds)[-1].body["code"]

    def server_gone(self) -> None:
        """Wait until no server that was started for this editor runs any more, however it ended."""
        until(lambda: not any(map(_runs, self.server_pids)), "the end of every server")

    @property
    def server_pids(self) -> list[int]:
        """Process ids of the servers that were started for this editor, one per start."""
        return [message.body["pid"] for message in self.messages() if message.way == "start"]


def _runs(pid: int) -> bool:
    """Tell whether a process is alive; one that ended may stay in the table until somebody asks for its code."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")
