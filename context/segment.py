"""A segment: one piece of context, with where it came from."""

from enum import StrEnum

import attrs


class Kind(StrEnum):
    """What a segment is. Files and the project go into the stable base; the rest follow in the tail."""

    PROJECT = "project"
    FILE = "file"
    CHANGE = "change"
    SELECTION = "selection"
    MODE = "mode"


@attrs.frozen
class Segment:
    """One piece of context, never changed once it was sent.

    ``source`` names it to the model and to the person: ``src/a.py``, ``src/a.py#L3-L9``, ``explain``.
    """

    kind: Kind
    source: str
    text: str

    @property
    def block(self) -> str:
        """The text as it stands in the prompt.

        It begins at a line of its own and ends with one, so that no token spans two segments.
        """
        body = self.text if self.text.endswith("\n") else f"{self.text}\n"
        return f"\n=== {self.kind} {self.source}\n{body}"
