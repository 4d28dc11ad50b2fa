"""Every captured client drives a whole session; clients that misbehave hinder nobody."""

from functools import partial
from pathlib import Path

import pytest

from server.render.renderer import Renderer
from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import CLIENTS

MODES = {
    "ale_4_0_0": "M4",
    "coc_0_0_82": "M3",
    "eglot_1_17_30_emacs_30_2": "M3",
    "helix_25_01_1": "M3",
    "helix_25_07_1_git20260723": "M3",
    "nvim_0_10_4": "M3",
    "nvim_0_12_4": "M3",
    "vim_lsp_474c656": "M4",
    "vscode_languageclient_11_0": "M3",
}
NEVER_ASKED = {
    "ale_4_0_0": {"window/showDocument", "workspace/applyEdit", "window/workDoneProgress/create"},
    "vim_lsp_474c656": {"window/showDocument", "workspace/applyEdit", "window/workDoneProgress/create"},
    "coc_0_0_82": {"window/showDocument"},
    "helix_25_01_1": {"window/showDocument"},
}


def impatient(patch: pytest.MonkeyPatch) -> None:
    """Wait for a silent client for a moment only."""
    patch.setattr("server.app.Renderer", partial(Renderer, limit_s=0.1))


def test_every_captured_client_is_driven():
    assert set(MODES) == {path.stem for path in CLIENTS.glob("*.json")}


@pytest.mark.parametrize("name", MODES)
async def test_a_whole_session(connect: Connect, name: str):
    async with connect(name) as person:
        first = await person.ask("one?")
        assert first["mode"] == MODES[name]
        assert person.text(first) == person.rendered(first)

        if first["uri"] not in person.editor.documents:
            person.editor.open(person.path(first))
        await person.write(person.path(first), "two?")
        second = await person.sent(first, 2)
        assert person.on_disk(second) == person.rendered(second) or person.text(second) == person.rendered(
            second
        )

        fork = await person.command("fork", {"session": first["session"], "turn": 1})
        long = await person.begin_long("three?", session=fork["session"])
        await person.command("cancel", {"job": long["job"]})
        await person.answered(long)
        assert person.turn(long).status == "stopped"
        assert person.text(long) == person.rendered(long)

        asked = {request["method"] for request in person.editor.requests}
        assert not asked & NEVER_ASKED.get(name, set())
        assert person.editor.unsolicited == []


@pytest.mark.parametrize("name", ["nvim_0_12_4", "vscode_languageclient_11_0", "helix_25_07_1_git20260723"])
async def test_a_client_that_answers_nothing_still_gets_its_answer(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str
):
    impatient(monkeypatch)
    silent = (
        "workspace/applyEdit",
        "window/showDocument",
        "window/workDoneProgress/create",
        "client/registerCapability",
        "workspace/configuration",
    )
    async with connect(name, silent=silent) as person:
        reply = await person.ask("one?")
        assert person.on_disk(reply) == person.rendered(reply)
        second = await person.ask("two?", session=reply["session"])
        assert person.on_disk(second) == person.rendered(second)
        assert f"The chat is in {reply['path']}" in person.messages()
        for method in set(silent) - {"window/workDoneProgress/create"}:  # its job was over first
            assert len(person.editor.received(method)) <= 1


async def test_a_client_that_refuses_edits_loses_no_answer(connect: Connect):
    async with connect(refusing=("workspace/applyEdit",)) as person:
        reply = await person.ask("one?")
        assert person.turn(reply).status == "done"
        person.editor.close(reply["uri"])
        await person.until(lambda: person.on_disk(reply) == person.rendered(reply))


async def test_a_client_that_shows_nothing_is_told_where_the_chat_is(connect: Connect):
    async with connect(refusing=("window/showDocument",)) as person:
        reply = await person.ask("one?")
        assert f"The chat is in {reply['path']}" in person.messages()
        assert person.on_disk(reply) == person.rendered(reply)


@pytest.mark.parametrize("features", [("state",), ("delta", "state")])
async def test_a_client_that_stops_reading_for_a_while_misses_nothing(
    connect: Connect, features: tuple[str, ...]
):
    async with connect(features=features) as person:
        reply = await person.begin_long(view="none")
        asking = person.server.desk.sessions.asking(reply["session"])
        assert asking
        person.pipe.hold()
        seen = len(asking.text)
        await person.until(lambda: len(asking.text) > seen + 2000)
        assert person.pipe.backlog_bytes < 1 << 20
        person.pipe.release()
        await person.command("cancel", {"job": reply["job"]})
        await person.answered(reply)
        assert person.on_disk(reply) == person.rendered(reply)
        assert person.phases(reply["job"])[-1] == "cancelled"


@pytest.mark.parametrize("name", ["nvim_0_12_4", "vscode_languageclient_11_0", "vim_lsp_474c656"])
async def test_what_is_selected_is_what_is_sent_in_every_encoding(connect: Connect, project: Path, name: str):
    path = project / "wide.py"
    path.write_text('a = "🦉🦉"\f# \u2028\nb = "é"\nc = 3\n')
    async with connect(name) as person:
        uri = person.editor.open(path, language="python")
        owl = person.editor.documents[uri].text.index("🦉")
        person.editor.edit(uri, owl, owl + 1, "eagle 🦅")
        reply = await person.ask(uri=uri, lines=[0, 1])
        assert person.turn(reply).tail[0].text == 'a = "eagle 🦅🦉"\f# \u2028\n'


async def test_edits_that_are_told_late_are_no_trouble(connect: Connect):
    async with connect() as person:
        person.editor.tells_late = True
        reply = await person.ask("one?")
        second = await person.ask("two?", session=reply["session"])
        assert person.text(second) == person.rendered(second)


async def test_two_files_of_one_project_share_one_server(person: Person):
    await person.ask()
    await person.ask(uri=person.file("b.py"), new=True)
    status = await person.command("status")
    assert [(name, model["ours"]) for name, model in status["models"].items()] == [("demo", True)]
    assert len(status["models"]["demo"]["slots"]) == 2


async def test_a_plug_in_of_another_protocol_is_told_so_and_answers_come_all_the_same(connect: Connect):
    announced = {"name": "kvasir.vim", "version": "9.0", "protocol": 2, "features": ["delta"]}
    async with connect("nvim_0_12_4", client=announced) as person:
        reply = await person.ask()
        assert reply["mode"] == "M3"
        assert person.text(reply) == person.rendered(reply)
        assert any("kvasir.vim" in told and "Update Kvasir" in told for told in person.messages())


async def test_a_plug_in_learns_which_protocol_is_spoken(person: Person):
    assert person.editor.server["capabilities"]["experimental"] == {"kvasir": {"protocol": 1}}
