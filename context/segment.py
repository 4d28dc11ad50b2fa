"""A segment: one piece of context, with where it came from."""

from enum import StrEnum

import attrs


class Kind(StrEnum):
    """What a segment is, in the order in which kinds stand in a prompt: most stable first.

    Up to ``FILE`` they form the stable base; what follows changes by itself or with each question and goes
    into the tail.
    """

    NOTES = "notes"
    """What the project tells everyone who works on it: ``AGENTS.md`` and the like."""
    MAP = "map"
    """The ranked symbols of the project, frozen for as long as the base is."""
    PROJECT = "project"
    FILE = "file"
    SUMMARY = "summary"
    """Older turns, or another chat, in fewer words."""
    CHANGE = "change"
    """The new text of something in the base."""
    CHUNK = "chunk"
    """A piece of a file that retrieval found."""
    RELATED = "related"
    """Definitions that a selection uses, and callers of what it defines."""
    GIT = "git"
    """A diff, who wrote which lines, commits, the branch."""
    DIAGNOSTICS = "diagnostics"
    """What the editor's language servers complain about."""
    IMAGE = "image"
    """A name of a picture whose bytes go beside the text."""
    STDIN = "stdin"
    """What was piped in."""
    SELECTION = "selection"
    MODE = "mode"


WHOLE_FILES = frozenset({Kind.PROJECT, Kind.FILE, Kind.CHANGE})
"""Kinds that tell how a whole file reads."""


@attrs.frozen
class Segment:
    """One piece of context, never changed once it was sent.

    ``source`` names it to the model and to the person: ``src/a.py``, ``src/a.py#L3-L9``, ``explain``.
    ``whole`` is the file behind a change of which ``text`` tells a part: for the next change, never sent.
    """

    kind: Kind
    source: str
    text: str
    whole: str = ""

    @property
    def content(self) -> str:
        """How the whole file reads after this segment."""
        return self.whole or self.text

    @property
    def block(self) -> str:
        """The text as it stands in the prompt.

        It begins at a line of its own and ends with one, so that no token spans two segments.
        """
        body = self.text if self.text.endswith("\n") else f"{self.text}\n"
        return f"\n=== {self.kind} {self.source}\n{body}"
