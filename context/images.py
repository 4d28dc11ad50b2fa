"""Images that go with a question: told by their bytes, never by their names, and not decoded."""

import base64
from collections.abc import Callable
from pathlib import Path

import attrs

from context.errors import Unreadable

MAX_BYTES = 5 * 1024 * 1024
"""More than servers take in one part of a message."""

_HEIGHT_OF_JPEG = 5
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG whose segments hold the dimensions (ITU T.81, table B.1)."""


@attrs.frozen
class Image:
    """An image as a message carries it: ``data`` is base64. Width and height are pixels."""

    path: Path
    media_type: str
    width: int
    height: int
    data: str = attrs.field(repr=False)


def image(path: Path, max_bytes: int = MAX_BYTES) -> Image:
    """Read an image; ``Unreadable`` when it is none of PNG, JPEG, WebP and GIF, damaged or too large."""
    data = _read(path, max_bytes)
    media_type = recognised(data)
    if media_type is None:
        raise Unreadable(f"{path} is no PNG, JPEG, WebP or GIF.", hint="Convert it, or make a screenshot.")
    size = _SIZES[media_type](data)
    if size is None or 0 in size:
        raise Unreadable(f"{path} is damaged: its size cannot be read.", hint="Save it again.")
    return Image(path, media_type, *size, base64.b64encode(data).decode())


def recognised(data: bytes) -> str | None:
    """The media type of an image by its first bytes, ``None`` for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():
            raise Unreadable(f"{path} does not exist, or is no file.", hint="Choose another image.")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > max_bytes:
        raise Unreadable(
            f"{path} has more than {max_bytes // 1024} KiB, which is too large for an image in a question.",
            hint="Make it smaller, or cut out what matters.",
        )
    return data


def _png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or len(data) < 24:  # noqa: PLR2004 - the end of the dimensions
        return None
    return _big(data, 16, 4), _big(data, 20, 4)


def _gif(data: bytes) -> tuple[int, int] | None:
    return None if len(data) < 10 else (_little(data, 6, 2), _little(data, 8, 2))  # noqa: PLR2004 - as above


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # noqa: PLR2004 - begins each marker
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fills before a marker
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        elif marker in _FRAMES:
            start = at + _HEIGHT_OF_JPEG
            return None if start + 4 > len(data) else (_big(data, start + 2, 2), _big(data, start, 2))
        else:
            at += 2 + max(2, _big(data, at + 2, 2))
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    if len(data) < 30:  # noqa: PLR2004 - the end of the longest header that is read
        return None
    match data[12:16]:
        case b"VP8X":
            return 1 + _little(data, 24, 3), 1 + _little(data, 27, 3)
        case b"VP8L" if data[20] == 0x2F:  # noqa: PLR2004 - its signature
            bits = _little(data, 21, 4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
        case _:
            return None


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


_SIZES: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
}
