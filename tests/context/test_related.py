from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from context import tags
from context.definition import Definition
from context.index import Entry, Index, Stamp, digest_of
from context.languages import PYTHON, language_of
from context.parse import parse
from context.related import Related, Relations, Role, enclosing, fitted

STORE = '''\
class Store:
    """Rows on disk."""

    def save(self, row: str) -> int:
        return write_row(row)


def write_row(row: str) -> int:
    return len(row)
'''
MAIN = """\
from app.store import Store


def run(name: str) -> int:
    store = Store()
    return store.save(name)


def twice(name: str) -> int:
    run(name)
    return run(name)
"""
CLI = """\
from app.main import run


def main() -> None:
    print(run("x"))
"""

Workspace: TypeAlias = Callable[[dict[str, str]], Relations]


@pytest.fixture
def index(tmp_path: Path) -> Generator[Index]:
    index = Index.open(tmp_path / "index.db", writable=True)
    yield index
    index.close()


@pytest.fixture
def workspace(tmp_path: Path, index: Index) -> Workspace:
    """Files on disk and in the index."""

    def make(files: dict[str, str]) -> Relations:
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        index.put([entry(path, text) for path, text in files.items()])

        def read(path: str) -> str | None:
            file = tmp_path / path
            return file.read_text() if file.is_file() else None

        return Relations(tmp_path, index, read, paths=index.known)

    return make


def entry(path: str, text: str) -> Entry:
    language = language_of(path, text)
    name = language.name if language else ""
    return Entry(path, Stamp(0, len(text), digest_of(text)), name, 1.0, parse(text, language), text)


def told(found: list[Related], role: Role) -> list[tuple[str, str, str]]:
    return [(one.path, one.name, one.brief) for one in found if one.role is role]


def test_what_a_selection_uses_is_found_across_files(workspace: Workspace):
    relations = workspace({"app/store.py": STORE, "app/main.py": MAIN, "cli.py": CLI})
    found = relations.of_selection("app/main.py", MAIN, 4, 6)
    assert told(found, Role.DEFINITION) == snapshot(
        [
            ("app/store.py", "Store", "class Store:"),
            ("app/store.py", "save", "    def save(self, row: str) -> int:"),
        ]
    )
    assert found[1].text == "    def save(self, row: str) -> int:\n        return write_row(row)"
    assert told(found, Role.CALLER) == []


def test_callers_of_what_a_selection_defines_are_found_with_their_lines(workspace: Workspace):
    relations = workspace({"app/store.py": STORE, "app/main.py": MAIN, "cli.py": CLI})
    found = relations.of_selection("app/main.py", MAIN, 3, 6)
    assert told(found, Role.CALLER) == snapshot(
        [
            ("app/main.py", "run", "def twice(name: str) -> int:\n    run(name)\n    return run(name)"),
            ("cli.py", "run", 'def main() -> None:\n    print(run("x"))'),
        ]
    )


def test_the_unsaved_text_counts_and_not_the_file(workspace: Workspace):
    relations = workspace({"app/store.py": STORE, "app/main.py": MAIN})
    unsaved = "from app.store import write_row\n\n\ndef fresh(row: str) -> int:\n    return write_row(row)\n"
    found = relations.of_selection("app/main.py", unsaved, 4, 5)
    assert [one[:2] for one in told(found, Role.DEFINITION)] == [("app/store.py", "write_row")]
    own = relations.of_selection("new.py", "def helper():\n    pass\n\n\nhelper()\n", 4, 5)
    assert told(own, Role.DEFINITION) == [("new.py", "helper", "def helper():")]


def test_a_definition_is_shown_where_it_is_now(workspace: Workspace, tmp_path: Path):
    relations = workspace({"app/store.py": STORE, "app/main.py": MAIN})
    (tmp_path / "app/store.py").write_text(
        "# new\n# lines\n" + STORE.replace("row: str) -> int:\n        ", "row: bytes) -> int:\n        ")
    )
    found = relations.of_selection("app/main.py", MAIN, 4, 6)
    save = next(one for one in found if one.name == "save")
    assert (save.first, save.brief) == (5, "    def save(self, row: bytes) -> int:")


def test_a_definition_or_a_file_that_has_gone_is_not_shown(workspace: Workspace, tmp_path: Path):
    relations = workspace({"app/store.py": STORE, "app/main.py": MAIN})
    (tmp_path / "app/store.py").write_text("class Shop:\n    pass\n")
    assert relations.of_selection("app/main.py", MAIN, 4, 6) == []
    (tmp_path / "app/store.py").unlink()
    assert relations.of_selection("app/main.py", MAIN, 4, 6) == []


def test_of_several_definitions_the_imported_one_counts_then_the_near_then_the_ranked(workspace: Workspace):
    define = "def load() -> None:\n    pass\n"
    user = "from far.loader import load\n\nload()\n"
    plain = "load()\n"
    relations = workspace({"far/loader.py": define, "near/other.py": define, "far/ranked.py": define})

    def nearest(path: str, text: str, **ranks: float) -> str:
        ranked = Relations(
            relations.root, relations.symbols, relations.read, {f"far/{n}.py": r for n, r in ranks.items()}
        )
        last = text.count("\n")
        return ranked.of_selection(path, text, last - 1, last)[0].path

    assert nearest("near/main.py", user) == "far/loader.py"
    assert nearest("near/main.py", plain) == "near/other.py"
    assert nearest("elsewhere/main.py", plain, ranked=0.9, loader=0.1) == "far/ranked.py"
    assert nearest("elsewhere/main.py", plain, ranked=0.1, loader=0.9) == "far/loader.py"


def test_a_name_that_many_files_define_is_not_guessed(workspace: Workspace):
    relations = workspace({f"some/{at}/get.py": "def fetch():\n    pass\n" for at in range(9)})
    assert relations.of_selection("main.py", "fetch()\n", 0, 1) == []
    beside = relations.of_selection("some/4/main.py", "fetch()\n", 0, 1)
    assert [one.path for one in beside] == ["some/4/get.py"]


def test_callers_of_another_definition_of_the_name_are_left_out(workspace: Workspace):
    define = "def load() -> None:\n    pass\n"
    use = "from {}.loader import load\n\n\ndef user():\n    load()\n"
    relations = workspace(
        {
            "a/loader.py": define,
            "b/loader.py": define,
            "a/user.py": use.format("a"),
            "b/user.py": use.format("b"),
        }
    )
    found = relations.of_selection("a/loader.py", define, 0, 2)
    assert [(one.role, one.path) for one in found] == [(Role.CALLER, "a/user.py")]


def test_a_syntax_error_costs_no_more_than_the_names_beside_it(workspace: Workspace):
    relations = workspace({"app/store.py": STORE, "app/main.py": MAIN})
    broken = MAIN + "\n\ndef broken(:\n    ((\n"
    found = relations.of_selection("app/main.py", broken, 4, 6)
    assert {one.name for one in found if one.role is Role.DEFINITION} == {"Store", "save"}


def test_the_innermost_symbol_encloses_a_line():
    definitions = parse(STORE, PYTHON).definitions
    names = [(found.name if (found := enclosing(definitions, line)) else None) for line in range(9)]
    assert names == snapshot(
        ["Store", "Store", "Store", "save", "save", None, None, "write_row", "write_row"]
    )


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=8), st.integers(0, 40))
def test_what_encloses_a_line_holds_it_and_nothing_within_holds_it_too(
    spans: list[tuple[int, int]], line: int
):
    definitions = [Definition(f"{at}", "class", at, at + size, "", "") for at, size in spans]
    found = enclosing(definitions, line)
    around = [one for one in definitions if one.first <= line < one.last]
    assert (found is None) == (not around)
    if found is not None:
        assert found in around
        assert all(one.first <= found.first for one in around)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9)), max_size=8), st.integers(0, 400))
def test_what_is_shown_never_exceeds_the_allowance(sizes: list[tuple[int, int]], allowance: int):
    related = [
        Related(
            Role.DEFINITION,
            f"n{at}",
            "a.py",
            at * 100,
            at * 100 + lines,
            "x" * brief,
            "y\n" * lines + "x" * brief,
        )
        for at, (brief, lines) in enumerate(sizes)
    ]
    shown = fitted(related, allowance, len)
    assert sum(len(one.text) for one in shown) <= allowance
    assert all(
        one.text in (whole.text, whole.brief)
        for one, whole in zip(shown, related, strict=False)
        if one.name == whole.name
    )


def test_with_room_short_definitions_are_shown_whole(workspace: Workspace):
    relations = workspace({"app/store.py": STORE, "app/main.py": MAIN})
    found = relations.of_selection("app/main.py", MAIN, 4, 6)
    assert [one.text for one in fitted(found, 10_000, len)] == [one.text for one in found]
    assert [one.text for one in fitted(found, 60, len)] == [one.brief for one in found]
    assert fitted(found, 5, len) == []


CAR = "function! Drive(x) abort\n  return a:x\nendfunction\n"
TRIP = "function! Trip() abort\n  call Drive(3)\nendfunction\n"


def test_the_persons_tags_file_serves_languages_without_a_grammar(workspace: Workspace, tmp_path: Path):
    relations = workspace({"autoload/car.vim": CAR, "autoload/trip.vim": TRIP})
    (tmp_path / "tags").write_text(
        '!_TAG_FILE_SORTED\t1\t//\nDrive\tautoload/car.vim\t/^function! Drive(x) abort$/;"\tf\tend:3\n'
    )
    found = relations.of_selection("autoload/trip.vim", TRIP, 1, 2)
    assert told(found, Role.DEFINITION) == [("autoload/car.vim", "Drive", "function! Drive(x) abort")]
    assert found[0].text == CAR.rstrip()


@pytest.mark.parametrize("stale", ["/^function! Drive(old) abort$/", "2"])
def test_a_stale_tag_is_noticed(
    workspace: Workspace, tmp_path: Path, stale: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tags, "program", lambda: None)
    relations = workspace({"autoload/car.vim": CAR, "autoload/trip.vim": TRIP})
    (tmp_path / "tags").write_text(f'!_TAG_FILE_SORTED\t1\t//\nDrive\tautoload/car.vim\t{stale};"\tf\n')
    assert relations.of_selection("autoload/trip.vim", TRIP, 1, 2) == []


@pytest.mark.skipif(tags.program() is None, reason="Universal Ctags is not installed.")
def test_ctags_serves_where_the_tags_file_is_stale_or_missing(workspace: Workspace, tmp_path: Path):
    relations = workspace({"autoload/car.vim": CAR, "autoload/trip.vim": TRIP})
    expected = [("autoload/car.vim", "Drive", "function! Drive(x) abort")]
    assert told(relations.of_selection("autoload/trip.vim", TRIP, 1, 2), Role.DEFINITION) == expected
    (tmp_path / "tags").write_text(
        "!_TAG_FILE_SORTED\t1\t//\nDrive\tautoload/car.vim\t/^function! Drove()$/\n"
    )
    assert told(relations.of_selection("autoload/trip.vim", TRIP, 1, 2), Role.DEFINITION) == expected


@pytest.mark.skipif(tags.program() is None, reason="Universal Ctags is not installed.")
def test_callers_are_found_in_languages_without_a_grammar(workspace: Workspace):
    relations = workspace({"autoload/car.vim": CAR, "autoload/trip.vim": TRIP})
    found = relations.of_selection("autoload/car.vim", CAR, 0, 3)
    assert told(found, Role.CALLER) == [
        ("autoload/trip.vim", "Drive", "function! Trip() abort\n  call Drive(3)")
    ]
