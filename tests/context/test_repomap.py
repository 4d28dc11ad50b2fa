from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from context.definition import Definition
from context.languages import PYTHON
from context.parse import parse
from context.ranks import Uses, rank
from context.repomap import repo_map

FILES = {
    "app/store.py": '''
class Store:
    """Rows."""

    def save_everything(self, rows: list[str]) -> None:
        pass

    def _private(self) -> None:
        pass


def open_the_store(
    path: str,
) -> Store:
    return Store()
''',
    "app/main.py": """
from app.store import Store, open_the_store


def run() -> None:
    open_the_store("x").save_everything([])
    open_the_store("y")
""",
    "app/tool.py": """
from app.store import open_the_store


def tool() -> None:
    open_the_store("z")
""",
    "app/empty.py": "",
}
PARSED = {path: parse(text, PYTHON) for path, text in FILES.items()}


def uses_of(files: dict[str, str]) -> Uses:
    parsed = {path: PARSED.get(path) or parse(text, PYTHON) for path, text in files.items()}
    paths = list(files)
    names = sorted(
        {name for one in parsed.values() for name in (*one.references, *(d.name for d in one.definitions))}
    )
    defined = sorted(
        {(paths.index(p), names.index(d.name)) for p, one in parsed.items() for d in one.definitions}
    )
    used = [
        (paths.index(p), names.index(n), c) for p, one in parsed.items() for n, c in one.references.items()
    ]
    left, right = (
        np.array(defined, dtype=np.int64).reshape(-1, 2).T,
        np.array(used, dtype=np.int64).reshape(-1, 3).T,
    )
    return Uses(paths, names, left[0], left[1], right[0], right[1], right[2])


RANKS = rank(uses_of(FILES))


def outline(path: str) -> Sequence[Definition]:
    return PARSED[path].definitions


def drawn(allowance: int) -> str:
    return repo_map(RANKS, outline, allowance_tokens=allowance, count=len)


def test_a_map_with_room_shows_everything_by_path_and_line():
    assert drawn(10_000) == snapshot("""\
app/empty.py
app/main.py
  def run() -> None:
app/store.py
  class Store:
    def save_everything(self, rows: list[str]) -> None:
    def _private(self) -> None:
  def open_the_store( path: str, ) -> Store:
app/tool.py
  def tool() -> None:
""")


def test_what_others_use_most_comes_first():
    assert drawn(70) == snapshot("""\
app/store.py
  def open_the_store( path: str, ) -> Store:
""")


def test_a_method_is_shown_below_its_class():
    assert drawn(140) == snapshot("""\
app/store.py
  class Store:
    def save_everything(self, rows: list[str]) -> None:
  def open_the_store( path: str, ) -> Store:
""")


@given(st.integers(0, 400))
def test_a_map_never_exceeds_its_allowance(allowance: int):
    assert len(drawn(allowance)) <= allowance


@given(st.integers(0, 400), st.integers(1, 9))
def test_a_map_stays_in_its_allowance_also_when_tokens_do_not_add_up(allowance: int, odd: int):
    def count(text: str) -> int:
        return len(text) + (50 if text.count("\n") % odd == 0 else 0) if text else 0

    text = repo_map(RANKS, outline, allowance_tokens=allowance, count=count)
    assert count(text) <= allowance


@given(st.integers(0, 300), st.integers(0, 100))
def test_more_room_never_takes_anything_away(allowance: int, more: int):
    assert set(drawn(allowance).splitlines()) <= set(drawn(allowance + more).splitlines())


@given(st.permutations(list(FILES)), st.integers(0, 400))
def test_the_map_does_not_depend_on_the_order_of_the_index(paths: list[str], allowance: int):
    ranks = rank(uses_of({path: FILES[path] for path in paths}))
    assert repo_map(ranks, outline, allowance_tokens=allowance, count=len) == drawn(allowance)


@given(st.integers(0, 400))
def test_ranks_that_began_elsewhere_draw_the_same_map(allowance: int):
    warm = rank(RANKS.uses, before={"app/main.py": 0.9, "app/empty.py": 0.1})
    assert repo_map(warm, outline, allowance_tokens=allowance, count=len) == drawn(allowance)


def test_files_of_less_weight_come_later():
    text = repo_map(RANKS, outline, allowance_tokens=60, count=len, weights={"app/store.py": 0.0})
    assert "app/store.py" not in text
    assert "app/" in text


def test_long_signatures_are_cut():
    text = "def f(" + ", ".join(f"argument_{n}: int" for n in range(60)) + ") -> None:\n    pass\n"
    parsed = parse(text, PYTHON)
    uses = Uses(["a.py"], ["f"], *(np.array([0]), np.array([0])), *([np.array([], dtype=np.int64)] * 3))
    drawing = repo_map(rank(uses), lambda _: parsed.definitions, allowance_tokens=1000, count=len)
    assert drawing.endswith("…\n")
    assert len(drawing) < 200
