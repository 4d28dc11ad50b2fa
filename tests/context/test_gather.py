"""From what a person chose to segments: stable in front, volatile behind, within the model's window."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from context.changes import changes
from context.errors import Unreadable
from context.files import Files
from context.gather import Git, Wanted, gather, searched
from context.library import Library
from context.segment import Kind, Segment
from context.selection import Selection
from tests.context.libraries import Place, walked, with_index, without_index

FILES = Files(max_bytes=4096)
SOURCES = without_index(FILES)
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
    found = await gather(wanted, "", SOURCES, count, ENOUGH)
    assert sources(found.base) == ["file b.py", "file a.py"]
    assert found.tail == (Segment(Kind.SELECTION, "a.py#L1-L2", "# a.py\n# a.py\n"),)
    assert found.notes == ()


async def test_a_named_file_that_cannot_be_read_is_an_error_unless_a_selection_stands_for_it(
    root: Path,
) -> None:
    huge = root / "huge.py"
    with pytest.raises(Unreadable, match="are not sent whole"):
        await gather(Wanted(root, paths=(huge,)), "", SOURCES, count, ENOUGH)
    with pytest.raises(Unreadable, match="are not sent whole"):
        await gather(Wanted(root, paths=(huge,), if_readable=(huge,)), "", SOURCES, count, ENOUGH)
    selection = Selection(huge, 0, 1, text="#")
    found = await gather(Wanted(root, selection, (huge,), if_readable=(huge,)), "", SOURCES, count, ENOUGH)
    assert (found.base, found.notes) == (
        (),
        ((f"Only the selection was sent: {huge} has 4 KiB; files over 4 KiB are not sent whole."),),
    )


async def test_a_project_is_packed_with_what_is_left_out_in_words(root: Path) -> None:
    found = await gather(Wanted(root, project=True), "", SOURCES, count, ENOUGH)
    assert sources(found.base) == [f"project {name}.py" for name in "abcd"]
    assert found.notes == ("Left out as not text or too large: data.bin, huge.py.",)


async def test_a_named_file_of_the_project_stands_behind_it_once(root: Path) -> None:
    found = await gather(Wanted(root, paths=(root / "b.py",), project=True), "", SOURCES, count, ENOUGH)
    assert sources(found.base) == ["project a.py", "project c.py", "project d.py", "file b.py"]


async def test_open_text_is_packed_instead_of_what_is_on_disk(root: Path) -> None:
    files = Files({root / "a.py": "unsaved\r\n"}.get, max_bytes=4096)
    found = await gather(Wanted(root, project=True), "", without_index(files), count, ENOUGH)
    assert found.base[0] == Segment(Kind.PROJECT, "a.py", "unsaved\n")


async def test_no_folder_no_project() -> None:
    with pytest.raises(Unreadable, match="There is no project"):
        await gather(Wanted(project=True), "", SOURCES, count, ENOUGH)


async def test_a_project_needs_no_git(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    found = await gather(Wanted(tmp_path, project=True), "", SOURCES, count, ENOUGH)
    assert sources(found.base) == ["project a.py"]


@given(budget=st.integers(-100, 500))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_a_project_fills_the_window_and_no_more(root: Path, budget: int) -> None:
    selection = Selection(None, text="x" * 50)
    whole = asyncio.run(gather(Wanted(root, selection, project=True), "", SOURCES, count, ENOUGH))
    found = asyncio.run(gather(Wanted(root, selection, project=True), "", SOURCES, count, budget, ENOUGH))
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
    found = await gather(Wanted(many, project=True), "", SOURCES, count, ENOUGH)
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


def test_a_long_file_is_told_by_what_changed_and_the_next_change_begins_there(root: Path) -> None:
    text = "".join(f"def f{number}(x):\n    return x + {number}\n\n\n" for number in range(80))
    known = [Segment(Kind.FILE, "a.py", text)]
    now = text.replace("x + 40", "x - 40")
    (root / "a.py").write_text(now)
    (change,) = changes(known, root, FILES)
    assert (change.kind, change.content) == (Kind.CHANGE, now)
    assert change.text == "--- lines 161-162 are now lines 161-162:\ndef f40(x):\n    return x - 40\n"
    (root / "a.py").write_text(now.replace("x + 50", "x - 50"))
    (later,) = changes([*known, change], root, FILES)
    assert "f50" in later.text
    assert "f40" not in later.text


def test_a_line_feed_at_the_end_is_no_change(root: Path) -> None:
    (root / "a.py").write_text("x")
    assert changes([Segment(Kind.FILE, "a.py", "x\n")], root, FILES) == ()


def test_a_file_of_the_project_that_became_a_link_out_of_it_is_not_followed(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside.py").write_text("private\n")
    (root / "a.py").unlink()
    (root / "a.py").symlink_to(tmp_path / "outside.py")
    packed = Segment(Kind.PROJECT, "a.py", "old\n")
    assert changes([packed], root, FILES) == ()
    # What was told of it once does not make it a file that somebody named.
    assert changes([packed, Segment(Kind.CHANGE, "a.py", "newer\n")], root, FILES) == ()
    named = Segment(Kind.FILE, "a.py", "old\n")
    assert changes([named], root, FILES) == (Segment(Kind.CHANGE, "a.py", "private\n"),)


# --- keys -------------------------------------------------------------------------------------------------

KEY = "AKIA" + "Z7Q2M4X9K1B8N3C5"


@pytest.fixture
def leaky(root: Path) -> Path:
    """A project with a key in a file, in its notes and in what is not committed."""
    (root / "a.py").write_text("x = 1\n")
    (root / "AGENTS.md").write_text(f"Use {KEY}.\n")
    subprocess.run(["git", "-C", str(root), "add", "."], check=True)
    (root / "a.py").write_text(f"x = 1\nKEY = '{KEY}'\n")
    return root


async def test_keys_leave_in_no_segment_and_the_person_is_told(leaky: Path) -> None:
    wanted = Wanted(
        leaky,
        Selection(leaky / "a.py", 0, 2),
        (leaky / "a.py",),
        project=True,
        notes=True,
        git=(Git.DIFF,),
        diagnostics=(f"a.py:2: {KEY} is not used",),
    )
    found = await gather(wanted, "", SOURCES, count, ENOUGH)
    parts = (*found.base, *found.tail)
    kinds = {Kind.NOTES, Kind.PROJECT, Kind.FILE, Kind.GIT, Kind.DIAGNOSTICS, Kind.SELECTION}
    assert {part.kind for part in parts} == kinds
    assert not [part.source for part in parts if KEY in part.block or KEY in part.whole]
    assert sum("<masked>" in part.text for part in parts) == len(kinds) - 1
    said = [note for note in found.notes if note.startswith("a.py: an AWS access key (line 2) masked.")]
    assert len(said) == 1


async def test_a_masked_file_did_not_change_and_its_changes_are_masked(leaky: Path) -> None:
    found = await gather(Wanted(leaky, paths=(leaky / "a.py",)), "", SOURCES, count, ENOUGH)
    assert changes(found.base, leaky, FILES) == ()
    (leaky / "a.py").write_text(f"x = 2\nKEY = '{KEY}'\n")
    assert changes(found.base, leaky, FILES) == (Segment(Kind.CHANGE, "a.py", "x = 2\nKEY = '<masked>'\n"),)


async def test_what_the_person_allows_is_sent_as_it_is(leaky: Path) -> None:
    (leaky / ".kvasirignore").write_text("!a.py\n")
    found = await gather(Wanted(leaky, paths=(leaky / "a.py",)), "", SOURCES, count, ENOUGH)
    assert KEY in found.base[0].text
    assert found.notes == ()
    assert changes(found.base, leaky, FILES) == ()


# --- more sources -----------------------------------------------------------------------------------------


@pytest.fixture
def changed(root: Path) -> Path:
    """A project with a commit and a change."""
    (root / "AGENTS.md").write_text("Be brief.\n")
    (root / "a.py").write_text("def used():\n    return 1\n\n\ndef mine():\n    return used()\n")
    (root / "b.py").write_text("from a import mine\n\n\ndef caller():\n    return mine()\n")
    for command in (["add", "."], ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "begin"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    (root / "b.py").write_text("from a import mine\n\n\ndef caller():\n    return mine() + 1\n")
    return root


async def test_stable_things_come_first_and_the_selection_last(changed: Path, tmp_path: Path) -> None:
    root = changed
    place = Place(root, tmp_path / "index.db")
    place.fill()
    library = Library(root, place.database, FILES, walked)
    wanted = Wanted(
        root,
        Selection(root / "a.py", 4, 6),
        (root / "a.py",),
        related=True,
        map=True,
        retrieval=True,
        notes=True,
        git=(Git.DIFF, Git.BLAME, Git.LOG),
        diagnostics=("a.py:5: unused",),
    )
    sources_with = with_index(FILES, library)
    draft = await gather(wanted, "", sources_with, count, ENOUGH)
    found = await gather(wanted, "who is the caller of mine?", sources_with, count, ENOUGH)
    library.close()
    assert sources(found.base) == ["notes AGENTS.md", "map map", "file a.py"]
    assert sources(found.tail) == [
        "git diff",
        "git blame a.py#L5-L6",
        "git log",
        "diagnostics a.py",
        "related a.py#L1-L2",
        "related b.py#L4-L5",
        *[name for name in sources(found.tail) if name.startswith("chunk b.py#")],
        "selection a.py#L5-L6",
    ]
    assert any(part.kind is Kind.CHUNK and "def caller" in part.text for part in found.tail)
    assert [part for part in found.tail if part.kind is not Kind.CHUNK] == list(draft.tail)
    assert not [part for part in found.tail if part.kind is Kind.CHUNK and part.source.startswith("a.py")]


async def test_a_project_beyond_its_share_is_mapped_and_searched(root: Path, tmp_path: Path) -> None:
    for number in range(60):
        body = "".join(f"    total += {line} * value\n" for line in range(20))
        (root / f"m{number}.py").write_text(f"def function_{number}(value):\n    total = 0\n{body}")
    place = Place(root, tmp_path / "index.db")
    place.fill()
    library = Library(root, place.database, FILES, walked)
    wanted = Wanted(root, paths=(root / "a.py",), project=True)
    window = 8000

    async def estimated(text: str) -> int:
        return library_sources.size(text)

    library_sources = with_index(FILES, library)
    question = "what does function_7 compute?"
    found = await gather(wanted, question, library_sources, estimated, window)
    library.close()
    assert [part.kind for part in found.base] == [Kind.MAP, Kind.FILE]
    assert any(part.source.startswith("m7.py#") for part in found.tail)
    assert sum([await estimated(part.block) for part in (*found.base, *found.tail)]) < window / 2
    (said,) = found.notes
    assert "over 40% of the window of 8000: its map, named files and what a search" in said


async def test_what_an_index_would_give_is_said_to_be_missing(root: Path) -> None:
    wanted = Wanted(root, Selection(root / "a.py", 0, 1), related=True, map=True, retrieval=True)
    found = await gather(wanted, "why?", SOURCES, count, ENOUGH)
    assert sources((*found.base, *found.tail)) == ["selection a.py#L1-L1"]
    assert found.notes == (
        "What is related may be missing from other files: the index is turned off.",
        "There is no map of the project: the index is turned off.",
        "The project was not searched: the index is turned off.",
    )


async def test_what_is_found_is_not_found_again(root: Path, tmp_path: Path) -> None:
    place = Place(root, tmp_path / "index.db")
    (root / "b.py").write_text("def compute(value):\n    return value * 2\n")
    place.fill()
    library = Library(root, place.database, FILES, walked)
    wanted, question = Wanted(root, retrieval=True), "where is compute defined?"
    found = await gather(wanted, question, with_index(FILES, library), count, ENOUGH)
    draft = await gather(wanted, "", with_index(FILES, library), count, ENOUGH)
    again = await searched(draft, wanted, question, with_index(FILES, library), found.tail)
    library.close()
    assert [part.source for part in found.tail] == ["b.py#L1-L2"]
    assert again.tail == ()
