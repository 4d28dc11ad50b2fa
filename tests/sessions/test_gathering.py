"""What goes with a question in a chat: what the chat was not told yet, and what is found for the question."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from context.files import Files
from context.gather import Sources, Wanted
from context.library import Library
from context.segment import Kind, Segment
from context.selection import Selection
from sessions.chat import Chat, Turn
from sessions.gathering import Gathering
from sessions.models import Models, Places
from sessions.question import Question
from sessions.settings import ModelSettings, ServerSettings
from tests.context.libraries import Place, walked, with_index


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "project"
    root.mkdir()
    (root / "AGENTS.md").write_text("Be brief.\n")
    (root / "engine.py").write_text("def start_engine(speed):\n    return speed * 2\n")
    (root / "car.py").write_text(
        "from engine import start_engine\n\n\ndef drive():\n    return start_engine(3)\n"
    )
    made = Place(root, tmp_path / "index.db")
    made.fill()
    return made


@pytest.fixture
async def models(tmp_path: Path) -> AsyncIterator[Models]:
    """A model whose server does not run: tokens are guessed."""
    settings = ModelSettings(url="http://127.0.0.1:9")
    made = Models({"m": settings}, "m", ServerSettings(), Places(tmp_path / "cache"))
    yield made
    await made.close()


@pytest.fixture
def sources(place: Place) -> Sources:
    files = Files()
    return with_index(files, Library(place.root, place.database, files, walked))


def chat_of(place: Place, base: tuple[Segment, ...], *turns: Turn) -> Chat:
    return Chat("c", "t", str(place.root), "m", base=base, turns=turns)


def kinds(segments: tuple[Segment, ...]) -> list[Kind]:
    return [part.kind for part in segments]


async def test_nothing_is_searched_for_half_a_question(
    place: Place, models: Models, sources: Sources
) -> None:
    gathering = Gathering(models, sources)
    selection = Selection(None, text="x")
    question = Question("where is start_engine?", wanted=Wanted(place.root, selection, retrieval=True))
    typed = await gathering.context(question, None, "m", is_asked=False)
    asked = await gathering.context(question, None, "m")
    assert kinds(typed.tail) == [Kind.SELECTION]
    assert set(kinds(asked.tail)[:-1]) == {Kind.CHUNK}
    assert asked.tail[-1:] == typed.tail
    assert asked.base == typed.base


async def test_a_chat_is_told_of_each_thing_once(place: Place, models: Models, sources: Sources) -> None:
    gathering = Gathering(models, sources)
    wanted = Wanted(
        place.root, paths=(place.root / "car.py",), map=True, notes=True, retrieval=True, project=True
    )
    question = Question("where is start_engine?", wanted=wanted)
    first = await gathering.context(question, None, "m")
    assert kinds(first.base) == [Kind.NOTES, Kind.MAP, Kind.PROJECT, Kind.FILE]
    # All that could be found is there as whole files.
    assert first.tail == ()
    chat = chat_of(place, first.base, Turn("t", None, question.text, first.tail, "there"))
    again = await gathering.context(question, chat, "m")
    assert (again.base, again.tail) == ((), ())


async def test_pieces_that_were_found_are_not_sent_again(
    place: Place, models: Models, sources: Sources
) -> None:
    gathering = Gathering(models, sources)
    question = Question("where is start_engine?", wanted=Wanted(place.root, retrieval=True))
    first = await gathering.context(question, None, "m")
    assert kinds(first.tail)
    chat = chat_of(place, (), Turn("t", None, question.text, first.tail, "there"))
    assert (await gathering.context(question, chat, "m")).tail == ()


async def test_notes_that_changed_are_told_again(place: Place, models: Models, sources: Sources) -> None:
    gathering = Gathering(models, sources)
    question = Question("why?", wanted=Wanted(place.root, notes=True))
    first = await gathering.context(question, None, "m")
    chat = chat_of(place, first.base, Turn("t", None, "why?", (), "so"))
    (place.root / "AGENTS.md").write_text("Be long.\n")
    gathering = Gathering(models, sources)
    told = await gathering.context(question, chat, "m")
    assert told.tail == (Segment(Kind.NOTES, "AGENTS.md", "Be long.\n"),)
