"""The index as questions use it."""

from pathlib import Path

import pytest

from context import library as library_module
from context.budget import Estimator
from context.files import Files
from context.library import Library
from context.segment import Kind
from context.selection import Selection
from tests.context.libraries import Place, not_walked, walked

SIZE = Estimator().at_most


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "project"
    root.mkdir()
    (root / "engine.py").write_text("def start_engine(speed):\n    return speed * 2\n")
    (root / "car.py").write_text(
        "from engine import start_engine\n\n\ndef drive_car():\n    return start_engine(3)\n"
    )
    made = Place(root, tmp_path / "index" / "index.db")
    made.fill()
    return made


async def test_a_selection_is_related_to_other_files(place: Place) -> None:
    library = Library(place.root, place.database, Files(), walked)
    uses = await library.related(Selection(place.root / "car.py", 3, 5), 1000, SIZE)
    called = await library.related(Selection(place.root / "engine.py", 0, 2), 1000, SIZE)
    library.close()
    assert [(part.kind, part.source) for part in uses.segments] == [(Kind.RELATED, "engine.py#L1-L2")]
    assert [part.source for part in called.segments] == ["car.py#L4-L5"]
    assert uses.notes == called.notes == ()


async def test_without_an_index_the_same_file_is_looked_at(place: Place) -> None:
    (place.root / "one.py").write_text("def a():\n    return 1\n\n\ndef b():\n    return a()\n")
    library = Library(place.root, None, Files(), not_walked)
    found = await library.related(Selection(place.root / "one.py", 4, 6), 1000, SIZE)
    assert [part.source for part in found.segments] == ["one.py#L1-L2"]
    assert len(found.notes) == 1


async def test_before_the_first_walk_is_done_that_is_said(place: Place) -> None:
    library = Library(place.root, place.database, Files(), not_walked)
    mapped = await library.map(1000, SIZE)
    searched = await library.retrieve("engine", 1000, SIZE)
    assert mapped.segments == searched.segments == ()
    assert mapped.notes == ("There is no map of the project: its index is not complete yet.",)
    assert searched.notes == ("The project was not searched: its index is not complete yet.",)


async def test_a_map_stays_as_it_was_for_a_while(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(place.root, place.database, Files(), walked)
    first = await library.map(1000, SIZE)
    (place.root / "wheel.py").write_text("import car\n\n\ndef turn_wheel():\n    return car.drive_car()\n")
    place.fill()
    assert await library.map(1000, SIZE) == first
    smaller = await library.map(24, SIZE)
    assert smaller != first
    assert SIZE(smaller.segments[0].text) <= 24
    monkeypatch.setattr(library_module, "MAP_SECONDS", 0.0)
    later = await library.map(1000, SIZE)
    library.close()
    assert "turn_wheel" not in first.segments[0].text
    assert "turn_wheel" in later.segments[0].text


async def test_a_link_out_of_the_project_is_not_read(place: Place, tmp_path: Path) -> None:
    (tmp_path / "private.py").write_text("def start_engine(speed):\n    return 'private'\n")
    (place.root / "engine.py").unlink()
    (place.root / "engine.py").symlink_to(tmp_path / "private.py")
    library = Library(place.root, place.database, Files(), walked)
    related = await library.related(Selection(place.root / "car.py", 3, 5), 1000, SIZE)
    searched = await library.retrieve("how does start_engine use speed?", 1000, SIZE)
    library.close()
    parts = (*related.segments, *searched.segments)
    assert not [part for part in parts if "private" in part.text]
    assert {part.source.split("#")[0] for part in parts} <= {"car.py"}
