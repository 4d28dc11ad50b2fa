"""The front matter of a chat document: its chat, the model to ask and the context in front of all turns.

Only these three keys are read, from little YAML: plain or quoted scalars, a list in brackets or with dashes.
Of a repeated key the last readable value counts; other keys are left to their owner.
"""

import json
import re
from collections.abc import Sequence
from typing import cast

import attrs

from sessions.chat import Chat
from sessions.transcript.marks import mark_of, one_line

_BORDER = "---"
_KEY = re.compile(r"(?P<key>[A-Za-z_][\w-]*)\s*:\s*(?P<value>.*)")
_DASH = re.compile(r"\s*-\s+(?P<value>.*)")
_ITEM = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,\[\]\"'][^,\[\]]*")
_PLAIN = re.compile(r"[\w./@][\w./@#:+~-]*(?<!:)")
_NOT_STRINGS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "~"})
_CHAT = re.compile(r"[0-9a-z]{6}")
_NUMBER = re.compile(r"[-+.\d_eExXoO]+")


@attrs.frozen
class Reference:
    """A source named in the document, with its line and columns (code points, end exclusive)."""

    line: int
    start: int
    end: int
    source: str


@attrs.frozen
class FrontMatter:
    """What the front matter says; ``end`` is the first line behind it."""

    end: int = 0
    chat: str | None = None
    model: str | None = None
    model_line: int | None = None
    context: tuple[Reference, ...] = ()


def front_matter(chat: Chat, added: Sequence[str] = ()) -> str:
    """Write the lines between two ``---``, each ending with LF; ``added`` are sources that a person wrote."""
    context = ", ".join(map(_scalar, (*(segment.source for segment in chat.base), *added)))
    keys = ["kvasir: 1", f"chat: {chat.id}", model_entry(chat.model), f"context: [{context}]"]
    return "\n".join([_BORDER, *keys, _BORDER, ""])


def model_entry(name: str) -> str:
    """Write the line that names the model, without its end."""
    return f"model: {_scalar(name)}"


def added_sources(chat: Chat, front: FrontMatter) -> tuple[str, ...]:
    """The sources that a person wrote into a chat's front matter beside those that it began with."""
    begun = {one_line(segment.source) for segment in chat.base}
    sources = dict.fromkeys(reference.source for reference in front.context)
    return tuple(source for source in sources if source not in begun)


def read_front_matter(lines: Sequence[str]) -> FrontMatter:
    """Read the front matter if the first line that is not blank opens one; it may lack its end."""
    start = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if lines[start].strip() != _BORDER:
        return FrontMatter()
    found = FrontMatter()
    key = ""
    for index in range(start + 1, len(lines)):
        line = lines[index]
        if line.rstrip() in (_BORDER, "..."):
            return attrs.evolve(found, end=index + 1)
        match = _KEY.fullmatch(line)
        if mark_of(index, line) or (match is None and _foreign(line)):
            return attrs.evolve(found, end=index)
        key = match["key"] if match else key
        found = _with_line(found, index, key, line)
    return attrs.evolve(found, end=len(lines))


def _foreign(line: str) -> bool:
    """Whether a line can be no part of the front matter, so that its end is missing."""
    return bool(line.strip()) and not line[0].isspace() and line[0] not in "-]#"


def _with_line(found: FrontMatter, index: int, key: str, line: str) -> FrontMatter:
    match = _KEY.fullmatch(line)
    if key == "context":
        if match:
            return attrs.evolve(found, context=_references(index, line, match.start("value")))
        item = _DASH.fullmatch(line)
        more = _references(index, line, item.start("value") if item else 0)
        return attrs.evolve(found, context=found.context + more)
    if match is None:
        return found
    value = _value(match["value"])
    if key == "chat" and _CHAT.fullmatch(value):
        return attrs.evolve(found, chat=value)
    if key == "model" and value:
        return attrs.evolve(found, model=value, model_line=index)
    return found


def _value(text: str) -> str:
    quoted = _ITEM.match(text) if text[:1] in ("'", '"') else None
    return _unquoted(quoted[0]) if quoted else text.partition(" #")[0].strip()


def _references(index: int, line: str, start: int) -> tuple[Reference, ...]:
    """Find the scalars of a line from a column on; a comment ends them."""
    references: list[Reference] = []
    for match in _ITEM.finditer(line, start):
        raw, comment, _ = match[0].partition(" #") if match[0][0] not in "\"'" else (match[0], "", "")
        raw = raw.rstrip()
        if raw.startswith("#"):
            break
        references.append(Reference(index, match.start(), match.start() + len(raw), _unquoted(raw)))
        if comment:
            break
    return tuple(references)


def _scalar(value: str) -> str:
    value = one_line(value)
    if _PLAIN.fullmatch(value) and value[0] not in "@~" and value.lower() not in _NOT_STRINGS:
        return value if not _NUMBER.fullmatch(value) else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def _unquoted(raw: str) -> str:
    if raw.startswith("'"):
        return raw.strip("'")
    if not raw.startswith('"'):
        return raw
    try:
        return cast("str", json.loads(raw))
    except ValueError:
        return raw.strip('"')
