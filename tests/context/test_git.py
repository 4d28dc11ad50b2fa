"""What git tells, from real repositories; and that a hostile one starts nothing."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from context.errors import Unreadable
from context.git import Shown, blame, branch, commits, diff, staged
from context.git_process import GitFailed, run
from context.listing import listed
from context.segment import Kind, Segment


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True, errors="replace"
    ).stdout


@pytest.fixture(autouse=True)
def dates(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_DATE", "2024-05-01T23:30:00 -0300")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    (root / "a.py").write_text("one = 1\ntwo = 2\nthree = 3\n")
    (root / "sub" / "größe b.py").write_text("b = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "Begin\n\nWith a body.")
    return root


def text_of(shown: Shown) -> str:
    assert shown.segment is not None
    assert shown.segment.kind is Kind.GIT
    return shown.segment.text


def test_changes_of_the_worktree_and_staged_ones(root: Path) -> None:
    (root / "a.py").write_text("one = 1\ntwo = 22\nthree = 3\n")
    git(root, "add", ".")
    (root / "sub" / "größe b.py").write_text("b = 2\n")
    (root / "new.py").write_text("")
    unstaged = diff(root)
    assert unstaged.notes == ("git's diff does not show new files: new.py.",)
    assert unstaged.segment is not None
    assert unstaged.segment.source == "diff"
    index = text_of(unstaged).split("\n")[1]
    assert index.startswith("index ")
    assert text_of(unstaged).replace(f"{index}\n", "") == (
        "diff --git a/sub/größe b.py b/sub/größe b.py\n"
        "--- a/sub/größe b.py\t\n+++ b/sub/größe b.py\t\n@@ -1 +1 @@\n-b = 1\n+b = 2\n"
    )
    ready = staged(root)
    assert "-two = 2\n+two = 22\n" in text_of(ready)
    assert "größe" not in text_of(ready)
    assert ready.segment is not None
    assert ready.segment.source == "diff --staged"
    below = text_of(diff(root / "sub"))
    assert below.startswith("diff --git a/größe b.py b/größe b.py\n")
    assert staged(root / "sub").segment is None


def test_nothing_to_show_is_said(root: Path) -> None:
    assert diff(root) == Shown(None, ("git diff: there is nothing to show.",))
    assert staged(root) == Shown(None, ("git diff --staged: there is nothing to show.",))


def test_a_project_without_a_commit_has_staged_changes(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    assert "+x = 1\n" in text_of(staged(tmp_path))
    with pytest.raises(Unreadable, match="does not have any commits yet"):
        commits(tmp_path, 3)


def test_files_that_are_never_sent_are_left_out_of_diffs_in_words(root: Path) -> None:
    names = (".env", "uv.lock", "out.py", "a b*.py", "allowed.lock")
    for name in names:
        (root / name).write_text("old\n")
    (root / ".kvasirignore").write_text("out.py\na b\\*.py\n!allowed.lock\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "two")
    for name in names:
        (root / name).write_text("new\n")
    (root / "a bc.py").write_text("")
    shown = diff(root)
    assert shown.notes == (
        "Left out of git's diff: .env, a b*.py, out.py, uv.lock.",
        "git's diff does not show new files: a bc.py.",
    )
    assert [line for line in text_of(shown).split("\n") if line.startswith("diff ")] == [
        "diff --git a/allowed.lock b/allowed.lock"
    ]
    git(root, "checkout", "-q", ".")
    git(root, "mv", ".env", "innocent.txt")
    moved = staged(root)
    assert moved.notes == ("Left out of git's diff --staged: .env.",)
    assert "rename" not in text_of(moved)


def test_a_long_diff_is_cut_at_a_line_and_says_so(root: Path) -> None:
    (root / "a.py").write_text("x = 1\n" * 5000)
    shown = diff(root, max_bytes=2048)
    assert text_of(shown).endswith("+x = 1\n[the rest is left out]\n")
    assert len(text_of(shown)) < 2100
    assert shown.notes == ("git diff: only the first 2 KiB are sent, the rest is left out.",)


def test_diffs_hold_plain_line_feeds_and_text_of_any_bytes(root: Path) -> None:
    (root / "a.py").write_bytes(b"one\r\n\xff\n")
    (root / "sub" / "größe b.py").write_bytes(b"\0")
    found = text_of(diff(root))
    assert "+one\n+\N{REPLACEMENT CHARACTER}\n" in found
    assert "Binary files a/sub/größe b.py and b/sub/größe b.py differ\n" in found


# --- blame, commits, branch -------------------------------------------------------------------------------


def test_blame_names_the_commits_and_numbers_the_lines(root: Path) -> None:
    first = git(root, "rev-parse", "HEAD")[:8]
    (root / "a.py").write_text("one = 1\ntwo = 22\nthree = 3\n")
    git(root, "commit", "-qam", "Change two")
    second = git(root, "rev-parse", "HEAD")[:8]
    shown = blame(root / "a.py", 0, 2, root)
    assert shown == Shown(
        Segment(
            Kind.GIT,
            "blame a.py#L1-L2",
            f"{first} 2024-05-01 A Tester: Begin\n{second} 2024-05-01 A Tester: Change two\n\n"
            f"{first}     1 one = 1\n{second}     2 two = 22\n",
        )
    )
    typed = blame(
        root / "a.py", 0, 3, root, text="zero = 0\none = 1\ntwo = 2 \ud83d\n".replace("\ud83d", "\udcff")
    )
    assert (
        text_of(typed).split("\n\n")[1]
        == f"not yet      1 zero = 0\n{first}     2 one = 1\nnot yet      3 two = 2 \N{REPLACEMENT CHARACTER}\n"
    )
    assert text_of(blame(root / "sub" / "größe b.py", 0, 1, root)).endswith("     1 b = 1\n")


def test_blame_of_what_git_does_not_know_is_told(root: Path) -> None:
    (root / "new.py").write_text("x = 1\n")
    with pytest.raises(Unreadable, match=r"git blame failed in .*no such path"):
        blame(root / "new.py", 0, 1, root)
    with pytest.raises(Unreadable, match="has only 3 lines"):
        blame(root / "a.py", 7, 9, root)


def test_the_last_commits_of_a_project_name_some_files_each(root: Path) -> None:
    for number in range(25):
        (root / f"n{number:02}.py").write_text("")
    git(root, "add", ".")
    git(root, "commit", "-qm", "Many\n\nA\tbody\n\nM\tnot a file")
    shown = commits(root, 2)
    one, two = (git(root, "rev-parse", "--short", name).strip() for name in ("HEAD", "HEAD~"))
    many = "".join(f"A\tn{number:02}.py\n" for number in range(20))
    assert shown.segment == Segment(
        Kind.GIT,
        "log",
        f"commit {one} 2024-05-01 A Tester\n    Many\n\n    A\tbody\n\n    M\tnot a file\n\n\n{many}and 5 more files\n"
        f"commit {two} 2024-05-01 A Tester\n    Begin\n\n    With a body.\n\n\nA\ta.py\nA\tsub/größe b.py\n",
    )
    assert text_of(commits(root, 1)).count("commit ") == 1
    assert text_of(commits(root / "sub", 5)).count("commit ") == 1


def test_the_last_commits_of_a_file_come_with_their_patches_through_renames(root: Path) -> None:
    git(root, "mv", "a.py", "[a].py")
    git(root, "commit", "-qm", "Move")
    (root / "[a].py").write_text("one = 11\ntwo = 2\nthree = 3\n")
    git(root, "commit", "-qam", "Change")
    shown = commits(root, 5, root / "[a].py")
    assert shown.segment is not None
    assert shown.segment.source == "log [a].py"
    assert [line for line in text_of(shown).split("\n") if line.startswith("    ")][:2] == [
        "    Change",
        "    Move",
    ]
    assert "-one = 1\n+one = 11\n" in text_of(shown)
    assert "rename from a.py\nrename to [a].py\n" in text_of(shown)
    assert commits(root, 5, root / "gone.py").segment is None


def test_the_branch_or_the_commit_that_is_checked_out(root: Path) -> None:
    assert branch(root).segment == Segment(Kind.GIT, "branch", "main\n")
    git(root, "checkout", "-q", "--detach")
    commit = git(root, "rev-parse", "--short", "HEAD")
    assert text_of(branch(root)) == f"none: at commit {commit}"


# --- trouble ----------------------------------------------------------------------------------------------


def test_a_folder_without_git_and_a_machine_without_git_are_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreadable) as refused:
        diff(tmp_path)
    assert (
        str(refused.value) == f'{tmp_path} is not in a git repository. Run "git init", or name files instead.'
    )
    with pytest.raises(Unreadable, match="cannot change to"):
        diff(tmp_path / "gone")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreadable, match=r"git cannot be started. Install it"):
        diff(root)


@pytest.fixture
def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found in place of git, to be filled by the test."""
    fake = tmp_path / "programs" / "git"
    fake.parent.mkdir()
    fake.touch(0o700)
    monkeypatch.setenv("PATH", str(fake.parent))
    return fake


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("output", ["", ">&- 2>&-"])
def test_a_git_that_hangs_is_ended_with_all_that_it_started(
    root: Path, tmp_path: Path, fake_git: Path, output: str
) -> None:
    fake_git.write_text(
        f"#!/bin/sh\n/bin/sleep 600 {output} &\necho $! > {tmp_path}/child\nexec {output}\nwait\n"
    )
    with pytest.raises(GitFailed, match="git log took longer than 1 s in"):
        run(root, "log", seconds=1)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 20
    while lives(child):
        assert time.monotonic() < deadline


def test_what_git_does_not_read_is_told_and_walked(root: Path, fake_git: Path) -> None:
    fake_git.write_text(
        "#!/bin/sh\necho \"fatal: detected dubious ownership in repository at 'x'\" >&2\nexit 128\n"
    )
    with pytest.raises(GitFailed) as refused:
        branch(root)
    assert str(refused.value) == (
        f"git does not read {root}, which belongs to someone else. If you trust it, add it to git's safe.directory."
    )
    assert [file.path.name for file in listed(root).files] == ["a.py", "größe b.py"]


HOSTILE = (
    "core.fsmonitor", "core.pager", "core.editor", "diff.external", "diff.evil.textconv", "diff.evil.command",
    "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "gpg.program", "alias.diff", "alias.log",
    "core.sshCommand", "credential.helper", "pager.log", "pager.diff", "pager.blame", "interactive.diffFilter",
)  # fmt: skip


def test_a_hostile_repository_starts_nothing(root: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\ncat\n")
    program.chmod(0o700)
    (root / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "attributes")
    raw = git(root, "cat-file", "commit", "HEAD")
    head, _, body = raw.partition("\n\n")
    forged = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n\n{body}"
    made = subprocess.run(
        ["git", "-C", str(root), "hash-object", "-t", "commit", "-w", "--stdin"],
        input=forged,
        text=True,
        check=True,
        capture_output=True,
    ).stdout.strip()
    git(root, "reset", "-q", "--soft", made)
    for name in HOSTILE:
        git(root, "config", name, str(program))
    for name, value in (
        ("filter.evil.required", "true"),
        ("log.showSignature", "true"),
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("core.hooksPath", str(tmp_path / "hooks")),
        ("diff.submodule", "log"),
        ("diff.orderFile", "nowhere"),
        ("format.pretty", "raw"),
        ("diff.context", "0"),
    ):
        git(root, "config", name, value)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "pre-commit"):
        (hooks / name).symlink_to(program)
    (root / "a.py").write_text("one = 1\ntwo = 22\nthree = 3\n")
    os.utime(root / "sub" / "größe b.py")
    assert "--- a/a.py\n" in text_of(diff(root))
    assert "-two = 2\n+two = 22\n three = 3\n" in text_of(diff(root))
    assert staged(root).segment is None
    assert "two = 22" in text_of(blame(root / "a.py", 0, 3, root))
    assert text_of(commits(root, 2)).startswith("commit ")
    assert "+one = 1\n" in text_of(commits(root, 3, root / "a.py"))
    assert text_of(branch(root)) == "main\n"
    assert not ran.exists() or ran.read_text() == ""
    # That the traps are real: git itself falls into them.
    subprocess.run(["git", "-C", str(root), "diff"], capture_output=True, check=False)
    assert ran.exists()
