"""Helix: Kvasir behind the servers of every language that it knows, and keys.

Helix attaches a server to named languages only, and a list of servers replaces the one that is built in. So
each list is repeated as the person's own Helix tells it, in a block at the end of ``languages.toml``; lists
that the person wrote are added to in their place.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from context.errors import KvasirError
from server.setup.blocks import with_block, without_block
from server.setup.helix_health import health
from server.setup.person import Person
from server.setup.steps import Change, Plan, read

NAME, LEADER = "helix", "#"
FEATURES = ("code-action", "workspace-command", "document-symbols", "diagnostics")
NEWER_FEATURES = (*FEATURES, "document-links")
"""Helix 25.07 as released refuses the whole file for a feature that it does not know."""
CHATS = "markdown"
Servers: TypeAlias = Mapping[str, Sequence[str]]
_OURS = re.compile(r'(?:, )?\{name = "kvasir", only-features = \[[^\]]*\]\}')
_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"""' + r"|'''.*?'''" + r'|"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'|#[^\n]*|\s+|.",
    re.DOTALL,
)


def wire(person: Person, program: str) -> Plan:
    """Both files. Helix is asked about its languages as they are without us."""
    languages, keys = _languages(person, program), _keys(person)
    steps = tuple(step for step in (languages, keys) if step)
    notes = _notes(person, keys)
    count = _named(languages.before)
    if not count:
        return Plan("does not start Kvasir yet", steps, notes)
    state = f"starts Kvasir for {count} languages"
    if any(not step.done for step in steps):
        state += ", not as setup would do it now"
    return Plan(state, steps, notes)


def unwire(person: Person) -> Plan:
    """Take our blocks and entries out of both files."""
    languages, keys = _file(person, "languages.toml"), _file(person, "config.toml")
    before, keys_before = read(languages), read(keys)
    return Plan(
        "",
        (
            Change(languages, before, without_languages(before)),
            Change(keys, keys_before, without_block(keys_before, LEADER, NAME)),
        ),
    )


def _file(person: Person, name: str) -> Path:
    return person.config / "helix" / name


def _languages(person: Person, program: str) -> Change:
    file = _file(person, "languages.toml")
    before = read(file)
    base = without_languages(before)
    _values(base, file)
    with health(program, base) as without_us:
        if complaint := without_us.complaint():
            raise KvasirError(f"{file} is refused by Helix itself: {complaint}", hint="Nothing was changed.")
        known = without_us.languages()
    if not known:
        raise KvasirError(f"{program} --health names no languages.", hint="Is it Helix 25.07 or newer?")
    complaint = ""
    for features in (NEWER_FEATURES, FEATURES):
        after, added = with_languages(base, known, person.command[0], features)
        with health(program, after) as with_us:
            complaint = with_us.complaint()
        if not complaint:
            _certain(base, after, file)
            return Change(file, before, after, added)
    raise KvasirError(f"Helix refuses what would stand in {file}: {complaint}", hint="Nothing was changed.")


def _certain(base: str | None, after: str, file: Path) -> None:
    """Nothing is written that cannot be taken out again to the last byte."""
    try:
        tomllib.loads(after)
        certain = without_languages(after) == base
    except tomllib.TOMLDecodeError:
        certain = False
    if not certain:
        raise KvasirError(
            f"{file} is written in a way that setup cannot add to.",
            hint='"kvasir setup helix --print" prints what is to be added by hand.',
        )


def _values(text: str | None, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except tomllib.TOMLDecodeError as error:
        raise KvasirError(f"{file} is not valid TOML: {error}.", hint="Nothing was changed.") from error


def _named(text: str | None) -> int:
    """For how many languages the file names Kvasir."""
    try:
        entries = tomllib.loads(text or "").get("language", [])
    except tomllib.TOMLDecodeError:
        return 0
    return len({entry.get("name") for entry in entries if _has_kvasir(entry.get("language-servers", []))})


def _has_kvasir(servers: Sequence[Any]) -> bool:
    return any((server if isinstance(server, str) else server.get("name")) == "kvasir" for server in servers)


def with_languages(
    base: str | None, known: Servers, program: str, features: Sequence[str]
) -> tuple[str, str]:
    """The file with Kvasir in every list, and the block of it that is ours."""
    values = tomllib.loads(base or "")
    own = {entry.get("name"): entry for entry in values.get("language", [])}
    ours = f'{{name = "kvasir", only-features = {_array(features)}}}'
    block = [] if "kvasir" in values.get("language-server", {}) else [_server(program)]
    for name, servers in known.items():
        entry = own.get(name, {})
        lines = [f"[[language]]\nname = {_string(name)}"]
        if "language-servers" not in entry:
            repeated = [server for server in servers if server != "kvasir"]
            lines.append(f"language-servers = [{', '.join([*map(_string, repeated), ours])}]")
        if name == CHATS and "soft-wrap" not in entry:
            lines.append("soft-wrap.enable = true # a paragraph of an answer is one long line")
        if len(lines) > 1:
            block.append("\n".join(lines))
    added = "\n\n".join(block)
    lists = base if base is None else _with_ours(base, ours)
    return (with_block(lists, LEADER, NAME, added) if added else lists or ""), added


def without_languages(text: str | None) -> str | None:
    """The file without what ``with_languages`` brought."""
    rest = without_block(text, LEADER, NAME)
    return rest and _OURS.sub("", rest)


def _server(program: str) -> str:
    return f'[language-server.kvasir]\ncommand = {_string(program)}\nargs = ["lsp"]\ntimeout = 30'


def _string(text: str) -> str:
    # A string of JSON is one of TOML too.
    return json.dumps(text, ensure_ascii=False)


def _array(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_string, texts))}]"


def _with_ours(text: str, ours: str) -> str:
    """The text with our entry at the end of each list of servers that the person wrote."""
    try:
        document = tomlkit.parse(text)
        entries = cast("list[dict[str, Array]]", document["language"]) if "language" in document else []
        for entry in entries:
            servers = entry.get("language-servers")
            if isinstance(servers, Array) and not _has_kvasir(servers.unwrap()):
                written = tomlkit.parse(f"a = {_appended(servers.as_string(), ours)}")
                entry["language-servers"] = cast("Array", written["a"])
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise KvasirError(f"languages.toml: {error}.", hint="Nothing was changed.") from error


def _appended(array: str, ours: str) -> str:
    """A TOML array with one more element behind its last; comments and a trailing comma stay."""
    end = 1
    position = 1
    for piece in _PIECE.findall(array[1:-1]):
        position += len(piece)
        if not (piece.isspace() or piece.startswith("#") or piece == ","):
            end = position
    return f"{array[:end]}{', ' if end > 1 else ''}{ours}{array[end:]}"


def _notes(person: Person, keys: Change | None) -> tuple[str, ...]:
    file = _file(person, "config.toml")
    if keys is None:
        theirs = person.shipped / "helix/config.toml"
        return (f"{person.short(file)} has something else at Space q: choose other keys, as in {theirs}.",)
    messages = _values(keys.after, file).get("editor", {}).get("lsp", {})
    if not messages.get("display-progress-messages"):
        return (f'Set "display-progress-messages = true" in [editor.lsp] of {person.short(file)}.',)
    return ()


def _keys(person: Person) -> Change | None:
    """The shipped keys; ``None`` if the person has others in their place."""
    file = _file(person, "config.toml")
    before = read(file)
    base = without_block(before, LEADER, NAME)
    values = _values(base, file)
    shipped = (person.shipped / "helix/config.toml").read_text("utf-8").partition("\n")[2]
    if "lsp" in values.get("editor", {}):
        shipped = shipped.partition("\n\n")[2]
    after = with_block(base, LEADER, NAME, shipped)
    space = values.get("keys", {}).get("normal", {}).get("space", {})
    if "q" in space:
        return Change(file, before, base) if "kvasir" in str(space["q"]) or before != base else None
    try:
        tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return None
    return Change(file, before, after, shipped)
