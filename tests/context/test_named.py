"""Names, folders and patterns: what they stand for, and what is said when they stand for nothing."""

import subprocess
from pathlib import Path

import pytest

from context.errors import Unreadable
from context.named import named


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in (
        "a.py",
        "src/b.py",
        "src/in/c.py",
        "src/in/d.ts",
        "src/[id].tsx",
        "src/i.tsx",
        "uv.lock",
        "out/x.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")
    (root / "src" / "data.py").write_bytes(b"\0")
    (root / ".gitignore").write_text("out/\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def found(root: Path, *names: str, folder: str = "", most: int = 200) -> list[str]:
    paths = named(names, root / folder, root, most=most)
    return [path.relative_to(root).as_posix() for path in paths]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.py", ["a.py"]),
        ("src/**/*.py", ["src/b.py", "src/in/c.py"]),
        ("**/*.py", ["a.py", "src/b.py", "src/in/c.py"]),
        ("src/*/?.{ts,py}", ["src/in/c.py", "src/in/d.ts"]),
        ("{a,src/b}.py", ["a.py", "src/b.py"]),
        ("s*/[a-c].py", ["src/b.py"]),
        ("src/in", ["src/in/c.py", "src/in/d.ts"]),
        ("src/in/", ["src/in/c.py", "src/in/d.ts"]),
        ("./src/../a.py", ["a.py"]),
        # A file of that name is meant before the pattern is.
        ("src/[id].tsx", ["src/[id].tsx"]),
        ("src/[ij].tsx", ["src/i.tsx"]),
        # A full name is the person's decision, also for what is ignored or not there.
        ("out/x.py", ["out/x.py"]),
        ("uv.lock", ["uv.lock"]),
        ("gone.py", ["gone.py"]),
    ],
)
def test_what_a_name_stands_for(root: Path, pattern: str, names: list[str]) -> None:
    assert found(root, pattern) == names
    assert found(root, str(root / pattern)) == names


def test_names_keep_their_order_and_come_once(root: Path) -> None:
    assert found(root, "src/in/c.py", "**/*.py", "a.py") == ["src/in/c.py", "a.py", "src/b.py"]
    assert found(root, "*.py", "../a.py", folder="src") == ["src/b.py", "a.py"]
    assert found(root) == []


def test_the_home_folder_and_folders_outside_of_the_project(root: Path, home: Path) -> None:
    (home / "notes").mkdir()
    for name in ("a.md", "b.md", "c.txt"):
        (home / "notes" / name).write_text("x\n")
    assert named(["~/notes/*.md"], root, root) == (home / "notes" / "a.md", home / "notes" / "b.md")
    assert named(["~/notes/c.txt", str(home / "notes" / "a*")], root, None) == (
        home / "notes" / "c.txt",
        home / "notes" / "a.md",
    )
    with pytest.raises(Unreadable, match="begins in the home folder of nobody known here"):
        named(["~nobody-of-this-name/a.py"], root, root)


def test_nothing_found_is_told_with_what_was_left_out(root: Path) -> None:
    for pattern, sentence in (
        (
            "*.rs",
            "*.rs stands for no file of text in {root}. Ignored files are found by their full names only.",
        ),
        (
            "out/*",
            "out/* stands for no file of text in {root}. Ignored files are found by their full names only.",
        ),
        (
            "*.lock",
            "*.lock stands for no file of text in {root}. uv.lock is left out: a list of versions. Name it in full to send it.",
        ),
        (
            "src/da*",
            "src/da* stands for no file of text in {root}. src/data.py is left out: binary. Name it in full to send it.",
        ),
        (
            "no/such/*.py",
            "no/such/*.py stands for no file of text in {root}. Ignored files are found by their full names only.",
        ),
        ("[a", "[a stands for no file of text in {root}. Ignored files are found by their full names only."),
    ):
        with pytest.raises(Unreadable) as refused:
            found(root, "a.py", pattern)
        assert str(refused.value) == sentence.format(root=root)


def test_too_much_is_told(root: Path) -> None:
    assert len(found(root, "**/*.py", most=3)) == 3
    with pytest.raises(Unreadable) as refused:
        found(root, "**/*.py", most=2)
    assert str(refused.value) == (
        "**/*.py stands for 3 files; at most 2 are sent by name. Narrow it, or ask about the project."
    )
    with pytest.raises(Unreadable, match="stands for too many patterns"):
        found(root, "{a,b,c}{a,b,c}{a,b,c}{a,b,c}.py")


def test_a_name_that_no_file_can_have_is_given_back_to_be_refused(root: Path) -> None:
    for name in ("a\0b", "n" * 300):
        assert found(root, name) == [name]
