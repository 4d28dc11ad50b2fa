"""The chat document as a test reads it."""

import itertools
import re
from pathlib import Path

from tests.editors.drivers.wire import Json, Message, Wire

ANSWERING = re.compile(r"<!-- kv stop \w+ -->")
ANSWERED = re.compile(r"<!-- kv end \w+ -->")
TURN = re.compile(r"^## You <!-- kv (\w+) -->$", re.MULTILINE)
LIVE_STATES = 4
"""A text that was seen in more states than these has grown before the person's eyes."""


def job(wire: Wire, request: Message) -> Json:
    """Wait for the reply to a command that starts an answer; returns its result."""
    reply = wire.reply(request)
    if "error" in reply:
        raise AssertionError(f"{request.params['command']} was refused: {reply['error']['message']}")
    return reply["result"]


def document(wire: Wire, request: Message) -> Path:
    """Wait for the reply to a command that starts an answer; returns the chat document that will show it."""
    return Path(job(wire, request)["path"])


def finished(text: str) -> bool:
    """Tell whether no answer in the document is still being written."""
    return ANSWERED.search(text) is not None and ANSWERING.search(text) is None


def turns(text: str) -> list[str]:
    """Ids of the turns in the document, oldest first."""
    return TURN.findall(text)


def answer(text: str, number: int) -> str:
    """Answer of the turn with this number (from 1) so far, without its footer."""
    turn = turns(text)[number - 1]
    begun = text.partition(f"## Kvasir <!-- kv {turn} -->\n")[2]
    written = re.split(rf"^.*<!-- kv (?:stop|end) {turn} -->$", begun, maxsplit=1, flags=re.MULTILINE)[0]
    return written.strip("\n")


def streamed(wire: Wire) -> str:
    """The only answer of the session as its ``kvasir/delta`` notifications tell it."""
    text = ""
    for delta in (message.params for message in wire.received("kvasir/delta")):
        if delta["kind"] == "answer":
            text = text[: delta["at"]] + delta["text"]
    return text.strip("\n")


def assert_grew_live(states: list[str], number: int) -> None:
    """Each state of the answer continues the one before, in more steps than one or two."""
    answers = [answer(state, number) for state in states if len(turns(state)) >= number]
    steps = [text for index, text in enumerate(answers) if index == 0 or text != answers[index - 1]]
    assert len(steps) > LIVE_STATES
    for earlier, later in itertools.pairwise(steps):
        assert later.startswith(earlier)
