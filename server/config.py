"""The options, each from the strongest of five places that sets it.

Defaults < the user's file < the workspace's file < initializationOptions < workspace/configuration.
Reading never fails. What is wrong is left out, so that the next weaker value stands, and is told as a problem
that names the file, the line and the nearest valid name. The workspace's file may come from a stranger: it
sets only what can neither send data elsewhere nor start programs; an option not marked as such is refused.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

import attrs

from server.toml_lines import line_of
from sessions.settings import (
    DEMO,
    ChatSettings,
    ContextSettings,
    ModelSettings,
    ProjectSettings,
    ServerSettings,
    WarmupSettings,
    Workspace,
    option,
)

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")
_MAX_FILE_BYTES = 1 << 20
_WANTED = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}

Values = dict[str, Any]
Keys = tuple[str, ...]


@attrs.frozen
class Settings:
    """Every option."""

    model: str = option("Name of the model that answers; when empty, one is looked for.", default="")
    models: Mapping[str, ModelSettings] = attrs.field(factory=dict[str, ModelSettings])
    server: ServerSettings = attrs.field(factory=ServerSettings)
    warmup: WarmupSettings = attrs.field(factory=WarmupSettings)
    chat: ChatSettings = attrs.field(factory=ChatSettings)
    project: ProjectSettings = attrs.field(factory=ProjectSettings)
    context: ContextSettings = attrs.field(factory=ContextSettings)


@attrs.frozen
class Problem:
    """Something in the options that is not used, told in one sentence. ``line`` counts from 1."""

    source: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.message}"


@attrs.frozen
class Loaded:
    """The options in force, and what was ignored on the way to them."""

    settings: Settings
    problems: tuple[Problem, ...]


@attrs.frozen
class Layer:
    """Options as the editor sent them, in camelCase; ``source`` names them in problems."""

    source: str
    values: object


def load(user_file: Path, workspace_file: Path | None, *layers: Layer) -> Loaded:
    """Read and merge all options, the weakest first. A file that is not there sets nothing."""
    reader = _Reader()
    reader.add_file(user_file, _Source(_shown(user_file)))
    if workspace_file is not None:
        reader.add_file(workspace_file, _Source(_shown(workspace_file), of_workspace=True))
    for layer in layers:
        reader.add(_Source(layer.source, wire=True), layer.values)
    return Loaded(reader.settings(), tuple(reader.problems))


def section_classes() -> Iterator[tuple[str, type[Any]]]:
    """Name each table and its class, in the order of the documentation: ``models.NAME``, ``server``, ..."""
    for field in attrs.fields(Settings):
        if inner := _class_in_mapping(field.type):
            yield f"{field.name}.NAME", inner
        elif attrs.has(cast("type", field.type)):
            yield field.name, cast("type", field.type)


def plain_type(field: "attrs.Attribute[Any]") -> type[Any]:
    """Give the type of an option's value: ``float`` for ``float | None``, as TOML has no null to write."""
    kinds = cast("tuple[type[Any], ...]", get_args(field.type) or (field.type,))
    return kinds[0]


def wire_name(name: str) -> str:
    """Spell an option as editors send it: ``max_tokens`` is ``maxTokens``."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


@attrs.frozen
class _Source:
    """Where values come from, and by which rules they are read."""

    name: str
    text: str = ""
    wire: bool = False
    of_workspace: bool = False

    def spell(self, name: str) -> str:
        return wire_name(name) if self.wire else name

    def line(self, keys: Keys) -> int | None:
        return line_of(self.text, keys)


class _Reader:
    """Merges layer after layer into plain values that are known to be valid."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._values: Values = {}
        self._named_in: dict[str, _Source] = {}

    def add_file(self, path: Path, source: _Source) -> None:
        try:
            text = _read(path)
            values = tomllib.loads(text)
        except FileNotFoundError:
            return
        except OSError as error:
            self._report(source, None, f"cannot be read ({error.strerror}). It is ignored.")
        except UnicodeDecodeError:
            self._report(source, None, "is not UTF-8 text. The whole file is ignored.")
        except (ValueError, RecursionError) as error:
            self._syntax_error(source, error)
        else:
            self.add(attrs.evolve(source, text=text), values)

    def add(self, source: _Source, values: object) -> None:
        if values is not None:
            self._section(source, (), Settings, values, self._values)

    def settings(self) -> Settings:
        values = dict(self._values)
        models: dict[str, Values] = values.pop("models", {})
        sections = {name: cls(**values.pop(name)) for name, cls in section_classes() if name in values}
        return Settings(
            models={
                name: ModelSettings(**model)
                for name, model in models.items()
                if self._has_one_home(name, model)
            },
            **sections,
            **values,
        )

    def _section(self, source: _Source, keys: Keys, cls: type[Any], given: object, into: Values) -> None:
        """Take over the valid values of one table; ``keys`` is its path."""
        if not isinstance(given, Mapping):
            self._refuse(
                source, keys, "must be a table of options" if keys else "must be an object of options"
            )
            return
        fields = {source.spell(field.name): field for field in attrs.fields(cls)}
        for name, value in cast("Mapping[str, object]", given).items():
            path = (*keys, name)
            if name not in fields:
                self._unknown(source, path, fields)
            elif inner := _class_in_mapping(fields[name].type):
                self._models(source, path, inner, value, into.setdefault(fields[name].name, {}))
            elif attrs.has(fields[name].type or object):
                self._section(source, path, fields[name].type, value, into.setdefault(fields[name].name, {}))
            else:
                self._leaf(source, path, fields[name], value, into)

    def _models(self, source: _Source, keys: Keys, cls: type[Any], given: object, into: Values) -> None:
        if source.of_workspace:
            self._forbid(source, keys)
            return
        if not isinstance(given, Mapping):
            self._refuse(source, keys, f"must be tables such as [{'.'.join(keys)}.NAME]")
            return
        for name, value in cast("Mapping[str, object]", given).items():
            if not MODEL_NAME.fullmatch(name):
                self._refuse(
                    source, (*keys, name), "is no name for a model: use letters, digits and . _ - : /"
                )
                continue
            self._named_in[name] = source
            self._section(source, (*keys, name), cls, value, into.setdefault(name, {}))

    def _leaf(
        self, source: _Source, keys: Keys, field: "attrs.Attribute[Any]", value: object, into: Values
    ) -> None:
        if source.wire and value is None:
            return  # how editors send an option that nobody set
        if source.of_workspace and not _workspace_may(field, value):
            self._forbid(source, keys)
        elif complaint := _complaint(field, value):
            self._refuse(source, keys, complaint)
        else:
            into[field.name] = value

    def _has_one_home(self, name: str, model: Values) -> bool:
        homes = bool(model.get("path")) + bool(model.get("url"))
        if homes == 1 or (homes == 0 and name == DEMO):
            return True
        source = self._named_in[name]
        self._refuse(source, ("models", name), 'needs either "path" or "url", and only one of them')
        return False

    def _unknown(self, source: _Source, keys: Keys, names: Mapping[str, object]) -> None:
        nearest = get_close_matches(keys[-1], names, n=1)
        hint = f'; did you mean "{nearest[0]}"' if nearest else f"; valid here: {', '.join(names)}"
        mark = "?" if nearest else "."
        # Where there is no line to look at, the whole path says which one is meant.
        shown = ".".join(keys) if source.wire else keys[-1]
        self._report(source, source.line(keys), f'unknown key "{shown}"{hint}{mark} It is ignored.')

    def _forbid(self, source: _Source, keys: Keys) -> None:
        self._refuse(
            source,
            keys,
            "may only be set in your own config.toml or editor, because with it a project"
            " could start programs or send your code elsewhere",
        )

    def _refuse(self, source: _Source, keys: Keys, complaint: str) -> None:
        subject = f'"{".".join(keys)}" ' if keys else ""
        self._report(source, source.line(keys), f"{subject}{complaint}. It is ignored.")

    def _syntax_error(self, source: _Source, error: Exception) -> None:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        what = str(error)[: place.start()] if place else str(error)
        line = int(place[1]) if place else None
        self._report(source, line, f"is not valid TOML: {what}. The whole file is ignored.")

    def _report(self, source: _Source, line: int | None, message: str) -> None:
        self.problems.append(Problem(source.name, line, message))


def _read(path: Path) -> str:
    # Anything but a plain file could block for ever, and a workspace is not ours.
    if path.exists() and not path.is_file():
        raise OSError(0, "it is not a file")
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise OSError(0, "it is larger than 1 MiB")
    return content.decode()


def _shown(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _class_in_mapping(kind: object) -> type[Any] | None:
    inner = get_args(kind)
    return inner[1] if len(inner) == 2 and attrs.has(inner[1]) else None  # noqa: PLR2004 - a key and a value


def _workspace_may(field: "attrs.Attribute[Any]", value: object) -> bool:
    match field.metadata["workspace"]:
        case Workspace.ALLOWED:
            return True
        case Workspace.MAY_TURN_OFF:
            return value is False
        case _:
            return False


def _complaint(field: "attrs.Attribute[Any]", value: object) -> str:
    """Say what is wrong with a value, as the rest of a sentence about its key; empty when nothing is."""
    kind = plain_type(field)
    # A bool is an int to Python, but not to the person who wrote it.
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits:
        return f"must be {_WANTED[kind]}"
    try:
        if field.validator is not None:
            field.validator(None, field, value)
    except ValueError as error:
        return str(error)
    return ""
