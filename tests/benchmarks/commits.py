"""Questions with known answers, from the history of a repository.

A question is a commit's message, scrubbed of everything that names a file; its answer is the source files that
the commit modified, tests aside. All are asked of one snapshot that has none of these commits in its history,
so that nothing sees the future. Files that came later are no answers.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import attrs

from context.languages import LANGUAGES

TEST_PATH = re.compile(
    r"(^|/)(tests?|__tests__|spec|testing|e2e|unit|benches|benchmarks|stress-test|tests-[\w-]+)(/|$)"
    r"|(^|/)(test_[^/]*|conftest)\.py$|(_test|\.spec|\.test|_spec)\.[a-z]+$"
)
SUFFIXES = frozenset(
    {suffix for language in LANGUAGES if language.package for suffix in language.extensions}
    | {
        ".vim",
        ".el",
        ".zig",
        ".swift",
        ".pl",
        ".pm",
        ".hs",
        ".ml",
        ".ex",
        ".exs",
        ".dart",
        ".jl",
        ".m",
        ".vue",
    }
)

# Subjects of commits that say nothing about the code they touch.
CHORE = re.compile(
    r"\b(bump|release|merge|revert|typos?|format(ting)?|lint|changelog|dependenc|deps|version|copyright"
    r"|clippy|ruff|black|isort|spelling|renovate|whitespace|prettier|update translations?)\b",
    re.IGNORECASE,
)
TRAILER = re.compile(
    r"^(signed-off-by|co-authored-by|reviewed-by|fix(es|ed)?|close[sd]?|resolves?|refs?|see|ref|reported-by"
    r"|bug|tested-by|assisted-by|suggested-by|cc|related)[ :#-]+.*$",
    re.IGNORECASE | re.MULTILINE,
)
SCOPE = re.compile(r"^\s*[\w\-./*,()\[\] ]{1,40}?[:!]\s+")  # "http2: ", "fix(reactivity): "
FILE_NAME = re.compile(r"\.(py|c|h|ts|tsx|js|rs|cpp|cc|go|vim|md|rst|txt|toml|json)$")
ISSUE = re.compile(r"\(?#\d+\)?")
URL = re.compile(r"https?://\S+")

BODY_WORDS = 80
MOST_ANSWERS = 6
MOST_CODE_FILES = 10
MOST_FILES = 25


@attrs.frozen
class Question:
    text: str
    answers: frozenset[str]


@attrs.frozen
class Questions:
    """``files`` are those of the snapshot that hold source text, tests included."""

    snapshot: str
    questions: tuple[Question, ...]
    files: tuple[str, ...]


def questions(repository: Path, most: int) -> Questions:
    """The ``most`` questions nearest to a snapshot that has at least so many after it, where there is one."""
    line = _git(repository, "rev-list", "--first-parent", "HEAD").split()
    back = min(most, len(line) - 1)
    while len(found := list(_candidates(repository, f"{line[back]}..HEAD"))) < most and back < len(line) - 1:
        back = min(2 * back, len(line) - 1)
    assert found, f"{repository} has no commit to ask about"
    listed = [
        entry.split("\t", 1) for entry in _git(repository, "ls-tree", "-r", "-z", line[back]).split("\0")[:-1]
    ]
    files = tuple(path for mode, path in listed if mode.startswith("100"))
    there = frozenset(files)
    asked = (Question(text, answers & there) for text, answers in reversed(found))
    return Questions(line[back], tuple(one for one in asked if one.answers)[:most], files)


def is_source(path: str) -> bool:
    return PurePosixPath(path).suffix in SUFFIXES


def is_test(path: str) -> bool:
    return TEST_PATH.search(path) is not None


def check_out(repository: Path, commit: str, folder: Path) -> None:
    """A work tree at a commit, sharing the repository's objects; its ``HEAD`` and history end there."""
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", repository, folder], check=True)
    _git(folder, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit)


def scrubbed(message: str) -> str:
    """Without the leading scope, paths and file names. A module's name in a sentence stays: people type it."""
    words = SCOPE.sub("", message).split()
    bare = [(word, word.strip("`'\"(),.:;*")) for word in words]
    return " ".join(word for word, core in bare if "/" not in core and not FILE_NAME.search(core))


def _candidates(repository: Path, span: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Question and answers of the usable commits of a span, newest first."""
    log = _git(
        repository, "log", "--no-merges", "--topo-order", "--no-renames", "--name-status",
        "--format=%x01%an%x02%s%x02%b%x03", span,
    )  # fmt: skip
    for record in log.split("\x01")[1:]:
        head, _, tail = record.partition("\x03")
        author, subject, body = head.split("\x02", 2)
        if "bot" in author.lower() or CHORE.search(subject):
            continue
        changes = [line.split("\t") for line in tail.strip().splitlines() if "\t" in line]
        code = [(status, path) for status, path in changes if is_source(path)]
        answers = frozenset(path for status, path in code if status == "M" and not is_test(path))
        if len(code) > MOST_CODE_FILES or len(changes) > MOST_FILES or not 1 <= len(answers) <= MOST_ANSWERS:
            continue
        body = ISSUE.sub("", URL.sub("", TRAILER.sub("", body)))
        subject = ISSUE.sub("", subject).strip()
        text = scrubbed(f"{subject} {' '.join(body.split()[:BODY_WORDS])}")
        if len(subject.split()) >= 3 and len(text.split()) >= 3:
            yield text, answers


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8", "replace")
