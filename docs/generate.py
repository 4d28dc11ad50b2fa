"""Write the pages of docs/ that come from the code; tests fail when a page and the code part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from server.config import Settings, plain_type, section_classes, wire_name
from sessions.settings import Workspace

CONFIGURATION = Path(__file__).with_name("configuration.md")

_HEAD = """\
# Configuration

Kvasir needs none. This page is generated from the code (`make docs`).

Options come from five places, the later stronger than the earlier:
1. the defaults below,
2. your own `~/.config/kvasir/config.toml` (`$XDG_CONFIG_HOME` moves it),
3. `.kvasir.toml` at the top of a workspace,
4. `initializationOptions.kvasir.settings`, which your editor sends once,
5. the section `kvasir` of `workspace/configuration`, which your editor sends again when it changes.

In the two files names are written as below, from editors in camelCase: `max_tokens` is `maxTokens` there.

A workspace may be a stranger's. Its `.kvasir.toml` sets only what is marked *yes* below, and can turn off,
but not on, what is marked *off only*. Everything else could start programs or send your code elsewhere,
and is refused.

What is wrong is told with its file, its line and the nearest valid name, and only that is ignored: every
other option counts, and the value from the next weaker place stands. A file that is not valid TOML is ignored
as a whole.

```toml
model = "coder"

[models.coder]
path = "~/models/coder.gguf"
context = 65536

[warmup]
delay_ms = 200
```
"""
_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_IN_WORKSPACE = {Workspace.REFUSED: "no", Workspace.ALLOWED: "yes", Workspace.MAY_TURN_OFF: "off only"}


def configuration() -> str:
    """Give the whole of docs/configuration.md."""
    return _HEAD + "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield from _section("At the top", Settings)
    for name, cls in section_classes():
        yield from _section(f"`[{name}]`", cls)


def _section(title: str, cls: type[Any]) -> Iterator[str]:
    yield f"\n## {title}"
    if cls is not Settings:
        yield from ((cls.__doc__ or "").replace("\n    ", "\n").strip(), "")
    yield "| option | from editors | type | default | workspace | meaning |"
    yield "|---|---|---|---|---|---|"
    for field in attrs.fields(cls):
        if field.metadata:
            yield _row(field)


def _row(field: "attrs.Attribute[Any]") -> str:
    kind = _KINDS[plain_type(field)]
    workspace = _IN_WORKSPACE[field.metadata["workspace"]]
    cells = (
        f"`{field.name}`",
        f"`{wire_name(field.name)}`",
        kind,
        _default(field.default),
        workspace,
        field.metadata["doc"],
    )
    return f"| {' | '.join(cells)} |"


def _default(value: object) -> str:
    match value:
        case None:
            return "unset"
        case "":
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case _:
            return f"`{value}`"


if __name__ == "__main__":
    CONFIGURATION.write_text(configuration(), encoding="utf-8")
