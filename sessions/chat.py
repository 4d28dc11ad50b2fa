"""Chats: heads in one immutable tree of turns, as branches are in a history of commits."""

from enum import StrEnum

import attrs

from context.segment import Kind, Segment


class Status(StrEnum):
    """How far the answer of a turn has come. All but the first two are final."""

    QUEUED = "queued"
    ANSWERING = "answering"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The process that was writing it died."""

    @property
    def final(self) -> bool:
        return self not in (Status.QUEUED, Status.ANSWERING)


@attrs.frozen
class Usage:
    """What an answer cost. Counts are tokens, times milliseconds.

    ``prompt = cached + new``. ``expected`` is how many tokens the slot was thought to hold already:
    ``cached`` below it is a miss. ``saved_ms`` is the time that evaluating the cached tokens would
    have taken at the model's measured prefill speed (``None`` until that is known).
    """

    prompt: int
    cached: int
    new: int
    out: int
    ttft_ms: float
    tokens_per_second: float
    expected: int = 0
    saved_ms: float | None = None

    @property
    def missed(self) -> int:
        return max(0, self.expected - self.cached)


@attrs.frozen
class Epoch:
    """Another layout of a chat, from the turn on that has it: what stands in front of that turn.

    ``base`` takes the place of the chat's, with its files as they were then; earlier turns stay, less the
    files that ``base`` has. The first ``folded`` of them, of those with an answer, give way to ``summary``.
    """

    base: tuple[Segment, ...] = ()
    summary: str = ""
    folded: int = 0

    @property
    def told(self) -> Segment:
        """What the person is told of it, in the words of a context line."""
        if self.folded:
            return Segment(Kind.SUMMARY, f"turns 1 to {self.folded}", self.summary)
        return Segment(Kind.PROJECT, f"{len(self.base)} parts, packed again", "")


@attrs.frozen
class Turn:
    """One question and its answer. Never changed once final: a change is a fork.

    ``tail`` are the segments that came with this question, mode instruction last. The prefix is what it was
    for the turn before, unless an ``epoch`` says otherwise.
    """

    id: str
    parent: str | None
    question: str
    tail: tuple[Segment, ...] = ()
    answer: str = ""
    reasoning: str = ""
    status: Status = Status.QUEUED
    model: str = ""
    usage: Usage | None = None
    error: str = ""
    created: float = 0.0
    epoch: Epoch | None = None


@attrs.frozen
class Chat:
    """A head in the tree, with the turns that lead to it, oldest first.

    ``base`` is the stable context in front of all turns; a fork shares it.
    """

    id: str
    title: str
    root: str
    """Workspace folder, ``""`` when there is none."""
    model: str
    base: tuple[Segment, ...] = ()
    turns: tuple[Turn, ...] = ()
    forked_from: str | None = None
    document: str | None = None
    """Path of the Markdown file that shows it."""
    created: float = 0.0
    updated: float = 0.0

    @property
    def head(self) -> str | None:
        return self.turns[-1].id if self.turns else None
