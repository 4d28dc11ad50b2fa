r"""The lines that structure a chat document, and how text that looks like one of them is told apart.

A mark is one of::

    ## You <!-- kv t1abcdef -->                    a question begins
    ## Kvasir <!-- kv t1abcdef -->                 its answer begins
    <details>... <!-- kv thinking -->              the reasoning begins, first thing in an answer
    </details> <!-- kv answer -->                  the reasoning ends
    *...* <!-- kv stop t1abcdef -->                the answer is still being written
    *...* <!-- kv end t1abcdef -->                 the answer is complete (footer)
    > src/a.py#L3-L9 (selection)                   context of the question, directly under its heading

Rules, in this order:

1. A question with an id reaches to the answer heading with the same id, and an answer with an id to the
   first stop or end line with the same id. Whatever stands between is text, so a raw delta or a pasted
   document does no harm.
2. Elsewhere a heading whose id was not met before counts everywhere, also inside a code fence. Any other
   ``## You`` or ``## Kvasir`` (hand-made, unknown comment, repeated id) counts as a heading without an id,
   and only outside code fences; ``## Kvasir`` only below a question that has no answer yet.
3. In every text that we write, a ``kv`` comment gets a backslash: ``<!-- \kv ...``. In questions a line
   that would be a heading, and a first line that would be context, get one in front, which Markdown does
   not show. A text that has such backslashes gets one more, so reading the document removes exactly one.

Lines end where LSP says: at LF, CRLF or CR, and nowhere else (form feed and U+2028 stay in the text).
"""

import re
from collections.abc import Sequence
from enum import StrEnum

import attrs

from context.segment import Kind, Segment

THINKING_BEGINS = "<details><summary>Thinking</summary> <!-- kv thinking -->"
THINKING_ENDS = "</details> <!-- kv answer -->"
STOP_SENTENCE = "*Kvasir is answering. Delete this line to stop.*"

_TURN = r"t[0-9a-z]{7}"
_LINE_END = re.compile(r"\r\n|\n|\r")
_HEADING = re.compile(r"##\s+(?i:(?P<role>you|kvasir))\s*(?:<!--(?P<comment>.*?)-->)?\s*")
_HEADING_ID = re.compile(rf"\s*kv\s+(?P<id>{_TURN})(?:\s.*)?")
_CLOSING = re.compile(rf"<!--\s*kv\s+(?P<kind>end|stop)\s+(?P<id>{_TURN})\s*-->\s*\Z")
_THINKING = re.compile(r"<!--\s*kv\s+(?P<kind>thinking|answer)\s*-->\s*\Z")
_QUOTED = re.compile(rf">\s(?P<source>.*)\s\((?P<kind>{'|'.join(Kind)})\)\s*")
_COMMENT = re.compile(r"(<!--[^\S\r\n]*)(\\*kv)(?=[^\S\r\n])")
_ESCAPED_COMMENT = re.compile(r"(<!--[^\S\r\n]*)\\(\\*kv)(?=[^\S\r\n])")
_ANY_ESCAPED_COMMENT = re.compile(r"(<!--[^\S\r\n]*)\\+(kv)(?=[^\S\r\n])")
# The end of a piece of text that may yet become a comment of ours, or half of a line end.
_UNDECIDED = re.compile(r"(?:<|<!|<!-|<!--[^\S\r\n]*\\*(?:kv?)?|\r)\Z")


class Role(StrEnum):
    """What a mark begins or ends."""

    QUESTION = "You"
    ANSWER = "Kvasir"
    STOP = "stop"
    END = "end"


@attrs.frozen
class Mark:
    """A heading, stop or end line, as it stands; ``turn`` is ``None`` without a readable id."""

    line: int
    role: Role
    turn: str | None


@attrs.frozen
class Quoted:
    """A context line, with the columns (code points) of its source."""

    source: str
    kind: Kind
    start: int
    end: int


def lines_of(text: str) -> list[str]:
    """Split as LSP does; a text that ends with a line end has an empty last line."""
    return _LINE_END.split(text)


def unix(text: str) -> str:
    """Make every line end LF."""
    return _LINE_END.sub("\n", text)


def one_line(text: str) -> str:
    """Join the words of a text by single spaces."""
    return " ".join(text.split())


def content(lines: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """Narrow ``[start, end)`` to leave out blank lines around; empty at ``start`` if all are blank."""
    first, last = start, end
    while first < last and not lines[first].strip():
        first += 1
    while last > first and not lines[last - 1].strip():
        last -= 1
    return (first, last) if first < last else (start, start)


def trimmed(text: str) -> str:
    """Drop blank lines around a text; LF line ends."""
    lines = lines_of(text)
    first, last = content(lines, 0, len(lines))
    return "\n".join(lines[first:last])


def comparable(text: str) -> str:
    """Drop what nobody sees: kinds of line ends, blank lines around, trailing blanks and our escapes."""
    lines = [re.sub(r"^\\+", "", line) if _disguised(line) else line for line in lines_of(trimmed(text))]
    return _ANY_ESCAPED_COMMENT.sub(r"\1\2", "\n".join(line.rstrip() for line in lines))


def question_heading(turn: str) -> str:
    """Write the line above a question."""
    return f"## {Role.QUESTION} <!-- kv {turn} -->"


def answer_heading(turn: str) -> str:
    """Write the line above an answer."""
    return f"## {Role.ANSWER} <!-- kv {turn} -->"


def stop_line(turn: str) -> str:
    """Write the last line of an answer that is being written; deleting it stops the answer."""
    return f"{STOP_SENTENCE} <!-- kv stop {turn} -->"


def end_line(turn: str, sentence: str) -> str:
    """Write the last line of an answer that is complete."""
    return f"*{escape(one_line(sentence))}* <!-- kv end {turn} -->"


def quote(segment: Segment) -> str:
    """Write the context line of a segment."""
    return f"> {escape(one_line(segment.source))} ({segment.kind})"


def mark_of(line: int, text: str) -> Mark | None:
    """Read the text of line number ``line`` as a mark; whether it counts, its surroundings say."""
    if heading := _HEADING.fullmatch(text):
        role = Role.QUESTION if heading["role"].lower() == "you" else Role.ANSWER
        named = _HEADING_ID.fullmatch(heading["comment"] or "")
        return Mark(line, role, named["id"] if named else None)
    if closing := _CLOSING.search(text):
        return Mark(line, Role(closing["kind"]), closing["id"])
    return None


def quoted_in(line: str) -> Quoted | None:
    """Read a context line."""
    match = _QUOTED.fullmatch(line)
    if match is None:
        return None
    start, end = match.span("source")
    return Quoted(unescape(match["source"]), Kind(match["kind"]), start, end)


def begins_thinking(line: str) -> bool:
    """Tell whether this line begins the reasoning."""
    match = _THINKING.search(line)
    return match is not None and match["kind"] == "thinking"


def ends_thinking(line: str) -> bool:
    """Tell whether this line ends the reasoning."""
    match = _THINKING.search(line)
    return match is not None and match["kind"] == "answer"


def escape(text: str) -> str:
    """Disguise comments of ours in a text of any origin; LF line ends."""
    return _COMMENT.sub(r"\1\\\2", unix(text))


def unescape(text: str) -> str:
    """Undo ``escape``."""
    return _ESCAPED_COMMENT.sub(r"\1\2", text)


def escape_delta(held: str, delta: str) -> tuple[str, str]:
    """Escape a text that comes in pieces: what to write now, and the characters to hold until the next piece.

    However the text is cut, the written pieces together with the last held one are ``escape`` of the whole.
    """
    text = held + delta
    undecided = _UNDECIDED.search(text)
    cut = undecided.start() if undecided else len(text)
    return escape(text[:cut]), text[cut:]


def escape_question(text: str) -> str:
    """Disguise also headings, and a first line that looks like context; no blank lines around."""
    lines = lines_of(trimmed(text))
    lines = [f"\\{line}" if _HEADING.fullmatch(line.lstrip("\\")) else line for line in lines]
    if _QUOTED.fullmatch(lines[0].lstrip("\\")):
        lines[0] = f"\\{lines[0]}"
    return escape("\n".join(lines))


def unescape_question(text: str) -> str:
    """Undo ``escape_question``."""
    lines = [line[1:] if _disguised_heading(line) else line for line in lines_of(text)]
    if _disguised_context(lines[0]):
        lines[0] = lines[0][1:]
    return unescape("\n".join(lines))


def _disguised(line: str) -> bool:
    return _disguised_heading(line) or _disguised_context(line)


def _disguised_heading(line: str) -> bool:
    return line.startswith("\\") and _HEADING.fullmatch(line.lstrip("\\")) is not None


def _disguised_context(line: str) -> bool:
    return line.startswith("\\") and _QUOTED.fullmatch(line.lstrip("\\")) is not None
