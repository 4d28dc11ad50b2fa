"""From a question to the pieces of a project that answer it.

Files are scored first: by their best chunks in the full-text index, by the files around them in the graph of
symbols, and by what earlier commits said of them. Then chunks of the best files fill an allowance of tokens.
A model that embeds or reranks may have its say; without one nothing is missing.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import attrs
import numpy as np

from context import history
from context.errors import KvasirError
from context.index import Hit, Index
from context.ports import Embed, ReadText, Rerank
from context.ranks import ROUNDING, Links, Numbers, Weights, linking
from context.terms import of_question

SCORED_CHUNKS = 400
"""The best chunks, which score their files."""
KNOWN_CHUNKS = 800
"""As many are known to choose from in files that something else scored high."""
BEST_CHUNKS = 5
"""Chunks of a file that count, each half of the one before."""
GRAPH_SHARE = 0.2
HISTORY_SHARE = 0.15
"""Of each of the two views of history, beside 1 for the text itself."""
VECTOR_SHARE = 0.3
RERANK_SHARE = 0.5
CANDIDATES = 64
"""Chunks that models are asked about."""
TEST_WEIGHT = 0.6
PROSE_WEIGHT = 0.5
"""Of what is not program text: questions are mostly about that, and prose has more of their words."""
LOG_WEIGHT = 0.3
"""Of lists of changes, which say about everything where it once was."""
GAP_LINES = 4
"""Pieces with no more lines between them are one."""
HEADER_TOKENS = 16
"""What naming a piece costs."""

_TEST_PATH = re.compile(
    r"(^|/)(tests?|__tests__|specs?|testing|e2e|unit|benches|benchmarks|stress-test|tests-[\w-]+)(/|$)"
    r"|(^|/)(test_[^/]*|conftest)\.py$|(_test|\.spec|\.test|_spec)\.[a-z]+$"
)
_LOG_NAME = re.compile(
    r"(^|/)(changes|changelog|history|news|release[-_ ]?notes|whatsnew)[^/]*$|(^|/)changelogs?/",
    re.IGNORECASE,
)
_PROSE_SUFFIXES = frozenset(
    {".adoc", ".cfg", ".conf", ".csv", ".css", ".html", ".ini", ".ipynb", ".json", ".json5", ".lock", ".log"}
    | {".markdown", ".md", ".mdx", ".org", ".po", ".pot", ".rst", ".scss", ".snap", ".svg", ".tex", ".toml"}
    | {".tsv", ".txt", ".xml", ".yaml", ".yml", ""}
)


@attrs.frozen
class Piece:
    """Lines ``first`` to ``last`` (0-based, end exclusive) of a file, ``text`` as they read now."""

    path: str
    first: int
    last: int
    text: str


@attrs.frozen
class Retrieval:
    """``pieces`` are new to the prompt, by the rank of their files and then by line; ``tokens`` their cost.

    ``present`` are pieces of the prompt that answer this question too. ``files`` are all that were
    considered, best first.
    """

    pieces: tuple[Piece, ...] = ()
    present: tuple[Piece, ...] = ()
    files: tuple[str, ...] = ()
    tokens: int = 0
    notes: tuple[str, ...] = ()


@attrs.frozen
class Scored:
    """A chunk of the index and how well it answers, on a scale of this question."""

    path: str
    first: int
    last: int
    score: float


@attrs.frozen(eq=False)
class _Project:
    """What is the same for every question to one generation of the index."""

    generation: int
    paths: Sequence[str]
    number: Mapping[str, int]
    links: Links
    weights: Weights


class Retriever:
    """Answers questions about the project of an index."""

    def __init__(
        self, index: Index, read: ReadText, *, embed: Embed | None = None, rerank: Rerank | None = None
    ) -> None:
        self._index = index
        self._read = read
        self._embed = embed
        self._rerank = rerank
        self._known: _Project | None = None

    async def find(
        self,
        question: str,
        *,
        allowance_tokens: int,
        count: Callable[[str], int],
        kept: Sequence[Piece] = (),
    ) -> Retrieval:
        """The pieces that answer a question and are not in the prompt yet; ``kept`` are those that are.

        A model that fails is left out, which is noted.
        """
        chunks, files = await asyncio.to_thread(self.ranked, question)
        chunks, notes = await self._judged(question, chunks)
        files = tuple(dict.fromkeys((*(chunk.path for chunk in chunks), *files)))
        filling = _Filling(self._read, count, allowance_tokens, kept)
        await asyncio.to_thread(filling.fill, chunks)
        pieces, tokens = filling.pieces(files)
        return Retrieval(pieces, tuple(filling.present), files, tokens, notes)

    def ranked(self, question: str) -> tuple[list[Scored], tuple[str, ...]]:
        """Chunks and files that answer to a question, best first, without asking a model."""
        terms = of_question(question)
        hits = self._index.search(terms, KNOWN_CHUNKS)
        project = self._project()
        hits = [hit for hit in hits if hit.path in project.number]
        scores = self._file_scores(project, terms, hits[:SCORED_CHUNKS])
        order: list[int] = np.argsort(-scores, kind="stable").tolist()
        files = tuple(project.paths[file] for file in order if scores[file] > 0)
        chunks: list[Scored] = []
        rank_in_file: dict[str, int] = {}
        for hit in hits:
            rank = rank_in_file[hit.path] = rank_in_file.get(hit.path, -1) + 1
            score = float(scores[project.number[hit.path]]) * 0.5**rank
            chunks.append(Scored(hit.path, hit.first, hit.last, score))
        chunks.sort(key=lambda chunk: -chunk.score)
        return chunks, files

    def _project(self) -> _Project:
        generation = self._index.generation
        if self._known is None or self._known.generation != generation:
            uses = self._index.graph()
            given = self._index.weights()
            paths = list(uses.paths)
            weights = np.array([path_weight(path, given.get(path, 1.0)) for path in paths])
            number = {path: at for at, path in enumerate(paths)}
            self._known = _Project(generation, paths, number, Links.of(uses, linking), weights)
        return self._known

    def _file_scores(self, project: _Project, terms: Sequence[str], hits: Sequence[Hit]) -> Weights:
        """By file, its score; 0 for a file that nothing speaks for, more for all others."""
        size = len(project.paths)
        owners = np.array([project.number[hit.path] for hit in hits], dtype=np.int64)
        text = best_chunks(owners, np.array([hit.score for hit in hits], dtype=np.float64), size)
        if size and (most := float(text.max())) > 0:
            text = (1 - GRAPH_SHARE) * text / most + GRAPH_SHARE * project.links.around(text / most)
        said = self._by_number(project, history.documents(self._index, terms))
        near = self._by_number(project, history.nearest(self._index, terms))
        parts = ((1.0, text), (HISTORY_SHARE, said), (HISTORY_SHARE, near))
        weighed = [(share, part * project.weights) for share, part in parts]
        fused = np.zeros(size)
        for share, part in weighed:
            fused += share * standard(part)
        found = sum(part for _, part in weighed) > 0
        return np.where(found, fused - fused.min(initial=0.0) + 1e-9, 0.0)

    def _by_number(self, project: _Project, scores: Mapping[str, float]) -> Weights:
        result = np.zeros(len(project.paths))
        for path, score in scores.items():
            if (number := project.number.get(path)) is not None:
                result[number] = score
        return result

    async def _judged(self, question: str, chunks: list[Scored]) -> tuple[list[Scored], tuple[str, ...]]:
        """The first chunks in the order that models add their judgement to."""
        if (self._embed is None and self._rerank is None) or not chunks:
            return chunks, ()
        texts = await asyncio.to_thread(self._texts, chunks[:CANDIDATES])
        asked = [chunk for chunk, text in zip(chunks, texts, strict=False) if text]
        texts = [text for text in texts if text]
        notes: list[str] = []
        total = standard(np.array([chunk.score for chunk in asked]))
        for share, judge in ((VECTOR_SHARE, self._likeness), (RERANK_SHARE, self._relevance)):
            try:
                total = total + share * standard(await judge(question, texts))
            except KvasirError as error:
                notes.append(f"A model was left out of the search: {error.message}")
        order: list[int] = np.argsort(-total, kind="stable").tolist()
        chosen = [asked[at] for at in order]
        there = set(asked)
        return [*chosen, *(chunk for chunk in chunks if chunk not in there)], tuple(notes)

    def _texts(self, chunks: Sequence[Scored]) -> list[str]:
        return [_text(self._read, chunk) or "" for chunk in chunks]

    async def _likeness(self, question: str, texts: Sequence[str]) -> Weights:
        if self._embed is None:
            return np.zeros(len(texts))
        vectors = np.array(await self._embed([question, *texts]), dtype=np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
        return vectors[1:] @ vectors[0]

    async def _relevance(self, question: str, texts: Sequence[str]) -> Weights:
        if self._rerank is None:
            return np.zeros(len(texts))
        return np.array(await self._rerank(question, texts), dtype=np.float64)


def path_weight(path: str, weight: float) -> float:
    """How much a file counts in a ranking: ``weight`` by its own, less if it is a test or no program."""
    if _TEST_PATH.search(path):
        weight *= TEST_WEIGHT
    if PurePosixPath(path).suffix.lower() in _PROSE_SUFFIXES:
        weight *= LOG_WEIGHT if _LOG_NAME.search(path) else PROSE_WEIGHT
    return weight


def best_chunks(files: Numbers, scores: Weights, size: int) -> Weights:
    """By file (of ``size``), the sum of its best chunks, each counting half of the one before."""
    order = np.lexsort((-scores, files))
    files, scores = files[order], scores[order]
    result = np.zeros(size)
    if len(files):
        first = np.r_[True, files[1:] != files[:-1]]
        start = np.maximum.accumulate(np.where(first, np.arange(len(files)), 0))
        rank = np.arange(len(files)) - start
        np.add.at(result, files, scores * np.where(rank < BEST_CHUNKS, 0.5**rank, 0.0))
    return result


def standard(scores: Weights) -> Weights:
    """Scores by how many standard deviations they lie above the mean; zeros when all are equal.

    Lists are summed by these and not by their ranks: that lost up to ten points when one list was weaker.
    """
    if not len(scores):
        return scores
    deviation = float(scores.std())
    # Equal numbers can have a mean that is not quite theirs.
    if deviation <= float(np.abs(scores).max()) * ROUNDING:
        return np.zeros(len(scores))
    return (scores - scores.mean()) / deviation


def _text(read: ReadText, chunk: Scored) -> str | None:
    text = read(chunk.path)
    return None if text is None else "\n".join(text.split("\n")[chunk.first : chunk.last])


class _Filling:
    """Chunks on their way into an allowance of tokens."""

    def __init__(
        self, read: ReadText, count: Callable[[str], int], allowance_tokens: int, kept: Sequence[Piece]
    ) -> None:
        self._read = read
        self._count = count
        self._left = allowance_tokens
        self._spent = 0
        self._kept = kept
        self._lines: dict[str, list[str] | None] = {}
        self._chosen: dict[str, list[tuple[int, int]]] = {}
        self.present: list[Piece] = []

    def fill(self, chunks: Sequence[Scored]) -> None:
        """Take chunks in their order while there is room; smaller ones may follow one that is too large."""
        for chunk in chunks:
            lines = self._file(chunk.path)
            first, last = chunk.first, min(chunk.last, len(lines))
            text = "\n".join(lines[first:last])
            if not text.strip() or self._is_present(chunk.path, text):
                continue
            wider = _merged([*self._chosen.get(chunk.path, ()), (first, last)])
            cost = self._cost(chunk.path, wider) - self._cost(chunk.path, self._chosen.get(chunk.path, []))
            if self._spent + cost <= self._left:
                self._spent += cost
                self._chosen[chunk.path] = wider
            elif self._left - self._spent <= HEADER_TOKENS:
                return

    def pieces(self, files: Sequence[str]) -> tuple[tuple[Piece, ...], int]:
        """What was taken, and its cost."""
        found = tuple(
            Piece(path, first, last, "\n".join(self._file(path)[first:last]))
            for path in files
            for first, last in self._chosen.get(path, ())
        )
        return found, self._spent

    def _file(self, path: str) -> list[str]:
        if path not in self._lines:
            text = self._read(path)
            self._lines[path] = None if text is None else text.split("\n")
        return self._lines[path] or []

    def _is_present(self, path: str, text: str) -> bool:
        # By its text: lines move when something above them changes.
        for piece in self._kept:
            if piece.path == path and text in piece.text:
                if piece not in self.present:
                    self.present.append(piece)
                return True
        return False

    def _cost(self, path: str, spans: Sequence[tuple[int, int]]) -> int:
        lines = self._file(path)
        return sum(HEADER_TOKENS + self._count("\n".join(lines[first:last])) for first, last in spans)


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first - merged[-1][1] <= GAP_LINES:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
