"""Images by their bytes: what they are, how large, and what is refused."""

import base64
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.errors import Unreadable
from context.images import Image, image, recognised


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"".join(b"\0" + b"\0\0\0" * width for _ in range(height)))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def jpeg(width: int, height: int, marker: int = 0xC2) -> bytes:
    def segment(kind: int, data: bytes) -> bytes:
        return b"\xff" + bytes([kind]) + struct.pack(">H", len(data) + 2) + data

    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0" * 3
    # A comment that looks like a frame, a marker without a length, and bytes that only fill.
    comment = segment(0xFE, b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01")
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0")
        + comment
        + b"\xff\x01\xff\xff"
        + segment(marker, frame)
        + b"\xff\xd9"
    )


def webp(kind: bytes, payload: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(body)) + body


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + b"\0" * 4)


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0" * 8)


def extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", b"\0" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


MAKERS = ((png, "image/png"), (gif, "image/gif"), (jpeg, "image/jpeg"))
WEBPS = ((lossy, "image/webp"), (lossless, "image/webp"), (extended, "image/webp"))


@pytest.mark.parametrize(("make", "media_type"), [*MAKERS, *WEBPS])
def test_an_image_is_told_by_its_bytes(
    make: Callable[[int, int], bytes], media_type: str, tmp_path: Path
) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(make(640, 11))
    data = base64.b64encode(path.read_bytes()).decode()
    assert image(path) == Image(path, media_type, 640, 11, data)
    assert data not in repr(image(path))


def test_every_kind_of_frame_of_a_jpeg_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for marker in (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xCF):
        path.write_bytes(jpeg(3, 4, marker))
        assert (image(path).width, image(path).height) == (3, 4)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<svg/>", "{path} is no PNG, JPEG, WebP or GIF. Convert it, or make a screenshot."),
        (b"", "{path} is no PNG, JPEG, WebP or GIF. Convert it, or make a screenshot."),
        (png(2, 2)[:20], "{path} is damaged: its size cannot be read. Save it again."),
        (jpeg(2, 2)[:30], "{path} is damaged: its size cannot be read. Save it again."),
        (b"\xff\xd8\xff\xe0\0\x02no marker", "{path} is damaged: its size cannot be read. Save it again."),
        (webp(b"VP9 ", b"\0" * 20), "{path} is damaged: its size cannot be read. Save it again."),
        (gif(0, 7), "{path} is damaged: its size cannot be read. Save it again."),
        (
            png(1, 1) + b"\0" * 5000,
            "{path} has more than 4 KiB, which is too large for an image in a question. Make it smaller, or cut out what matters.",
        ),
    ],
)
def test_what_is_refused(data: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(Unreadable) as refused:
        image(path, max_bytes=4096)
    assert str(refused.value) == sentence.format(path=path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "gone.png", tmp_path / "loop", Path("/dev/zero"), tmp_path / "a\0b"):
        with pytest.raises(Unreadable):
            image(path)


@given(
    st.sampled_from([png(3, 3), jpeg(3, 3), gif(3, 3), lossy(3, 3)]),
    st.integers(0, 200),
    st.binary(max_size=40),
)
def test_damaged_images_end_in_a_sentence_or_a_size(start: bytes, cut: int, rest: bytes) -> None:
    data = start[:cut] + rest
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            found = image(Path(file.name))
        except Unreadable:
            return
    assert found.width > 0 < found.height
    assert recognised(data) == found.media_type
