"""What git knows: changes, who wrote which lines, the last commits, the branch.

Each is a segment of bounded size with notes for the person. Only git itself runs: see ``git_process``. Keys
in the texts are not looked for here; files that are never sent are left out of diffs by name.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePath

import attrs

from context.files import source, unified
from context.git_process import GitFailed, Output, run, without_filters
from context.ignored import Ignores
from context.listing import IGNORE_FILE
from context.nature import is_lock
from context.secrets import is_secret
from context.segment import Kind, Segment

MAX_BYTES = 64 * 1024
"""Of a longer text the rest is left out, with a note."""

_SHA_CHARACTERS = 8
_NAMES_OF_A_COMMIT = 20
_DIFF = (
    "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty", "--submodule=short",
    "--src-prefix=a/", "--dst-prefix=b/", "--unified=3",
)  # fmt: skip
_LOG = (
    "--no-show-signature", "--no-decorate", "--no-notes", "--encoding=UTF-8", "--date=short",
    "--no-diff-merges", "--format=commit %h %ad %an%n%w(0,4,4)%B%w(0,0,0)",
)  # fmt: skip
_CHANGED_NAME = re.compile(r"[A-Z]\d*\t")
_BLAMED = re.compile(r"([0-9a-f]{40,64}) \d+ (\d+)")


@attrs.frozen
class Shown:
    """A segment, ``None`` when there is nothing to show, and what there is to say about it."""

    segment: Segment | None
    notes: tuple[str, ...] = ()


def diff(root: Path, max_bytes: int = MAX_BYTES) -> Shown:
    """What changed below a folder since it was staged or committed; new files are named in a note."""
    shown = _changes(root, (), "diff", max_bytes)
    new = run(root, "ls-files", "-z", "--others", "--exclude-standard").names
    if not new:
        return shown
    note = f"git's diff does not show new files: {_some(new)}."
    return attrs.evolve(shown, notes=(*shown.notes, note))


def staged(root: Path, max_bytes: int = MAX_BYTES) -> Shown:
    """What is staged below a folder for the next commit."""
    return _changes(root, ("--cached",), "diff --staged", max_bytes)


def blame(
    path: Path, first: int, last: int, root: Path | None, text: str | None = None, max_bytes: int = MAX_BYTES
) -> Shown:
    """Who wrote lines ``first`` to ``last`` (0-based, end exclusive), and in which commits.

    ``text`` is what the editor has, when that is not what is on disk.
    """
    contents = () if text is None else ("--contents", "-")
    found = run(
        path.parent,
        "blame",
        "--porcelain",
        "--no-textconv",
        f"-L{first + 1},{last}",
        *contents,
        "--",
        path.name,
        options=without_filters(path.parent),
        stdin=(text or "").encode(errors="surrogateescape"),
        max_bytes=16 * max_bytes,
    )
    name = f"blame {source(path, root)}#L{first + 1}-L{last}"
    return _shown(name, _bounded(_blamed(found.text), max_bytes, cut=found.cut))


def commits(root: Path, count: int, path: Path | None = None, max_bytes: int = MAX_BYTES) -> Shown:
    """The last commits: of a file with their patches, of a folder with the names of the changed files."""
    limit = f"--max-count={count}"
    if path is None:
        found = run(root, "log", limit, *_LOG, *_DIFF, "--name-status", "--", ".", max_bytes=16 * max_bytes)
        body = _with_few_names(found.text)
        return _shown(
            "log", Output(body.encode()[:max_bytes], cut=found.cut or len(body.encode()) > max_bytes)
        )
    name = f":(literal){path.name}"
    found = run(
        path.parent, "log", limit, *_LOG, *_DIFF, "--patch", "--follow", "--", name, max_bytes=max_bytes
    )
    return _shown(f"log {source(path, root)}", found)


def branch(root: Path) -> Shown:
    """The name of the branch that is checked out, or the commit when there is none."""
    try:
        name = run(root, "symbolic-ref", "--short", "HEAD").text
    except GitFailed:
        name = f"none: at commit {run(root, 'rev-parse', '--short', 'HEAD').text}"
    return Shown(Segment(Kind.GIT, "branch", name))


def _changes(root: Path, which: Sequence[str], name: str, max_bytes: int) -> Shown:
    options = without_filters(root)
    command = ("diff", *which, *_DIFF, "--relative")
    # Both names of a file that moved: it must not carry a secret to an innocent name.
    changed = run(root, *command, "--no-renames", "--name-only", "-z", "--", ".", options=options).names
    ignores = Ignores(root, IGNORE_FILE)
    kept_back = [one for one in dict.fromkeys(changed) if _is_kept_back(one, ignores.verdict(one))]
    without = [f":(exclude,literal){one}" for one in kept_back]
    found = run(root, *command, "--find-renames", "--", ".", *without, options=options, max_bytes=max_bytes)
    shown = _shown(name, found)
    if not kept_back:
        return shown
    return attrs.evolve(shown, notes=(*shown.notes, f"Left out of git's {name}: {_some(kept_back)}."))


def _is_kept_back(name: str, verdict: bool | None) -> bool:  # noqa: FBT001 - what the ignore files say
    if verdict is not None:
        return verdict
    return is_secret(PurePath(name)) or is_lock(PurePath(name).name)


def _bounded(text: str, max_bytes: int, *, cut: bool) -> Output:
    data = text.encode()
    return Output(data[:max_bytes], cut or len(data) > max_bytes)


def _shown(name: str, output: Output) -> Shown:
    """A segment of whole lines."""
    text = unified(output.text)
    if not text.strip():
        return Shown(None, (f"git {name}: there is nothing to show.",))
    if not output.cut:
        return Shown(Segment(Kind.GIT, name, text))
    kept = text[: text.rfind("\n") + 1]
    note = f"git {name}: only the first {len(output.data) // 1024} KiB are sent, the rest is left out."
    return Shown(Segment(Kind.GIT, name, f"{kept}[the rest is left out]\n"), (note,))


def _blamed(porcelain: str) -> str:
    """The commits that lines come from, then the lines with their commits and numbers."""
    facts: dict[str, dict[str, str]] = {}
    lines: list[str] = []
    commit, number = "", ""
    for line in porcelain.split("\n"):
        if line.startswith("\t"):
            lines.append(f"{_short(commit)} {number:>5} {line[1:]}")
        elif match := _BLAMED.fullmatch(line.rsplit(" ", 1)[0] if line.count(" ") == 3 else line):  # noqa: PLR2004
            commit, number = match[1], match[2]
            facts.setdefault(commit, {})
        elif commit:
            key, _, value = line.partition(" ")
            facts[commit][key] = value
    heads = [f"{_short(each)} {_told(facts[each])}" for each in facts if set(each) != {"0"}]
    return "".join(f"{line}\n" for line in (*heads, "", *lines)) if lines else ""


def _short(commit: str) -> str:
    return "not yet " if set(commit) == {"0"} else commit[:_SHA_CHARACTERS]


def _told(facts: dict[str, str]) -> str:
    zone = facts.get("author-tz", "+0000")
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5])) * (-1 if zone[0] == "-" else 1)
    when = datetime.fromtimestamp(int(facts.get("author-time", "0")), timezone(offset))
    return f"{when.date().isoformat()} {facts.get('author', '')}: {facts.get('summary', '')}"


def _with_few_names(log: str) -> str:
    """A log in which each commit names a limited number of files."""
    lines: list[str] = []
    names = 0
    for line in (*log.split("\n"), ""):
        is_name = _CHANGED_NAME.match(line) is not None
        if not is_name and names > _NAMES_OF_A_COMMIT:
            lines.append(f"and {names - _NAMES_OF_A_COMMIT} more files")
        names = names + 1 if is_name else 0
        if names <= _NAMES_OF_A_COMMIT:
            lines.append(line if line.strip() else "")
    return "\n".join(lines).rstrip("\n") + "\n"


def _some(names: Iterable[str], most: int = 5) -> str:
    found = [unified(name) for name in names]
    rest = len(found) - most
    return ", ".join(found[:most]) + (f" and {rest} more" if rest > 0 else "")
