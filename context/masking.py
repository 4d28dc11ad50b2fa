"""The one place where keys are taken out of what is sent."""

import re
from functools import lru_cache
from pathlib import Path

import attrs

from context.listing import is_allowed
from context.secrets import Finding, masked, notice
from context.segment import Segment

TEXTS_KEPT = 2048
"""So that a project that is looked at with every key that is typed is searched once."""

_LINES = re.compile(r"#L\d+-L?\d+$")


@attrs.frozen
class Safe:
    """A segment that may leave, and what the person is told of what is no longer in it, ``""`` if nothing."""

    segment: Segment
    notice: str = ""


def safe(segment: Segment, root: Path | None) -> Safe:
    """The segment with keys masked, unless ``.kvasirignore`` says that its file is sent as it is."""
    name = _LINES.sub("", segment.source)
    text, found = _masked(segment.text, name, root)
    whole, found_in_whole = _masked(segment.whole, name, root)
    if not (found or found_in_whole):
        return Safe(segment)
    # What is kept of a file for its next change is not sent, so only the text is told of.
    told = notice(name, found) if found else ""
    return Safe(attrs.evolve(segment, text=text, whole=whole), told)


def safe_text(text: str, path: Path, root: Path | None) -> str:
    """The text of a file as it may leave."""
    return _masked(text, str(path), root)[0]


def _masked(text: str, name: str, root: Path | None) -> tuple[str, tuple[Finding, ...]]:
    found = _looked_through(text)
    if not found[1] or (root is not None and is_allowed(root / name, root)):
        return text, ()
    return found


@lru_cache(maxsize=TEXTS_KEPT)
def _looked_through(text: str) -> tuple[str, tuple[Finding, ...]]:
    result = masked(text)
    return result.text, result.found
