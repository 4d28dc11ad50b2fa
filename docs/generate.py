"""Write what comes from the code: pages of docs/, and the settings of the VS Code extension.

Tests fail when one of them and the code part.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from server.config import Settings, plain_type, section_classes, wire_name
from sessions.settings import ModelSettings, Workspace

CONFIGURATION = Path(__file__).with_name("configuration.md")
MANIFEST = Path(__file__).parents[1] / "editors/vscode/package.json"

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


_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def manifest() -> str:
    """Give the VS Code extension's package.json: as it is, with every option among its settings.

    What a workspace may not set has the scope of the machine. What it may only turn off it sets when it is
    trusted.
    """
    package = json.loads(MANIFEST.read_text(encoding="utf-8"))
    sections = [_page_of_settings("Model", "", Settings), *(_vscode_sections())]
    own = package["contributes"]["configuration"][0]
    package["contributes"]["configuration"] = [own, *sections]
    settings = {name: schema for part in (own, *sections) for name, schema in part["properties"].items()}
    guarded = [name for name, schema in settings.items() if schema["scope"] == "machine"]
    package["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] = [*guarded, *_only_off()]
    return json.dumps(package, indent=2, ensure_ascii=False) + "\n"


def _vscode_sections() -> Iterator[dict[str, Any]]:
    for name, cls in section_classes():
        if not name.endswith(".NAME"):
            yield _page_of_settings(name.capitalize(), f"{name}.", cls)


def _page_of_settings(title: str, prefix: str, cls: type[Any]) -> dict[str, Any]:
    properties = {f"kvasir.{prefix}{name}": schema for name, schema in _schemas(cls, scoped=True)}
    if cls is Settings:
        properties["kvasir.models"] = _models()
    return {"title": title, "properties": properties}


def _models() -> dict[str, Any]:
    model = {"type": "object", "additionalProperties": False}
    return {
        "type": "object",
        "default": {},
        "scope": "machine",
        "markdownDescription": f"By name. {' '.join((ModelSettings.__doc__ or '').split())}",
        "additionalProperties": {**model, "properties": dict(_schemas(ModelSettings, scoped=False))},
    }


def _schemas(cls: type[Any], *, scoped: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name each option of a class as editors do, with its JSON schema."""
    for field in attrs.fields(cls):
        if field.metadata:
            kind = _JSON_TYPES[plain_type(field)]
            schema: dict[str, Any] = {"type": [kind, "null"] if field.default is None else kind}
            refused = field.metadata["workspace"] is Workspace.REFUSED
            scope = {"scope": "machine" if refused else "machine-overridable"} if scoped else {}
            about = {"default": field.default, **scope, "markdownDescription": field.metadata["doc"]}
            yield wire_name(field.name), {**schema, **about}


def _only_off() -> Iterator[str]:
    for name, cls in section_classes():
        for field in attrs.fields(cls):
            if field.metadata.get("workspace") is Workspace.MAY_TURN_OFF:
                yield f"kvasir.{name}.{wire_name(field.name)}"


if __name__ == "__main__":
    CONFIGURATION.write_text(configuration(), encoding="utf-8")
    MANIFEST.write_text(manifest(), encoding="utf-8")
