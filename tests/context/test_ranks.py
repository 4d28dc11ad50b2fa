from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.ranks import DAMPING, Links, Ranks, Uses, linking, rank, telling

NAMES = ["read_all_lines", "Parser", "get", "_hidden", "a", "toString", "MAXIMUM_SIZE", "write_everything"]


def uses_of(defined: dict[str, list[str]], used: dict[str, dict[str, int]]) -> Uses:
    paths = sorted({*defined, *used})
    names = sorted({name for rows in (*defined.values(), *used.values()) for name in rows})
    definitions = [(paths.index(path), names.index(name)) for path in defined for name in defined[path]]
    references = [
        (paths.index(path), names.index(name), count)
        for path, counts in used.items()
        for name, count in counts.items()
    ]
    columns = np.array(definitions, dtype=np.int64).reshape(-1, 2).T
    rows = np.array(references, dtype=np.int64).reshape(-1, 3).T
    return Uses(paths, names, columns[0], columns[1], rows[0], rows[1], rows[2])


@st.composite
def projects(draw: st.DrawFn) -> Uses:
    paths = [f"{number}.py" for number in range(draw(st.integers(1, 7)))]
    some = st.lists(st.sampled_from(NAMES), unique=True)
    counts = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 50))
    return uses_of({path: draw(some) for path in paths}, {path: draw(counts) for path in paths})


def dense(uses: Uses, weigh: Callable[[str, int], float]) -> np.ndarray:
    """The matrix user x definer, built edge by edge."""
    matrix = np.zeros((len(uses.paths), len(uses.paths)))
    definers = uses.definers()
    for user, name, count in zip(uses.using_files, uses.used_names, uses.counts, strict=True):
        for definer, defined in zip(uses.defining_files, uses.defined_names, strict=True):
            if name == defined and user != definer:
                matrix[user, definer] += np.sqrt(count) * weigh(uses.names[int(name)], int(definers[name]))
    return matrix


def dense_ranks(uses: Uses) -> np.ndarray:
    """PageRank as the eigenvector of the whole matrix."""
    matrix = dense(uses, telling)
    size = len(matrix)
    total = matrix.sum(1, keepdims=True)
    moves = np.where(total > 0, matrix / np.where(total > 0, total, 1), 1 / size)
    google = DAMPING * moves + (1 - DAMPING) / size
    return np.linalg.matrix_power(google, 512)[0]


@given(projects())
def test_the_ranks_are_those_of_the_whole_matrix(uses: Uses):
    assert rank(uses).files == pytest.approx(dense_ranks(uses), abs=1e-7)


@given(projects(), st.lists(st.floats(0, 5), min_size=7, max_size=7))
def test_what_is_around_a_file_is_as_in_the_whole_matrix(uses: Uses, scores: list[float]):
    matrix = dense(uses, linking)
    matrix = matrix + matrix.T
    of_files = np.array(scores[: len(uses.paths)])
    total = matrix.sum(1)
    expected = np.where(total > 0, matrix @ of_files / np.where(total > 0, total, 1), 0)
    assert Links.of(uses, linking).around(of_files) == pytest.approx(expected, abs=1e-6)


@given(projects(), st.dictionaries(st.sampled_from(["0.py", "3.py", "gone.py"]), st.floats(0, 9)))
def test_where_the_iteration_begins_does_not_matter(uses: Uses, before: dict[str, float]):
    assert rank(uses, before=before).files == pytest.approx(rank(uses).files, abs=1e-7)


@given(projects())
def test_the_ranks_of_definitions_are_what_other_files_hand_to_them(uses: Uses):
    found = rank(uses)
    definers = uses.definers()
    total = dense(uses, telling).sum(1)
    for at, (definer, name) in enumerate(zip(uses.defining_files, uses.defined_names, strict=True)):
        weight = telling(uses.names[int(name)], int(definers[name]))
        expected = sum(
            found.files[user] / total[user] * np.sqrt(count) * weight
            for user, used, count in zip(uses.using_files, uses.used_names, uses.counts, strict=True)
            if used == name and user != definer
        )
        assert found.definitions[at] == pytest.approx(expected, abs=1e-7)


def test_what_is_used_ranks_above_what_uses():
    uses = uses_of(
        {"core.py": ["Parser"], "lonely.py": ["unused"]}, {"a.py": {"Parser": 3}, "b.py": {"Parser": 1}}
    )
    ranks = rank(uses).by_path()
    assert ranks["core.py"] > 2 * ranks["a.py"]
    assert ranks["lonely.py"] == pytest.approx(ranks["a.py"])


def test_long_compound_names_tell_more_than_common_and_private_ones():
    uses = uses_of(
        {"long.py": ["parse_whole_file"], "plain.py": ["parse"], "private.py": ["_parse"]},
        {"user.py": {"parse_whole_file": 1, "parse": 1, "_parse": 1}},
    )
    ranks = rank(uses).by_path()
    assert ranks["long.py"] > ranks["plain.py"] > ranks["private.py"]
    assert telling("get_element", 40) < telling("get_element", 2)


def test_a_personal_rank_flows_from_the_files_one_cares_about():
    uses = uses_of(
        {"left.py": ["left_side"], "right.py": ["right_side"]},
        {"a.py": {"left_side": 1}, "b.py": {"right_side": 1}},
    )
    ranks = rank(uses, personal={"a.py": 1.0}).by_path()
    assert ranks["left.py"] > ranks["right.py"]
    assert ranks["right.py"] == pytest.approx(0, abs=1e-6)


def test_a_file_is_not_ranked_by_its_own_uses():
    mutual = {"a.py": {"alpha_thing": 1, "own_thing_only": 400}, "b.py": {"alpha_thing": 1}}
    uses = uses_of({"a.py": ["own_thing_only"], "b.py": ["alpha_thing"]}, mutual)
    found = rank(uses)
    assert found.definitions[uses.names.index("own_thing_only") == uses.defined_names] == pytest.approx([0])
    assert found.by_path()["b.py"] > found.by_path()["a.py"]


def test_a_project_without_files_has_no_ranks():
    found: Ranks = rank(uses_of({}, {}))
    assert found.by_path() == {}
