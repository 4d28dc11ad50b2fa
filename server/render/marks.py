r"""Where in a chat document an answer is being written, and the edits that continue and close it.

All functions are pure. The answer's text ends at the end of the second line above the stop line, with a blank
line between (of the first, if a person took that blank line away). Offsets are code points.
"""

import re
from collections.abc import Iterable

import attrs

from server.documents import split_lines
from sessions.transcript.marks import unix


@attrs.frozen
class Edit:
    """Replace ``[start, end)`` by ``text``."""

    start: int
    end: int
    text: str

    def applied(self, text: str) -> str:
        """The text with the edit in it."""
        return text[: self.start] + self.text + text[self.end :]


@attrs.frozen
class Spot:
    """Where the answer ends, what has to precede text there, and the end of what ``closing`` replaces."""

    start: int
    lead: str
    end: int


def has_stop(text: str, turn: str) -> bool:
    """Whether the answer of this turn is still being written."""
    return _stop(turn).search(text) is not None


def is_closed(text: str, turn: str) -> bool:
    """Whether the answer of this turn has its footer."""
    return re.search(rf"<!--\s*kv\s+end\s+{turn}\s*-->", text) is not None


def continued(text: str, turn: str, piece: str) -> Edit | None:
    """Append ``piece`` to the answer; ``None`` when the stop line is gone."""
    spot = _spot(text, turn)
    return Edit(spot.start, spot.start, _with_ends(spot.lead + piece, text)) if spot else None


def rewritten(text: str, turn: str, answer: str) -> Edit | None:
    """Put ``answer`` in place of all that stands there of it; ``None`` when the stop line is gone."""
    spot, heading = _spot(text, turn), _heading(turn).search(text)
    if spot is None or heading is None:
        return None
    return Edit(heading.end(), spot.start, _with_ends(f"\n\n{answer}", text))


@attrs.frozen
class Closing:
    """How an answer ends: ``footer`` replaces the stop line, ``ending`` follows if nothing else does."""

    footer: str
    ending: str = ""

    def before(self, rest: str) -> str:
        """The closing in front of ``rest``."""
        footer = self.footer.rstrip("\n")
        if rest.strip():
            return f"{footer}\n" if rest.startswith(("\n", "\r")) else f"{footer}\n\n"
        return f"{footer}\n\n{self.ending}" if self.ending else f"{footer}\n"


def completed(text: str, turn: str, piece: str, closing: Closing) -> Edit | None:
    """Append ``piece`` and put ``closing`` in place of the stop line.

    Without a stop line it goes behind what stands below the answer's heading; ``None`` when that is gone too,
    or the answer is closed already: then a person took the document over.
    """
    if is_closed(text, turn):
        return None
    spot = _spot(text, turn) or _section_end(text, turn)
    if spot is None:
        return None
    rest = text[spot.end :]
    end = spot.end if rest.strip() else len(text)
    start, lead = spot.start, spot.lead if piece else ""
    heading = _heading(turn).search(text)
    if heading and not f"{text[heading.end() : start]}{piece}".strip():
        # No answer at all: there is no place for it either.
        start, lead, piece = heading.end(), "", ""
    return Edit(start, end, _with_ends(f"{lead}{piece}\n\n{closing.before(rest)}", text))


def rest_behind(text: str, turn: str) -> str:
    """What stands behind the answer."""
    spot = _spot(text, turn) or _section_end(text, turn)
    return text[spot.end :] if spot else ""


def arrived(text: str, turn: str, answer: str, ends: Iterable[int]) -> int | None:
    """How much of ``answer`` the document has, of the lengths ``ends`` that it may have.

    ``None`` if there is something else in the answer's place: a person wrote into it.
    """
    spot, heading = _spot(text, turn), _heading(turn).search(text)
    if spot is None or heading is None:
        return None
    before = unix(text[: spot.start])
    found = (end for end in sorted(ends, reverse=True) if end and before.endswith(unix(answer[:end])))
    return next(found, None if text[heading.end() : spot.start].strip() else 0)


def difference(old: str, new: str) -> Edit:
    """The shortest replacement of whole lines from ``old`` to ``new``, with the line ends of ``old``."""
    before, after = split_lines(old), split_lines(_with_ends(unix(new), old))
    first = _common(before, after)
    last = _common(before[first:][::-1], after[first:][::-1])
    start = sum(map(len, before[:first]))
    end = len(old) - sum(map(len, before[len(before) - last :]))
    return Edit(start, end, "".join(after[first : len(after) - last]))


def _common(left: list[str], right: list[str]) -> int:
    pairs = zip(left, right, strict=False)
    return next(
        (index for index, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right))
    )


def _stop(turn: str) -> re.Pattern[str]:
    return re.compile(rf"^[^\r\n]*<!--\s*kv\s+stop\s+{turn}\s*-->[^\S\r\n]*(?:\r\n|\n|\r|\Z)", re.MULTILINE)


def _spot(text: str, turn: str) -> Spot | None:
    stop = _stop(turn).search(text)
    if stop is None:
        return None
    above = split_lines(text[: stop.start()])
    blank = bool(above) and not above[-1].strip()
    answer = above[:-1] if blank else above
    if not answer:
        return Spot(0, "", stop.end())
    start = sum(map(len, answer)) - _line_end(answer[-1])
    return Spot(start, "\n\n" if _heading(turn).match(answer[-1]) else "", stop.end())


def _section_end(text: str, turn: str) -> Spot | None:
    heading = _heading(turn).search(text)
    if heading is None:
        return None
    following = re.compile(r"^## You\b", re.MULTILINE).search(text, heading.end())
    section = text[heading.end() : following.start() if following else len(text)]
    start = heading.end() + len(section.rstrip())
    return Spot(start, "" if section.strip() else "\n\n", heading.end() + len(section))


def _heading(turn: str) -> re.Pattern[str]:
    return re.compile(rf"^## Kvasir\s*<!--\s*kv\s+{turn}\b[^\r\n]*", re.MULTILINE)


def _line_end(line: str) -> int:
    return len(line) - len(line.rstrip("\r\n"))


def _with_ends(piece: str, text: str) -> str:
    return piece.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else piece
