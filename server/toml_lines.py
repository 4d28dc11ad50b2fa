"""Where a key stands in a TOML text: ``tomllib`` gives values without lines."""

import re

_NAME = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_FENCE = re.compile(r'"""|' + "'''")

Path = tuple[str, ...]


def line_of(text: str, path: Path) -> int | None:
    """Give the line, from 1, of a key, else of the nearest table around it; None when there is neither.

    Names inside an inline table count as their key's line.
    """
    lines = _lines(text)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _lines(text: str) -> dict[Path, int]:
    found: dict[Path, int] = {}
    table: Path = ()
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not fence:
            if header := _HEADER.match(line):
                table = _names(header[1])
                _remember(found, table, number)
            elif key := _KEY.match(line):
                _remember(found, table + _names(key[1]), number)
        fence = _fence_after(line, fence)
    return found


def _remember(found: dict[Path, int], path: Path, number: int) -> None:
    for end in range(1, len(path) + 1):
        found.setdefault(path[:end], number)


def _names(dotted: str) -> Path:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, dotted))


def _fence_after(line: str, fence: str) -> str:
    """Tell which multi-line string is open behind this line, if any."""
    for mark in _FENCE.findall(line):
        if not fence:
            fence = mark
        elif mark == fence:
            fence = ""
    return fence
