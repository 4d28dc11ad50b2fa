"""The index of a project: filling it against ctags, a save until it is found, a search against ripgrep.

``KVASIR_BENCH_PROJECT`` names the folder to index; without it, what this Python's own library holds is copied.
"""

import asyncio
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

from context.index import Index
from context.indexing import Indexing
from context.terms import of_question
from tests.benchmarks.conftest import RUNS
from tests.benchmarks.results import Results, ms

pytestmark = pytest.mark.benchmark

SAVES = 60
IDLE_SECONDS = 10
QUESTIONS = (
    "parse the header of a message with folded lines",
    "timeout while waiting for a child process to end",
    "encode bytes as base64 with line breaks",
    "thread pool executor shutdown cancels pending futures",
    "resolve a relative path against a base directory and follow links",
    "format a floating point number with a given precision",
)
SKIPPED = ("site-packages", "test", "tests", "__pycache__", "idle_test", "*.pyc", "*.so", "*.exe", "lib2to3")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("KVASIR_BENCH_PROJECT"):
        return Path(given)
    folder = tmp_path_factory.mktemp("project") / "library"
    shutil.copytree(sysconfig.get_path("stdlib"), folder, ignore=shutil.ignore_patterns(*SKIPPED))
    return folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough in its name to hold a socket."""
    with tempfile.TemporaryDirectory(prefix="kv") as name:
        yield Path(name)


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(*command: str | Path) -> tuple[float, float]:
    """Seconds on the processor and by the clock; ripgrep says 1 when it finds nothing."""
    cpu, began = cpu_of_children(), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return cpu_of_children() - cpu, time.perf_counter() - began


FILL = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from context.index import Index
from context.indexer import project_files
from context.suspects import Suspects
from context.upkeep import Upkeep
root, database = Path(sys.argv[2]), Path(sys.argv[3])
index = Index.open(database, writable=True)
kept = Upkeep(root, index, Suspects(database))
kept.listed(project_files()(root))
while kept.step():
    pass
index.close()
"""


def test_first_index(project: Path, folder: Path, results: Results):
    ctags = shutil.which("ctags") or pytest.skip("needs universal-ctags")
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    rooms, database = Path(__file__).parents[2], folder / "index.db"
    for _ in range(RUNS):
        for left in folder.iterdir():
            left.unlink()
        ours.append(timed(sys.executable, "-c", FILL, rooms, project, database))
        theirs.append(timed(ctags, "-R", "-f", folder / "tags", project))
    size = sum(path.stat().st_size for path in _indexed(project, database))
    for at, kind in ((0, "processor"), (1, "clock")):
        mine, other = [one[at] * 1000 for one in ours], [one[at] * 1000 for one in theirs]
        what = f"first index of {size / 1e6:.0f} MB / `ctags -R`, by the {kind}"
        results.at_most(what, median(mine) / median(other), 10, "", f"{ms(mine)} / {ms(other)}")
    results.at_most(
        "index / source, on disk", database.stat().st_size / size, 1.1, "", f"{size / 1e6:.0f} MB"
    )


def _indexed(project: Path, database: Path) -> list[Path]:
    index = Index.open(database, writable=False)
    paths = [project / path for path in index.known()]
    index.close()
    return paths


@pytest.fixture
async def editor(project: Path, folder: Path) -> AsyncIterator[tuple[Indexing, Path]]:
    database = folder / "cache" / "index.db"
    async with Indexing(project, database, folder / "s", idle_seconds=0.5) as editor:
        await editor.until(lambda progress: progress.complete)
        yield editor, database


async def test_save_and_search(project: Path, folder: Path, editor: tuple[Indexing, Path], results: Results):
    indexing, database = editor
    index = Index.open(database, writable=False)
    paths = [
        project / path for path in sorted(index.known()) if path.endswith((".py", ".c", ".ts", ".rs", ".go"))
    ]
    saved: list[float] = []
    texts = [path.read_text("utf-8", "replace") for path in paths[:: max(1, len(paths) // SAVES)]]
    for number, path in enumerate(paths[:: max(1, len(paths) // SAVES)]):
        generation = indexing.progress.generation
        began = time.perf_counter()
        indexing.tell(path, f"{texts[number]}\n# saved {number}\n")
        await indexing.until(lambda progress, known=generation: progress.generation > known)
        saved.append((time.perf_counter() - began) * 1000)
    results.at_most("save to searchable, median", median(saved), 5, " ms", ms(saved))
    results.at_most("save to searchable, 95 %", quantiles(saved, n=20)[-1], 40, " ms", f"{len(saved)} saves")
    ranked: list[float] = []
    for path in paths[:5]:
        generation = indexing.progress.generation
        indexing.tell(path, None if path == paths[0] else f"{path.name} = changed()\n")
        indexing.tell(path, f"{path.stem} = changed()\n")
        await indexing.until(lambda progress, known=generation: progress.generation > known)
        began = time.perf_counter()
        index.graph()
        ranked.append((time.perf_counter() - began) * 1000)
    results.at_most("symbol graph after a save", median(ranked[1:]), 100, " ms", ms(ranked[1:]))
    _search(project, index, results)
    pid = await asyncio.to_thread(_pid, database)
    before = _cpu_ms(pid)
    await asyncio.sleep(IDLE_SECONDS)
    share = (_cpu_ms(pid) - before) / IDLE_SECONDS / 10
    results.at_most("processor of an idle indexer", share, 1, " %", f"in {IDLE_SECONDS} s")
    results.at_most("memory of the indexer at its peak", _peak_mib(pid), 150, " MiB", "resident")
    index.close()


def _search(project: Path, index: Index, results: Results) -> None:
    ripgrep = shutil.which("rg")
    asked: list[float] = []
    grepped: list[float] = []
    for question in QUESTIONS * RUNS:
        terms = of_question(question)
        cpu = time.process_time()
        assert index.search(terms)
        asked.append((time.process_time() - cpu) * 1000)
        if ripgrep:
            grepped.append(timed(ripgrep, "-i", "-c", "|".join(terms), project)[0] * 1000)
    if grepped:
        ratio = median(asked) / median(grepped)
        results.at_most("search / `rg -i` of any term", ratio, 0.2, "", f"{ms(asked)} / {ms(grepped)}")
    else:
        results.found("search", median(asked), " ms", ms(asked))


def _cpu_ms(pid: str) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: str) -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def _pid(database: Path) -> str:
    inode = database.with_name("indexer.lock").stat().st_ino
    (line,) = [line for line in Path("/proc/locks").read_text().splitlines() if f":{inode} " in line]
    return line.split()[-4]
