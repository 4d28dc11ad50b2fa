"""What a person can say to Kvasir in Neovim: completion, prompts, lists, short names and keys."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.editors.drivers.chat import answer, document, turns
from tests.editors.drivers.home import Home
from tests.editors.drivers.neovim import INSTALLED, Neovim, answered, drafted, neovim, saved
from tests.editors.drivers.waiting import until
from tests.editors.provision import Prefix

pytestmark = [pytest.mark.editors, pytest.mark.timeout(180)]

TWO_MODELS = """
model = "demo"
[models.demo]
max_tokens = 60
temperature = 0.0
threads = 1
[models.distant]
url = "http://127.0.0.1:9"
"""


def asked(editor: Neovim, desk: Home, line: str, count: int) -> Path:
    """Ask by an Ex command and wait for the ``count``-th answer of the session; returns the chat's document."""
    editor.command(line)
    chat = document(desk.wire, desk.wire.command("kvasir.ask", count))
    answered(editor, chat, 1)
    saved(editor, chat)
    return chat


def test_names_options_models_and_chats_are_completed(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    desk.write_config("kvasir/config.toml", TWO_MODELS)
    with with_glue as editor:
        assert editor.completions("Kvasir re") == ["rename", "restart", "retry"]
        assert {"ask", "fork", "open", "model", "cancel"} < set(editor.completions("5,6Kvasir "))
        assert editor.completions("5,6Kvasir ask @") == ["@demo", "@distant"]
        assert editor.completions("Kvasir ask -fp @di") == ["@distant"]
        assert editor.completions("Kvasir ask -") == ["-f", "-n", "-p", "-s", "-t", "-w"]
        assert editor.completions("Kvasir ask why @") == []
        assert editor.completions("Kvasir model ") == ["demo", "distant"]
        assert editor.completions("Kvasir model demo ") == []
        assert editor.completions("5,6Q -n @de") == ["@demo"]
        assert editor.completions("QQ @") == ["@demo", "@distant"]
        assert editor.completions("Kvasir open ") == []

        asked(editor, desk, "5,6Kvasir ask why is it slow?", 1)
        asked(editor, desk, "5,6Kvasir ask why is it blue?", 2)
        assert editor.completions("Kvasir open ") == ["why is it blue?", "why is it slow?"]
        assert editor.completions("Kvasir open why is") == ["is it blue?", "is it slow?"]
        assert editor.completions("Kvasir open nothing") == []


@pytest.mark.usefixtures("endless")
def test_without_words_the_question_is_asked_for_and_warmed_while_it_is_typed(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with with_glue as editor:
        editor.type(":5,6Kvasir ask -f<CR>")
        editor.at_prompt("Ask Kvasir")
        editor.type("why is")
        about = drafted(desk.wire, "-f why is")
        assert (about["uri"], about["lines"]) == ((project / "a.py").as_uri(), [4, 6])
        editor.type(" it slow?<CR>")
        given, words = desk.wire.command("kvasir.ask").params["arguments"]
        assert words == "-f why is it slow?"
        assert given == about
        editor.command("Kvasir cancel")
        desk.wire.announced("kvasir/state", lambda state: state["phase"] == "cancelled")


def test_a_question_that_is_given_up_is_not_asked(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.type(":Kvasir ask<CR>")
        editor.at_prompt("Ask Kvasir")
        editor.type("why<Esc>")
        editor.command("Kvasir model demo")
        desk.wire.command("kvasir.model")
        commands = [message.params["command"] for message in desk.wire.sent("workspace/executeCommand")]
        assert commands == ["kvasir.model"]


def test_a_model_is_chosen_from_a_list_and_stands_in_the_chat(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    desk.write_config("kvasir/config.toml", TWO_MODELS)
    with with_glue as editor:
        chat = asked(editor, desk, "5,6Kvasir ask why is it slow?", 1)
        assert "\nmodel: demo\n" in (editor.text(chat) or "")
        editor.command(f"drop {chat}")
        editor.type(":Kvasir model<CR>")
        editor.choose(2)
        chosen = desk.wire.command("kvasir.model", 2).params["arguments"]
        assert chosen == [{"uri": chat.as_uri()}, "distant"]
        until(lambda: "\nmodel: distant\n" in (editor.text(chat) or ""), "the model in the chat")


def test_an_old_chat_is_opened_from_a_list_or_by_its_title(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        first = asked(editor, desk, "5,6Kvasir ask why is it slow?", 1)
        second = asked(editor, desk, "5,6Kvasir ask why is it blue?", 2)
        editor.command(f"bwipeout {first}")
        editor.command(f"bwipeout {second}")

        editor.type(":Kvasir open<CR>")
        editor.choose(2)
        text = until(lambda: editor.text(first), "the older chat")
        assert answer(text, 1)
        assert editor.text(second) is None
        editor.command("Kvasir open why is it blue?")
        until(lambda: editor.text(second), "the newer chat")
        assert editor.windows() == 2


def test_a_chat_is_deleted_only_when_that_was_said_twice(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        chat = asked(editor, desk, "5,6Kvasir ask why is it slow?", 1)
        editor.command(f"drop {chat}")
        editor.type(":Kvasir delete<CR>")
        editor.choose(1)
        editor.type(":Kvasir delete<CR>")
        editor.choose(2)
        desk.wire.reply(desk.wire.command("kvasir.delete"))
        until(lambda: editor.text(chat) is None, "the buffer to be gone")
        assert not chat.exists()
        commands = [message.params["command"] for message in desk.wire.sent("workspace/executeCommand")]
        assert commands.count("kvasir.delete") == 1


def test_the_short_names_ask_go_on_and_fork(
    with_glue: AbstractContextManager[Neovim], desk: Home, project: Path
) -> None:
    with with_glue as editor:
        chat = asked(editor, desk, "QQ -n why is it slow?", 1)
        given, words = desk.wire.command("kvasir.ask").params["arguments"]
        assert given == {"uri": (project / "a.py").as_uri(), "include": {"file": True}}
        assert words == "-n why is it slow?"

        editor.command("Q and in parallel?")
        assert document(desk.wire, desk.wire.command("kvasir.ask", 2)) == chat
        first, _ = turns(answered(editor, chat, 2))
        editor.command("5,6Q and these?")
        assert document(desk.wire, desk.wire.command("kvasir.ask", 3)) != chat

        editor.command(f"drop {chat}")
        editor.command("normal! G")
        editor.command("1QF and in Rust?")
        fork = desk.wire.command("kvasir.fork")
        assert fork.params["arguments"][0]["turn"] == 1
        assert turns(answered(editor, document(desk.wire, fork), 2))[0] == first


def test_a_command_q_of_the_person_stays_theirs(prefix: Prefix, desk: Home, project: Path) -> None:
    init = f"{INSTALLED}vim.cmd('command Q let g:mine = 1')\n"
    with neovim(prefix.program("nvim"), desk, project, project / "a.py", init) as editor:
        editor.command("Q")
        assert editor.lua("return vim.g.mine")
        assert editor.lua("return vim.fn.exists(':QQ')") == 2


def test_keys_are_offered_as_plug_maps_and_none_is_taken(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        mapped = editor.lua("""
            local keys = {}
            for _, map in ipairs(vim.api.nvim_get_keymap('x')) do
              if (map.rhs or ''):find('Kvasir') then table.insert(keys, map.lhs) end
            end
            table.sort(keys)
            return keys
        """)
        assert mapped
        assert all(key.startswith("<Plug>(kvasir-") for key in mapped)
        editor.command("xmap gk <Plug>(kvasir-ask)")
        editor.type("5GVjgk")
        editor.at_prompt("Ask Kvasir")
        editor.type("why is it slow?<CR>")
        given, words = desk.wire.command("kvasir.ask").params["arguments"]
        assert (given["lines"], words) == ([4, 6], "why is it slow?")
        answered(editor, document(desk.wire, desk.wire.command("kvasir.ask")), 1)


def test_lines_of_a_buffer_without_a_file_are_asked_about_as_text(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.command("new")
        editor.lua("vim.api.nvim_buf_set_lines(0, 0, -1, true, { 'Traceback', 'KeyError: 1' })")
        chat = asked(editor, desk, "1,2Q what is it?", 1)
        given, _ = desk.wire.command("kvasir.ask").params["arguments"]
        assert given == {"text": "Traceback\nKeyError: 1\n"}
        assert "a.py" not in (editor.text(chat) or "")
        assert "(selection)" in (editor.text(chat) or "")


def test_the_status_and_an_unknown_name_are_answered_in_words(
    with_glue: AbstractContextManager[Neovim], desk: Home
) -> None:
    with with_glue as editor:
        editor.type(":Kvasir nonsense<CR>")
        assert until(editor.told, "a complaint")[-1].startswith(
            'Kvasir: there is no ":Kvasir nonsense"; there are ask, cancel,'
        )
        asked(editor, desk, "5,6Kvasir ask why is it slow?", 1)
        editor.command("Kvasir status")
        until(lambda: "slots of" in editor.messages(), "the status")
        assert "demo: http://127.0.0.1:" in editor.messages()
        assert "new tokens, 0 misses" in editor.messages()
