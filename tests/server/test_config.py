import os
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from docs.generate import CONFIGURATION, configuration
from server.config import Layer, Loaded, Settings, load
from server.toml_lines import line_of
from sessions.settings import ModelSettings

INIT = "initializationOptions.kvasir.settings"


@pytest.fixture
def user(home: Path) -> Path:
    path = home / "config/kvasir/config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / ".kvasir.toml"


def told(loaded: Loaded, workspace: Path | None = None) -> list[str]:
    """Give the problems with the workspace's folder left out."""
    folder = "" if workspace is None else f"{workspace.parent}{os.sep}"
    return [str(problem).replace(folder, "") if folder else str(problem) for problem in loaded.problems]


def test_without_files_the_defaults_hold(user: Path, workspace: Path):
    assert load(user, workspace) == Loaded(Settings(), ())


def test_the_later_place_is_the_stronger(user: Path, workspace: Path):
    user.write_text("[warmup]\ndelay_ms = 100\n[project]\nmax_file_kib = 1\n")
    workspace.write_text(
        "[warmup]\ndelay_ms = 200\n[project]\nmax_file_kib = 2\n[chat]\nsend_on_save = false\n"
    )
    first = Layer(INIT, {"warmup": {"delayMs": 300}, "project": {"maxFileKib": 3}})
    second = Layer("workspace/configuration kvasir", {"warmup": {"delayMs": 400}})

    assert load(user, workspace).settings.warmup.delay_ms == 200
    loaded = load(user, workspace, first, second)
    assert (loaded.settings.warmup.delay_ms, loaded.settings.project.max_file_kib) == (400, 3)
    assert not loaded.settings.chat.send_on_save
    assert loaded.problems == ()


def test_models_are_merged_option_by_option(user: Path):
    user.write_text(
        'model = "a"\n[models.a]\npath = "/m/a.gguf"\nslots = 2\n[models."b:7b"]\nurl = "http://h:1"\n'
    )
    layer = Layer(INIT, {"models": {"a": {"slots": 3, "temperature": 0}}})

    settings = load(user, None, layer).settings

    assert settings.model == "a"
    assert settings.models == {
        "a": ModelSettings(path="/m/a.gguf", slots=3, temperature=0),
        "b:7b": ModelSettings(url="http://h:1"),
    }


def test_every_problem_is_told_at_once_with_file_line_and_nearest_name(user: Path):
    user.parent.parent.rename(user.parent.parent.with_name(".config"))
    user = user.parent.parent.with_name(".config") / "kvasir/config.toml"
    user.write_text("""\
modl = "x"
[models.main]
path = "relative.gguf"
url = "http://127.0.0.1:8080"
maxTokns = 3
[models.none]
slots = 2
[models.both]
path = "/a.gguf"
url = "http://h"
[models."two words"]
[warmup]
enabled = "yes"
delay_ms = 5
[server]
idle_minutes = nan
binary = "./llama-server"
[project]
max_file_kib = 1.5
[telemetry]
on = true
""")

    loaded = load(user, None)

    assert told(loaded) == snapshot(
        [
            '~/.config/kvasir/config.toml:1: unknown key "modl"; did you mean "model"? It is ignored.',
            '~/.config/kvasir/config.toml:3: "models.main.path" must be an absolute path, or one that begins with ~. It is ignored.',
            '~/.config/kvasir/config.toml:5: unknown key "maxTokns"; did you mean "max_tokens"? It is ignored.',
            '~/.config/kvasir/config.toml:11: "models.two words" is no name for a model: use letters, digits and . _ - : /. It is ignored.',
            '~/.config/kvasir/config.toml:13: "warmup.enabled" must be true or false. It is ignored.',
            '~/.config/kvasir/config.toml:14: "warmup.delay_ms" must be from 50 to 60000. It is ignored.',
            '~/.config/kvasir/config.toml:16: "server.idle_minutes" must be from 0.01 to 1000000. It is ignored.',
            '~/.config/kvasir/config.toml:17: "server.binary" must be an absolute path, or one that begins with ~. It is ignored.',
            '~/.config/kvasir/config.toml:19: "project.max_file_kib" must be a whole number. It is ignored.',
            '~/.config/kvasir/config.toml:20: unknown key "telemetry"; valid here: model, models, server, warmup, chat, project, context. It is ignored.',
            '~/.config/kvasir/config.toml:6: "models.none" needs either "path" or "url", and only one of them. It is ignored.',
            '~/.config/kvasir/config.toml:8: "models.both" needs either "path" or "url", and only one of them. It is ignored.',
        ]
    )
    assert loaded.settings == Settings(models={"main": ModelSettings(url="http://127.0.0.1:8080")})


def test_a_stranger_s_workspace_cannot_start_programs_or_send_code_elsewhere(user: Path, workspace: Path):
    user.write_text("[warmup]\nenabled = false\n")
    workspace.write_text("""\
model = "cloud"
[models.cloud]
url = "http://evil.example"
[server]
binary = "/tmp/evil"
[warmup]
enabled = true
delay_ms = 60
[chat]
directory = "/tmp"
""")

    loaded = load(user, workspace)

    assert attrs.evolve(loaded.settings, warmup=Settings().warmup) == Settings()
    assert (loaded.settings.warmup.enabled, loaded.settings.warmup.delay_ms) == (False, 60)
    assert told(loaded, workspace) == snapshot(
        [
            '.kvasir.toml:1: "model" may only be set in your own config.toml or editor, because with it a project could start programs or send your code elsewhere. It is ignored.',
            '.kvasir.toml:2: "models" may only be set in your own config.toml or editor, because with it a project could start programs or send your code elsewhere. It is ignored.',
            '.kvasir.toml:5: "server.binary" may only be set in your own config.toml or editor, because with it a project could start programs or send your code elsewhere. It is ignored.',
            '.kvasir.toml:7: "warmup.enabled" may only be set in your own config.toml or editor, because with it a project could start programs or send your code elsewhere. It is ignored.',
            '.kvasir.toml:10: "chat.directory" may only be set in your own config.toml or editor, because with it a project could start programs or send your code elsewhere. It is ignored.',
        ]
    )


def test_only_options_known_to_be_harmless_are_open_to_a_workspace():
    open_options = [line.split("|")[1].strip() for line in configuration().splitlines() if "| yes |" in line]
    assert open_options == ["`delay_ms`", "`max_file_kib`", "`changes`"]


def test_a_syntax_error_names_its_line_and_the_file_is_ignored(user: Path, workspace: Path):
    user.write_text("[warmup]\ndelay_ms = 100\n")
    workspace.write_text('[warmup]\ndelay_ms = 200\n[chat\nsend_on_save = "')

    loaded = load(user, workspace)

    assert loaded.settings.warmup.delay_ms == 100
    (problem,) = told(loaded, workspace)
    # What stands between is Python's own wording.
    assert problem.startswith(".kvasir.toml:3: is not valid TOML: ")
    assert problem.endswith(". The whole file is ignored.")


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"a = " + b"[" * 100_000, b"a = " + b"9" * 10_000, b"#" * (1 << 21)],
    ids=["not UTF-8", "deeply nested", "huge number", "huge file"],
)
def test_an_unreadable_file_is_one_problem(user: Path, content: bytes):
    user.write_bytes(content)
    loaded = load(user, None)
    assert loaded.settings == Settings()
    assert len(loaded.problems) == 1


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_not_a_file_is_not_waited_for(user: Path, workspace: Path, make: Callable[[Path], None]):
    make(workspace)
    assert told(load(user, workspace), workspace) == [
        ".kvasir.toml: cannot be read (it is not a file). It is ignored."
    ]


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        (None, snapshot([])),
        ({"model": None, "warmup": {"delayMs": None}}, snapshot([])),
        (
            [1],
            snapshot(["initializationOptions.kvasir.settings: must be an object of options. It is ignored."]),
        ),
        (
            {"warmup": 3},
            snapshot(
                ['initializationOptions.kvasir.settings: "warmup" must be a table of options. It is ignored.']
            ),
        ),
        (
            {"models": ["x"]},
            snapshot(
                [
                    'initializationOptions.kvasir.settings: "models" must be tables such as [models.NAME]. It is ignored.'
                ]
            ),
        ),
        (
            {"warmup": {"delay_ms": 100}},
            snapshot(
                [
                    'initializationOptions.kvasir.settings: unknown key "warmup.delay_ms"; did you mean "delayMs"? It is ignored.'
                ]
            ),
        ),
        (
            {"warmup": {"delayMs": True}},
            snapshot(
                [
                    'initializationOptions.kvasir.settings: "warmup.delayMs" must be a whole number. It is ignored.'
                ]
            ),
        ),
        (
            {"models": {"m": {"url": "ftp://h"}}},
            snapshot(
                [
                    'initializationOptions.kvasir.settings: "models.m.url" must be a URL such as http://127.0.0.1:8080. It is ignored.',
                    'initializationOptions.kvasir.settings: "models.m" needs either "path" or "url", and only one of them. It is ignored.',
                ]
            ),
        ),
    ],
    ids=str,
)
def test_what_an_editor_sends_is_checked_in_its_own_spelling(user: Path, values: object, problems: list[str]):
    loaded = load(user, None, Layer(INIT, values))
    assert loaded.settings == Settings()
    assert told(loaded) == problems


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["model", "models", "warmup", "url"]) | st.text(), inner)
    ),
)


@given(json_values)
def test_no_value_makes_reading_fail(values: object):
    assert isinstance(load(Path("/nowhere/config.toml"), None, Layer(INIT, values)).settings, Settings)


names = st.text("ab_", min_size=1, max_size=3)


@given(
    st.dictionaries(names, st.lists(names, unique=True, max_size=4), max_size=4),
    st.sampled_from(["", "'''\n[a]\na = 1\n'''"]),
)
def test_each_key_of_a_table_is_found_on_its_line(tables: dict[str, list[str]], string: str):
    lines: list[str] = []
    at: dict[tuple[str, ...], int] = {}
    for table, keys in tables.items():
        lines.append(f"[ {table} ]  # a table")
        at[(table,)] = len(lines)
        for key in keys:
            at[(table, key)] = len(lines) + 1
            lines += f'"{key}" = {string or 1}'.split("\n")
    text = "\n".join(lines)
    assert {path: line_of(text, path) for path in at} == at


def test_a_line_is_found_around_inline_tables_and_dotted_keys():
    text = 'a.b.c = 1\n[t."x.y"]\nk = { inner = 2 }\n[[list]]\nz = 1\n'
    paths = [("a", "b", "c"), ("a", "b"), ("t", "x.y"), ("t", "x.y", "k", "inner"), ("list", "z"), ("none",)]
    assert [line_of(text, path) for path in paths] == [1, 1, 2, 3, 5, None]


def test_the_page_about_options_is_the_generated_one():
    assert CONFIGURATION.read_text(encoding="utf-8") == configuration(), "run `make docs`"
