"""Which files belong to a project: git's own answers are the oracle, with and without git at hand."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context import git_process, listing
from context.ignored import Ignores
from context.listing import Listing, Reason, is_allowed, listed
from context.nature import Nature

KEY = "x = 1\n"


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "protocol.file.allow=always", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def write(root: Path, *names: str, text: str = KEY) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(found: Listing, root: Path) -> list[str]:
    return [file.path.relative_to(root).as_posix() for file in found.files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


@pytest.fixture
def repository(folder: Path) -> Path:
    git(folder, "init", "-q")
    return folder


@pytest.fixture
def no_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "no-programs"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


# --- with git ---------------------------------------------------------------------------------------------


def test_a_project_is_what_git_tracks_and_what_is_new_and_not_ignored(repository: Path) -> None:
    write(
        repository,
        "b.py",
        "a.py",
        "with space.py",
        "größe.py",
        "sub/c.py",
        "sub/gone.py",
        "kept.log",
        ".kvasir/chat/x.md",
    )
    write(repository, ".gitignore", text="*.log\nout/\n")
    git(repository, "add", "-f", ".")
    (repository / "sub" / "gone.py").unlink()
    write(repository, "new.py", "new.log", "out/a.py")
    expected = [".gitignore", "a.py", "b.py", "größe.py", "kept.log", "new.py", "sub/c.py", "with space.py"]
    assert names(listed(repository), repository) == expected
    assert names(listed(repository / "sub"), repository) == ["sub/c.py"]


def test_names_may_hold_any_byte(repository: Path) -> None:
    odd = [os.fsdecode(name) for name in (b"\xe9.py", b"a\nb.py", b'"q".py', b"-rf.py", b"a\\b.py", b" .py")]
    write(repository, *odd)
    assert {file.path.name for file in listed(repository).files} == set(odd)
    git(repository, "add", ".")
    assert {file.path.name for file in listed(repository).files} == set(odd)
    (repository / os.fsdecode(b"\xff.bin")).write_bytes(b"\0")
    assert listed(repository).left_out == {Reason.BINARY: ("?.bin",)}


def test_files_in_conflict_are_listed_once(repository: Path) -> None:
    write(repository, "a.py")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    git(repository, "checkout", "-qb", "other")
    write(repository, "a.py", text="other\n")
    git(repository, "commit", "-qam", "two")
    git(repository, "checkout", "-q", "-")
    write(repository, "a.py", text="mine\n")
    git(repository, "commit", "-qam", "three")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "other")
    assert names(listed(repository), repository) == ["a.py"]


def test_submodules_are_part_of_a_project_and_linked_worktrees_are_not(
    repository: Path, tmp_path: Path
) -> None:
    library, deeper = tmp_path / "library", tmp_path / "deeper"
    for root in (deeper, library):
        root.mkdir()
        git(root, "init", "-q")
        write(root, "lib.py", ".gitignore", text="*.tmp\n")
        if root is library:
            git(root, "submodule", "add", "-q", str(deeper), "in")
        git(root, "add", ".")
        git(root, "commit", "-qm", "one")
    write(repository, "a.py")
    git(repository, "submodule", "add", "-q", str(library), "libs/one")
    git(repository, "submodule", "update", "-q", "--init", "--recursive")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    write(repository, "libs/one/new.py", "libs/one/x.tmp", "libs/one/in/new.py")
    git(repository, "worktree", "add", "-q", "trees/other")
    found = listed(repository)
    assert [name for name in names(found, repository) if ".git" not in name] == [
        "a.py", "libs/one/in/lib.py", "libs/one/in/new.py", "libs/one/lib.py", "libs/one/new.py"
    ]  # fmt: skip
    assert found.left_out == {Reason.WORKTREE: ("trees/other/",)}
    assert names(listed(repository / "trees" / "other"), repository / "trees" / "other") == [
        ".gitmodules",
        "a.py",
    ]
    git(repository, "submodule", "deinit", "-q", "-f", "libs/one")
    assert "a.py" in names(listed(repository), repository)


def test_a_repository_in_a_repository_and_several_in_a_folder_are_listed_each_by_its_rules(
    folder: Path,
) -> None:
    for name in ("one", "two/in"):
        (folder / name).mkdir(parents=True)
        git(folder / name, "init", "-q")
        write(folder / name, "a.py", "a.log")
        write(folder / name, ".gitignore", text="*.log\n")
    write(folder, "b.log")
    expected = ["b.log", "one/.gitignore", "one/a.py", "two/in/.gitignore", "two/in/a.py"]
    assert names(listed(folder), folder) == expected
    git(folder, "init", "-q")
    assert names(listed(folder), folder) == expected
    write(folder, ".kvasirignore", text="two/in/\n")
    found = listed(folder)
    assert "two/in/a.py" not in names(found, folder)
    assert found.left_out == {Reason.IGNORED: ("two/in/",)}


def test_a_folder_that_an_outer_repository_ignores_whole_is_listed_when_it_is_the_root(
    repository: Path,
) -> None:
    write(repository, ".gitignore", text="*\n")
    write(repository, "work/a.py", "work/a.log")
    write(repository, "work/.gitignore", text="*.log\n")
    assert names(listed(repository / "work"), repository) == ["work/.gitignore", "work/a.py"]


def test_what_a_hook_sets_does_not_lead_to_another_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository, "a.py")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert names(listed(repository), repository) == ["a.py"]
    assert git_process.run(repository, "rev-parse", "--show-toplevel").text == f"{repository}\n"


def test_listing_a_project_runs_nothing_that_its_configuration_names(
    repository: Path, tmp_path: Path
) -> None:
    write(repository, "a.py")
    git(repository, "add", ".")
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    monitor.chmod(0o700)
    git(repository, "config", "core.fsmonitor", str(monitor))
    assert names(listed(repository), repository) == ["a.py"]
    assert not (tmp_path / "ran").exists()


# --- without git ------------------------------------------------------------------------------------------


def test_without_git_the_same_ignore_files_are_read(repository: Path, home: Path, no_git: None) -> None:
    write(repository, ".gitignore", text="*.log\n/out/\n!kept.log\n")
    write(repository, "sub/.gitignore", text="!a.log\n")
    write(repository, ".git/info/exclude", text="mine.py\n")
    write(home / "config", "git/ignore", text="*.swp\n")
    write(
        repository,
        "a.py",
        "a.log",
        "kept.log",
        "sub/a.log",
        "sub/b.log",
        "out/a.py",
        "sub/out/a.py",
        "mine.py",
        "a.swp",
    )
    expected = [".gitignore", "a.py", "kept.log", "sub/.gitignore", "sub/a.log", "sub/out/a.py"]
    assert names(listed(repository), repository) == expected
    assert names(listed(repository / "sub"), repository) == ["sub/.gitignore", "sub/a.log", "sub/out/a.py"]


def test_a_folder_of_no_repository_is_walked_without_what_programs_filled(folder: Path) -> None:
    write(
        folder,
        "a.py",
        "node_modules/x/a.js",
        "env/pyvenv.cfg",
        "env/lib/a.py",
        "target/CACHEDIR.TAG",
        "target/a.rs",
        "venv/a.py",
    )
    found = listed(folder)
    assert names(found, folder) == ["a.py", "venv/a.py"]
    assert found.left_out == {Reason.INSTALLED: ("env/", "node_modules/", "target/")}
    git(folder, "init", "-q")
    assert listed(folder).left_out == found.left_out
    write(folder, ".kvasirignore", text="!node_modules/\n")
    assert "node_modules/x/a.js" in names(listed(folder), folder)


def test_an_endless_walk_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, *(f"{number:02}.py" for number in range(20)))
    monkeypatch.setattr(listing, "MAX_FILES", 7)
    found = listed(folder)
    assert len(found.files) == 7
    assert found.left_out == {Reason.TOO_MANY: ("/",)}


def test_a_folder_that_is_not_there_or_not_readable_has_no_files(folder: Path) -> None:
    assert listed(folder / "gone") == Listing((), {})
    write(folder, "a.py")
    assert listed(folder / "a.py") == Listing((), {})


def test_a_tree_deeper_than_the_stack_is_listed(folder: Path, no_git: None) -> None:
    deep = Path(*["d"] * 1500)
    at = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=at)
        at, before = os.open("d", os.O_RDONLY, dir_fd=at), at
        os.close(before)
    os.close(os.open("a.py", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    try:
        assert names(listed(folder), folder) == [(deep / "a.py").as_posix()]
    finally:
        # pytest's own clearing away is recursive.
        subprocess.run(["/bin/rm", "-rf", str(folder / "d")], check=True)


# --- links and files that vanish --------------------------------------------------------------------------


@pytest.mark.parametrize("with_git", [True, False])
def test_links_are_left_out_and_never_followed(folder: Path, tmp_path: Path, with_git: bool) -> None:
    outside = tmp_path / "outside"
    write(outside, "secret.py", "in/secret.py")
    write(folder, "a.py", "was/a.py")
    (folder / "file.py").symlink_to(outside / "secret.py")
    (folder / "folder").symlink_to(outside)
    (folder / "loop").symlink_to(".")
    (folder / "self").symlink_to("self")
    (folder / "own.py").symlink_to("a.py")
    if with_git:
        git(folder, "init", "-q")
        git(folder, "add", ".")
    (folder / "was" / "a.py").unlink()
    (folder / "was").rmdir()
    (folder / "was").symlink_to(outside / "in")
    write(outside, "in/a.py")
    found = listed(folder)
    assert names(found, folder) == ["a.py"]
    assert set(found.left_out) == {Reason.LINK}
    assert set(found.left_out[Reason.LINK]) >= {"file.py", "folder", "loop", "own.py", "self"}


def test_a_root_that_is_a_link_is_the_project_that_it_leads_to(repository: Path, tmp_path: Path) -> None:
    write(repository, "a.py")
    (tmp_path / "way").symlink_to(repository)
    assert [file.path for file in listed(tmp_path / "way").files] == [tmp_path / "way" / "a.py"]


def test_files_that_vanish_meanwhile_are_not_listed(repository: Path) -> None:
    write(repository, "a.py", "b.py", "c.py", "d/e.py")

    def last_look(path: Path, _found: os.stat_result) -> Nature:
        if path.name == "a.py":
            (repository / "b.py").unlink()
            (repository / "d" / "e.py").unlink()
            (repository / "d").rmdir()
        if path.name == "c.py":
            raise FileNotFoundError(path)
        return Nature.WRITTEN

    assert names(listed(repository, peek=last_look), repository) == ["a.py"]


def test_pipes_and_sockets_are_no_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / ".gitignore")
    os.mkfifo(folder / ".kvasirignore")
    write(folder, "a.py")
    assert listed(folder) == Listing(listed(folder).files, {})
    assert names(listed(folder), folder) == ["a.py"]


# --- what counts how much ---------------------------------------------------------------------------------


def test_what_nobody_wrote_counts_less_or_not_at_all(repository: Path) -> None:
    write(repository, "a.py", "vendor/lib.py", "third_party/x/lib.c", "docs/vendors.py")
    write(
        repository,
        "api_pb.py",
        text="# -*- coding: utf-8 -*-\n# Generated by the compiler.  DO NOT EDIT!\nx = 1\n",
    )
    write(repository, "generate.py", text='"""Write the generated pages of docs."""\n')
    write(repository, "late.py", text="\n" * 9 + "# do not edit this list\n")
    write(repository, "lib.min.js", "Lib.MIN.css")
    write(repository, "bundle.js", text="var a=1;" * 1000)
    write(repository, "prose.md", text="A long paragraph. " * 100)
    write(repository, "package-lock.json", "Cargo.lock", "go.sum", "uv.lock", "requirements.lock")
    write(repository, ".env", "key.pem")
    write(repository, "huge.py", text="#\n" * 5000)
    (repository / "data.bin").write_bytes(b"a\0b")
    (repository / "wide.txt").write_bytes("größe".encode("utf-16"))
    found = listed(repository, max_bytes=8192)
    weights = {file.path.relative_to(repository).as_posix(): file.weight for file in found.files}
    assert weights == {
        **dict.fromkeys(("a.py", "docs/vendors.py", "generate.py", "late.py", "prose.md", "wide.txt"), 1.0),
        **dict.fromkeys(("vendor/lib.py", "third_party/x/lib.c"), 0.5),
        "api_pb.py": 0.3,
    }
    assert {file.path.name for file in found.files if not file.packed} == {"lib.py", "lib.c", "api_pb.py"}
    assert found.left_out == {
        Reason.BINARY: ("data.bin",),
        Reason.LOCK: ("Cargo.lock", "go.sum", "package-lock.json", "requirements.lock", "uv.lock"),
        Reason.MINIFIED: ("Lib.MIN.css", "bundle.js", "lib.min.js"),
        Reason.OVERSIZED: ("huge.py",),
        Reason.SECRET: (".env", "key.pem"),
    }


def test_an_index_that_knows_its_files_keeps_them_from_being_opened(repository: Path) -> None:
    write(repository, "a.py", "b.py")
    (repository / "a.py").chmod(0)
    seen: list[str] = []

    def known(path: Path, found: os.stat_result) -> Nature:
        seen.append(f"{path.name} {found.st_size}")
        return Nature.GENERATED if path.name == "a.py" else Nature.MINIFIED

    found = listed(repository, peek=known)
    assert [(file.path.name, file.weight) for file in found.files] == [("a.py", 0.3)]
    assert found.left_out == {Reason.MINIFIED: ("b.py",)}
    assert sorted(seen) == ["a.py 6", "b.py 6"]


# --- .kvasirignore ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_git", [True, False])
def test_kvasirignore_comes_on_top_and_brings_back_what_our_rules_leave_out(
    folder: Path, with_git: bool
) -> None:
    write(
        folder, "a.py", "data/b.py", "data/keep.py", "sub/c.py", "sub/d.py", "top.py", "sub/top.py", "x.log"
    )
    write(folder, ".env", "other.env", "uv.lock", "vendor/v.py")
    write(folder, "gen.py", text="# DO NOT EDIT\n")
    write(folder, ".gitignore", text="*.log\n")
    lines = [
        "/data/*",
        "!/data/keep.py",
        "/top.py",
        "!.env",
        "!uv.lock",
        "!gen.py",
        "!vendor/",
        "!x.log",
        ".gitignore",
    ]
    write(folder, ".kvasirignore", text="\n".join(lines))
    write(folder, "sub/.kvasirignore", text="d.py\n")
    if with_git:
        git(folder, "init", "-q")
    found = listed(folder)
    assert [name for name in names(found, folder) if ".kvasirignore" not in name] == [
        ".env", "a.py", "data/keep.py", "gen.py", "sub/c.py", "sub/top.py", "uv.lock", "vendor/v.py"
    ]  # fmt: skip
    assert {file.path.name for file in found.files if file.allowed} == {
        ".env",
        "keep.py",
        "gen.py",
        "uv.lock",
        "v.py",
    }
    assert {file.weight for file in found.files} == {1.0}
    assert found.left_out == {
        Reason.IGNORED: (".gitignore", "data/b.py", "sub/d.py", "top.py"),
        Reason.SECRET: ("other.env",),
    }
    assert is_allowed(folder / ".env", folder)
    assert is_allowed(folder / "vendor" / "v.py", folder)
    assert not is_allowed(folder / "a.py", folder)
    assert not is_allowed(folder / "top.py", folder)
    assert not is_allowed(folder.parent / ".env", folder)


def test_a_kvasirignore_that_is_a_link_or_not_utf8_does_no_harm(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, "rules", text="*.py\n")
    write(repository, "a.py", "sub/b.py")
    (repository / ".kvasirignore").symlink_to(tmp_path / "rules")
    (repository / "sub" / ".kvasirignore").write_bytes(b"\xef\xbb\xbf\xff\r\nb.py\r\n[a\r\n")
    assert names(listed(repository), repository) == ["a.py", "sub/.kvasirignore"]


SEGMENT = st.sampled_from(
    ["a", "b", "ab", "*", "?", "**", "a*", "*.py", "[ab]", "[!a]", "[a-c]", "[[:alpha:]]", ".*", "\\#x"]
)
PATTERN = st.tuples(
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/", "**/", "a**/"]),
    st.lists(SEGMENT, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/", "/**", "  ", "\r"]),
).map("".join)
RULES = st.lists(PATTERN, max_size=4)
NAME = st.sampled_from(["a", "b", "ab", "a.py", "b.py", "c d", "#x", ".x"])
TREE = st.lists(st.lists(NAME, min_size=1, max_size=3).map("/".join), min_size=1, max_size=12)


@given(tree=TREE, outer=RULES, inner=RULES, where=NAME)
@settings(deadline=None, max_examples=60)
def test_ignore_files_mean_what_git_says(
    tree: list[str], outer: list[str], inner: list[str], where: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in tree:
            try:
                write(root, name)
            except OSError:  # a file where another has a folder
                continue
        write(root, ".kvasirignore", text="\n".join(outer) + "\n")
        if (root / where).is_dir():
            write(root, f"{where}/.kvasirignore", text="\n".join(inner) + "\n")
        git(root, "init", "-q")
        told = git(root, "ls-files", "-z", "--others", "--exclude-per-directory=.kvasirignore")
        below = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
        ignores = Ignores(root, ".kvasirignore")
        kept = [name for name in below if not name.startswith(".git/") and ignores.verdict(name) is not True]
        assert sorted(kept) == sorted(name for name in told.split("\0") if name)


@given(
    st.lists(st.text(alphabet="ab*?[]!^-\\/ #.:", max_size=8), max_size=3),
    st.text(alphabet="ab/.", min_size=1, max_size=8),
)
def test_no_pattern_is_an_error(patterns: list[str], path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), ".kvasirignore", text="\n".join(patterns))
        assert Ignores(Path(folder), ".kvasirignore").verdict(path) in {True, False, None}


def test_patterns_that_mean_harm_end_like_all_others(folder: Path) -> None:
    write(folder, ".kvasirignore", text="*a*a*a*a*a*a*a*a*a*a*b\n" + "**/a/" * 12 + "b\n" + "/*" * 40 + "b\n")
    ignores = Ignores(folder, ".kvasirignore")
    assert ignores.verdict("a" * 250) is None
    assert ignores.verdict("/".join("a" * 300)) is None
    assert ignores.verdict("/".join("a" * 300) + "/b") is True
