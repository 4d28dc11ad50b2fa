"""Documents against a naive model of the specification, in the three encodings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.workspace import Workspace as StockWorkspace

from server.documents import Codec, Document, Workspace, split_lines

UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
# Form feed, NEL and U+2028 end a line for str.splitlines, and for no LSP client.
TEXT = st.text(st.sampled_from("ab \n\r\f\x85\u2028é😀"), max_size=12) | st.just("\r\n\r\n")


def lines_by_the_book(text: str) -> list[str]:
    """``\\r\\n``, ``\\n`` and ``\\r`` end a line, and there is one more line than line ends."""
    lines: list[str] = []
    start = index = 0
    while index < len(text):
        size = 2 if text[index : index + 2] == "\r\n" else 1
        if text[index] in "\r\n":
            lines.append(text[start : index + size])
            start = index + size
        index += size
    return [*lines, text[start:]]


def offset_by_the_book(text: str, line: int, units: int, encoding: str) -> int:
    lines = lines_by_the_book(text)
    if line >= len(lines):
        return len(text)
    codec, size = UNITS[encoding]
    content = lines[line].rstrip("\r\n")
    widths = [len(character.encode(codec)) // size for character in content]
    column = next((n for n in range(len(content)) if sum(widths[:n]) >= units), len(content))
    return sum(map(len, lines[:line])) + column


def document(text: str, encoding: str = "utf-16") -> Document:
    return Document("file:///a.md", text, position_codec=Codec(encoding))


def at(line: int, character: int) -> types.Position:
    return types.Position(line=line, character=character)


def change(start: types.Position, end: types.Position, text: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(range=types.Range(start=start, end=end), text=text)


@given(
    TEXT,
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 6), st.integers(0, 9), TEXT),
        max_size=6,
    ),
    st.sampled_from(sorted(UNITS)),
)
def test_edits_do_what_the_specification_says(
    text: str, edits: list[tuple[int, int, int, int, str]], encoding: str
):
    ours = document(text, encoding)
    for line, units, last, end_units, new in edits:
        ends = [
            (line, units, offset_by_the_book(text, line, units, encoding)),
            (last, end_units, offset_by_the_book(text, last, end_units, encoding)),
        ]
        first, second = sorted(ends, key=lambda end: end[2])
        ours.apply_change(change(at(*first[:2]), at(*second[:2]), new))
        text = text[: first[2]] + new + text[second[2] :]
        assert text == ours.source
        assert [one for one in lines_by_the_book(text) if one] == list(ours.lines)


@given(TEXT, TEXT)
def test_a_full_change_replaces_everything(old: str, new: str):
    ours = document(old)
    ours.apply_change(types.TextDocumentContentChangeWholeDocument(text=new))
    assert new == ours.source
    assert split_lines(new) == list(ours.lines)


@given(TEXT, st.sampled_from(sorted(UNITS)))
def test_positions_go_there_and_back(text: str, encoding: str):
    ours = document(text, encoding)
    for line, content in enumerate(ours.lines):
        for column in range(len(content.rstrip("\r\n")) + 1):
            position = ours.position_codec.position_to_client_units(ours.lines, at(line, column))
            back = ours.position_codec.position_from_client_units(ours.lines, position)
            assert (line, column) == (back.line, back.character)


def test_a_position_is_never_changed_by_reading_it():
    far = at(0, 99)
    assert Codec("utf-16").position_from_client_units(["abc"], far).character == 3
    assert far == at(0, 99)


def test_form_feed_does_not_move_what_is_below():
    ours = document("a\n\fb\nc\n")
    ours.apply_change(change(at(2, 0), at(2, 1), "C"))
    assert ours.source == "a\n\fb\nC\n"


def test_many_edits():
    ours = document("x\n" * 1000)
    for line in range(1000):
        ours.apply_change(change(at(line, 0), at(line, 1), "yy"))
    assert ours.source == "yy\n" * 1000


def test_a_document_that_is_not_open_is_read_from_disk(tmp_path: Path):
    path = tmp_path / "a.md"
    path.write_text("one\x0ctwo\n")
    workspace = Workspace.like(StockWorkspace(None), "utf-8")
    found = workspace.get_text_document(path.as_uri())
    assert list(found.lines) == ["one\x0ctwo\n"]


def test_a_change_of_a_document_that_is_not_open_is_dropped(caplog: pytest.LogCaptureFixture):
    workspace = Workspace.like(StockWorkspace(None), "utf-8")
    identifier = types.VersionedTextDocumentIdentifier(version=2, uri="file:///a.md")
    workspace.update_text_document(identifier, types.TextDocumentContentChangeWholeDocument(text="x"))
    assert "had not opened" in caplog.text
    assert workspace.text_documents == {}


@pytest.mark.parametrize("encoding", sorted(UNITS))
def test_folders_and_encoding_are_kept(encoding: str):
    folder = types.WorkspaceFolder(uri="file:///project", name="project")
    workspace = Workspace.like(StockWorkspace("file:///project", workspace_folders=[folder]), encoding)
    assert list(workspace.folders) == ["file:///project"]
    assert workspace.root_uri == "file:///project"
    assert workspace.position_codec.encoding == encoding
