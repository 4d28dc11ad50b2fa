"""What is read, what is refused, and in which words."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.errors import Unreadable
from context.files import Files, is_secret, project_root, source, tracked, unified
from context.segment import Kind, Segment
from context.selection import Selection, segment

FILES = Files(max_bytes=4096)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    return root


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x = 1\n", "x = 1\n"),
        (b"one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        (b"\xef\xbb\xbfx = 1\r\n", "x = 1\n"),
        (b"", ""),
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
        ("größe".encode("utf-16"), "{path} is a binary file. Only text can be sent."),
        (b"gr\xf6\xdfe", "{path} is not UTF-8 (byte 2). Convert it, or select text in the editor."),
        (b"x" * 9000, "{path} has 8 KiB; files over 4 KiB are not sent whole. Select the lines that matter."),
    ],
)
def test_what_is_no_text_to_show_is_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(Unreadable) as refused:
        FILES.read(path)
    assert str(refused.value) == sentence.format(path=path)


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


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        "server.pem",
        "id_rsa",
        "ID_RSA.pub",
        "credentials.json",
        "Secrets.yaml",
        "x.TFSTATE",
    ],
)
def test_names_that_promise_secrets(name: str) -> None:
    assert is_secret(Path("/project") / name)


@pytest.mark.parametrize("name", ["a.py", "environment.py", "key.py", "secretary.txt", "README.md", "id.rs"])
def test_names_that_do_not(name: str) -> None:
    assert not is_secret(Path("/project") / name)


def test_a_project_is_what_git_tracks_without_links_secrets_and_our_own_folder(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside.py").write_text("secret = 1\n")
    for name in (
        "b.py",
        "a.py",
        ".env",
        "sub/c.py",
        "sub/gone.py",
        ".kvasir/chat/x.md",
        "with space.py",
        "größe.py",
    ):
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (repository / "link.py").symlink_to(tmp_path / "outside.py")
    git(repository, "add", "-f", ".")
    (repository / "sub" / "gone.py").unlink()
    (repository / "untracked.py").write_text("x = 1\n")
    assert [source(path, repository) for path in tracked(repository)] == [
        "a.py",
        "b.py",
        "größe.py",
        "sub/c.py",
        "with space.py",
    ]
    assert [source(path, repository) for path in tracked(repository / "sub")] == ["sub/c.py"]
    assert project_root(repository / "sub" / "c.py") == repository


def test_a_name_that_is_not_utf8_can_still_be_stored(repository: Path) -> None:
    name = os.fsdecode(b"\xe9t\xe9.py")
    (repository / name).write_text("x = 1\n")
    git(repository, "add", ".")
    (path,) = tracked(repository)
    assert FILES.read(path) == "x = 1\n"
    assert source(path, repository) == "?t?.py"


def test_listing_a_project_runs_nothing_that_its_configuration_names(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "a.py").write_text("x = 1\n")
    git(repository, "add", ".")
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    monitor.chmod(0o700)
    git(repository, "config", "core.fsmonitor", str(monitor))
    assert tracked(repository) == [repository / "a.py"]
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_git_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="is not a git repository"):
        tracked(tmp_path)
    assert project_root(tmp_path) is None


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
