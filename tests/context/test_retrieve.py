import subprocess
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context import history
from context.errors import KvasirError
from context.index import Entry, Index, Stamp, digest_of
from context.languages import language_of
from context.parse import parse
from context.ports import Embed, Rerank
from context.retrieve import BEST_CHUNKS, Piece, Retriever, best_chunks, path_weight, standard

NET = '''\
def open_socket(address):
    """Open a socket and retry while the network is away."""
    return connect(address)


def close_socket(socket):
    """Close a socket early."""
    socket.close()
'''
DATES = '''\
def parse_dates(text):
    """Parse dates with time zones."""
    return text
'''
MAIN = """\
from net import open_socket


def main():
    open_socket("here")
"""
FILES = {"net.py": NET, "dates.py": DATES, "main.py": MAIN, "other.py": "def other():\n    pass\n"}

Project: TypeAlias = Callable[..., Retriever]


@pytest.fixture
def index(tmp_path: Path) -> Generator[Index]:
    index = Index.open(tmp_path / "index.db", writable=True)
    yield index
    index.close()


@pytest.fixture
def project(index: Index) -> Project:
    def make(
        files: dict[str, str],
        now: dict[str, str] | None = None,
        embed: Embed | None = None,
        rerank: Rerank | None = None,
        **weights: float,
    ) -> Retriever:
        index.put([entry(path, text, weights.get(path.split(".")[0], 1.0)) for path, text in files.items()])
        return Retriever(index, (files if now is None else now).get, embed=embed, rerank=rerank)

    return make


def entry(path: str, text: str, weight: float = 1.0) -> Entry:
    language = language_of(path, text)
    name = language.name if language else ""
    return Entry(path, Stamp(0, len(text), digest_of(text)), name, weight, parse(text, language), text)


async def test_a_question_finds_the_lines_that_answer_it(project: Project):
    found = await project(FILES).find("Why is the socket closed early?", allowance_tokens=10_000, count=len)
    assert found.files[0] == "net.py"
    assert found.pieces[0].path == "net.py"
    assert "def close_socket" in found.pieces[0].text
    assert found.pieces[0].text in NET


async def test_what_a_question_does_not_name_is_found_through_its_neighbours(project: Project):
    found = await project(FILES).find("network is away", allowance_tokens=10_000, count=len)
    assert found.files[:2] == ("net.py", "main.py")
    assert "other.py" not in found.files


async def test_a_question_without_an_answer_finds_nothing(project: Project):
    found = await project(FILES).find("zzz the of", allowance_tokens=1000, count=len)
    assert (found.pieces, found.files, found.tokens) == ((), (), 0)
    nothing = await project({}).find("", allowance_tokens=1000, count=len)
    assert nothing.pieces == ()


async def test_an_empty_project_answers_nothing(project: Project):
    assert (await project({}).find("socket", allowance_tokens=1000, count=len)).files == ()


@pytest.mark.parametrize("allowance", [0, 20, 60, 100, 150, 220, 400])
async def test_an_allowance_is_never_exceeded(project: Project, allowance: int):
    text = "\n".join(
        f"def socket_{n}():\n    '''{'socket ' * (n % 90)}'''\n    return {n}\n" for n in range(60)
    )
    found = await project({"a.py": text, **FILES}).find("socket", allowance_tokens=allowance, count=len)
    assert sum(len(piece.text) for piece in found.pieces) <= found.tokens <= allowance


async def test_neighbouring_chunks_become_one_piece(project: Project):
    text = "\n".join(f"def socket_{n}():\n    '''{'socket ' * 60}'''\n    return {n}\n" for n in range(6))
    found = await project({"a.py": text}).find("socket", allowance_tokens=100_000, count=len)
    assert [(piece.first, piece.text) for piece in found.pieces] == [(0, text.rstrip("\n"))]


async def test_what_is_in_the_prompt_already_is_not_sent_again(project: Project):
    retriever = project(FILES)
    first = await retriever.find("close socket", allowance_tokens=10_000, count=len)
    again = await retriever.find("close socket", allowance_tokens=10_000, count=len, kept=first.pieces)
    assert again.pieces == ()
    assert again.tokens == 0
    assert set(again.present) == set(first.pieces)
    more = await retriever.find(
        "parse dates of sockets", allowance_tokens=10_000, count=len, kept=first.pieces
    )
    assert [piece.path for piece in more.pieces] == ["dates.py"]


async def test_what_moved_in_its_file_is_still_in_the_prompt(project: Project):
    kept = Piece("net.py", 40, 49, NET.rstrip("\n"))
    found = await project(FILES).find("close socket early", allowance_tokens=10_000, count=len, kept=[kept])
    assert all(piece.path != "net.py" for piece in found.pieces)
    assert found.present == (kept,)


async def test_the_text_as_it_is_now_is_shown_and_files_that_have_gone_are_not(project: Project):
    now = {"net.py": NET.replace("early", "late"), "dates.py": ""}
    found = await project(FILES, now).find(
        "close socket early, parse dates", allowance_tokens=10_000, count=len
    )
    assert {piece.path for piece in found.pieces} == {"net.py"}
    assert "late" in found.pieces[0].text


def test_tests_prose_and_files_of_little_weight_come_later(project: Project):
    same = {"store.py": NET, "tests/test_store.py": NET, "CHANGES.md": NET, "vendored.py": NET}
    files = project(same, vendored=0.4).ranked("close socket")[1]
    assert files == ("store.py", "tests/test_store.py", "vendored.py", "CHANGES.md")
    assert path_weight("a.py", 0.5) == 0.5


def test_commits_lead_to_files_that_do_not_say_it(tmp_path: Path, index: Index, project: Project):
    root = tmp_path / "repository"
    root.mkdir()
    retriever = project(FILES)
    assert "other.py" not in retriever.ranked("teleport")[1]
    (root / "other.py").write_text(FILES["other.py"])
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "Teleport users"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    assert history.update(index, root) == 1
    assert retriever.ranked("teleport")[1] == ("other.py",)


def test_what_is_indexed_anew_is_found_anew(index: Index, project: Project):
    retriever = project(FILES)
    assert retriever.ranked("teleport")[1] == ()
    index.put([entry("new.py", "def teleport():\n    pass\n")])
    assert retriever.ranked("teleport")[1] == ("new.py",)


TWINS = {"left.py": "def load_left(socket):\n    pass\n", "right.py": "def load_right(socket):\n    pass\n"}


async def test_a_model_that_embeds_or_reranks_has_its_say(project: Project):
    async def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[0.0, 1.0] if "left" in text else [1.0, 0.0] for text in texts]

    async def rerank(question: str, texts: Sequence[str]) -> list[float]:
        assert question == "load socket"
        return [float("right" in text) for text in texts]

    plain = await project(TWINS).find("load socket", allowance_tokens=1000, count=len)
    embedded = await project(TWINS, embed=embed).find("load socket", allowance_tokens=1000, count=len)
    reranked = await project(TWINS, rerank=rerank).find("load socket", allowance_tokens=1000, count=len)
    assert plain.files == ("left.py", "right.py")
    assert embedded.files == reranked.files == ("right.py", "left.py")


async def test_a_model_that_fails_is_left_out_and_noted(project: Project):
    async def embed(_texts: Sequence[str]) -> list[list[float]]:
        raise KvasirError("The model is not there.")

    found = await project(TWINS, embed=embed).find("load socket", allowance_tokens=1000, count=len)
    assert found.files == ("left.py", "right.py")
    assert found.notes == ("A model was left out of the search: The model is not there.",)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 100)), max_size=40))
def test_a_file_is_worth_its_best_chunks(hits: list[tuple[int, float]]):
    files = np.array([file for file, _ in hits], dtype=np.int64)
    found = best_chunks(files, np.array([score for _, score in hits], dtype=np.float64), 5)
    for file in range(5):
        best = sorted((score for owner, score in hits if owner == file), reverse=True)[:BEST_CHUNKS]
        assert found[file] == pytest.approx(sum(score * 0.5**at for at, score in enumerate(best)))


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_standard_scores_have_no_mean_and_keep_the_order(values: list[float]):
    found = standard(np.array(values, dtype=np.float64))
    assert abs(float(found.sum())) < 1e-3
    order = np.argsort(values, kind="stable")
    assert bool(np.all(np.diff(found[order]) >= -1e-9))
