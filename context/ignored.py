"""Files that say what is ignored, in the syntax of gitignore(5), nested as git nests them.

The patterns are matched by our own translation, because a folder is pruned before what is in it is looked at:
a pattern then has to match a path itself, never what lies below it, which ready-made matchers mix up
(``!keep/`` must not bring back ``keep/a.pyc`` against ``*.pyc``). Tests compare with git itself.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

import attrs

RULES_BYTES = 1024 * 1024
"""More of an ignore file is not read."""

_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": " \\t\\n\\v\\f\\r",
    "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip
_CLASS = re.compile(r"\[:(\w*):\]")
_NEVER = r"(?!)"
_SPECIAL = re.compile(r"[*?\[\\]")
_STAR = "*"
_FOLDERS = "**/"


@attrs.frozen
class _Pattern:
    matches: re.Pattern[str]
    wanted: bool
    folders_only: bool
    by_path: bool


@attrs.frozen
class Rules:
    """The patterns of one ignore file; paths are relative to its folder, with ``/``."""

    _patterns: tuple[_Pattern, ...]
    """Last first, as the last that matches decides."""
    _names: re.Pattern[str]
    _paths: re.Pattern[str]

    def verdict(self, path: str, *, folder: bool) -> bool | None:
        """``True``: ignored, ``False``: wanted in spite of an earlier rule, ``None``: not spoken of."""
        name = path.rpartition("/")[2]
        # Nearly every path matches nothing, which two searches tell.
        if not self._names.match(name) and not self._paths.match(path):
            return None
        for pattern in self._patterns:
            if pattern.folders_only and not folder:
                continue
            if pattern.matches.match(path if pattern.by_path else name):
                return not pattern.wanted
        return None


def rules(text: str) -> Rules | None:
    """The rules of an ignore file's text, ``None`` when there are none."""
    lines = text.removeprefix("\ufeff").split("\n")
    patterns = tuple(pattern for line in reversed(lines) if (pattern := _pattern(line.removesuffix("\r"))))
    if not patterns:
        return None
    return Rules(patterns, _any(patterns, by_path=False), _any(patterns, by_path=True))


def glob(pattern: str) -> str:
    """A regular expression for a whole path, from a pattern with ``*``, ``?``, ``[]`` and ``**``.

    ``*`` stays within a folder, ``**`` between slashes is any number of folders. A pattern that is not
    closed matches nothing. Whoever wrote the pattern may mean harm: nothing in it makes the expression try
    one way after the other, as what follows a star is looked for from the left once and for all.
    """
    pieces: list[str] = []
    at = 0
    while at < len(pattern):
        piece, at = _piece(pattern, at)
        pieces.append(piece)
    first, *others = [_segments(group) for group in _split(pieces, _FOLDERS)]
    *between, last = others or [""]
    between = [f"(?>(?:[^/]*/)*?{group})" for group in between if group]
    return "".join([first, *between, "(?:.*/)?" if others else "", last, r"\Z"])


def text_of(path: Path) -> str:
    """An ignore file's text; empty for none, a link (as git has it) or what is no file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        return os.fsdecode(os.read(handle, RULES_BYTES))
    finally:
        os.close(handle)


class Ignores:
    """The ignore files named ``filename`` below a folder, each read once and when it is first needed.

    ``before`` are rules that the files may overrule, relative to ``root``.
    """

    def __init__(self, root: Path, filename: str, before: Iterable[Rules] = ()) -> None:
        self._root = root
        self._filename = filename
        self._before = tuple(("", one) for one in before)
        self._folders: dict[str, _Folder] = {}

    def verdict(self, path: str, *, folder: bool = False) -> bool | None:
        """What the rules say of a path relative to the root, as ``Rules.verdict``.

        What lies in an ignored folder is ignored, and what lies in a wanted one is wanted, unless a rule
        says more.
        """
        above = self._folder(path.rpartition("/")[0])
        if above.verdict is True:
            return True
        for base, one in above.rules:
            if (found := one.verdict(path[len(base) :], folder=folder)) is not None:
                return found
        return above.verdict

    def _folder(self, path: str) -> "_Folder":
        """Not recursive: a path may be deeper than Python's stack."""
        missing: list[str] = []
        at = path
        while at not in self._folders:
            missing.append(at)
            if not at:
                break
            at = at.rpartition("/")[0]
        for each in reversed(missing):
            self._folders[each] = self._read(each)
        return self._folders[path]

    def _read(self, path: str) -> "_Folder":
        found = self.verdict(path, folder=True) if path else None
        above = self._folders[path.rpartition("/")[0]].rules if path else self._before
        if found is True:
            return _Folder(found, ())
        own = rules(text_of(Path(self._root, path, self._filename)))
        return _Folder(found, ((f"{path}/" if path else "", own), *above) if own else above)


@attrs.frozen
class _Folder:
    verdict: bool | None
    rules: tuple[tuple[str, Rules], ...]
    """Nearest first, each with the folder that it speaks of."""


def _any(patterns: Iterable[_Pattern], *, by_path: bool) -> re.Pattern[str]:
    sources = [pattern.matches.pattern for pattern in patterns if pattern.by_path is by_path]
    return re.compile("|".join(f"(?:{source})" for source in sources) or _NEVER, re.DOTALL)


def _pattern(line: str) -> _Pattern | None:
    text = _without_trailing_spaces(line)
    if not text or text.startswith("#"):
        return None
    wanted = text.startswith("!")
    text = text[wanted:]
    folders_only = text.endswith("/")
    text = text[: len(text) - folders_only]
    by_path = "/" in text
    text = text.removeprefix("/")
    if not text:
        return None
    return _Pattern(re.compile(glob(text), re.DOTALL), wanted, folders_only, by_path)


def _without_trailing_spaces(line: str) -> str:
    text = line.rstrip(" ")
    escapes = len(text) - len(text.rstrip("\\"))
    return text + " " if escapes % 2 and len(text) < len(line) else text


def _piece(pattern: str, at: int) -> tuple[str, int]:
    """The expression for what stands at an offset, and the offset behind it."""
    match pattern[at]:
        case "*":
            return _stars(pattern, at)
        case "?":
            return "[^/]", at + 1
        case "[":
            return _bracket(pattern, at)
        case "\\":
            return (re.escape(pattern[at + 1]), at + 2) if at + 1 < len(pattern) else (_NEVER, at + 1)
        case other:
            return re.escape(other), at + 1


def _stars(pattern: str, at: int) -> tuple[str, int]:
    end = at
    while end < len(pattern) and pattern[end] == "*":
        end += 1
    # git compares what precedes the first star by itself, so to it the pattern begins there.
    whole = end - at > 1 and (pattern[at - 1 : at] == "/" or not _SPECIAL.search(pattern, 0, at))
    if whole and end == len(pattern):
        return ".*", end
    if whole and pattern[end] == "/":
        return _FOLDERS, end + 1
    return _STAR, end


def _segments(pieces: list[str]) -> str:
    """The expression for pieces between two ``**``."""
    return "/".join(_segment(segment) for segment in _split(pieces, "/"))


def _segment(pieces: list[str]) -> str:
    """The expression for pieces between two slashes."""
    first, *others = ["".join(chunk) for chunk in _split(pieces, _STAR)]
    *between, last = others or [""]
    return "".join([first, *(f"(?>[^/]*?{chunk})" for chunk in between), "[^/]*" if others else "", last])


def _split(pieces: list[str], at: str) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for piece in pieces:
        if piece == at:
            groups.append([])
        else:
            groups[-1].append(piece)
    return groups


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """A set of characters; it never holds ``/``."""
    end = at + 1
    negated = pattern[end : end + 1] in {"!", "^"} and bool(pattern[end : end + 1])
    end += negated
    members: list[str] = []
    first = True
    while first or pattern[end : end + 1] != "]":
        first = False
        if end >= len(pattern):
            return _NEVER, len(pattern)
        if named := _CLASS.match(pattern, end):
            if named[1] not in _CLASSES:
                return _NEVER, len(pattern)
            members.append(_CLASSES[named[1]])
            end = named.end()
            continue
        low, end = _member(pattern, end)
        high = low
        if pattern[end : end + 1] == "-" and pattern[end + 1 : end + 2] not in {"]", ""}:
            high, end = _member(pattern, end + 1)
        if low <= high:
            members.append(f"{re.escape(low)}-{re.escape(high)}")
    inside = "".join(members)
    if negated:
        return f"[^/{inside}]", end + 1
    return (f"(?!/)[{inside}]" if inside else _NEVER), end + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        return pattern[at + 1], at + 2
    return pattern[at], at + 1
