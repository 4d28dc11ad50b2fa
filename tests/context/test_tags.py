from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context import tags
from context.tags import Tag, TagsFile, located, parsed_line

HEAD = "!_TAG_FILE_FORMAT\t2\t/extended/\n!_TAG_FILE_SORTED\t{sorted}\t/0=unsorted/\n"
names = st.text("abcABC_z", min_size=1, max_size=4)


def write(root: Path, lines: list[str], *, is_sorted: int) -> TagsFile:
    (root / "tags").write_text(HEAD.format(sorted=is_sorted) + "".join(f"{line}\n" for line in lines))
    found = TagsFile.of(root)
    assert found is not None
    return found


def test_an_entry_is_read_with_its_pattern_and_fields(tmp_path: Path):
    line = 'go\tsrc/a.vim\t/^function! s:go(\\/x, y\\\\z)$/;"\tfunction\tline:12\tend:20\tclass:Car'
    assert parsed_line(line, tmp_path, tmp_path) == Tag(
        "go",
        "src/a.vim",
        "function! s:go(/x, y\\z)",
        whole=True,
        line=11,
        last=20,
        kind="function",
        scope="Car",
    )


def test_patterns_may_hold_tabs_and_be_cut(tmp_path: Path):
    assert parsed_line('a\tb.c\t/^int\ta(/;"\tf', tmp_path, tmp_path) == Tag("a", "b.c", "int\ta(")
    assert parsed_line("a\tb.c\t17", tmp_path, tmp_path) == Tag("a", "b.c", line=16)


@pytest.mark.parametrize(
    "line", ["", "a\tb.c", "!_TAG_FILE_SORTED\t1\t//", "a\t../b.c\t1", "a\t/etc/passwd\t1"]
)
def test_what_is_no_entry_of_the_workspace_is_left_out(tmp_path: Path, line: str):
    assert parsed_line(line, tmp_path, tmp_path) is None


@given(st.lists(names, max_size=30), st.lists(names, max_size=8), st.sampled_from([0, 1, 2]))
def test_all_entries_of_a_name_are_found(
    tmp_path_factory: pytest.TempPathFactory, known: list[str], wanted: list[str], is_sorted: int
):
    rows = [f"{name}\tf{at}.vim\t{at + 1}" for at, name in enumerate(known)]
    if is_sorted == 1:
        rows.sort()
    file = write(tmp_path_factory.mktemp("tags"), rows, is_sorted=is_sorted)
    found = file.find(wanted)
    expected = {name: known.count(name) for name in wanted if name in known}
    assert {name: len(entries) for name, entries in found.items()} == expected


def test_a_tag_stands_where_its_line_stands_now():
    tag = Tag("go", "a.vim", "func go()", whole=True, line=0, last=2, kind="function")
    place = located(tag, ["", "", "func go()", "endfunc", ""])
    assert place is not None
    assert (place.first, place.last, place.signature) == (2, 4, "func go()")


@pytest.mark.parametrize(
    "tag",
    [
        Tag("go", "a.vim", "func go()", whole=True, line=0),
        Tag("go", "a.vim", line=0),
        Tag("go", "a.vim", line=9),
    ],
)
def test_a_tag_whose_line_has_gone_does_not_count(tag: Tag):
    assert located(tag, ["func stay()", "endfunc", "func go(x)"]) is None


def test_of_several_lines_the_one_nearest_to_the_tag_counts():
    place = located(Tag("x", "a", "let x = 1", whole=True, line=4), ["let x = 1", "", "", "let x = 1"])
    assert place is not None
    assert place.first == 3


def test_a_tags_file_that_vanishes_has_no_entries(tmp_path: Path):
    file = write(tmp_path, ["a\tb\t1"], is_sorted=1)
    (tmp_path / "tags").unlink()
    assert file.find(["a"]) == {}
    assert TagsFile.of(tmp_path) is None


needs_ctags = pytest.mark.skipif(tags.program() is None, reason="Universal Ctags is not installed.")


@needs_ctags
def test_ctags_reads_a_text_that_was_never_saved():
    found = tags.of_text(
        "function! Go(x) abort\n  return 1\nendfunction\n\nlet g:speed = 3\n", "autoload/car.vim"
    )
    assert [(one.name, one.kind, one.first) for one in found] == [
        ("Go", "function", 0),
        ("g:speed", "variable", 4),
    ]


@needs_ctags
def test_ctags_reads_the_files_of_a_workspace(tmp_path: Path):
    (tmp_path / "car.vim").write_text("function! Go(x) abort\nendfunction\n")
    found = tags.of_files(tmp_path, ["car.vim", "gone.vim"])
    assert [tag.path for tag in found["Go"]] == ["car.vim"]


@needs_ctags
def test_a_projects_configuration_of_ctags_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".ctags.d").mkdir()
    (tmp_path / ".ctags.d" / "own.ctags").write_text("--langdef=odd\n--map-odd=+.vim\n")
    (tmp_path / "car.vim").write_text("function! Go(x) abort\nendfunction\n")
    monkeypatch.chdir(tmp_path)
    assert "Go" in tags.of_files(tmp_path, ["car.vim"])


def test_another_program_called_ctags_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "ctags"
    program.write_text("#!/bin/sh\necho Exuberant Ctags\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    tags.program.cache_clear()
    try:
        assert tags.of_text("function! Go()\nendfunction\n", "a.vim") == []
    finally:
        tags.program.cache_clear()
