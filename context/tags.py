"""What ctags knows of languages that we have no grammar for: the person's own tags file, or the program.

A tags file is as old as its last run. So an entry counts only if the line that it quotes is still in the
file, and stands where that line stands now.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import attrs

from context.parse import Definition

TAG_FILES = ("tags", ".tags", ".git/tags")
LARGEST_UNSORTED = 64 * 1024 * 1024
SECONDS = 20
# --options=NONE comes first: a project's own configuration of ctags can name programs to run.
_OPTIONS = ("--options=NONE", "--quiet", "--links=no", "--sort=no", "--fields=neKs", "-f", "-")

_KINDS = {
    "function": "function", "func": "function", "subroutine": "function", "procedure": "function",
    "class": "class", "struct": "class", "interface": "class", "union": "class", "trait": "class",
    "method": "method", "member": "variable", "field": "variable", "macro": "macro", "define": "macro",
    "constant": "constant", "enumerator": "constant", "type": "type", "typedef": "type", "enum": "type",
    "module": "module", "namespace": "module", "package": "module",
}  # fmt: skip


@attrs.frozen
class Tag:
    """A definition as ctags tells it. ``line`` counts from 0 and is where it once was."""

    name: str
    path: str
    pattern: str | None = None
    """The line, or with ``whole`` false how it begins. ``None``: only its number is known."""
    whole: bool = False
    line: int | None = None
    last: int | None = None
    kind: str = "variable"
    scope: str = ""


def located(tag: Tag, lines: Sequence[str]) -> Definition | None:
    """The definition where it is now, ``None`` when the file no longer has the line."""
    at = _line(tag, lines)
    if at is None:
        return None
    moved = 0 if tag.line is None else at - tag.line
    last = at + 1 if tag.last is None else min(max(tag.last + moved, at + 1), len(lines))
    return Definition(tag.name, tag.kind, at, last, lines[at].strip(), tag.scope)


def _line(tag: Tag, lines: Sequence[str]) -> int | None:
    if tag.pattern is None:
        known = tag.line is not None and tag.line < len(lines)
        return tag.line if known and _has_word(lines[tag.line or 0], tag.name) else None
    expected = tag.line or 0
    matching = [at for at, line in enumerate(lines) if _quotes(tag, line)]
    return min(matching, key=lambda at: abs(at - expected), default=None)


def _quotes(tag: Tag, line: str) -> bool:
    pattern = tag.pattern or ""
    return line == pattern if tag.whole else line.startswith(pattern)


def _has_word(line: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", line) is not None


@attrs.frozen
class TagsFile:
    """A tags file that the person's own tools keep. Read where needed: it may be large, and change."""

    path: Path
    root: Path

    @classmethod
    def of(cls, root: Path) -> "TagsFile | None":
        """The tags file of a workspace, ``None`` without one."""
        found = (root / name for name in TAG_FILES)
        return next((cls(path, root) for path in found if path.is_file()), None)

    def find(self, names: Collection[str]) -> dict[str, list[Tag]]:
        """By name, the entries of files in the workspace; without those that it lacks."""
        found: dict[str, list[Tag]] = {}
        try:
            with self.path.open("rb") as file:
                for line in _lines_of(file, sorted({name.encode() for name in names})):
                    tag = parsed_line(line, self.path.parent, self.root)
                    if tag is not None:
                        found.setdefault(tag.name, []).append(tag)
        except OSError:
            return {}
        return found


def _lines_of(file: BinaryIO, names: Sequence[bytes]) -> Iterator[str]:
    size = file.seek(0, 2)
    if _sorted(file):
        for name in names:
            yield from _bisected(file, size, name + b"\t")
        return
    if size > LARGEST_UNSORTED:
        return
    wanted = set(names)
    file.seek(0)
    for line in file:
        if line.partition(b"\t")[0] in wanted:
            yield line.decode(errors="replace")


def _sorted(file: BinaryIO) -> bool:
    """Whether the entries are in the order of their bytes, as the head of the file says."""
    file.seek(0)
    for line in file:
        if not line.startswith(b"!_TAG_"):
            return False
        if line.startswith(b"!_TAG_FILE_SORTED\t"):
            return line.split(b"\t")[1:2] == [b"1"]
    return False


def _bisected(file: BinaryIO, size: int, prefix: bytes) -> Iterator[str]:
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        file.seek(middle)
        if middle:
            file.readline()
        line = file.readline()
        if line and line < prefix:
            low = middle + 1
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline()
    for line in file:
        if not line.startswith(prefix):
            # The first line after the border may still be smaller.
            if line < prefix:
                continue
            return
        yield line.decode(errors="replace")


_ENTRY = re.compile(r"^([^\t]+)\t([^\t]+)\t(?:(\d+);?)?(?:([/?])((?:\\.|(?!\4).)*)\4)?(?:;\"(.*))?$")


def parsed_line(line: str, folder: Path, root: Path) -> Tag | None:
    """An entry of a tags file in ``folder``; ``None`` for a head line, or a file outside of ``root``."""
    found = _ENTRY.match(line.rstrip("\r\n"))
    if found is None or line.startswith("!_"):
        return None
    name, file, number, mark, pattern, rest = found.groups()
    path = _inside(folder / file, root)
    if path is None or (number is None and mark is None):
        return None
    fields = _fields(rest or "")
    at = fields.get("line", number)
    quoted = None if pattern is None else _unescaped(pattern.removeprefix("^"))
    kind = fields.get("kind", "")
    return Tag(
        name=name,
        path=path,
        pattern=None if quoted is None else quoted.removesuffix("$"),
        whole=quoted is not None and quoted.endswith("$"),
        line=int(at) - 1 if at and at.isdecimal() and int(at) > 0 else None,
        last=int(fields["end"]) if fields.get("end", "").isdecimal() else None,
        kind=_KINDS.get(kind, "variable"),
        scope=next((fields[key] for key in ("class", "struct", "namespace", "module") if key in fields), ""),
    )


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for field in text.split("\t"):
        key, colon, value = field.partition(":")
        if colon:
            fields[key] = value
        elif key:
            fields["kind"] = key
    return fields


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)


def _inside(path: Path, root: Path) -> str | None:
    """The path relative to the workspace, ``None`` when it leads out of it."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except (OSError, ValueError):
        return None


@cache
def program() -> str | None:
    """Universal Ctags, if it is installed. Other programs of the name know other options."""
    for name in ("ctags", "universal-ctags"):
        found = shutil.which(name)
        if found is not None and "Universal Ctags" in (_printed([found, "--version"]) or ""):
            return found
    return None


def of_text(text: str, path: str) -> list[Definition]:
    """The definitions of a text, as ctags sees a file of this name; none without the program."""
    if (ctags := program()) is None:
        return []
    with tempfile.TemporaryDirectory(prefix="kvasir-") as folder:
        # By its own name: some languages are known by it, and not by what follows the dot.
        root, name = Path(folder), PurePosixPath(path).name
        (root / name).write_text(text, encoding="utf-8", errors="replace")
        tags = list(_listed(ctags, root, [name]))
    lines = text.split("\n")
    return [place for tag in tags if (place := located(tag, lines)) is not None]


def of_files(root: Path, paths: Iterable[str]) -> dict[str, list[Tag]]:
    """By name, what files of a workspace define as ctags sees them; nothing without the program."""
    if (ctags := program()) is None:
        return {}
    found: dict[str, list[Tag]] = {}
    for tag in _listed(ctags, root, paths):
        found.setdefault(tag.name, []).append(tag)
    return found


def _listed(ctags: str, root: Path, paths: Iterable[str]) -> Iterator[Tag]:
    # Names go in as lines, where none can be taken for an option.
    named = "\n".join(path for path in paths if "\n" not in path)
    printed = _printed([ctags, *_OPTIONS, "-L", "-"], named, root) or ""
    tags = (parsed_line(line, root, root) for line in printed.split("\n"))
    return (tag for tag in tags if tag is not None)


def _printed(command: Sequence[str], given: str = "", folder: Path | None = None) -> str | None:
    try:
        done = subprocess.run(
            command,
            input=given.encode(errors="surrogateescape"),
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")
