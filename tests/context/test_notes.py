"""Project notes: which are read, in which order, and which are not."""

from pathlib import Path

import pytest

from context.files import Files
from context.notes import NAMES, Notes, notes
from context.segment import Kind, Segment

FILES = Files(max_bytes=4096)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "sub" / "in").mkdir(parents=True)
    (root / ".github").mkdir()
    return root


def test_a_project_without_notes_has_none(root: Path) -> None:
    assert notes(root, FILES) == Notes()
    assert notes(root, FILES, root / "sub" / "a.py") == Notes()


def test_notes_are_read_from_the_root_inwards(root: Path) -> None:
    for name in reversed(NAMES):
        (root / name).write_text(f"About {name}.\r\n")
    (root / "sub" / "AGENTS.md").write_text("Of sub.\n")
    (root / "sub" / "in" / "CLAUDE.md").write_text("Of in.\n")
    whole = tuple(Segment(Kind.NOTES, name, f"About {name}.\n") for name in NAMES)
    assert notes(root, FILES).segments == whole
    assert notes(root, FILES, root / "a.py").segments == whole
    assert notes(root, FILES, Path("/elsewhere/sub/a.py")).segments == whole
    assert notes(root, FILES, root / "sub" / "a.py").segments == (
        *whole,
        Segment(Kind.NOTES, "sub/AGENTS.md", "Of sub.\n"),
    )
    assert [part.source for part in notes(root, FILES, root / "sub" / "in" / "a.py").segments[-2:]] == [
        "sub/AGENTS.md",
        "sub/in/CLAUDE.md",
    ]


def test_the_same_text_is_sent_once_and_none_is_sent_empty(root: Path, tmp_path: Path) -> None:
    (root / "AGENTS.md").write_text("Be brief.\n")
    (root / "CLAUDE.md").symlink_to("AGENTS.md")
    (root / ".cursorrules").write_text("Be brief.\n")
    (root / "CONVENTIONS.md").write_text(" \n")
    assert notes(root, FILES) == Notes((Segment(Kind.NOTES, "AGENTS.md", "Be brief.\n"),))


def test_notes_outside_of_the_project_and_ignored_ones_are_not_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("secret\n")
    (root / "AGENTS.md").symlink_to(tmp_path / "outside.md")
    (root / "CLAUDE.md").mkdir()
    (root / "CONVENTIONS.md").symlink_to("CONVENTIONS.md")
    (root / ".cursorrules").write_text("x\n")
    (root / ".kvasirignore").write_text(".cursorrules\n")
    (tmp_path / "AGENTS.md").write_text("above\n")
    assert notes(root, FILES) == Notes()


def test_notes_that_cannot_be_sent_are_said(root: Path) -> None:
    (root / "AGENTS.md").write_text("x" * 5000)
    (root / "CLAUDE.md").write_text("Short.\n")
    found = notes(root, FILES)
    assert [part.source for part in found.segments] == ["CLAUDE.md"]
    assert found.left_out == (
        f"Notes were left out: {root}/AGENTS.md has 4 KiB; files over 4 KiB are not sent whole.",
    )


def test_what_the_editor_has_open_wins(root: Path) -> None:
    (root / "AGENTS.md").write_text("old\n")
    files = Files({root / "AGENTS.md": "typed"}.get)
    assert notes(root, files).segments == (Segment(Kind.NOTES, "AGENTS.md", "typed"),)
