import os
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeAlias

import pytest

from context import history
from context.history import documents, nearest, update
from context.index import Index
from context.terms import of_question

Commit: TypeAlias = Callable[..., None]
CLEAN = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, env=os.environ | CLEAN)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


@pytest.fixture
def commit(root: Path) -> Commit:
    def write(message: str, *paths: str) -> None:
        for path in paths:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as text:
                text.write(f"{message}\n")
        git(root, "add", "--all")
        git(root, "commit", "-q", "--allow-empty", "-m", message)

    return write


@pytest.fixture
def index(tmp_path: Path) -> Generator[Index]:
    index = Index.open(tmp_path / "index.db", writable=True)
    yield index
    index.close()


def best(scores: dict[str, float]) -> list[str]:
    return sorted(scores, key=lambda path: -scores[path])


def test_messages_lead_to_the_files_their_commits_touched(index: Index, root: Path, commit: Commit):
    commit("Retry when the socket closes early", "net.py")
    commit("Parse dates with a time zone\n\nAlso the ones without seconds.", "dates.py", "zones.py")
    commit("Draw the window", "window.py")
    assert update(index, root) == 3
    terms = of_question("sockets that close")
    assert best(documents(index, terms)) == ["net.py"]
    assert best(nearest(index, terms)) == ["net.py"]
    assert set(documents(index, of_question("seconds"))) == {"dates.py", "zones.py"}


def test_only_new_commits_are_read(index: Index, root: Path, commit: Commit):
    commit("Parse dates", "dates.py")
    assert update(index, root) == 1
    assert update(index, root) == 0
    commit("Parse zones", "dates.py")
    commit("Draw windows", "window.py")
    assert update(index, root) == 2
    assert best(documents(index, of_question("zones"))) == ["dates.py"]
    assert best(documents(index, of_question("dates"))) == ["dates.py"]


def test_an_index_brought_up_to_date_is_as_one_made_anew(
    tmp_path: Path, index: Index, root: Path, commit: Commit, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(history, "COMMITS", 4)
    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta")
    for number, word in enumerate(words):
        commit(f"Change {word} of parser", f"{number % 3}.py", "all.py")
        update(index, root)
    fresh = Index.open(tmp_path / "fresh.db", writable=True)
    try:
        assert update(fresh, root) == 4
        for question in ("alpha", "eta parser", "change parser", "epsilon"):
            terms = of_question(question)
            assert documents(index, terms) == pytest.approx(documents(fresh, terms))
            assert nearest(index, terms) == pytest.approx(nearest(fresh, terms))
    finally:
        fresh.close()
    assert documents(index, of_question("alpha")) == {}


def test_a_file_that_moved_keeps_its_history(tmp_path: Path, index: Index, root: Path, commit: Commit):
    commit("Parse dates\n\nWith zones.", "dates.py", "other.py")
    update(index, root)
    (root / "src").mkdir()
    git(root, "mv", "dates.py", "src/calendar.py")
    commit("Move everything below src")
    commit("Draw windows", "dates.py")
    update(index, root)
    assert set(documents(index, of_question("zones"))) == {"src/calendar.py", "other.py"}
    assert set(nearest(index, of_question("zones"))) == {"src/calendar.py", "other.py"}
    assert set(documents(index, of_question("windows"))) == {"dates.py"}


def test_a_rewritten_history_is_read_anew(index: Index, root: Path, commit: Commit):
    commit("Parse dates", "dates.py")
    commit("Draw windows", "window.py")
    update(index, root)
    git(root, "reset", "-q", "--hard", "HEAD~1")
    commit("Play sounds", "sound.py")
    assert update(index, root) == 2
    assert documents(index, of_question("windows")) == {}
    assert best(documents(index, of_question("sounds"))) == ["sound.py"]


def test_a_commit_of_many_files_says_little(index: Index, root: Path, commit: Commit):
    commit("Format everything", *(f"{number}.py" for number in range(history.MOST_FILES + 1)))
    commit("Rename the parser", *(f"{number}.py" for number in range(history.DOCUMENT_FILES + 1)))
    update(index, root)
    assert documents(index, of_question("format everything")) == {}
    assert documents(index, of_question("rename parser")) == {}
    assert len(nearest(index, of_question("rename parser"))) == history.DOCUMENT_FILES + 1


def test_a_workspace_below_the_repository_sees_its_own_paths(index: Index, root: Path, commit: Commit):
    commit("Parse dates", "inner/dates.py", "outer.py")
    commit("Draw windows", "outer.py")
    update(index, root / "inner")
    assert list(documents(index, of_question("dates"))) == ["dates.py"]
    assert documents(index, of_question("windows")) == {}


def test_odd_names_and_messages_are_read(index: Index, root: Path, commit: Commit):
    commit('Parse "quoted" dates OR NEAR(x) *', "söme file.py", "a\nb.py")
    update(index, root)
    assert set(documents(index, of_question('"quoted" OR dates*'))) == {"söme file.py", "a\nb.py"}


def test_without_git_or_commits_there_is_no_history(tmp_path: Path, index: Index, root: Path):
    (tmp_path / "plain").mkdir()
    assert update(index, tmp_path / "plain") == 0
    assert update(index, root) == 0
    assert documents(index, ["date"]) == {}
    assert nearest(index, ["date"]) == {}


def test_a_repository_starts_no_programs(tmp_path: Path, index: Index, root: Path, commit: Commit):
    commit("Parse dates", "dates.py")
    trace = tmp_path / "started"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    program.chmod(0o755)
    (root / ".gitattributes").write_text("* diff=odd\n")
    for name in (
        "core.fsmonitor",
        "core.pager",
        "pager.log",
        "diff.external",
        "diff.odd.textconv",
        "gpg.program",
    ):
        git(root, "config", name, str(program))
    git(root, "config", "log.showSignature", "true")
    assert update(index, root) == 1
    assert not trace.exists()
