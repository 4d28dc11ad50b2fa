"""What is read, what is refused, and in which words."""

import codecs
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context import files as files_module
from context.decoding import decoded
from context.errors import Unreadable
from context.files import Files, is_inside, project_root, source, unified
from context.segment import Kind, Segment
from context.selection import Selection, segment

FILES = Files(max_bytes=4096)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x = 1\n", "x = 1\n"),
        (b"one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        (b"\xef\xbb\xbfx = 1\r\n", "x = 1\n"),
        (b"", ""),
        ("größe\r\n".encode("utf-16"), "größe\n"),
        (codecs.BOM_UTF16_BE + "größe".encode("utf-16-be"), "größe"),
        ("größe".encode("utf-32"), "größe"),
        (b"gr\xf6\xdfe\n", "größe\n"),
        (b"\x93quoted\x94 \xa9 1999, 5\xb0", "“quoted” © 1999, 5°"),
        ("# größe\n".encode() + b"# gr\xf6\xdfe\n", "# größe\n# größe\n"),
        ("form\x0cfeed \u2028 «ü» 🙂".encode(), "form\x0cfeed \u2028 «ü» 🙂"),
    ],
)
def test_texts_come_with_plain_line_feeds(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    assert FILES.read(path) == text


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x7fELF\0\0", "{path} is a binary file. Only text can be sent."),
        ("größe".encode("utf-16-le"), "{path} is a binary file. Only text can be sent."),
        ("a\0b".encode("utf-16"), "{path} is a binary file. Only text can be sent."),
        (
            codecs.BOM_UTF16_LE + b"a\0b",
            "{path} is not the UTF-16-LE that its first bytes promise (byte 2). Convert it, or select text in the editor.",
        ),
        *(
            (
                f"# a\n# {word}\n".encode(encoding),
                "{path} is not UTF-8 (line 2), nor another encoding that can be told. Convert it, or select text in the editor.",
            )
            for word, encoding in (
                ("размер", "cp1251"),
                ("размер", "koi8-r"),
                ("大きさ", "shift_jis"),
                ("大きさ", "euc-jp"),
                ("大小", "gb18030"),
                ("크기", "euc-kr"),
                ("μέγεθος", "iso8859-7"),
            )
        ),
        (
            b"a\x01\xe9",
            "{path} is not UTF-8 (line 1), nor another encoding that can be told. Convert it, or select text in the editor.",
        ),
        (b"x" * 9000, "{path} has 8 KiB; files over 4 KiB are not sent whole. Select the lines that matter."),
    ],
)
def test_what_is_no_text_to_show_is_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(Unreadable) as refused:
        FILES.read(path)
    assert str(refused.value) == sentence.format(path=path)


@given(
    st.lists(
        st.sampled_from(["größe", "cœur", "año", "naïve", "x", "été", "£5", "日本", "日本語", "размер"]),
        max_size=5,
    )
)
def test_no_text_is_misread_as_utf8_or_western(words: list[str]) -> None:
    text = " ".join(words)
    assert decoded(text.encode(), Path("a")) == text
    western = text.encode("cp1252", errors="ignore")
    try:
        assert decoded(western, Path("a")) == western.decode("cp1252")
    except Unreadable:
        # What cp1252 has and Latin-1 has not could be Japanese.
        assert "œ" in text


def test_a_huge_file_is_refused_unread_and_its_lines_can_be_selected(tmp_path: Path) -> None:
    path = tmp_path / "huge.log"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(Unreadable, match="has 97656 KiB; files over 4 KiB are not sent whole"):
        FILES.read(path)
    with pytest.raises(Unreadable, match=r"Lines 1 to 2 of .* have more than 4 KiB. Select fewer lines\."):
        FILES.lines(path, 0, 2)
    path.write_bytes(b"".join(b"line %d\r\n" % number for number in range(400_000)) + b"end")
    assert FILES.lines(path, 300_000, 300_002) == ["line 300000", "line 300001"]
    assert FILES.lines(path, 399_999, 500_000) == ["line 399999", "end"]
    for first, last in ((400_001, 400_003), (500_000, 2)):
        with pytest.raises(Unreadable, match=f"has 400001 lines; there is no line {first + 1} to {last}"):
            FILES.lines(path, first, last)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 14), st.integers(0, 14), st.integers(1, 7))
def test_lines_of_a_huge_file_are_those_of_a_small_one(
    sizes: list[int], first: int, last: int, block: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "a.txt"
        path.write_text("\n".join("x" * size for size in sizes))
        patch.setattr(files_module, "_BLOCK_BYTES", block)
        if not 0 <= first < min(last, len(path.read_text().splitlines())):
            sentences: set[str] = set()
            for max_bytes in (0, 1000):
                with pytest.raises(Unreadable) as refused:
                    Files(max_bytes=max_bytes).lines(path, first, last)
                sentences.add(str(refused.value))
            assert len(sentences) == 1
            return
        expected = Files().lines(path, first, last)
        kept, _ = Files(max_bytes=1000)._cut(path, first, last)  # pyright: ignore[reportPrivateUsage]
        assert kept.decode().removesuffix("\n").split("\n") == expected


def test_a_file_that_grows_or_goes_while_it_is_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    stat = Path.stat

    def grows(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = stat(self, follow_symlinks=follow_symlinks)
        path.write_text("x" * 5000)
        return found

    monkeypatch.setattr(Path, "stat", grows)
    with pytest.raises(Unreadable, match="files over 4 KiB are not sent whole"):
        FILES.read(path)
    path.write_text("x = 1\n")

    def goes(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = stat(self, follow_symlinks=follow_symlinks)
        path.unlink()
        return found

    monkeypatch.setattr(Path, "stat", goes)
    with pytest.raises(Unreadable, match="does not exist"):
        FILES.read(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, sentence in (
        ("gone.py", "does not exist. Save it, or choose another file."),
        ("dangling", "does not exist."),
        (".", "is a folder. Name its files, or ask about the project."),
        ("pipe", "is not a file but a device or a pipe."),
        ("loop", "cannot be read: Too many levels of symbolic links."),
        ("pipe/a.py", "cannot be read: Not a directory."),
        ("n" * 300, "cannot be read: File name too long."),
        ("a\0b", "is no name that a file can have."),
    ):
        with pytest.raises(Unreadable) as refused:
            FILES.read(tmp_path / name)
        assert sentence in str(refused.value)
    with pytest.raises(Unreadable, match="device"):
        FILES.read(Path("/dev/zero"))


def test_a_link_that_is_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to("a.py")
    assert FILES.read(tmp_path / "link.py") == "x = 1\n"


def test_what_the_editor_has_open_wins(tmp_path: Path) -> None:
    saved, unsaved, other = (tmp_path / name for name in ("saved.py", "unsaved.py", "other.py"))
    for path in (saved, other):
        path.write_text("old\n")
    texts = {saved: "new\r\n" * 9000, unsaved: "half \ud83d"}
    files = Files(texts.get, max_bytes=4096)
    assert files.read(saved) == "new\n" * 9000
    assert files.read(unsaved) == "half ?"
    assert files.read(other) == "old\n"


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_unified_text_can_be_stored_and_is_left_alone(text: str) -> None:
    plain = unified(text)
    assert "\r" not in plain
    assert plain.encode().decode() == plain
    assert unified(plain) == plain
    if "\r" not in text:
        assert len(plain) == len(text)


def test_a_name_that_is_not_utf8_can_still_be_stored(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9t\xe9.py")
    path.write_text("x = 1\n")
    assert FILES.read(path) == "x = 1\n"
    assert source(path, tmp_path) == "?t?.py"


def test_the_root_of_a_project_is_where_its_repository_is(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert project_root(tmp_path / "sub" / "c.py") == tmp_path
    assert project_root(Path("/")) is None


def test_what_a_link_leads_out_of_a_folder_is_not_inside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "a.py").write_text("")
    (root / "link.py").symlink_to(outside / "a.py")
    (root / "folder").symlink_to(outside)
    (root / "own.py").symlink_to("a.py")
    (root / "loop").symlink_to("loop")
    (tmp_path / "way").symlink_to(root)
    inside = {
        name
        for name in ("a.py", "own.py", "link.py", "folder/a.py", "loop", "gone")
        if is_inside(root / name, root)
    }
    assert inside == {"a.py", "own.py"}
    assert is_inside(tmp_path / "way" / "a.py", root)
    assert is_inside(root / "a.py", tmp_path / "way")
    assert not is_inside(root / "a\0b", root)


def test_files_are_named_from_the_workspace(tmp_path: Path) -> None:
    assert source(tmp_path / "src" / "a.py", tmp_path) == "src/a.py"
    assert source(Path("/elsewhere/a.py"), tmp_path) == "/elsewhere/a.py"
    assert source(tmp_path / "a.py", None) == f"{tmp_path}/a.py"


# --- selections -------------------------------------------------------------------------------------------


@pytest.fixture
def three_lines(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes(b"one\r\ntwo\r\nthree")
    return path


@pytest.mark.parametrize(
    ("first", "last", "name", "text"),
    [
        (0, 1, "a.py#L1-L1", "one\n"),
        (1, 3, "a.py#L2-L3", "two\nthree\n"),
        # An editor's last line may be the one after the last, and a file may have become shorter.
        (2, 9, "a.py#L3-L3", "three\n"),
    ],
)
def test_lines_of_a_file(three_lines: Path, first: int, last: int, name: str, text: str) -> None:
    found = segment(Selection(three_lines, first, last), three_lines.parent, FILES)
    assert found == Segment(Kind.SELECTION, name, text)


@pytest.mark.parametrize(("first", "last"), [(3, 4), (9, 12), (1, 1), (2, 1)])
def test_lines_outside_of_the_file_are_told(three_lines: Path, first: int, last: int) -> None:
    with pytest.raises(Unreadable) as refused:
        segment(Selection(three_lines, first, last), three_lines.parent, FILES)
    assert str(refused.value) == (
        f"{three_lines} has 3 lines; there is no line {first + 1} to {last}."
        " Select again: the file may have changed."
    )


def test_lines_of_an_empty_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    with pytest.raises(Unreadable, match="has 0 lines; there is no line 1 to 1"):
        segment(Selection(tmp_path / "a.py", 0, 1), None, FILES)


def test_text_that_came_along_wins_over_the_lines(three_lines: Path) -> None:
    selection = Selection(three_lines, 0, 2, text="as it\r\nwas")
    assert segment(selection, three_lines.parent, FILES) == Segment(
        Kind.SELECTION, "a.py#L1-L2", "as it\nwas"
    )
    assert segment(Selection(None, text="piped"), None, FILES) == Segment(Kind.SELECTION, "text", "piped")
    with pytest.raises(Unreadable, match="A selection needs a file or its text"):
        segment(Selection(None, 0, 2), None, FILES)


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_block_stands_on_lines_of_its_own(left: str, right: str) -> None:
    one, other = Segment(Kind.FILE, "a.py", left), Segment(Kind.FILE, "b.py", right)
    assert one.block.startswith("\n=== file a.py\n")
    assert one.block.endswith("\n")
    assert (one.block + other.block).index(other.block, len(one.block)) == len(one.block)
