"""Bytes to text: what can be proven to be text in some encoding is decoded, the rest is refused in words."""

import codecs
import re
from pathlib import Path

from context.errors import Unreadable

SNIFF_BYTES = 8192

# The mark of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_NOT_WESTERN = re.compile(
    rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]"  # controls that no text has
    rb"|[\x81-\x84\x86-\x90\x95\x98\x9a-\x9f]"  # first bytes of Japanese, no letter of Latin-1
    rb"|[\x80-\x9f][\x80-\xff]|[\x80-\xff][\x80-\x9f]"  # punctuation does not touch letters with accents
    rb"|[\x80-\xff]{3}"  # whole words: Cyrillic, Greek, Chinese, Korean
    rb"|[A-Za-z][\xa1-\xa9\xab-\xb9\xbb-\xbf][A-Za-z]"  # signs within a word: letters of another alphabet
)


def decoded(data: bytes, path: Path) -> str:
    """The text of a file; ``Unreadable`` for binary files and encodings that cannot be told.

    A byte order mark decides. Else it is UTF-8, and lines that are not may be the single bytes of Western
    Europe, of which a file may hold some by mistake. Other encodings would need a guess.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data[len(mark) :], encoding, path)
    if b"\0" in data[:SNIFF_BYTES]:
        raise _binary(path)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(
            _line(line, number, path) for number, line in enumerate(data.splitlines(keepends=True), 1)
        )


def is_binary(head: bytes) -> bool:
    """Whether the first bytes of a file are no text."""
    return b"\0" in head[:SNIFF_BYTES] and not any(head.startswith(mark) for mark, _ in _MARKS)


def _marked(data: bytes, encoding: str, path: Path) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"{path} is not the {encoding.upper()} that its first bytes promise (byte {error.start}).",
            hint="Convert it, or select text in the editor.",
        ) from error
    if "\0" in text:
        raise _binary(path)
    return text


def _line(line: bytes, number: int, path: Path) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        if not _NOT_WESTERN.search(line):
            return line.decode("cp1252")
        raise Unreadable(
            f"{path} is not UTF-8 (line {number}), nor another encoding that can be told.",
            hint="Convert it, or select text in the editor.",
        ) from error


def _binary(path: Path) -> Unreadable:
    return Unreadable(f"{path} is a binary file.", hint="Only text can be sent.")
