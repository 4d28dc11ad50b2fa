"""A dry run: what would be sent with a question, and how many tokens each piece has."""

import attrs

from context.segment import Segment
from sessions.ask import Sessions
from sessions.errors import ModelError
from sessions.question import Question


@attrs.frozen
class Counted:
    """A segment with its tokens."""

    segment: Segment
    tokens: int


@attrs.frozen
class Preview:
    """What would be sent anew. ``tokens`` are those of the whole prompt, with the chat so far."""

    segments: tuple[Counted, ...]
    tokens: int
    window: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The shape of ``kvasir.context`` and ``kvasir context --json``."""
        segments = [
            {"source": each.segment.source, "kind": each.segment.kind.value, "tokens": each.tokens}
            | {"text": each.segment.text}
            for each in self.segments
        ]
        return {
            "segments": segments,
            "tokens": self.tokens,
            "window": self.window,
            "notes": list(self.notes),
        }


async def preview(sessions: Sessions, question: Question) -> Preview:
    """Gather as for an answer, and count as the model does; where it cannot be started it is estimated."""
    models, notes = sessions.models, list[str]()
    chat = None if question.chat is None else sessions.store.chat(question.chat)
    model = models.name(question.model or (chat.model if chat else None))
    try:
        await models.ready(model, lambda _: None)
    except ModelError as error:
        notes.append(f"Tokens are estimated: {error.message}")
    context, tokens, window = await sessions.context(question)
    count = models.count(model)
    counted = [Counted(part, await count(part.block)) for part in (*context.base, *context.tail)]
    return Preview(tuple(counted), tokens, window, (*notes, *context.notes))
