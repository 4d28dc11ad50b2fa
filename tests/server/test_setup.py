"""``kvasir setup``: what it writes, what it leaves alone, and that it takes everything back."""

import json
import os
import stat
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.errors import KvasirError
from server.cli import main
from server.setup import blocks, emacs, helix, kakoune, packages, vscode
from server.setup.person import Person, shipped
from server.setup.steps import Change, Link, Plan, Run, carry_out, shown

KNOWN = {"python": ("ty", "ruff"), "rust": ("rust-analyzer",), "text": (), "markdown": ("marksman",)}
PROGRAM_TEXT = """#!/bin/sh
echo "$0 $@" >> "$HOME/ran"
"""
# What Helix 25.07 says: its table is cut to the width of the terminal, and names stand in `--health LANGUAGE`.
HELIX = """#!{python}
import os, sys, tomllib
known = {known!r}
config = os.path.join(os.environ["XDG_CONFIG_HOME"], "helix/languages.toml")
text = open(config).read() if os.path.exists(config) else ""
if "document-links" in text or "refused" in text:
    print("Error parsing user language config: unknown variant", file=sys.stderr)
    print("Using default language config", file=sys.stderr)
if sys.argv[2] == "all-languages":
    width = os.get_terminal_size(1).columns // 3
    for row in [("Language", "Language servers", "Debug"), *[(n, "x " + s[0] if s else "None", "None") for n, s in known.items()]]:
        print("".join((cell if len(cell) < width else cell[:width - 2] + "…").ljust(width) for cell in row))
else:
    servers = known[sys.argv[2]]
    print("Configured language servers:" + ("" if servers else " None"))
    for server in servers:
        print(f"  x {{server}}: '{{server}}' not found in $PATH")
    print("Configured debug adapter: None")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "bin").mkdir(parents=True)
    return folder


@pytest.fixture
def someone(home: Path) -> Person:
    """Somebody whose editors find ``kvasir`` by its name."""
    return Person(
        home=home,
        config=home / ".config",
        data=home / ".local/share",
        path=str(home / "bin"),
        command=("kvasir",),
        shipped=shipped(),
        version="0.1.0",
    )


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, home: Path) -> Callable[..., int]:
    """``kvasir setup`` as that person calls it."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(home / "bin"))
    program(home, "kvasir")
    return lambda *words: main(["setup", *words])


def program(home: Path, name: str, text: str = PROGRAM_TEXT) -> Path:
    path = home / "bin" / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def fake_helix(home: Path) -> Path:
    return program(home, "hx", HELIX.format(python=sys.executable, known=KNOWN))


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Every file and link below a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


# --- blocks ----------------------------------------------------------------------------------------

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")


@st.composite
def texts(draw: st.DrawFn) -> str | None:
    """Files with any line ends, with and without one at their end; or none."""
    if draw(st.booleans()):
        return None
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    last = draw(st.sampled_from(["", "\n", "\r\n", "\r"]))
    return end.join(draw(st.lists(st.text(characters, max_size=20)))) + last


@given(texts())
def test_a_block_is_taken_out_to_the_last_byte(text: str | None):
    wired = blocks.with_block(text, "#", "kakoune", "source 'x'")
    assert "source 'x'" in wired.splitlines()
    assert blocks.without_block(wired, "#", "kakoune") == text


@given(texts())
def test_where_no_block_is_nothing_is_taken_out(text: str | None):
    assert blocks.without_block(text, ";;", "emacs") == text


def test_what_is_written_behind_the_block_stays():
    wired = blocks.with_block("a\n", "#", "kakoune", "ours") + "theirs\n"
    assert blocks.without_block(wired, "#", "kakoune") == "a\ntheirs\n"


# --- Helix -----------------------------------------------------------------------------------------

OWN_LANGUAGES = """\
# mine
[language-server.ruff]
command = "ruff" # linter

[[language]]
name = "python"
language-servers = [
    "ty", # types
    { name = "ruff", only-features = ["format", "code-action"] }, # the rest ]
]
auto-format = true

[[language]]
name = "rust"
indent = { tab-width = 4, unit = "    " }
"""


def names(entry: dict[str, Any]) -> list[str]:
    """Names of the servers of a language."""
    return [server if isinstance(server, str) else server["name"] for server in entry["language-servers"]]


def servers(text: str) -> dict[str, list[str]]:
    """Names of the servers of each language, entries of one name merged as Helix does it: the last one wins."""
    merged: dict[str, list[str]] = {}
    for entry in tomllib.loads(text)["language"]:
        if "language-servers" in entry:
            merged[entry["name"]] = names(entry)
    return merged


def test_kvasir_comes_behind_the_servers_of_every_language():
    text, added = helix.with_languages(None, KNOWN, "kvasir", helix.FEATURES)
    assert servers(text) == {name: [*known, "kvasir"] for name, known in KNOWN.items()}
    assert tomllib.loads(text)["language-server"]["kvasir"]["args"] == ["lsp"]
    assert tomllib.loads(added) == tomllib.loads(text)


def test_own_lists_of_servers_are_added_to_in_their_place_and_comments_stay():
    text, _ = helix.with_languages(OWN_LANGUAGES, KNOWN, "kvasir", helix.FEATURES)
    assert servers(text)["python"] == ["ty", "ruff", "kvasir"]
    assert servers(text)["rust"] == ["rust-analyzer", "kvasir"]
    assert '"ty", # types\n' in text
    assert text.count('name = "python"') == 1
    assert helix.without_languages(text) == OWN_LANGUAGES


def test_what_a_person_wired_by_hand_is_left_alone():
    by_hand = (shipped() / "helix/languages.toml").read_text("utf-8")
    text, added = helix.with_languages(by_hand, KNOWN, "kvasir", helix.FEATURES)
    assert "language-server" not in tomllib.loads(added)
    assert {entry["name"] for entry in tomllib.loads(added)["language"]} == {"rust", "text"}
    assert helix.without_languages(text) == by_hand


ELEMENTS = ['"ty"', "'a#b'", '{ name = "ruff", only-features = ["format"] }', '"""x"""']
GAPS = ["", " ", "\n    ", " # ] comment\n", "\r\n  "]


@st.composite
def arrays(draw: st.DrawFn) -> str:
    """Lists of servers as people write them."""
    gap = st.sampled_from(GAPS)
    parts = draw(st.lists(st.sampled_from(ELEMENTS), max_size=4))
    written = ",".join(f"{draw(gap)}{part}{draw(gap)}" for part in parts)
    return f"[{written}{',' if parts and draw(st.booleans()) else ''}\n]"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Files of languages as people write them."""
    front = ["", "# mine\n", 'theme = "x"\n\n', "[language-server.ruff]\ncommand = 'ruff'\n", "\r\n"]
    back = ["", "\n", "\n\n# end", "\n[[grammar]]\nname = 'x'\n"]
    names = draw(st.lists(st.sampled_from(["python", "rust", "text", "my own"]), max_size=3))
    entries: list[str] = []
    for name in names:
        indent = draw(st.sampled_from(["", "  "]))
        own = f"language-servers = {draw(arrays())} # own" if draw(st.booleans()) else "scope = 'x'"
        entries.append(f"{indent}[[language]]\n{indent}name = {json.dumps(name)}\n{indent}{own}\n")
    return draw(st.sampled_from(front)) + "\n".join(entries) + draw(st.sampled_from(back))


@given(documents())
def test_a_languages_file_is_taken_back_to_the_last_byte(document: str):
    values = tomllib.loads(document)
    text, _ = helix.with_languages(document, KNOWN, "kvasir", helix.FEATURES)
    assert helix.without_languages(text) == document
    for before, after in zip(values.get("language", []), tomllib.loads(text)["language"], strict=False):
        if "language-servers" in before:
            assert names(after) == [*names(before), "kvasir"]
    assert all("kvasir" in servers(text)[name] for name in KNOWN)


def test_helix_itself_is_asked_for_its_languages_and_for_what_it_would_read(someone: Person, home: Path):
    hx = str(fake_helix(home))
    plan = helix.wire(someone, hx)
    assert plan.state == "does not start Kvasir yet"
    languages, keys = plan.todo
    assert isinstance(languages, Change)
    assert isinstance(keys, Change)
    assert servers(languages.after or "") == {name: [*known, "kvasir"] for name, known in KNOWN.items()}
    assert "document-links" not in (languages.after or ""), "this Helix refuses it"
    assert "q" in tomllib.loads(keys.after or "")["keys"]["normal"]["space"]["q"]

    carry_out(plan.todo)
    again = helix.wire(someone, hx)
    assert (again.state, again.todo) == ("starts Kvasir for 4 languages", ())


def test_a_language_of_a_newer_helix_is_added_the_next_time(someone: Person, home: Path):
    hx = str(fake_helix(home))
    carry_out(helix.wire(someone, hx).todo)
    program(home, "hx", (home / "bin/hx").read_text("utf-8").replace("'rust'", "'zig': ('zls',), 'rust'"))
    plan = helix.wire(someone, hx)
    assert plan.state == "starts Kvasir for 4 languages, not as setup would do it now"
    (languages,) = plan.todo
    assert isinstance(languages, Change)
    assert servers(languages.after or "")["zig"] == ["zls", "kvasir"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", {"editor", "keys"}),
        ("[editor.lsp]\ndisplay-messages = false\n", {"editor", "keys"}),
        ("[keys.normal.space]\nx = ':x'\n", {"editor", "keys"}),
        ("[keys.normal]\nspace.x = ':x'\n", {"editor", "keys"}),
    ],
)
def test_keys_join_those_of_the_person(someone: Person, home: Path, config: str, expected: set[str]):
    file = someone.config / "helix/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(config, encoding="utf-8")
    carry_out(helix.wire(someone, str(fake_helix(home))).todo)
    values = tomllib.loads(file.read_text("utf-8"))
    assert set(values) == expected
    assert "kvasir.ask" in values["keys"]["normal"]["space"]["q"]["q"]
    carry_out(helix.unwire(someone).todo)
    assert file.read_text("utf-8") == config


@pytest.mark.parametrize(
    "config", ["[keys.normal.space]\nq = ':q'\n", "[keys.normal]\nspace = { x = ':x' }\n"]
)
def test_keys_that_are_taken_stay_taken(someone: Person, home: Path, config: str):
    file = someone.config / "helix/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(config, encoding="utf-8")
    plan = helix.wire(someone, str(fake_helix(home)))
    assert "something else at Space q" in plan.notes[0]
    assert file not in [step.path for step in plan.todo if isinstance(step, Change)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[language]\n", "is not valid TOML"),
        ("refused = 1\n", "is refused by Helix itself"),
        ("language = [{ name = 'python' }]\n", "is written in a way that setup cannot add to"),
    ],
)
def test_a_languages_file_that_cannot_be_added_to_is_left_as_it_is(
    someone: Person, home: Path, text: str, sentence: str
):
    file = someone.config / "helix/languages.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(KvasirError, match=sentence):
        helix.wire(someone, str(fake_helix(home)))
    assert file.read_text("utf-8") == text


# --- Vim and Neovim --------------------------------------------------------------------------------


def fake_plugin(folder: Path, version: str) -> Path:
    (folder / "plugin").mkdir(parents=True)
    (folder / "plugin/kvasir.lua").write_text(f"client = {{ version = '{version}' }}\n", encoding="utf-8")
    return folder


def test_the_plug_in_is_linked_and_the_link_taken_back(someone: Person, home: Path):
    before = snapshot(home)
    plan = packages.wire_neovim(someone, "nvim")
    assert plan.state == "does not start Kvasir yet"
    carry_out(plan.todo)
    link = home / ".local/share/nvim/site/pack/kvasir/start/kvasir"
    assert link.resolve() == someone.shipped / "neovim"
    assert packages.wire_neovim(someone, "nvim") == Plan(
        "linked", (Link(link, link.readlink(), link.readlink()),)
    )
    carry_out(packages.unwire_neovim(someone).todo)
    assert snapshot(home) == before
    assert not (home / ".local/share/nvim").exists()


def test_a_program_off_the_path_is_named_in_a_package_of_its_own(someone: Person, home: Path):
    off = attrs.evolve(someone, command=("/opt/kvasir/bin/kvasir",))
    carry_out(packages.wire_neovim(off, "nvim").todo)
    (file,) = home.rglob("kvasir_command.vim")
    assert file.read_text("utf-8") == (
        "let g:kvasir_command = get(g:, 'kvasir_command', [\"/opt/kvasir/bin/kvasir\"])\n"
    )
    assert packages.wire_neovim(off, "nvim").todo == ()
    assert packages.wire_neovim(someone, "nvim").broken, "it would still start the other one"
    carry_out(packages.unwire_neovim(off).todo)
    assert not list(home.rglob("*kvasir*"))[1:], "nothing of ours but the program in bin"


def test_a_link_to_a_folder_that_is_gone_or_of_another_kvasir_is_told_and_replaced(
    someone: Person, home: Path
):
    link = packages.neovim(someone).link
    link.parent.mkdir(parents=True)
    link.symlink_to(home / "gone")
    assert packages.wire_neovim(someone, "nvim").state == "linked to a folder that is gone"
    link.unlink()
    link.symlink_to(fake_plugin(home / "older", "0.0.9"))
    plan = packages.wire_neovim(someone, "nvim")
    assert (plan.broken, plan.state) == (
        True,
        f"linked to the plug-in in {home / 'older'}, version 0.0.9 (this is 0.1.0)",
    )
    carry_out(plan.todo)
    assert link.resolve() == someone.shipped / "neovim"


def test_a_copy_that_somebody_else_installed_stays(someone: Person, home: Path):
    fake_plugin(home / ".local/share/nvim/lazy/kvasir", "0.0.9")
    plan = packages.wire_neovim(someone, "nvim")
    assert plan.state == "has the plug-in in ~/.local/share/nvim/lazy/kvasir, version 0.0.9 (this is 0.1.0)"
    assert (plan.broken, plan.steps) == (True, ())


@pytest.mark.parametrize(
    ("line", "loads"),
    [
        ("vim.opt.runtimepath:prepend('/src/kvasir/editors/neovim')", True),
        ("vim.lsp.enable('kvasir')", True),
        ("vim.lsp.enable({ 'kvasir', 'ty' })", True),
        ("vim.keymap.set('n', '<Leader>k', '<Plug>(kvasir-ask)')", False),
        ("vim.g.kvasir_command = { '/opt/kvasir' }", False),
    ],
)
def test_a_configuration_that_loads_kvasir_by_hand_stays(someone: Person, line: str, loads: bool):
    init = someone.config / "nvim/init.lua"
    init.parent.mkdir(parents=True)
    init.write_text(f"{line}\n", encoding="utf-8")
    plan = packages.wire_neovim(someone, "nvim")
    assert (plan.state, plan.todo == ()) == (
        "its ~/.config/nvim/init.lua loads Kvasir" if loads else "does not start Kvasir yet",
        loads,
    )


def test_vim_says_which_lsp_client_it_needs(someone: Person, home: Path):
    assert "needs an LSP client" in packages.wire_vim(someone, "vim").notes[0]
    (home / ".vim/plugged/coc.nvim/plugin").mkdir(parents=True)
    assert "need a block for Kvasir" in packages.wire_vim(someone, "vim").notes[0]
    (home / ".vim/coc-settings.json").write_text('{"languageserver": {"kvasir": {}}}', encoding="utf-8")
    assert packages.wire_vim(someone, "vim").notes == ()
    assert packages.wire_vim(someone, "vim").todo
    (home / ".vim/coc-settings.json").unlink()
    (home / ".vim/pack/x/start/vim-lsp/plugin").mkdir(parents=True)
    assert packages.wire_vim(someone, "vim").notes == ()


def test_vim_uses_the_folder_of_xdg_only_where_vim_does(someone: Person, home: Path):
    assert packages.vim(someone).link.is_relative_to(home / ".vim")
    (someone.config / "vim").mkdir(parents=True)
    assert packages.vim(someone).link.is_relative_to(someone.config / "vim")
    (home / ".vimrc").touch()
    assert packages.vim(someone).link.is_relative_to(home / ".vim")


# --- Emacs, Kakoune --------------------------------------------------------------------------------


@pytest.mark.parametrize("existing", [".emacs", ".emacs.d/init.el", ".config/emacs/init.el"])
def test_emacs_is_told_in_the_init_file_that_it_reads(someone: Person, home: Path, existing: str):
    file = home / existing
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('(setq x "y")', encoding="utf-8")
    carry_out(emacs.wire(someone, "emacs").todo)
    assert f'(load "{someone.shipped}/emacs/kvasir-autoloads" nil t)' in file.read_text("utf-8")
    assert emacs.wire(someone, "emacs").state == "loads Kvasir's commands"
    moved = attrs.evolve(someone, shipped=home / "elsewhere/editors", command=("/opt/kvasir",))
    assert emacs.wire(moved, "emacs").broken
    carry_out(emacs.wire(moved, "emacs").todo)
    assert file.read_text("utf-8").count("kvasir-autoloads") == 1
    assert '(defvar kvasir-command (list "/opt/kvasir"))' in file.read_text("utf-8")
    carry_out(emacs.unwire(someone).todo)
    assert file.read_text("utf-8") == '(setq x "y")'


def test_what_a_person_loads_by_hand_stays_and_a_mere_option_does_not_count(someone: Person, home: Path):
    init, kakrc = home / ".emacs", someone.config / "kak/kakrc"
    kakrc.parent.mkdir(parents=True)
    init.write_text("(use-package kvasir)\n", encoding="utf-8")
    kakrc.write_text("source /src/editors/kakoune/kvasir.kak\n", encoding="utf-8")
    assert emacs.wire(someone, "emacs") == Plan("its ~/.emacs loads Kvasir")
    assert kakoune.wire(someone, "kak").todo == ()
    init.write_text('(setq kvasir-command \'("/opt/kvasir"))\n', encoding="utf-8")
    kakrc.write_text("map global user k ':enter-user-mode kvasir<ret>'\n", encoding="utf-8")
    assert emacs.wire(someone, "emacs").todo
    assert kakoune.wire(someone, "kak").todo


def test_a_file_that_was_made_for_the_block_goes_with_it(someone: Person, home: Path):
    for wire, unwire in ((emacs.wire, emacs.unwire), (kakoune.wire, kakoune.unwire)):
        before = snapshot(home)
        carry_out(wire(someone, "").todo)
        assert snapshot(home) != before
        carry_out(unwire(someone).todo)
        assert snapshot(home) == before


# --- VS Code ---------------------------------------------------------------------------------------

CODE = """#!/bin/sh
case "$1" in
    --list-extensions) cat "$HOME/extensions" 2>/dev/null ;;
    --install-extension) echo kvasir.kvasir@0.1.0 > "$HOME/extensions" ;;
    --uninstall-extension) rm "$HOME/extensions" ;;
esac
"""


@pytest.fixture
def packaged(someone: Person, tmp_path: Path) -> Person:
    """With an extension that was packaged."""
    folder = tmp_path / "editors/vscode"
    folder.mkdir(parents=True)
    (folder / "kvasir-0.1.0.vsix").touch()
    return attrs.evolve(someone, shipped=tmp_path / "editors")


def test_the_extension_is_installed_and_uninstalled(
    packaged: Person, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/bin:/bin")
    code = str(program(home, "code", CODE))
    plan = vscode.wire(packaged, code)
    vsix = str(packaged.shipped / "vscode/kvasir-0.1.0.vsix")
    assert plan.todo == (Run((code, "--install-extension", vsix, "--force")),)
    carry_out(plan.todo)
    assert vscode.wire(packaged, code).state == "has the extension 0.1.0"
    assert vscode.wire(packaged, code).todo == ()
    newer = vscode.wire(attrs.evolve(packaged, version="0.2.0"), code)
    assert (newer.broken, newer.state) == (True, "has the extension 0.1.0 (this is 0.2.0)")
    carry_out(vscode.unwire(packaged, code).todo)
    assert vscode.wire(packaged, code).state == "does not have the extension yet"


def test_the_extension_and_its_setting_have_these_names():
    manifest = json.loads((shipped() / "vscode/package.json").read_text("utf-8"))
    assert f"{manifest['publisher']}.{manifest['name']}" == vscode.EXTENSION
    assert vscode.SETTING in json.dumps(manifest["contributes"]["configuration"])


def test_without_a_package_it_says_how_to_get_one(someone: Person, tmp_path: Path):
    plan = vscode.wire(attrs.evolve(someone, shipped=tmp_path), "code")
    assert plan.steps == ()
    assert "make vsix" in plan.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{}",
        "{\n}\n",
        '{"a": 1}',
        '// mine {\n{\n    // "x": {\n    "a": "//", /* b */\n    "c": [1, 2,],\n}\n',
        '{\r\n  "a": 1\r\n}\r\n',
    ],
)
def test_a_setting_joins_the_others_and_is_taken_back_to_the_last_byte(text: str | None, tmp_path: Path):
    line = '"kvasir.command": ["/opt/kvasir"]'
    wired = vscode.with_setting(text, line, tmp_path)
    assert line in wired
    assert vscode.without_setting(wired) == text


@pytest.mark.parametrize("text", ["", "[]", "{ a: 1 }", '{"a": 1'])
def test_settings_that_are_no_json_object_are_left_as_they_are(text: str, tmp_path: Path):
    with pytest.raises(KvasirError, match="Nothing was changed"):
        vscode.with_setting(text, '"kvasir.command": []', tmp_path)


# --- writing ---------------------------------------------------------------------------------------


def test_a_file_keeps_its_mode_and_a_link_to_it_stays_a_link(tmp_path: Path):
    target, link = tmp_path / "dotfiles/kakrc", tmp_path / "kakrc"
    target.parent.mkdir()
    target.write_text("a", encoding="utf-8")
    target.chmod(0o640)
    link.symlink_to(target)
    carry_out([Change(link, "a", "b")])
    assert link.is_symlink()
    assert target.read_text("utf-8") == "b"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["kakrc"]


def test_if_one_file_cannot_be_written_none_is(tmp_path: Path):
    first, in_the_way = tmp_path / "first", tmp_path / "file"
    first.write_text("a", encoding="utf-8")
    in_the_way.touch()
    with pytest.raises(KvasirError, match="cannot be written"):
        carry_out([Change(first, "a", "b"), Change(in_the_way / "second", None, "b")])
    assert first.read_text("utf-8") == "a"
    assert not list(tmp_path.glob(".first*")), "what was prepared is gone"


def test_a_read_only_file_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "init.el"
    file.write_text("a", encoding="utf-8")

    # Root may write everything; the answer of the system to anybody else:
    def refused(*_: object) -> bool:
        return False

    monkeypatch.setattr(os, "access", refused)
    with pytest.raises(KvasirError, match="is read-only"):
        carry_out([Change(file, "a", "b")])
    assert file.read_text("utf-8") == "a"


def test_a_file_that_changed_meanwhile_is_left_as_it_is(tmp_path: Path):
    file = tmp_path / "init.el"
    file.write_text("theirs", encoding="utf-8")
    with pytest.raises(KvasirError, match="changed by somebody else"):
        carry_out([Change(file, "a", "b")])
    assert file.read_text("utf-8") == "theirs"


def test_a_diff_says_what_would_change_and_cuts_what_is_alike(tmp_path: Path):
    file = tmp_path / "kakrc"
    assert shown(Change(file, "a", "a\nb\n")) == f"--- {file}\n+++ {file}\n@@ -1 +1,2 @@\n a\n+b\n"
    long = shown(Change(file, None, "x\n" * 1000))
    assert len(long.splitlines()) < 50
    assert "more lines of the same kind" in long


# --- the command -----------------------------------------------------------------------------------


def test_all_installed_editors_are_set_up_and_taken_back(
    shell: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("nvim", "vim", "emacs", "kak"):
        program(home, name)
    fake_helix(home)
    (home / ".emacs").write_bytes(b"; \xc3\xa9\r\n")
    before = snapshot(home)

    assert shell("--yes") == 0
    said = capsys.readouterr().out
    for title in ("Vim", "Neovim", "Helix", "Emacs", "Kakoune"):
        assert f"\n{title}: done. Next: " in said
    assert shell("--yes") == 0
    assert capsys.readouterr().out.endswith("Nothing to do.\n")

    assert shell("--remove", "--yes") == 0
    assert snapshot(home) == before
    assert shell("--remove") == 0
    assert capsys.readouterr().out.endswith("Nothing to do.\n")


def test_without_a_terminal_and_a_yes_it_only_shows(
    shell: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
):
    program(home, "nvim")
    before = snapshot(home)
    assert shell("nvim") == 1
    said = capsys.readouterr().out
    assert "link " in said
    assert 'there is no terminal to ask at. "--yes" says yes to Neovim.' in said
    assert snapshot(home) == before


def test_printing_writes_nothing_and_shows_all(
    shell: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
):
    fake_helix(home)
    before = snapshot(home)
    assert shell("helix", "--print") == 0
    languages, _, keys = capsys.readouterr().out.partition(
        "# Into ~"[:6] + f" {home}/.config/helix/config.toml"
    )
    assert servers(languages)["text"] == ["kvasir"]
    assert "kvasir.ask" in keys
    assert snapshot(home) == before


def test_one_broken_configuration_does_not_keep_the_others_from_being_set_up(
    shell: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
):
    program(home, "nvim")
    fake_helix(home)
    broken = home / ".config/helix/languages.toml"
    broken.parent.mkdir(parents=True)
    broken.write_text("[[language]\n", encoding="utf-8")
    assert shell("--yes") == 1
    said = capsys.readouterr().out
    assert "is not valid TOML" in said
    assert "Neovim: done." in said
    assert broken.read_text("utf-8") == "[[language]\n"


def test_an_editor_that_is_unknown_or_not_there_is_named(
    shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    assert shell("ed") == 1
    assert "'ed' is no editor that setup knows. It knows vim, nvim, helix" in capsys.readouterr().err
    assert shell("neovim") == 1
    assert "Neovim is not on the PATH (no nvim)." in capsys.readouterr().err
    assert shell() == 1
    assert "None of these is on the PATH" in capsys.readouterr().err
