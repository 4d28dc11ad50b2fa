"""From what a person chose to segments: stable in front, volatile behind, within the model's window."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from context.errors import Unreadable
from context.files import Files
from context.gather import Wanted, changes, gather
from context.segment import Kind, Segment
from context.selection import Selection

FILES = Files(max_bytes=4096)
ENOUGH = 1_000_000


async def count(text: str) -> int:
    """Count a token per character."""
    return len(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    for name in ("a.py", "b.py", "c.py", "d.py"):
        (root / name).write_text(f"# {name}\n" * 10)
    (root / "data.bin").write_bytes(b"\0" * 100)
    (root / "huge.py").write_text("#" * 5000)
    (root / ".env").write_text("KEY=1\n")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return root


def sources(segments: tuple[Segment, ...]) -> list[str]:
    return [f"{segment.kind} {segment.source}" for segment in segments]


async def test_named_files_are_the_base_and_a_selection_the_tail(root: Path) -> None:
    wanted = Wanted(root, Selection(root / "a.py", 0, 2), (root / "b.py", root / "a.py", root / "b.py"))
    found = await gather(wanted, FILES, count, ENOUGH)
    assert sources(found.base) == ["file b.py", "file a.py"]
    assert found.tail == (Segment(Kind.SELECTION, "a.py#L1-L2", "# a.py\n# a.py\n"),)
    assert found.notes == ()


async def test_a_named_file_that_cannot_be_read_is_an_error_unless_a_selection_stands_for_it(
    root: Path,
) -> None:
    huge = root / "huge.py"
    with pytest.raises(Unreadable, match="are not sent whole"):
        await gather(Wanted(root, paths=(huge,)), FILES, count, ENOUGH)
    with pytest.raises(Unreadable, match="are not sent whole"):
        await gather(Wanted(root, paths=(huge,), if_readable=(huge,)), FILES, count, ENOUGH)
    selection = Selection(huge, 0, 1, text="#")
    found = await gather(Wanted(root, selection, (huge,), if_readable=(huge,)), FILES, count, ENOUGH)
    assert (found.base, found.notes) == (
        (),
        ((f"Only the selection was sent: {huge} has 4 KiB; files over 4 KiB are not sent whole."),),
    )


async def test_a_project_is_packed_with_what_is_left_out_in_words(root: Path) -> None:
    found = await gather(Wanted(root, project=True), FILES, count, ENOUGH)
    assert sources(found.base) == [f"project {name}.py" for name in "abcd"]
    assert found.notes == ("Left out as not text or too large: data.bin, huge.py.",)


async def test_a_named_file_of_the_project_stands_behind_it_once(root: Path) -> None:
    found = await gather(Wanted(root, paths=(root / "b.py",), project=True), FILES, count, ENOUGH)
    assert sources(found.base) == ["project a.py", "project c.py", "project d.py", "file b.py"]


async def test_open_text_is_packed_instead_of_what_is_on_disk(root: Path) -> None:
    files = Files({root / "a.py": "unsaved\r\n"}.get, max_bytes=4096)
    found = await gather(Wanted(root, project=True), files, count, ENOUGH)
    assert found.base[0] == Segment(Kind.PROJECT, "a.py", "unsaved\n")


async def test_no_folder_no_project(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="There is no project"):
        await gather(Wanted(project=True), FILES, count, ENOUGH)
    with pytest.raises(Unreadable, match="is not a git repository"):
        await gather(Wanted(tmp_path, project=True), FILES, count, ENOUGH)


@given(budget=st.integers(-100, 500))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_a_project_fills_the_window_and_no_more(root: Path, budget: int) -> None:
    selection = Selection(None, text="x" * 50)
    whole = asyncio.run(gather(Wanted(root, selection, project=True), FILES, count, ENOUGH))
    found = asyncio.run(gather(Wanted(root, selection, project=True), FILES, count, budget))
    left = budget - len(whole.tail[0].block)
    sizes = [len(segment.block) for segment in whole.base]
    fitting = max(n for n in range(len(sizes) + 1) if sum(sizes[:n]) <= max(left, 0))
    assert found.base == whole.base[:fitting]
    full = [note for note in found.notes if "window is full" in note]
    names = ", ".join(segment.source for segment in whole.base[fitting:])
    assert full == ([f"Left out because the model's window is full: {names}."] if names else [])


@pytest.fixture
def many(root: Path) -> Path:
    for number in range(8):
        (root / f"n{number}.bin").write_bytes(b"\0")
    subprocess.run(["git", "-C", str(root), "add", "."], check=True)
    return root


async def test_many_names_are_cut_short(many: Path) -> None:
    found = await gather(Wanted(many, project=True), FILES, count, ENOUGH)
    assert found.notes == (
        "Left out as not text or too large: data.bin, huge.py, n0.bin, n1.bin, n2.bin and 5 more.",
    )


# --- changes ----------------------------------------------------------------------------------------------


def test_a_file_that_changed_is_appended_whole_and_once(root: Path) -> None:
    known = [
        Segment(Kind.FILE, "a.py", "old\n"),
        Segment(Kind.PROJECT, "b.py", FILES.read(root / "b.py")),
        Segment(Kind.SELECTION, "c.py", "old\n"),
        Segment(Kind.MODE, "d.py", "old\n"),
    ]
    (change,) = changes(known, root, FILES)
    assert change == Segment(Kind.CHANGE, "a.py", FILES.read(root / "a.py"))
    assert changes([*known, change], root, FILES) == ()
    (root / "a.py").write_text("old\n")
    assert changes([*known, change], root, FILES) == (Segment(Kind.CHANGE, "a.py", "old\n"),)


def test_what_is_typed_but_not_saved_is_a_change(root: Path) -> None:
    known = [Segment(Kind.FILE, "a.py", FILES.read(root / "a.py"))]
    files = Files({root / "a.py": "typed"}.get)
    assert changes(known, root, files) == (Segment(Kind.CHANGE, "a.py", "typed"),)


def test_a_file_that_is_gone_stays_as_it_was_known(root: Path) -> None:
    known = [
        Segment(Kind.FILE, "gone.py", "x"),
        Segment(Kind.FILE, "huge.py", "x"),
        Segment(Kind.FILE, "data.bin", "x"),
    ]
    assert changes(known, root, FILES) == ()


def test_files_outside_the_workspace_are_followed_too(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("new\n")
    known = [Segment(Kind.FILE, f"{tmp_path}/outside.py", "old\n")]
    assert (
        changes(known, root, FILES)
        == changes(known, None, FILES)
        == (Segment(Kind.CHANGE, f"{tmp_path}/outside.py", "new\n"),)
    )
