"""How well questions find their files, on repositories given by path; none is part of this one.

``KVASIR_BENCH_REPOSITORIES`` names them, separated as in ``PATH``; ``KVASIR_BENCH_QUESTIONS`` how many to ask
of each. The figures are means over the questions of a repository, then over repositories.
"""

import contextlib
import math
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs
import numpy as np
import pytest

from context import history, retrieve
from context.index import Entry, Index, Stamp, digest_of
from context.languages import language_of
from context.parse import parse
from context.retrieve import Retriever
from tests.benchmarks.commits import Questions, check_out, is_source, is_test, questions
from tests.benchmarks.plain_search import Bm25, Keywords

REPOSITORIES = [
    Path(path) for path in os.environ.get("KVASIR_BENCH_REPOSITORIES", "").split(os.pathsep) if path
]
QUESTIONS = int(os.environ.get("KVASIR_BENCH_QUESTIONS", "250"))
FIGURES = ("R@5", "R@10", "R@20", "MRR")
LARGEST_BYTES = 600_000

KEYWORDS, PLAIN = "keywords by idf, as ripgrep finds them", "BM25 of plain words"
TEXT, GRAPH, WHOLE = "our index", "our index and graph", "our index, graph and history"
TESTS, ALL = "the same, tests in the index", "the same, all texts in the index"

Ranking: TypeAlias = Callable[[str], Sequence[str]]

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(
        not REPOSITORIES,
        reason="NO RETRIEVAL BENCHMARK: name repositories with history in KVASIR_BENCH_REPOSITORIES.",
    ),
]


@attrs.frozen
class Snapshot:
    """A repository as it was, checked out."""

    root: Path
    texts: dict[str, str]

    def only(self, wanted: Callable[[str], bool]) -> dict[str, str]:
        return {path: text for path, text in self.texts.items() if wanted(path)}


def test_retrieval_finds_what_commits_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    tables: dict[str, dict[str, np.ndarray]] = {}
    for repository in REPOSITORIES:
        name = repository.parent.name if repository.name == "repo" else repository.name
        asked = questions(repository, QUESTIONS)
        tables[name] = measured(asked, repository, tmp_path / name, monkeypatch)
        show(capsys, f"{name}: {len(asked.questions)} questions", tables[name])
    mean = {
        method: np.mean([rows[method] for rows in tables.values()], axis=0)
        for method in next(iter(tables.values()))
    }
    show(capsys, f"mean of {len(tables)}", mean)
    assert mean[WHOLE][1] >= mean[KEYWORDS][1] + 0.10
    assert mean[WHOLE][1] >= mean[PLAIN][1] + 0.05
    assert mean[WHOLE][3] >= mean[PLAIN][3] + 0.05
    for name, figures in tables.items():
        assert figures[WHOLE][1] > figures[KEYWORDS][1], name


def measured(
    asked: Questions, repository: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, np.ndarray]:
    """By method, the figures of one repository."""
    check_out(repository, asked.snapshot, folder)
    snapshot = Snapshot(folder, texts_of(folder, asked.files))
    source = snapshot.only(lambda path: is_source(path) and not is_test(path))
    rows = {
        KEYWORDS: figures(asked, by_scores(source, Keywords)),
        PLAIN: figures(asked, by_scores(source, Bm25)),
    }
    with index_of(snapshot, source, folder / "1.db") as index:
        for method, shares in ((TEXT, (0.0, 0.0)), (GRAPH, (retrieve.GRAPH_SHARE, 0.0))):
            with monkeypatch.context() as patch:
                patch.setattr(retrieve, "GRAPH_SHARE", shares[0])
                patch.setattr(retrieve, "HISTORY_SHARE", shares[1])
                rows[method] = figures(asked, by_retriever(index))
        rows[WHOLE] = figures(asked, by_retriever(index))
    for method, wanted in ((TESTS, snapshot.only(is_source)), (ALL, snapshot.texts)):
        with index_of(snapshot, wanted, folder / f"{method}.db") as index:
            rows[method] = figures(asked, by_retriever(index))
    return rows


def texts_of(root: Path, paths: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths:
        data = (root / path).read_bytes()
        if len(data) <= LARGEST_BYTES and b"\0" not in data[:8192]:
            found[path] = data.decode(errors="replace")
    return found


@contextlib.contextmanager
def index_of(snapshot: Snapshot, texts: dict[str, str], database: Path) -> Generator[Index]:
    index = Index.open(database, writable=True)
    try:
        for some in batches(list(texts.items())):
            index.put([entry(path, text) for path, text in some])
        history.update(index, snapshot.root)
        yield index
    finally:
        index.close()


def batches(items: Sequence[tuple[str, str]], size: int = 200) -> Iterator[Sequence[tuple[str, str]]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def entry(path: str, text: str) -> Entry:
    language = language_of(path, text)
    name = language.name if language else ""
    return Entry(path, Stamp(0, len(text), digest_of(text)), name, 1.0, parse(text, language), text)


def by_scores(texts: dict[str, str], method: Callable[[Sequence[str]], Keywords | Bm25]) -> Ranking:
    searched = method(list(texts.values()))
    paths = list(texts)

    def ranking(question: str) -> Sequence[str]:
        scores = searched.scores(question)
        order: list[int] = np.argsort(-scores, kind="stable").tolist()
        return [paths[at] for at in order if scores[at] > 0]

    return ranking


def by_retriever(index: Index) -> Ranking:
    retriever = Retriever(index, lambda _: None)
    return lambda question: retriever.ranked(question)[1]


def figures(asked: Questions, ranking: Ranking) -> np.ndarray:
    """The means of ``FIGURES``: the share of a question's files among the first, and of the first one's place."""
    rows: list[list[float]] = []
    for question in asked.questions:
        ranked = list(ranking(question.text))
        places = [ranked.index(path) if path in ranked else math.inf for path in question.answers]
        found = [sum(place < most for place in places) / len(places) for most in (5, 10, 20)]
        rows.append([*found, 1 / (1 + min(places))])
    return np.array(rows).mean(0)


def show(capsys: pytest.CaptureFixture[str], title: str, rows: dict[str, np.ndarray]):
    lines = [f"\n{title}", f"{'':42}" + "".join(f"{figure:>8}" for figure in FIGURES)]
    lines += [
        f"{method:42}" + "".join(f"{value:8.3f}" for value in values) for method, values in rows.items()
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
