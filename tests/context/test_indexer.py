"""The indexer as a process of its own, driven as editors drive it."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from context import history, upkeep
from context.index import Index, digest_of
from context.indexer_wire import Progress, lock_of
from context.indexing import Indexing
from context.suspects import Suspects
from context.terms import of_text
from context.upkeep import Upkeep

SECONDS = 30
FILES = 800
"""So many that walking them takes a while."""
T = TypeVar("T")


def complete(progress: Progress) -> bool:
    return progress.complete


class Place:
    """A workspace, its index and the editors that have it open."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.database = folder / "cache" / "index.db"
        self.socket = folder / "s"
        self.editors: list[Indexing] = []
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        self._index = self._index or Index.open(self.database, writable=False)
        return self._index

    async def editor(self, idle_seconds: float = 0.2) -> Indexing:
        editor = Indexing(self.root, self.database, self.socket, idle_seconds=idle_seconds)
        editor.start()
        self.editors.append(editor)
        return editor

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def definers(self, name: str) -> list[str]:
        return [found.path for found in self.index.definitions(name)]

    @property
    def is_running(self) -> bool:
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """Of the process that holds the lock."""
        try:
            with lock_of(self.database).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            pass
        else:
            return None
        inode = lock_of(self.database).stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "FLOCK" in fields and fields[-3].endswith(f":{inode}"):
                return int(fields[-4])
        return None

    async def close(self) -> None:
        for editor in self.editors:
            await editor.close()
        await until(lambda: not self.is_running)
        if self._index:
            self._index.close()


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True)


async def until(true: Callable[[], T]) -> T:
    """Wait for something that another process brings about."""
    async with asyncio.timeout(SECONDS):
        while not (value := true()):  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.01)
    return value


async def soon(waiting: Awaitable[T]) -> T:
    async with asyncio.timeout(SECONDS):
        return await waiting


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a name that is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="kv"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def place(short: Path) -> AsyncIterator[Place]:
    place = Place(short)
    yield place
    await place.close()


async def test_the_first_walk_indexes_what_belongs_to_the_project(place: Place):
    place.write("a.py", "def alpha(): pass\n")
    place.write("src/b.c", "int beta(void) { return alpha(); }\n")
    place.write(".gitignore", "build/\n")
    place.write("build/c.py", "def gamma(): pass\n")
    place.write(".env", "KEY=x\n")
    (place.root / "image.png").write_bytes(b"\x89PNG\0\0")
    git(place.root, "init", "-q")
    editor = await place.editor()
    progress = await soon(editor.until(complete))
    assert progress.done == progress.total
    assert set(place.index.known()) == {"a.py", "src/b.c", ".gitignore"}
    assert (place.definers("alpha"), place.definers("beta"), place.definers("gamma")) == (
        ["a.py"],
        ["src/b.c"],
        [],
    )


async def test_a_save_is_seen_through_the_watcher_and_through_the_socket(place: Place):
    path = place.write("src/a.py", "def alpha(): pass\n")
    editor = await place.editor()
    await soon(editor.until(complete))
    path.write_text("def beta(): pass\n")
    assert await until(lambda: place.definers("beta"))
    assert place.definers("alpha") == []
    path.write_text("def delta(): pass\n")
    editor.tell(path, None)
    assert await until(lambda: place.definers("delta"))


async def test_a_second_editor_hears_of_a_save_of_the_first(place: Place):
    path = place.write("a.py", "def alpha(): pass\n")
    first, second = await place.editor(), await place.editor()
    before = await soon(second.until(complete))
    await soon(first.until(complete))
    first.tell(path, "def beta(): pass\n")
    await soon(second.until(lambda progress: progress.complete and progress.generation > before.generation))
    assert place.definers("beta") == ["a.py"]


async def test_an_unsaved_text_wins_until_it_is_saved_or_its_editor_is_gone(place: Place):
    path = place.write("a.py", "def alpha(): pass\n")
    first, second = await place.editor(), await place.editor()
    await soon(first.until(complete))
    await soon(second.until(complete))
    first.tell(path, "def unsaved(): pass\n")
    assert await until(lambda: place.definers("unsaved"))
    path.write_text("def on_disk(): pass\n")
    second.tell(place.write("b.py", "def other(): pass\n"), None)
    assert await until(lambda: place.definers("other"))
    assert place.definers("on_disk") == []
    await first.close()
    assert await until(lambda: place.definers("on_disk"))
    assert place.definers("unsaved") == []
    second.tell(path, "def unsaved(): pass\n")
    assert await until(lambda: place.definers("unsaved"))
    second.tell(path, None)
    assert await until(lambda: place.definers("on_disk"))


async def test_files_come_go_and_change_their_names(place: Place):
    path = place.write("a.py", "def alpha(): pass\n")
    editor = await place.editor()
    await soon(editor.until(complete))
    place.write("new/folder/b.py", "def beta(): pass\n")
    assert await until(lambda: place.definers("beta"))
    place.write("new/folder/c.py", "def gamma(): pass\n")
    assert await until(lambda: place.definers("gamma"))
    path.rename(place.root / "renamed.py")
    await until(lambda: place.definers("alpha") == ["renamed.py"])
    (place.root / "renamed.py").unlink()
    await until(lambda: "renamed.py" not in place.index.known())
    (place.root / "new/folder").rename(place.root / "old")
    await until(lambda: set(place.index.known()) == {"old/b.py", "old/c.py"})


async def test_a_file_that_is_replaced_as_editors_do(place: Place):
    path = place.write("a.py", "def alpha(): pass\n")
    editor = await place.editor()
    await soon(editor.until(complete))
    for name in ("beta", "gamma", "delta"):
        place.write("a.py~", f"def {name}(): pass\n").rename(path)
        await until(lambda name=name: place.definers(name) == ["a.py"])


async def test_what_git_ignores_from_now_on_is_forgotten(place: Place):
    place.write("a.py", "def alpha(): pass\n")
    place.write("b.py", "def beta(): pass\n")
    git(place.root, "init", "-q")
    editor = await place.editor()
    await soon(editor.until(complete))
    place.write(".gitignore", "b.py\n")
    await until(lambda: place.definers("beta") == [])
    place.write(".gitignore", "a.py\n")
    await until(lambda: place.definers("beta") and not place.definers("alpha"))


async def test_a_branch_is_switched(place: Place):
    git(place.root, "init", "-q", "-b", "one")
    for number in range(300):
        place.write(f"{number % 7}/{number}.py", f"def one_{number}(): pass\n")
    git(place.root, "add", ".")
    git(place.root, "commit", "-qm", "one")
    git(place.root, "switch", "-qc", "two")
    for number in range(300):
        place.write(f"{number % 7}/{number}.py", f"def two_{number}(): pass\n")
    git(place.root, "commit", "-qam", "two")
    editor = await place.editor()
    before = await soon(editor.until(complete))
    assert place.definers("two_299")
    git(place.root, "switch", "-q", "one")
    await until(lambda: all(place.definers(f"one_{number}") for number in range(300)))
    assert not any(place.definers(f"two_{number}") for number in range(300))
    after = await soon(editor.until(complete))
    # In batches, not in a transaction for each file.
    assert after.generation - before.generation < 100


async def test_messages_of_commits_are_indexed_as_they_are_made(place: Place):
    git(place.root, "init", "-q")
    place.write("a.py", "def alpha(): pass\n")
    git(place.root, "add", ".")
    git(place.root, "commit", "-qm", "Frobnicate it")
    editor = await place.editor()
    await soon(editor.until(complete))
    await until(lambda: list(history.documents(place.index, of_text("frobnicate"))) == ["a.py"])
    place.write("b.py", "def beta(): pass\n")
    git(place.root, "add", ".")
    git(place.root, "commit", "-qm", "Quuxify it")
    await until(lambda: list(history.documents(place.index, of_text("quuxify"))) == ["b.py"])


async def test_two_editors_have_one_indexer_which_ends_when_both_are_gone(place: Place):
    place.write("a.py", "def alpha(): pass\n")
    first, second = await place.editor(), await place.editor()
    await soon(first.until(complete))
    await soon(second.until(complete))
    pid = place.pid
    assert pid
    await first.close()
    place.write("a.py", "def beta(): pass\n")
    assert await until(lambda: place.definers("beta"))
    assert place.pid == pid
    await second.close()
    await until(lambda: not place.is_running)
    assert not place.socket.exists()


async def test_the_editor_of_a_killed_indexer_starts_another(place: Place):
    path = place.write("a.py", "def alpha(): pass\n")
    place.write("b.py", "def beta(): pass\n")
    first, second = await place.editor(), await place.editor()
    await soon(first.until(complete))
    await soon(second.until(complete))
    second.tell(path, "def unsaved(): pass\n")
    assert await until(lambda: place.definers("unsaved"))
    await first.close()
    killed = place.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    (place.root / "b.py").unlink()
    await until(lambda: place.pid not in {None, killed})
    await until(lambda: place.definers("beta") == [])
    # What is unsaved was told again.
    await until(lambda: place.definers("unsaved") == ["a.py"] and not place.definers("alpha"))


async def test_a_first_walk_goes_on_where_it_was_killed(place: Place):
    body = "".join(f"def function_{at}(argument):\n    return call_{at}(argument)\n\n" for at in range(100))
    for number in range(FILES):
        place.write(f"{number}.py", f"def file_{number}(): pass\n{body}")
    editor = await place.editor()
    await soon(editor.until(lambda progress: 0 < progress.done < progress.total))
    killed = place.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    done = {path: row for path, *row in rows(place)}
    assert 0 < len(done) < FILES
    await soon(editor.until(complete))
    await until(lambda: len(place.index.known()) == FILES)
    # What the first has done was not done again.
    assert {path: row for path, *row in rows(place) if path in done} == done
    assert place.definers(f"file_{FILES - 1}") == [f"{FILES - 1}.py"]


def rows(place: Place) -> list[tuple[str, int, int]]:
    return list(place.index.connection.execute("SELECT path, id, generation FROM files"))


async def test_an_index_that_is_deleted_is_filled_again(place: Place):
    path = place.write("a.py", "def alpha(): pass\n")
    place.write("b.py", "def beta(): pass\n")
    editor = await place.editor()
    await soon(editor.until(complete))
    place.database.unlink()
    editor.tell(path, None)
    await until(lambda: place.definers("alpha") and place.definers("beta"))


async def test_a_terminated_indexer_leaves_no_socket(place: Place):
    editor = await place.editor()
    await soon(editor.until(complete))
    pid = place.pid
    assert pid
    await editor.close()
    os.kill(pid, signal.SIGTERM)
    await until(lambda: not place.is_running)
    assert not place.socket.exists()


async def test_nonsense_from_a_client_ends_only_its_connection(place: Place):
    path = place.write("a.py", "def alpha(): pass\n")
    editor = await place.editor()
    await soon(editor.until(complete))
    for line in (b"nonsense\n", b"[]\n", b'{"path": 3}\n', b'{"path": 3, "text": 4}\n', b"\xff\n"):
        reader, writer = await asyncio.open_unix_connection(place.socket)
        await reader.readline()
        writer.write(line)
        assert await soon(reader.read()) == b""
        writer.close()
    editor.tell(path, "def beta(): pass\n")
    assert await until(lambda: place.definers("beta"))


async def test_a_path_outside_of_the_workspace_is_not_indexed(place: Place, tmp_path: Path):
    place.write("a.py", "def alpha(): pass\n")
    outside = tmp_path / "outside.py"
    outside.write_text("def outside(): pass\n")
    (place.root / "link.py").symlink_to(outside)
    editor = await place.editor()
    await soon(editor.until(complete))
    editor.tell(outside, "def outside(): pass\n")
    editor.tell(place.root / "link.py", "def outside(): pass\n")
    editor.tell(place.root / "a.py", "def beta(): pass\n")
    assert await until(lambda: place.definers("beta"))
    assert place.definers("outside") == []


# --- upkeep, in this process ---------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Upkeep]:
    root = tmp_path / "root"
    root.mkdir()
    index = Index.open(tmp_path / "index.db", writable=True)
    suspects = Suspects(tmp_path / "index.db")
    yield Upkeep(root, index, suspects)
    suspects.close()
    index.close()


def walk(kept: Upkeep) -> None:
    kept.listed([(path, 1.0) for path in sorted(kept.root.rglob("*")) if path.is_file()])
    while kept.step():
        pass


def test_a_file_that_looks_the_same_is_not_read_again(kept: Upkeep, monkeypatch: pytest.MonkeyPatch):
    (kept.root / "a.py").write_text("def alpha(): pass\n")
    walk(kept)
    generation = kept.index.generation
    os.utime(kept.root / "a.py", ns=(1, 1))
    walk(kept)
    assert kept.index.generation == generation
    assert kept.index.known()["a.py"].mtime_ns == 1
    monkeypatch.setattr(upkeep, "Files", None)
    walk(kept)


def test_a_file_that_cannot_be_read_is_known_by_its_name(kept: Upkeep):
    (kept.root / "a.py").write_bytes(b"\0\1\2")
    (kept.root / "b.py").write_text("x" * (1 << 20))
    (kept.root / "vanished.py").symlink_to(kept.root / "nowhere")
    kept.listed([(kept.root / name, 1.0) for name in ("a.py", "b.py", "vanished.py")])
    while kept.step():
        pass
    assert set(kept.index.known()) == {"a.py", "b.py"}
    assert kept.progress.complete


def test_a_text_whose_grammar_ended_the_process_twice_is_cut_into_lines(kept: Upkeep, tmp_path: Path):
    text = "def alpha(): pass\n"
    (kept.root / "a.py").write_text(text)
    for _ in range(2):
        walk(kept)
        assert kept.index.definitions("alpha")
        kept.index.remove(["a.py"])
        # Left as by a process that ended while it parsed.
        died = Suspects(tmp_path / "index.db")
        died.parsing("a.py", digest_of(text))
        kept = Upkeep(kept.root, kept.index, Suspects(tmp_path / "index.db"))
    walk(kept)
    assert "a.py" in kept.index.known()
    assert kept.index.definitions("alpha") == []
    (kept.root / "a.py").write_text("def beta(): pass\n")
    walk(kept)
    assert kept.index.definitions("beta")
