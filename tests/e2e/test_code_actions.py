"""Code actions in code and in chat documents."""

from tests.e2e.conftest import Connect
from tests.e2e.person import Person
from tests.lsp import Json


def titles(actions: list[Json]) -> list[str]:
    return [action["title"].removeprefix("Kvasir: ") for action in actions]


async def test_code_can_be_asked_about_without_typing(person: Person):
    actions = await person.actions(person.file(), 0, 8, triggerKind=1)
    assert titles(actions) == [
        "explain",
        "review",
        "fix",
        "write tests",
        "document",
        "brainstorm",
        "teach me",
        "simplify",
    ]
    reply = await person.answered(await person.choose(actions, "Kvasir: fix"))
    assert person.tail(reply) == ["a.py#L1-L8", "fix"]
    assert person.text(reply) == person.rendered(reply)


async def test_only_the_kinds_that_are_asked_for_are_offered(person: Person):
    async def offered(*only: str) -> int:
        return len(await person.actions(person.file(), 0, 8, triggerKind=1, only=list(only)))

    assert await offered("refactor") == 8
    assert await offered("") == 8
    assert await offered("refactor.kvasir.fix") == 1
    assert await offered("quickfix", "source") == 0
    assert await offered("refactor.kvasir.fi") == 0


async def test_actions_of_a_model_are_tagged_where_the_editor_knows_the_tag(connect: Connect):
    async with connect("vscode_languageclient_11_0") as person:
        assert [action["tags"] for action in await person.actions(person.file(), 0, 8)] == [[1]] * 8
    async with connect("nvim_0_12_4") as person:
        assert all("tags" not in action for action in await person.actions(person.file(), 0, 8))


async def test_a_running_answer_can_be_stopped_from_any_file(person: Person):
    reply = await person.begin_long()
    actions = await person.actions(person.file("b.py"), 0, 1)
    assert titles(actions)[0] == "stop"
    assert actions[0]["isPreferred"]
    await person.choose(actions, "Kvasir: stop")
    await person.answered(reply)
    assert person.turn(reply).status == "stopped"
    assert "stop" not in titles(await person.actions(person.file("b.py"), 0, 1))


async def test_a_chat_offers_fork_retry_and_other_models(person: Person):
    reply = await person.ask()
    await person.ask("and then?", session=reply["session"])
    lines = person.text(reply).splitlines()
    first = lines.index("why?")
    assert titles(await person.actions(reply["uri"], first, first)) == [
        "fork from turn 1",
        "retry turn 1",
        "use model long",
    ]
    end = len(lines)
    assert titles(await person.actions(reply["uri"], end, end)) == [
        "fork from turn 2",
        "retry turn 2",
        "use model long",
    ]


async def test_a_draft_can_be_sent(person: Person):
    reply = await person.ask()
    person.type(person.path(reply), "and then?")
    end = len(person.text(reply).splitlines())
    actions = await person.actions(reply["uri"], end, end)
    assert (titles(actions)[0], actions[0]["isPreferred"]) == ("send", True)
    second = await person.answered(await person.choose(actions, "Kvasir: send"))
    assert (second["session"], person.turn(second).question) == (reply["session"], "and then?")
    assert person.text(second) == person.rendered(second)


async def test_an_edited_question_can_be_sent(person: Person):
    reply = await person.ask("why?")
    person.replace(person.path(reply), "why?", "why not?")
    line = person.text(reply).splitlines().index("why not?")
    actions = await person.actions(reply["uri"], line, line)
    fork = await person.answered(await person.choose(actions, "Kvasir: send"))
    assert fork["session"] != reply["session"]
    assert person.turn(fork).question == "why not?"


async def test_never_more_actions_than_a_menu_holds(connect: Connect):
    models = {f"m{number}": {"url": "http://127.0.0.1:9"} for number in range(12)}
    async with connect(settings={"models": models}) as person:
        reply = await person.ask()
        person.type(person.path(reply), "and then?")
        end = len(person.text(reply).splitlines())
        assert len(await person.actions(reply["uri"], end, end)) < 9


async def test_nothing_is_offered_for_what_is_no_file(person: Person):
    assert await person.actions("untitled:Untitled-1", 0, 8) == []


async def test_the_outline_of_a_chat_names_its_questions(person: Person):
    reply = await person.ask("why?")
    await person.ask("and then?", session=reply["session"])
    symbols = await person.editor.request(
        "textDocument/documentSymbol", {"textDocument": {"uri": reply["uri"]}}
    )
    assert [symbol["name"] for symbol in symbols] == ["why?", "and then?"]
    lines = person.text(reply).splitlines()
    for symbol in symbols:
        chosen = symbol["selectionRange"]
        assert line_at(lines, chosen["start"]).startswith("## ")
        assert position(symbol["range"]["start"]) <= position(chosen["start"])
        assert position(chosen["end"]) <= position(symbol["range"]["end"])


async def test_the_turns_of_a_chat_fold(person: Person):
    reply = await person.ask("why?")
    folds = await person.editor.request("textDocument/foldingRange", {"textDocument": {"uri": reply["uri"]}})
    lines = person.text(reply).splitlines()
    assert len(folds) == 1
    assert line_at(lines, {"line": folds[0]["startLine"]}).startswith("## You")


async def test_the_files_of_a_chat_are_links(person: Person):
    reply = await person.ask("why?")
    links = await person.editor.request("textDocument/documentLink", {"textDocument": {"uri": reply["uri"]}})
    assert [link["target"] for link in links] == [person.file(), f"{person.file()}#L1"]
    lines = person.text(reply).splitlines()
    texts = [
        line_at(lines, link["range"]["start"])[
            link["range"]["start"]["character"] : link["range"]["end"]["character"]
        ]
        for link in links
    ]
    assert texts == ["a.py", "a.py#L1-L8"]


async def test_other_files_have_neither_outline_nor_folds_nor_links_of_ours(person: Person):
    (person.project / "README.md").write_text("## You\n\nwhy?\n\n## Kvasir\n\nbecause\n")
    uri = person.editor.open(person.project / "README.md")
    for method in ("documentSymbol", "foldingRange", "documentLink", "codeLens"):
        assert await person.editor.request(f"textDocument/{method}", {"textDocument": {"uri": uri}}) == []


async def test_what_concerns_chats_is_registered_for_chats_only_where_that_is_possible(connect: Connect):
    methods = {"documentSymbol", "foldingRange", "documentLink", "codeLens"}
    async with connect("vscode_languageclient_11_0") as person:
        await person.until(lambda: person.editor.received("client/registerCapability"))
        (asked,) = person.editor.received("client/registerCapability")
        assert {one["method"] for one in asked["registrations"]} == {f"textDocument/{m}" for m in methods}
        for one in asked["registrations"]:
            assert one["registerOptions"]["documentSelector"] == [
                {"language": "markdown", "pattern": "**/.kvasir/chat/*.md"},
                {"language": "markdown", "pattern": f"{person.server.desk.state_folder}/chat/*.md"},
                {"scheme": "kvasir"},
            ]
        announced = person.editor.server["capabilities"]
        assert not {f"{method}Provider" for method in methods} & announced.keys()
        reply = await person.ask("why?")
        symbols = await person.editor.request(
            "textDocument/documentSymbol", {"textDocument": {"uri": reply["uri"]}}
        )
        assert [symbol["name"] for symbol in symbols] == ["why?"]
    for name in ("vim_lsp_474c656", "ale_4_0_0"):
        async with connect(name) as person:
            assert (
                not {f"{method}Provider" for method in methods} & person.editor.server["capabilities"].keys()
            )


def line_at(lines: list[str], place: Json) -> str:
    number: int = place["line"]
    return lines[number]


def position(place: Json) -> tuple[int, int]:
    return place["line"], place["character"]
