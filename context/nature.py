"""What a file is by its name and its first bytes: written by hand, or by a program, or not for reading."""

import re
from enum import StrEnum
from pathlib import PurePosixPath

from context.decoding import SNIFF_BYTES, is_binary

HEAD_BYTES = SNIFF_BYTES
"""As much of a file as its nature is told from."""

_LINE_BYTES = 300
_FIRST_LINES = 5
_VENDORED = frozenset(
    {"3rdparty", "_vendor", "bower_components", "deps", "third-party", "third_party", "thirdparty"}
    | {"carthage", "pods", "vendor", "vendored"}
)
_INSTALLED = frozenset(
    {"node_modules", "site-packages", "__pycache__", "__pypackages__", ".venv", ".tox", ".nox"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".eggs", ".gradle", ".terraform"}
    | {".hg", ".svn", ".jj", ".bzr", ".direnv", ".cache", ".parcel-cache", ".next", ".nuxt", ".yarn"}
)
_LOCKS = frozenset(
    {"npm-shrinkwrap.json", "go.sum", "bun.lockb", "gradle.lockfile", ".terraform.lock.hcl", ".pnp.cjs"}
)
_LOCK = re.compile(r".*(?:[.-]lock|[.-]lock\.(?:json|ya?ml))", re.DOTALL)
_MINIFIED = re.compile(r".*[.-]min\.(?:js|mjs|cjs|css|html|svg|json)|.*\.(?:js|css)\.map", re.DOTALL)
_PROSE = frozenset({".md", ".markdown", ".rst", ".txt", ".adoc", ".org", ".tex", ""})
_GENERATED = re.compile(
    rb"(?i)do not (?:edit|modify)|@generated"
    rb"|^\W{0,8}(?:(?:this|the) (?:file|code|module|document)\b.{0,40}|code |file )?"
    rb"\b(?:auto-?|automatically )?generated (?:by|from|with|using|file|code)\b",
    re.MULTILINE,
)


class Nature(StrEnum):
    """What a file's first bytes tell."""

    WRITTEN = "written"
    GENERATED = "generated"
    MINIFIED = "minified"
    BINARY = "binary"


def nature(name: str, head: bytes) -> Nature:
    """What a file is, from its name and its first ``HEAD_BYTES`` bytes."""
    if is_binary(head):
        return Nature.BINARY
    if _MINIFIED.fullmatch(name.lower()) or _has_long_lines(name, head):
        return Nature.MINIFIED
    first = b"\n".join(head.split(b"\n", _FIRST_LINES)[:_FIRST_LINES])
    return Nature.GENERATED if _GENERATED.search(first) else Nature.WRITTEN


def is_vendored(folder: str) -> bool:
    """Whether a folder's path (with ``/``) says that others wrote what is in it."""
    return any(part.lower() in _VENDORED for part in folder.split("/"))


def is_installed(folder_name: str) -> bool:
    """Whether a program fills folders of this name: packages, environments, caches."""
    return folder_name in _INSTALLED


def is_lock(name: str) -> bool:
    """Whether a file of this name lists versions for a package manager."""
    lower = name.lower()
    return lower in _LOCKS or _LOCK.fullmatch(lower) is not None


def _has_long_lines(name: str, head: bytes) -> bool:
    """Whether lines are too long for people; prose may have a paragraph on each."""
    if len(head) <= 2 * _LINE_BYTES or PurePosixPath(name).suffix.lower() in _PROSE:
        return False
    return len(head) > _LINE_BYTES * (head.count(b"\n") + 1)
