"""The index against a naive one, shared by processes, killed and damaged."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context.index import Entry, Found, Hit, Index, Stamp, digest_of
from context.index_schema import VERSION
from context.languages import language_of
from context.parse import parse
from context.terms import of_text

ROOT = Path(__file__).parents[2]


def entry(path: str, text: str, mtime_ns: int = 1, weight: float = 1.0) -> Entry:
    language = language_of(path, text)
    stamp = Stamp(mtime_ns, len(text), digest_of(text))
    return Entry(path, stamp, language.name if language else "", weight, parse(text, language), text)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "index.db"


@pytest.fixture
def index(database: Path):
    index = Index.open(database, writable=True)
    yield index
    index.close()


STORE = "class Store:\n    def read_rows(self):\n        return parse(self.path)\n"
PARSE = "def parse(text):\n    return split(text) or split(None)\n"


def test_what_was_put_is_found(index: Index):
    index.put([entry("src/store.py", STORE), entry("src/parse.py", PARSE)])
    assert set(index.known()) == {"src/store.py", "src/parse.py"}
    assert index.known()["src/parse.py"] == Stamp(1, len(PARSE), digest_of(PARSE))
    (found,) = index.definitions("read_rows")
    assert (found.path, found.definition.scope, found.definition.kind) == ("src/store.py", "Store", "method")
    assert [one.name for one in index.outline("src/store.py")] == ["Store", "read_rows"]
    assert index.references("split") == [("src/parse.py", 2)]
    assert index.names_in("src/store.py") == {"parse": 1}
    (hit,) = index.search(of_text("rows"))
    assert (hit.path, hit.first, hit.last, hit.symbols) == ("src/store.py", 0, 3, ("Store", "read_rows"))
    assert hit.score > 0


def test_paths_and_symbols_count_more_than_text(index: Index):
    filler = "x = other\n" * 3
    index.put(
        [entry("a.txt", f"needle\n{filler}"), entry("needle.txt", f"hay\n{filler}"), entry("b.txt", filler)]
    )
    assert [hit.path for hit in index.search(["needl"])] == ["needle.txt", "a.txt"]


def test_an_edit_replaces_what_was_there(index: Index):
    index.put([entry("a.py", STORE)])
    index.put([entry("a.py", STORE.replace("read_rows", "write_rows"))])
    assert index.definitions("read_rows") == []
    assert index.search(["read_rows"]) == []
    assert [found.path for found in index.definitions("write_rows")] == ["a.py"]
    assert len(index.search(["stor"])) == 1


def test_chunks_that_stay_are_kept(index: Index):
    body = "".join(f"    call_{number}(argument)\n" for number in range(30))
    text = "".join(f"def function_{number}():\n{body}\n" for number in range(10))
    index.put([entry("a.py", text)])
    before = dict(index.connection.execute("SELECT symbols, id FROM chunks"))
    index.put(
        [entry("a.py", "# one line more\n" + text.replace("call_7(argument)\n\n", "call_8(other)\n\n"))]
    )
    after = dict(index.connection.execute("SELECT symbols, id FROM chunks"))
    assert [before[name] for name in after if name != "function_0"] == [
        after[name] for name in after if name != "function_0"
    ]
    assert index.definitions("function_9")[0].definition.first == 1 + 9 * 32
    assert max(hit.last for hit in index.search(["function_9"])) == 1 + 10 * 32


def test_what_was_removed_is_gone(index: Index):
    index.put([entry("a.py", STORE), entry("b.py", STORE)])
    index.remove(["a.py", "missing.py"])
    assert list(index.known()) == ["b.py"]
    assert [found.path for found in index.definitions("Store")] == ["b.py"]
    assert {hit.path for hit in index.search(["stor"])} == {"b.py"}
    index.connection.execute("INSERT INTO fts (fts) VALUES ('integrity-check')")


def test_every_change_has_a_generation(index: Index):
    seen = [index.generation]
    index.put([entry("a.py", STORE)])
    seen.append(index.generation)
    index.remove(["a.py"])
    seen.append(index.generation)
    assert seen == sorted(set(seen))


def test_stamps_and_weights_change_without_the_text(index: Index):
    index.put([entry("a.py", STORE)])
    index.stamp({"a.py": Stamp(9, 9, "x")})
    index.weigh({"a.py": 0.5})
    assert index.known() == {"a.py": Stamp(9, 9, "x")}
    assert index.weights() == {"a.py": 0.5}
    assert index.search(["stor"])


@pytest.mark.parametrize(
    "terms", [[], [""], ['"'], ["\0"], ["AND"], ["*"], ["a" * 10_000], ["\ud800"], ["sym:"]]
)
def test_any_term_can_be_searched(index: Index, terms: list[str]):
    index.put([entry("a.py", STORE)])
    assert index.search(terms) == []


@pytest.mark.parametrize("name", ["", '"', "\0", "x y", "operator==", "\ud800", "a" * 1000])
def test_any_name_can_be_asked_for(index: Index, name: str):
    assert index.definitions(name) == []
    assert index.references(name) == []


def test_references_of_names_without_terms(index: Index):
    index.put([entry("a.py", "f(1)\n"), entry("b.py", "f(f(2))\n")])
    assert index.references("f") == [("b.py", 2), ("a.py", 1)]


# --- against a naive index -----------------------------------------------------------------------------

NAMES = ("alpha", "betaGamma", "delta_one", "Store", "f")
LINES = st.sampled_from(
    [
        *(f"def {name}():\n    pass\n" for name in NAMES),
        *(f"{name}(1)\n" for name in NAMES),
        *(f"class {name}:\n    x = alpha()\n" for name in NAMES),
        "# only words\n",
        "\n",
    ]
)
FILES = st.dictionaries(
    st.sampled_from(["a.py", "b.py", "c/d.py", "e.txt"]), st.lists(LINES, max_size=25).map("".join)
)
STEPS = st.lists(
    st.tuples(FILES, st.lists(st.sampled_from(["a.py", "c/d.py", "e.txt"]), max_size=2)), max_size=5
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_agrees_with_a_naive_index(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[dict[str, str], list[str]]]
):
    index = Index.open(tmp_path_factory.mktemp("index") / "index.db", writable=True)
    reader = Index.open(index.file.database, writable=False)
    there: dict[str, Entry] = {}
    for files, gone in steps:
        entries = [entry(path, text) for path, text in files.items()]
        index.put(entries)
        there |= {one.path: one for one in entries}
        index.remove(gone)
        there = {path: one for path, one in there.items() if path not in gone}
        assert_agree(reader, there)
    index.connection.execute("INSERT INTO fts (fts) VALUES ('integrity-check')")
    reader.close()
    index.close()


def assert_agree(index: Index, there: dict[str, Entry]) -> None:
    assert index.known() == {path: one.stamp for path, one in there.items()}
    by_path = sorted(there.items())
    for path, one in by_path:
        assert tuple(index.outline(path)) == one.parsed.definitions
        assert tuple(index.chunks(path)) == one.parsed.chunks
        assert index.names_in(path) == one.parsed.references
    for name in NAMES:
        defined = [Found(path, d) for path, one in by_path for d in one.parsed.definitions if d.name == name]
        assert index.definitions(name) == defined
        used = [(path, one.parsed.references.get(name, 0)) for path, one in by_path]
        assert sorted(index.references(name)) == [each for each in used if each[1]]
        term = of_text(name)[0] if of_text(name) else name
        assert {attrs.evolve(hit, score=0) for hit in index.search([term])} == naive_hits(there, term)
    assert_graph(index, there)


def naive_hits(there: dict[str, Entry], term: str) -> set[Hit]:
    found: set[Hit] = set()
    for path, one in there.items():
        lines = one.text.split("\n")
        for chunk in one.parsed.chunks:
            text = "\n".join((path, *chunk.symbols, *lines[chunk.first : chunk.last]))
            if term in of_text(text):
                found.add(Hit(path, chunk.first, chunk.last, chunk.symbols, 0))
    return found


def assert_graph(index: Index, there: dict[str, Entry]) -> None:
    graph = index.graph()
    assert graph.paths == sorted(there)
    defined = {
        (graph.paths[file], graph.names[name])
        for file, name in zip(graph.defining_files, graph.defined_names, strict=True)
    }
    assert len(defined) == len(graph.defined_names)
    assert defined == {(path, d.name) for path, one in there.items() for d in one.parsed.definitions}
    used = {
        (graph.paths[file], graph.names[name]): count
        for file, name, count in zip(graph.using_files, graph.used_names, graph.counts, strict=True)
    }
    names = {name for _, name in defined}
    assert used == {
        (path, name): count
        for path, one in there.items()
        for name, count in one.parsed.references.items()
        if name in names
    }


# --- several processes ---------------------------------------------------------------------------------


def write_much(database: Path, seed: int) -> None:
    chosen = random.Random(seed)
    index = Index.open(database, writable=True)
    for round_ in range(25):
        names = chosen.sample(range(40), 5)
        index.put(
            [entry(f"{seed}_{name}.py", f"def shared_{name}():\n    call_{round_}()\n") for name in names]
        )
        index.remove([f"{seed}_{chosen.randrange(40)}.py"])
    index.close()


def read_much(database: Path, seed: int) -> None:
    chosen = random.Random(seed)
    index = Index.open(database, writable=False)
    for _ in range(60):
        name = f"shared_{chosen.randrange(40)}"
        for hit in index.search(of_text(name)):
            assert hit.score > 0
        for found in index.definitions(name):
            assert found.definition.name == name
        index.graph()
    index.close()


def test_three_writers_and_three_readers(database: Path):
    context = multiprocessing.get_context("spawn")
    tasks = [
        (write_much, 0),
        (write_much, 1),
        (write_much, 2),
        (read_much, 3),
        (read_much, 4),
        (read_much, 5),
    ]
    with context.Pool(len(tasks)) as pool:
        for result in [pool.apply_async(task, (database, seed)) for task, seed in tasks]:
            result.get(timeout=50)
    check(database)


def check(database: Path) -> None:
    index = Index.open(database, writable=True)
    assert index.moved is None
    assert index.connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    index.connection.execute("INSERT INTO fts (fts) VALUES ('integrity-check')")
    chunks = index.connection.execute("SELECT count(*) FROM chunks").fetchone()
    assert index.connection.execute("SELECT count(*) FROM fts").fetchone() == chunks
    stray = "SELECT count(*) FROM chunks WHERE file NOT IN (SELECT id FROM files)"
    assert index.connection.execute(stray).fetchone() == (0,)
    index.close()


WRITER = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    from context.index import Entry, Index, Stamp
    from context.languages import PYTHON
    from context.parse import parse
    index = Index.open(Path(sys.argv[2]), writable=True)
    print("ready", flush=True)
    for number in range(1 << 40):
        text = "".join(f"def f_{number}_{at}():\\n    call({at}, {number})\\n" for at in range(200))
        index.put([Entry(f"{number % 7}.py", Stamp(number, 1, str(number)), "", 1.0, parse(text, PYTHON), text)])
        index.remove([f"{(number + 3) % 7}.py"])
        print(number, flush=True)
    """
)


def test_a_killed_writer_leaves_a_whole_index(database: Path):
    chosen = random.Random(0)
    for _ in range(20):
        command = [sys.executable, "-c", WRITER, str(ROOT), str(database)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            # It has written some times; where in its work it is now is up to chance.
            for _ in range(chosen.randrange(1, 5)):
                assert writer.stdout.readline()
            end = time.monotonic() + chosen.random() * 0.02
            while time.monotonic() < end:
                pass
            os.kill(writer.pid, signal.SIGKILL)
        check(database)


# --- damage --------------------------------------------------------------------------------------------


def scribbled(database: Path) -> None:
    data = bytearray(database.read_bytes())
    data[1024:] = random.Random(0).randbytes(len(data) - 1024)
    database.write_bytes(data)


def truncated(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:5000])


def no_database(database: Path) -> None:
    database.write_bytes(b"this is no database " * 300)


def other_version(database: Path) -> None:
    index = Index.open(database, writable=True)
    index.connection.execute("UPDATE meta SET value = ? WHERE key = 'version'", (VERSION + 1,))
    index.close()


@pytest.mark.parametrize("damage", [scribbled, truncated, no_database, other_version])
def test_an_unusable_file_is_put_aside_and_made_anew(
    database: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    index = Index.open(database, writable=True)
    index.put([entry(f"{number}.py", STORE * 20) for number in range(20)])
    index.close()
    damage(database)
    again = Index.open(database, writable=True)
    # Some damage shows only when what is damaged is read.
    again.search(["stor"])
    assert again.moved is not None
    assert again.moved.exists()
    assert "filled anew" in caplog.text
    assert again.instance != index.instance
    assert again.known() == {}
    again.put([entry("a.py", STORE)])
    assert again.definitions("Store")
    again.close()
    check(database)


def test_damage_under_our_hands_is_noticed_by_all(index: Index, database: Path):
    index.put([entry("a.py", STORE)])
    index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    reader = Index.open(database, writable=False)
    instance = index.instance
    # Pages that a connection has in memory are still good; this one has read no definitions yet.
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(0).randbytes(database.stat().st_size - 4096))
    assert reader.definitions("Store") == []
    assert reader.moved is not None
    assert index.known() == {}
    assert index.moved is None
    assert index.instance == reader.instance != instance
    reader.close()


def test_a_deleted_file_is_made_anew(index: Index, database: Path):
    index.put([entry("a.py", STORE)])
    reader = Index.open(database, writable=False)
    database.unlink()
    assert index.known() == {}
    index.put([entry("b.py", STORE)])
    assert list(reader.known()) == list(index.known()) == ["b.py"]
    reader.close()
    check(database)


def test_a_reader_sees_what_a_writer_commits(index: Index, database: Path):
    reader = Index.open(database, writable=False)
    assert reader.graph().paths == []
    index.put([entry("a.py", STORE)])
    assert [found.path for found in reader.definitions("Store")] == ["a.py"]
    assert reader.graph().paths == ["a.py"]
    with pytest.raises(Exception, match="cannot be used"):
        reader.put([entry("b.py", STORE)])
    reader.close()


def test_a_place_that_cannot_hold_an_index_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="cannot be used"):
        Index.open(tmp_path / "file" / "index.db", writable=True)
