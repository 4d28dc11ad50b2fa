"""The headings of a Markdown text as definitions: each spans what stands below it."""

import re

from context.definition import Definition

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
NAME_CHARACTERS = 200


def definitions(text: str) -> tuple[Definition, ...]:
    """Every heading with text, ``#`` or underlined, outside of fenced code."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    found = _found(lines)
    spans: list[Definition] = []
    around: list[tuple[int, str]] = []
    for number, (first, level, name) in enumerate(found):
        last = next((at for at, other, _ in found[number + 1 :] if other <= level), len(lines))
        around = [one for one in around if one[0] < level]
        scope = ".".join(one[1] for one in around)
        around.append((level, name))
        spans.append(Definition(name, "heading", first, last, lines[first].strip()[:NAME_CHARACTERS], scope))
    return tuple(spans)


def _found(lines: list[str]) -> list[tuple[int, int, str]]:
    """Line, level and text of each heading."""
    found: list[tuple[int, int, str]] = []
    fence = ""
    for at, line in enumerate(lines):
        if fence:
            if line.strip().startswith(fence) and not line.strip(f" \t{fence[0]}"):
                fence = ""
        elif opening := _FENCE.match(line):
            fence = opening[1]
        elif (heading := _ATX.match(line)) and heading[2]:
            found.append((at, len(heading[1]), heading[2][:NAME_CHARACTERS]))
        elif at and (under := _SETEXT.match(line)) and _is_text(lines[at - 1]):
            name = lines[at - 1].strip()[:NAME_CHARACTERS]
            found.append((at - 1, 1 if under[1][0] == "=" else 2, name))
    return found


def _is_text(line: str) -> bool:
    return bool(line.strip()) and not _ATX.match(line) and not re.match(r"\s*([-*+>|`~]|\d+[.)])", line)
