"""What a person can set: each option once, with its default, its limits and its meaning.

``server/config.py`` reads the values from files and from the editor; ``docs/configuration.md`` is generated
from these classes.
"""

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

DEMO = "demo"
"""Name of the model that Kvasir makes itself; it needs neither path nor url."""
FRESH = "fresh"
"""Of ``context.changes``: files that changed are not told as changes but sent anew, all of them."""

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


class Workspace(Enum):
    """What a workspace's ``.kvasir.toml``, which may be a stranger's, can do with an option."""

    REFUSED = auto()
    """Nothing: it could start programs, load files, or send code elsewhere."""
    ALLOWED = auto()
    MAY_TURN_OFF = auto()
    """Say ``false``; a ``true`` could undo what the person decided."""


def option(
    doc: str, *validators: Validator, default: object, workspace: Workspace = Workspace.REFUSED
) -> Any:  # noqa: ANN401 - attrs types a field by its annotation
    """Declare a field with what the documentation and the reader of the files need to know about it."""
    checks = attrs.validators.and_(*validators) if validators else None
    return attrs.field(default=default, validator=checks, metadata={"doc": doc, "workspace": workspace})


def between(low: float, high: float) -> Validator:
    """Accept a number from ``low`` to ``high``, both included."""

    def check(_settings: object, _field: object, value: float) -> None:
        if not low <= value <= high:
            message = f"must be from {low} to {high}"
            raise ValueError(message)

    return check


def _one_of(*choices: str) -> Validator:
    def check(_settings: object, _field: object, value: str) -> None:
        if value not in choices:
            message = f"must be one of {', '.join(choices)}"
            raise ValueError(message)

    return check


def _absolute(_settings: object, _field: object, value: str) -> None:
    if value and not value.startswith("~") and not Path(value).is_absolute():
        message = "must be an absolute path, or one that begins with ~"
        raise ValueError(message)


def _program(settings: object, field: object, value: str) -> None:
    if "/" in value or "\\" in value:
        _absolute(settings, field, value)


def _http(_settings: object, _field: object, value: str) -> None:
    url = urlsplit(value)  # raises a ValueError of its own for a broken IPv6 address
    if value and (url.scheme not in ("http", "https") or not url.hostname):
        message = "must be a URL such as http://127.0.0.1:8080"
        raise ValueError(message)


@attrs.frozen
class ModelSettings:
    """A model: a file that Kvasir serves itself, or the URL of a server that has it loaded, one of the two.

    NAME is what you call it, as in `@NAME` in front of a question.
    """

    path: str = option("GGUF file, served by a llama-server that Kvasir starts.", _absolute, default="")
    url: str = option("Base URL of a llama-server that is already running.", _http, default="")
    context: int = option("Window of each chat, in tokens.", between(512, 1 << 24), default=32768)
    slots: int = option("Chats kept evaluated in memory; others go to disk.", between(1, 64), default=2)
    threads: int = option("Threads that evaluate; 0 leaves it to llama-server.", between(0, 1024), default=0)
    max_tokens: int = option("Longest answer, in tokens.", between(1, 1 << 20), default=4096)
    temperature: float | None = option(
        "How freely the model chooses; unset leaves it to the model.",
        attrs.validators.optional(between(0, 5)),
        default=None,
    )


@attrs.frozen
class ServerSettings:
    """The llama-server that Kvasir starts and shares between your editors."""

    binary: str = option(
        "llama-server to run; when empty, the one on your `PATH`, else the embedded one.",
        _program,
        default="",
    )
    idle_minutes: float = option(
        "Minutes after the last editor has gone after which it ends.", between(0.01, 1_000_000), default=30
    )
    saved_kv_mib: int = option(
        "Most disk space for chats beyond the slots, in MiB.", between(0, 1 << 30), default=4096
    )


@attrs.frozen
class WarmupSettings:
    """Evaluating the context before the question is sent."""

    enabled: bool = option("Whether it is done at all.", default=True, workspace=Workspace.MAY_TURN_OFF)
    delay_ms: int = option(
        "Quiet time after a change of the selection, in milliseconds.",
        between(50, 60_000),
        default=300,
        workspace=Workspace.ALLOWED,
    )


@attrs.frozen
class ChatSettings:
    """The chat document."""

    send_on_save: bool = option(
        "Whether saving it sends the question at its end.", default=True, workspace=Workspace.MAY_TURN_OFF
    )
    view: str = option(
        "Where chats are shown: `virtual` in a read-only document of editors that have those, else the file.",
        _one_of("auto", "virtual"),
        default="auto",
    )
    directory: str = option(
        "Where new ones are kept; when empty, `.kvasir/chat` in the workspace.", _absolute, default=""
    )


@attrs.frozen
class ProjectSettings:
    """Asking about a whole project."""

    max_file_kib: int = option(
        "Largest file that is part of it, in KiB.",
        between(1, 1 << 20),
        default=512,
        workspace=Workspace.ALLOWED,
    )


@attrs.frozen
class ContextSettings:
    """What goes with a question."""

    notes: bool = option(
        "Whether new chats begin with the project's notes, such as `AGENTS.md`.",
        default=True,
        workspace=Workspace.MAY_TURN_OFF,
    )
    index: bool = option(
        "Whether the symbols and words of a workspace are kept in an index.",
        default=True,
        workspace=Workspace.MAY_TURN_OFF,
    )
    changes: str = option(
        "How a chat is told of changed files: `deltas` appends what changed, `fresh` sends all files anew.",
        _one_of("deltas", FRESH),
        default="deltas",
        workspace=Workspace.ALLOWED,
    )
