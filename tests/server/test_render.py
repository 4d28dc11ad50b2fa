# ruff: noqa: ASYNC240 (a test may wait for its own disk)
"""Answers in the four modes, on an editor that is slow, silent, contrary, or typed into meanwhile."""

import asyncio
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsprotocol import types

from handlers.editor import Editor as EditorPort
from handlers.editor import Kind, Phase, Place, State, Stream
from server.client import resolve
from server.protocol import Server
from server.render.marks import continued
from server.render.paces import Paces
from server.render.renderer import Renderer
from server.tasks import Tasks
from tests.lsp import CLIENTS, LIMIT_S, Editor, Json, connected, initialize, profile, wired

TURN = "t1abcdef"
STOP = f"*Kvasir is answering. Delete this line to stop.* <!-- kv stop {TURN} -->"
HEAD = f"# chat\n\n## You <!-- kv {TURN} -->\n\nwhy?\n\n## Kvasir <!-- kv {TURN} -->\n\n"
OPEN = f"{HEAD}\n\n{STOP}\n"
FOOTER = f"*Done.* <!-- kv end {TURN} -->"
ENDING = "## You\n\n"
PROFILES = sorted(path.stem for path in CLIENTS.glob("*.json"))
QUICK = Paces(notify_s=0.001, disk_s=0.001, settle_s=0.01)


def whole(answer: str) -> str:
    shown = f"{answer}\n\n" if answer.strip() else ""
    return f"{HEAD}{shown}{FOOTER}\n\n{ENDING}"


class Rendering(Server):
    """A server that does nothing but render."""

    renderer: Renderer

    def __init__(self, limit_s: float, view: str) -> None:
        super().__init__("kvasir", "0")
        self.tasks = Tasks()

        @self.feature(types.INITIALIZE)
        def begin(params: types.InitializeParams) -> None:
            client = attrs.evolve(resolve(params, view=view), edit_interval_s=0.001)
            self.renderer = Renderer(self.protocol, client, self.tasks, limit_s=limit_s, paces=QUICK)

        @self.feature(types.TEXT_DOCUMENT_DID_OPEN)
        async def opened(params: types.DidOpenTextDocumentParams) -> None:
            await self.renderer.opened(params.text_document.uri)

        @self.feature(types.TEXT_DOCUMENT_DID_CHANGE)
        async def changed(params: types.DidChangeTextDocumentParams) -> None:
            await self.renderer.changed(params.text_document.uri)

        @self.feature(types.TEXT_DOCUMENT_DID_CLOSE)
        async def closed(params: types.DidCloseTextDocumentParams) -> None:
            await self.renderer.closed(params.text_document.uri)

        @self.feature(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
        def cancelled(params: types.WorkDoneProgressCancelParams) -> None:
            self.renderer.cancelled(params.token)

        @self.feature("workspace/textDocumentContent")
        def content(params: types.TextDocumentContentParams) -> types.TextDocumentContentResult:
            return types.TextDocumentContentResult(text=self.renderer.virtual_text(params.uri) or "")

        @self.feature("kvasir/settled")
        def settled(_: Json) -> None:
            """Everything before this was handled."""


@attrs.define
class Desk:
    """An editor, what it is connected to, and the chat document that an answer goes into."""

    editor: Editor
    server: Rendering
    path: Path
    hold: Callable[[], None]
    release: Callable[[], None]

    @property
    def renderer(self) -> Renderer:
        return self.server.renderer

    @property
    def port(self) -> EditorPort:
        """What the handlers see; the assignment proves to the type checker that it is all there."""
        return self.server.renderer

    @property
    def takes_edits(self) -> bool:
        """Whether the server would ask for an edit."""
        return self.renderer._screen.takes_edits  # pyright: ignore[reportPrivateUsage]

    def stream(self) -> Stream:
        return self.port.stream(Place("k7f3qa", 1, TURN, "j1", self.path))

    def open(self) -> str:
        return self.editor.open(self.path)

    @property
    def on_disk(self) -> str:
        return self.path.read_bytes().decode()

    @property
    def on_screen(self) -> str:
        return self.editor.text(self.path)

    async def handled(self) -> None:
        await self.editor.request("kvasir/settled", {})

    def deltas(self, *kinds: str) -> str:
        found = self.editor.received("kvasir/delta")
        return "".join(delta["text"] for delta in found if not kinds or delta["kind"] in kinds)

    async def until(self, condition: Callable[[], bool]) -> None:
        """For what no message tells: the disk."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 (a file)
                await asyncio.sleep(0.001)


@asynccontextmanager
async def desk(
    path: Path, name: str, features: tuple[str, ...] = (), *, view: str = "auto", limit_s: float = LIMIT_S
) -> AsyncGenerator[Desk]:
    params = profile(name)
    options = {"kvasir": {"client": {"features": list(features)}}}
    server = Rendering(limit_s, view)
    path.write_bytes(OPEN.encode())
    async with wired(server) as (editor, pipe):
        client = params.get("clientInfo", {}).get("name")
        await initialize(editor, params["capabilities"], options, client_name=client)
        yield Desk(editor, server, path, pipe.hold, pipe.release)
        await server.tasks.stop()
        await editor.request("shutdown")
        editor.notify("exit")
        assert server.protocol.in_flight == 0
        assert_asked_only_what_was_offered(params["capabilities"], editor.requests)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat ü.md"


def assert_asked_only_what_was_offered(capabilities: Json, requests: list[Json]) -> None:
    workspace: Json = capabilities.get("workspace", {})
    window: Json = capabilities.get("window") or {}
    show: Json = window.get("showDocument") or {}
    offered: dict[str, bool | None] = {
        "workspace/applyEdit": workspace.get("applyEdit"),
        "window/showDocument": show.get("support"),
        "window/workDoneProgress/create": window.get("workDoneProgress"),
        "workspace/textDocumentContent/refresh": "textDocumentContent" in workspace,
    }
    assert [one["method"] for one in requests if not offered.get(one["method"])] == []


async def test_a_plug_in_gets_the_first_piece_at_once_and_everything_in_order(path: Path):
    async with desk(path, "nvim_0_12_4", ("delta",)) as one:
        one.open()
        await one.handled()
        stream = one.stream()
        stream.write("Thinking", Kind.REASONING)
        await one.editor.until(lambda: one.deltas("reasoning") == "Thinking")
        for word in ("It ", "is ", "slow."):
            stream.write(word)
        await stream.finish(FOOTER, ENDING)
        await one.handled()
        found = one.editor.received("kvasir/delta")
        assert [delta["seq"] for delta in found] == list(range(1, len(found) + 1))
        assert one.deltas("answer") == "It is slow."
        assert found[0] == {
            "v": 1,
            "session": "k7f3qa",
            "turn": 1,
            "job": "j1",
            "seq": 1,
            "at": 0,
            "uri": path.as_uri(),
            "path": str(path),
            "text": "Thinking",
            "kind": "reasoning",
        }
        assert (found[-1]["kind"], found[-1]["text"]) == ("mark", f"{FOOTER}\n\n{ENDING}")
        assert [delta["at"] for delta in found[1:]] == [
            sum(len(d["text"]) for d in found[:index]) for index in range(1, len(found))
        ]
        assert one.on_disk == OPEN  # the editor has it open: it is the plug-in that writes


async def test_without_an_open_document_a_plug_in_is_told_and_the_file_is_written(path: Path):
    async with desk(path, "vim_lsp_474c656", ("delta",)) as one:
        stream = one.stream()
        stream.write("It is slow.")
        await stream.finish(FOOTER, ENDING)
        await one.handled()
        assert one.deltas("answer") == "It is slow."
        assert one.on_disk == whole("It is slow.")


async def test_a_plug_in_that_opens_the_document_late_gets_what_its_text_lacks(path: Path):
    async with desk(path, "nvim_0_12_4", ("delta",)) as one:
        stream = one.stream()
        stream.write("one ")
        await one.until(lambda: "one" in one.on_disk)
        early = one.on_disk
        stream.write("two ")
        await one.editor.until(lambda: one.deltas() == "one two ")
        one.editor.open(path, early)
        await one.editor.until(lambda: one.deltas() == "one two two ")
        stream.write("three")
        await stream.finish(FOOTER)
        await one.handled()
        assert one.deltas("answer") == "one two two three"
        assert [(delta["at"], delta["text"]) for delta in one.editor.received("kvasir/delta")[:3]] == [
            (0, "one "),
            (4, "two "),
            (4, "two "),
        ]


@pytest.mark.parametrize("features", [(), ("delta",)])
async def test_a_file_that_was_written_after_it_was_read_says_again_what_was_read(
    path: Path, features: tuple[str, ...]
):
    """Else the editor would say that it is newer when the answer, or the person, saves it."""
    async with desk(path, "vscode_languageclient_11_0", features) as one:
        stream = one.stream()
        stream.write("one ")
        await one.until(lambda: "one" in one.on_disk)
        early = one.on_disk
        stream.write("two ")
        await one.until(lambda: "two" in one.on_disk)
        one.editor.open(path, early)
        await one.until(lambda: one.on_disk == early)
        await stream.finish(FOOTER)


async def test_a_plug_in_that_opens_the_document_after_the_end_is_told_the_end_again(path: Path):
    async with desk(path, "nvim_0_12_4", ("delta",)) as one:
        stream = one.stream()
        stream.write("one ")
        await one.until(lambda: "one" in one.on_disk)
        early = one.on_disk
        stream.write("two")
        await stream.finish(FOOTER, ENDING)
        one.editor.open(path, early)
        await one.editor.until(lambda: one.editor.received("kvasir/delta")[-1]["seq"] == 5)
        again = [(d["at"], d["text"]) for d in one.editor.received("kvasir/delta")[3:]]
        assert again == [(4, "two"), (7, f"{FOOTER}\n\n{ENDING}")]
        assert one.editor.requests == []


async def test_a_plug_in_that_did_not_tell_of_the_end_yet_is_not_told_again(path: Path):
    async with desk(path, "nvim_0_12_4", ("delta",)) as one:
        one.open()
        await one.handled()
        stream = one.stream()
        stream.write("one")
        await stream.finish(FOOTER, ENDING)
        await one.handled()
        assert [d["text"] for d in one.editor.received("kvasir/delta")] == ["one", f"{FOOTER}\n\n{ENDING}"]
        assert one.editor.requests == []


async def test_pieces_for_an_editor_that_stopped_reading_are_merged(path: Path):
    async with desk(path, "nvim_0_12_4", ("delta",)) as one:
        stream = one.stream()
        one.hold()
        one.server.protocol.notify("kvasir/filler", "x" * (1 << 17))
        for number in range(40):
            stream.write(f"{number};")
            await one.until(lambda number=number: f"{number};" in one.on_disk)
        one.release()
        await stream.finish(FOOTER)
        await one.handled()
        assert one.deltas("answer") == "".join(f"{number};" for number in range(40))
        assert len(one.editor.received("kvasir/delta")) <= 3


@pytest.mark.parametrize(
    "name",
    [
        "nvim_0_12_4",
        "nvim_0_10_4",
        "helix_25_07_1_git20260723",
        "helix_25_01_1",
        "coc_0_0_82",
        "eglot_1_17_30_emacs_30_2",
        "vscode_languageclient_11_0",
    ],
)
@pytest.mark.parametrize("tells_late", [True, False])
async def test_an_open_document_grows_by_edits(path: Path, name: str, tells_late: bool):
    async with desk(path, name) as one:
        one.editor.tells_late = tells_late
        one.open()
        await one.handled()
        stream = one.stream()
        for piece in ("Grüße 😀 ", "it is\n", "slow\n", "\n", "be", "cause"):
            stream.write(piece)
            await one.handled()
        await stream.finish(FOOTER, ENDING)
        assert one.on_screen == whole("Grüße 😀 it is\nslow\n\nbecause")
        assert one.on_disk == OPEN
        edits = one.editor.received("workspace/applyEdit")
        assert all("label" not in edit and set(edit["edit"]) == {"changes"} for edit in edits)
        assert not stream.stopped.is_set()


async def test_each_edit_of_helix_ends_a_line(path: Path):
    async with desk(path, "helix_25_07_1_git20260723") as one:
        one.open()
        await one.handled()
        stream = one.stream()
        for piece in ("one ", "two\nthree ", "four\nfive"):
            stream.write(piece)
            await one.handled()
        await one.editor.until(lambda: "four\n" in one.on_screen)
        assert "five" not in one.on_screen
        await stream.finish(FOOTER, ENDING)
        assert one.on_screen == whole("one two\nthree four\nfive")


async def test_a_long_line_comes_to_helix_by_whole_words(path: Path):
    async with desk(path, "helix_25_07_1_git20260723") as one:
        one.open()
        await one.handled()
        stream = one.stream()
        stream.write(f"{'word ' * 60}unfin")
        await one.editor.until(lambda: "word" in one.on_screen)
        assert "unfin" not in one.on_screen
        stream.write("ished")
        await stream.finish(FOOTER, ENDING)
        assert one.on_screen == whole(f"{'word ' * 60}unfinished")


async def test_a_document_that_is_not_open_is_written_and_never_edited(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        stream = one.stream()
        stream.write("It is slow.")
        await stream.finish(FOOTER, ENDING)
        assert one.on_disk == whole("It is slow.")
        assert one.editor.requests == []


async def test_opening_and_closing_while_it_is_written_loses_and_doubles_nothing(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        stream = one.stream()
        stream.write("one ")
        await one.until(lambda: "one" in one.on_disk)
        uri = one.open()
        stream.write("two ")
        await one.editor.until(lambda: "two" in one.on_screen)
        one.editor.close(uri)
        stream.write("three ")
        await one.until(lambda: "three" in one.on_disk)
        one.open()
        stream.write("four")
        await stream.finish(FOOTER, ENDING)
        await one.editor.until(lambda: one.on_screen == whole("one two three four"))


async def test_a_document_that_was_read_just_before_the_end_gets_the_end(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        stream = one.stream()
        stream.write("one ")
        await one.until(lambda: "one" in one.on_disk)
        early = one.on_disk
        stream.write("two")
        await stream.finish(FOOTER, ENDING)
        assert one.on_disk == whole("one two")
        one.editor.open(path, early)
        await one.editor.until(lambda: one.on_screen == whole("one two"))


async def test_an_answer_that_a_person_edits_while_it_is_written_goes_on(path: Path):
    async with desk(path, "ale_4_0_0") as one:
        stream = one.stream()
        stream.write("It is slow")
        await one.until(lambda: "slow" in one.on_disk)
        path.write_text(one.on_disk.replace("slow", "SLOW"))
        stream.write(", really.")
        await stream.finish(FOOTER, ENDING)
        assert one.on_disk == whole("It is SLOW, really.")


async def test_typing_elsewhere_in_the_document_is_kept(path: Path):
    async with desk(path, "eglot_1_17_30_emacs_30_2") as one:
        uri = one.open()
        await one.handled()
        stream = one.stream()
        for number in range(20):
            stream.write(f"word{number}\n")
            one.editor.edit(uri, 0, 0, "é")
            await one.editor.until(lambda number=number: f"word{number}\n" in one.on_screen)
        await stream.finish(FOOTER, ENDING)
        expected = "é" * 20 + whole("".join(f"word{number}\n" for number in range(20)))
        assert one.on_screen == expected


async def test_deleting_the_stop_line_stops_and_is_answered_by_the_footer(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        uri = one.open()
        await one.handled()
        stream = one.stream()
        stream.write("It is")
        await one.editor.until(lambda: "It is" in one.on_screen)
        start = one.on_screen.index(STOP)
        one.editor.edit(uri, start, start + len(STOP) + 1, "")
        await asyncio.wait_for(stream.stopped.wait(), LIMIT_S)
        await stream.finish(FOOTER, ENDING)
        assert one.on_screen == whole("It is")


async def test_deleting_the_stop_line_on_disk_stops_too(path: Path):
    async with desk(path, "vim_lsp_474c656") as one:
        stream = one.stream()
        stream.write("It is")
        await one.until(lambda: "It is" in one.on_disk)
        path.write_text(one.on_disk.replace(f"{STOP}\n", ""))
        stream.write(" slow")
        await asyncio.wait_for(stream.stopped.wait(), LIMIT_S)
        await stream.finish(FOOTER, ENDING)
        assert FOOTER in one.on_disk


@pytest.mark.parametrize("tells_late", [True, False])
@pytest.mark.parametrize("ended", [True, False])
async def test_an_editor_that_was_only_busy_gets_the_rest(path: Path, ended: bool, tells_late: bool):
    async with desk(path, "nvim_0_12_4", limit_s=0.05) as one:
        one.editor.silent.add("workspace/applyEdit")
        one.editor.tells_late = tells_late
        one.open()
        await one.handled()
        stream = one.stream()
        stream.write("one ")
        await one.editor.until(lambda: len(one.editor.requests) == 1)
        await one.until(lambda: not one.takes_edits)
        stream.write("two ")
        if ended:
            await stream.finish(FOOTER, ENDING)
        assert one.on_screen == OPEN
        await one.editor.answer_late()
        if not ended:
            await one.until(lambda: one.takes_edits)
            stream.write("three")
            await stream.finish(FOOTER, ENDING)
        await one.editor.until(lambda: one.on_screen == whole("one two " if ended else "one two three"))


@pytest.mark.parametrize("refused", [True, False])
async def test_an_editor_that_takes_no_edits_after_all_does_not_hang_the_answer(path: Path, refused: bool):
    async with desk(path, "nvim_0_12_4", limit_s=0.02) as one:
        (one.editor.refusing if refused else one.editor.silent).add("workspace/applyEdit")
        uri = one.open()
        await one.handled()
        stream = one.stream()
        stream.write("one ")
        await one.editor.until(lambda: len(one.editor.requests) == (2 if refused else 1))
        stream.write("two")
        await asyncio.wait_for(stream.finish(FOOTER, ENDING), LIMIT_S)
        assert one.on_screen == OPEN
        assert len(one.editor.requests) == (3 if refused else 1)  # one last try at the end
        one.editor.close(uri)
        await one.handled()
        assert await one.port.change(path, lambda _: whole("one two"))
        assert one.on_disk == whole("one two")


async def test_an_editor_that_says_applied_and_does_nothing_is_edited_no_more(path: Path):
    async with desk(path, "nvim_0_12_4", limit_s=0.02) as one:
        one.open()
        await one.handled()
        one.editor.pretending = True
        stream = one.stream()
        stream.write("one ")
        await one.editor.until(lambda: len(one.editor.requests) == 1)
        await asyncio.wait_for(stream.finish(FOOTER), LIMIT_S)
        assert len(one.editor.requests) == 1


async def test_an_editor_that_tells_much_later_what_it_applied_gets_the_rest(path: Path):
    async with desk(path, "nvim_0_12_4", limit_s=0.02) as one:
        uri = one.open()
        await one.handled()
        one.editor.pretending = True
        stream = one.stream()
        stream.write("one ")
        await one.until(lambda: bool(one.editor.requests) and not one.takes_edits)
        stream.write("two")
        await asyncio.wait_for(stream.finish(FOOTER, ENDING), LIMIT_S)
        one.editor.pretending = False
        late = continued(OPEN, TURN, "one ")
        assert late is not None
        one.editor.change(uri, late.applied(OPEN))
        await one.editor.until(lambda: one.on_screen == whole("one two"))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.sampled_from("ab\n 😀é"), min_size=1, max_size=5), max_size=8),
    st.sampled_from(["nvim_0_12_4", "nvim_0_10_4", "eglot_1_17_30_emacs_30_2", "helix_25_01_1"]),
    st.booleans(),
)
def test_however_it_comes_the_document_has_it(path: Path, pieces: list[str], name: str, tells_late: bool):
    async def run() -> None:
        async with desk(path, name) as one:
            one.editor.tells_late = tells_late
            one.open()
            stream = one.stream()
            for piece in pieces:
                stream.write(piece)
                await asyncio.sleep(0)
            await stream.finish(FOOTER, ENDING)
            assert one.on_screen == whole("".join(pieces))

    asyncio.run(run())


@pytest.mark.parametrize("name", ["vim_lsp_474c656", "ale_4_0_0"])
async def test_an_editor_that_takes_nothing_has_the_file_written_under_it(path: Path, name: str):
    async with desk(path, name) as one:
        one.open()
        await one.handled()
        stream = one.stream()
        stream.write("It is ")
        await one.until(lambda: "It is" in one.on_disk)
        stream.write("slow.")
        await stream.finish(FOOTER, ENDING)
        assert one.on_disk == whole("It is slow.")
        assert one.editor.requests == []


async def test_unsaved_changes_of_such_an_editor_are_not_overwritten(path: Path):
    async with desk(path, "vim_lsp_474c656") as one:
        uri = one.open()
        await one.handled()
        stream = one.stream()
        one.editor.edit(uri, 0, 0, "typed ")
        await one.handled()
        stream.write("It is slow.")
        await stream.finish(FOOTER, ENDING)
        assert one.on_disk == OPEN
        assert not await one.port.change(path, lambda _: "x")


async def test_a_file_keeps_its_mode_and_its_link(path: Path, tmp_path: Path):
    real = tmp_path / "real.md"
    async with desk(path, "ale_4_0_0") as one:
        path.rename(real)
        path.symlink_to(real)
        real.chmod(0o640)
        stream = one.stream()
        stream.write("It is slow.")
        await stream.finish(FOOTER, ENDING)
        assert real.read_text() == whole("It is slow.")
        assert stat.S_IMODE(real.stat().st_mode) == 0o640
        assert path.is_symlink()
        assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, "real.md"]


async def test_a_file_that_cannot_be_written_is_told_once_and_the_answer_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with desk(path, "vim_lsp_474c656") as one:
        monkeypatch.setattr("server.render.disk.write", full)
        for _ in range(2):
            stream = one.stream()
            stream.write("one ")
            stream.write("two")
            await stream.finish(FOOTER)
        await one.handled()
        assert one.editor.received("window/showMessage") == [
            {
                "type": 2,
                "message": f"{path} cannot be written (No space left on device). The answer is kept: open the chat again when that is mended.",
            }
        ]
        assert one.on_disk == OPEN


async def test_a_file_that_was_deleted_is_not_made_again(path: Path):
    async with desk(path, "ale_4_0_0") as one:
        stream = one.stream()
        path.unlink()
        stream.write("one")
        await stream.finish(FOOTER)
        assert not path.exists()


@pytest.mark.parametrize("name", ["vscode_languageclient_11_0", "coc_0_0_82"])
async def test_a_virtual_document_is_refreshed_one_at_a_time(path: Path, name: str):
    async with desk(path, name, view="virtual") as one:
        await one.port.show("k7f3qa", path)
        assert one.editor.received("window/showDocument")[0]["uri"] == "kvasir://chat/k7f3qa.md"
        stream = one.stream()
        for number in range(30):
            stream.write(f"{number} ")
            await one.handled()
        await stream.finish(FOOTER, ENDING)
        await one.editor.until(
            lambda: (
                one.editor.virtual["kvasir://chat/k7f3qa.md"][-1]
                == whole("".join(f"{n} " for n in range(30)))
            )
        )
        assert one.on_disk == whole("".join(f"{n} " for n in range(30)))
        assert "workspace/applyEdit" not in {one["method"] for one in one.editor.requests}


async def test_a_client_that_never_answers_a_refresh_still_has_the_file(path: Path):
    async with desk(path, "coc_0_0_82", view="virtual", limit_s=0.02) as one:
        one.editor.silent.add("workspace/textDocumentContent/refresh")
        stream = one.stream()
        stream.write("one ")
        await one.until(lambda: "one" in one.on_disk)
        stream.write("two")
        await asyncio.wait_for(stream.finish(FOOTER, ENDING), LIMIT_S)
        assert one.on_disk == whole("one two")
        assert len(one.editor.requests) == 1


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("features", [(), ("delta", "state")])
async def test_every_client_every_way(
    path: Path, name: str, opened: bool, silent: bool, features: tuple[str, ...]
):
    """Nothing is asked that was not offered (``desk`` looks), and silence holds nothing up."""
    async with desk(path, name, features, limit_s=0.02 if silent else LIMIT_S) as one:
        if silent:
            one.editor.silent.update(
                [
                    "workspace/applyEdit",
                    "window/showDocument",
                    "window/workDoneProgress/create",
                    "workspace/textDocumentContent/refresh",
                ]
            )
        if opened:
            one.open()
            await one.handled()
        async with asyncio.timeout(LIMIT_S), one.port.progress("asking", lambda: None) as report:
            await one.port.show("k7f3qa", path)
            report("evaluating", 50)
            stream = one.stream()
            one.port.state(State("j1", Phase.GENERATING))
            stream.write("It is slow.")
            await stream.finish(FOOTER, ENDING)
            await one.port.change(path, lambda text: f"{text}\n")
        await one.handled()
        assert one.editor.received("kvasir/state") == (
            [{"v": 1, "job": "j1", "phase": "generating", "session": "", "message": ""}] if features else []
        )
        assert bool(one.editor.received("kvasir/delta")) is bool(features)


@pytest.mark.parametrize(
    ("name", "focus"),
    [
        ("nvim_0_12_4", {"takeFocus": False}),
        ("vscode_languageclient_11_0", {"takeFocus": False}),
        ("helix_25_07_1_git20260723", {}),
    ],
)
async def test_a_chat_is_shown_once_unless_asked_for(path: Path, name: str, focus: Json):
    async with desk(path, name) as one:
        await one.port.show("k7f3qa", path)
        await one.port.show("k7f3qa", path)
        assert one.editor.received("window/showDocument") == [{"uri": path.as_uri(), **focus}]
        await one.port.open("k7f3qa", path)
        assert len(one.editor.received("window/showDocument")) == 2


@pytest.mark.parametrize("name", ["vim_lsp_474c656", "ale_4_0_0", "helix_25_01_1", "coc_0_0_82"])
async def test_an_editor_that_shows_nothing_is_told_where_it_is(path: Path, name: str):
    async with desk(path, name) as one:
        await one.port.show("k7f3qa", path)
        await one.handled()
        kind = 2 if name.startswith("vim") else 3
        assert one.editor.received("window/showMessage") == [
            {"type": kind, "message": f"The chat is in {path}"}
        ]


async def test_a_document_is_changed_where_it_is(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        assert await one.port.change(path, lambda text: f"{text}more\n")
        assert one.on_disk == f"{OPEN}more\n"
        one.open()
        await one.handled()
        assert one.port.text(path) == f"{OPEN}more\n"
        assert await one.port.change(path, lambda text: text and text.replace("why?", "why 😀?"))
        assert one.on_screen == f"{OPEN}more\n".replace("why?", "why 😀?")
        assert one.on_disk == f"{OPEN}more\n"
        assert await one.port.change(path, lambda _: None)
        assert len(one.editor.received("workspace/applyEdit")) == 1


async def test_a_new_document_is_made_with_its_folder(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        new = path.parent / ".kvasir" / "chat" / "new.md"
        assert await one.port.change(new, lambda text: "hello" if text is None else None)
        assert new.read_text() == "hello"
        assert one.port.text(new) is None


async def test_progress_is_begun_reported_ended_and_can_be_cancelled(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        pressed = asyncio.Event()
        async with one.port.progress("asking", pressed.set) as report:
            await one.editor.until(lambda: bool(one.editor.received("$/progress")))
            report("evaluating", 40)
            token = one.editor.received("window/workDoneProgress/create")[0]["token"]
            one.editor.notify("window/workDoneProgress/cancel", {"token": token})
            await asyncio.wait_for(pressed.wait(), LIMIT_S)
        await one.handled()
        assert [one["value"] for one in one.editor.received("$/progress")] == [
            {"kind": "begin", "title": "asking", "cancellable": True},
            {"kind": "report", "message": "evaluating", "percentage": 40},
            {"kind": "end"},
        ]
        one.editor.notify("window/workDoneProgress/cancel", {"token": token})
        await one.handled()
        async with one.port.progress("again", pressed.set):
            await one.editor.until(lambda: len(one.editor.received("window/workDoneProgress/create")) == 2)
        tokens = [one["token"] for one in one.editor.received("window/workDoneProgress/create")]
        assert len(set(tokens)) == 2


async def test_states_reach_only_those_who_asked_and_late_ones_are_dropped(path: Path):
    async with desk(path, "nvim_0_12_4", ("state",)) as one:
        one.port.state(State("j1", Phase.PREFILL, "k7f3qa", prompt_tokens=10, cached_tokens=4, done_tokens=6))
        one.hold()
        one.server.protocol.notify("kvasir/filler", "x" * (1 << 17))
        one.port.state(State("j1", Phase.GENERATING, "k7f3qa"))
        one.port.state(State("j1", Phase.DONE, "k7f3qa"))
        one.release()
        await one.handled()
        assert [state["phase"] for state in one.editor.received("kvasir/state")] == ["prefill", "done"]
        assert one.editor.received("kvasir/state")[0] == {
            "v": 1,
            "job": "j1",
            "phase": "prefill",
            "session": "k7f3qa",
            "promptTokens": 10,
            "cachedTokens": 4,
            "doneTokens": 6,
            "message": "",
        }


async def test_a_warning_is_given_once(path: Path):
    async with desk(path, "nvim_0_12_4") as one:
        one.port.warn("The disk is full.")
        one.port.warn("The disk is full.")
        await one.handled()
        assert one.editor.received("window/showMessage") == [{"type": 2, "message": "The disk is full."}]


async def test_two_answers_in_one_document_do_not_meet(path: Path):
    other = "t2bcdefg"
    async with desk(path, "nvim_0_12_4") as one:
        second = OPEN.replace("# chat\n\n", "").replace(TURN, other)
        path.write_text(f"{OPEN}\n{second}")
        one.open()
        await one.handled()
        first, then = one.stream(), one.port.stream(Place("k7f3qa", 2, other, "j2", path))
        for word in ("one ", "two ", "three"):
            first.write(word)
            then.write(word.upper())
            await one.handled()
        await asyncio.gather(first.finish(FOOTER, ENDING), then.finish(FOOTER.replace(TURN, other), ENDING))
        above = f"{HEAD}one two three\n\n{FOOTER}\n\n"
        below = whole("ONE TWO THREE").removeprefix("# chat\n\n").replace(TURN, other)
        assert one.on_screen == above + below


async def test_connected_is_a_whole_session(path: Path):
    async with connected(
        Rendering(LIMIT_S, "auto"), {"workspace": {"applyEdit": True}}, root=path.parent
    ) as editor:
        assert editor.server["serverInfo"]["name"] == "kvasir"
