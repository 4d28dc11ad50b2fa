"""The index of a workspace, from the editor's first word to its last."""

import asyncio
import fcntl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from context.files import Files
from context.index import Index
from context.indexer_wire import lock_of
from context.selection import Selection
from server.indexing import FILES_SHOWN, Indexes
from tests.e2e.conftest import Connect
from tests.e2e.person import Person

SECONDS = 30
T = TypeVar("T")
HEAVY = ("apsw", "numpy", "tree_sitter", "watchfiles", "pathspec")


async def until(true: Callable[[], T]) -> T:
    """Wait for something that another process brings about."""
    async with asyncio.timeout(SECONDS):
        while not (value := true()):  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.02)
    return value


def is_running(database: Path) -> bool:
    """Whether an indexer holds its lock."""
    try:
        with lock_of(database).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "engine.py").write_text("def start_engine(speed):\n    return speed * 2\n")
    (root / "car.py").write_text(
        "from engine import start_engine\n\n\ndef drive():\n    return start_engine(3)\n"
    )
    return root


@pytest.fixture
async def indexes(tmp_path: Path, root: Path) -> AsyncIterator[Indexes]:
    made = Indexes(tmp_path / "cache" / "index", idle_seconds=0.2)
    yield made
    database = made.database(root)
    await made.close()
    await until(lambda: not is_running(database))


async def test_a_question_begins_the_index_and_waits_for_it(indexes: Indexes, root: Path) -> None:
    library = indexes.library(root, Files())
    found = await library.related(Selection(root / "car.py", 3, 5), 1000, len)
    assert [part.source for part in found.segments] == ["engine.py#L1-L2"]
    assert is_running(indexes.database(root))


async def test_the_first_walk_is_told_to_its_end(indexes: Indexes, root: Path) -> None:
    assert indexes.begin(root)
    assert not indexes.begin(root)
    async with asyncio.timeout(SECONDS):
        told = [progress async for progress in indexes.walk(root)]
    assert told[-1].complete
    assert not any(progress.complete for progress in told[:-1])


async def test_what_is_typed_is_found_until_it_is_closed(indexes: Indexes, root: Path) -> None:
    car = root / "car.py"
    typed = {car: "def unsaved_name():\n    pass\n"}
    library = indexes.library(root, Files(typed.get))
    await library.retrieve("start engine", 1000, len)

    async def found() -> list[str]:
        looked = await library.retrieve("where is unsaved_name defined?", 1000, len)
        return [part.source for part in looked.segments if "unsaved_name" in part.text]

    assert not await found()
    indexes.tell(car, typed[car])
    async with asyncio.timeout(SECONDS):
        while await found() != ["car.py#L1-L2"]:  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.02)
    typed.clear()
    indexes.tell(car, None)
    async with asyncio.timeout(SECONDS):
        while await found():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def test_it_can_be_turned_off(indexes: Indexes, root: Path) -> None:
    indexes.is_on = False
    assert not indexes.begin(root)
    looked = await indexes.library(root, Files()).map(1000, len)
    assert looked.notes == ("There is no map of the project: the index is turned off.",)
    assert not indexes.database(root).exists()


async def test_it_ends_with_the_last_editor(tmp_path: Path, root: Path) -> None:
    one, other = (Indexes(tmp_path / "index", idle_seconds=0.2) for _ in range(2))
    for indexes in (one, other):
        indexes.begin(root)
        async with asyncio.timeout(SECONDS):
            assert [progress async for progress in indexes.walk(root)][-1].complete
    await one.close()
    assert is_running(other.database(root))
    await other.close()
    await until(lambda: not is_running(other.database(root)))


# --- at an editor -----------------------------------------------------------------------------------------


async def test_an_editor_sees_the_first_walk_and_what_is_typed_there_is_indexed(
    connect: Connect, project: Path
) -> None:
    for number in range(10 * FILES_SHOWN):
        (project / f"m{number}.py").write_text(f"def function_{number}():\n    return {number}\n")
    async with connect() as person:
        await person.until(lambda: "end" in kinds(person))
        told = [said["value"] for said in person.editor.received("$/progress")]
        assert told[0]["title"] == "Indexing project"
        assert told[-2]["percentage"] == 100
        database = person.server.indexes.database(project)
        index = Index.open(database, writable=False)
        uri = person.editor.open(project / "m1.py", language="python")
        person.editor.change(uri, "def typed_but_not_saved():\n    pass\n")
        await person.until(
            lambda: [one.path for one in index.definitions("typed_but_not_saved")] == ["m1.py"]
        )
        person.editor.close(uri)
        await person.until(lambda: not index.definitions("typed_but_not_saved"))
        index.close()
        assert is_running(database)
    await until(lambda: not is_running(database))


async def test_an_editor_without_an_index_starts_none(connect: Connect, project: Path) -> None:
    async with connect(settings={"context": {"index": False}}) as person:
        said = await person.ask(include={"map": True})
        assert person.turn(said).status == "done"
        database = person.server.indexes.database(project)
    assert not database.exists()


def kinds(person: Person) -> list[str]:
    return [said["value"]["kind"] for said in person.editor.received("$/progress")]


def test_the_server_starts_without_what_only_an_index_needs() -> None:
    code = f"import sys, server.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
