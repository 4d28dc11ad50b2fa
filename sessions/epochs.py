"""When a chat is laid out anew, and how: its changed files packed again, its older turns folded.

Appending what changed keeps the prefix warm, and costs tokens that every later turn carries along. Replaying
the histories of repositories, packing again at a fifth reused 94 % of all tokens, with prompts 1.08 times as
long as fresh ones. Folding at a share of the window happens once, and leaves room for many turns.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from context.changes import as_now, latest
from context.files import Files
from context.segment import WHOLE_FILES, Kind, Segment
from sessions.chat import Chat, Epoch, Turn
from sessions.prompt import layout

REPACK_SHARE = 0.2
"""Appended changes, as a share of the packed files: from here on they are packed again when there is time."""
FORCED_SHARE = 0.5
"""And from here on before the next question, however cold that is."""
FOLD_SHARE = 0.7
"""Share of the window from which on older turns are folded."""
TURNS_KEPT = 2
"""Of the last turns, which a fold leaves as they are."""
SUMMARY_TOKENS = 500
ASK_FOR_SUMMARY = (
    "Summarise our conversation so far for yourself, in at most 300 words: what was asked, what was found "
    "out and decided, which names and places matter, and what is still open. Write nothing else."
)


def drift(base: Sequence[Segment], turns: Sequence[Turn]) -> float:
    """How much of the packed files was told again since they were packed: 0.2 is a fifth."""
    laid_out, answered = layout(base, turns)
    packed = sum(len(part.block) for part in laid_out if part.kind in WHOLE_FILES)
    told = sum(len(part.block) for turn in answered for part in turn.tail if part.kind is Kind.CHANGE)
    return told / packed if packed else 0.0


def repacked(chat: Chat, files: Files) -> Epoch:
    """The layout with every file as it is now: those that did not change in their old order, then the rest.

    A file that can no longer be read stays as it was known. What changes often ends up at the end, where
    changing again costs least.
    """
    base, turns = layout(chat.base, chat.turns)
    known = latest([*base, *(part for turn in turns for part in turn.tail)])
    root = Path(chat.root) if chat.root else None
    now = {source: as_now(part, root, files) for source, part in known.items()}
    changed = [source for source, part in known.items() if now[source].text != part.text]
    packed = [now[source] for source in known if source not in changed]
    others = [part for part in base if part.kind not in WHOLE_FILES and part.kind is not Kind.SUMMARY]
    before = _begun(chat.turns)
    return Epoch(
        (*others, *packed, *(now[source] for source in changed)),
        before.summary if before else "",
        before.folded if before else 0,
    )


def folded(epoch: Epoch, turns: Sequence[Turn]) -> Callable[[str], Epoch] | None:
    """The layout with a summary in place of all but the last turns, ``None`` if it gains nothing."""
    count = sum(1 for turn in turns if turn.answer) - TURNS_KEPT
    if count <= epoch.folded:
        return None
    return lambda summary: attrs.evolve(epoch, summary=summary, folded=count)


def _begun(turns: Sequence[Turn]) -> Epoch | None:
    return next((turn.epoch for turn in reversed(turns) if turn.epoch and turn.answer), None)
