"""The VS Code extension's package: what it offers and what is in it. No editor is started."""

import json
import os
import re
import runpy
import zipfile
from typing import Any

import pytest

from handlers.commands import COMMANDS
from tests.editors.drivers.vscode.provision import EXTENSION, extension

# The first build fetches what it is built with.
pytestmark = pytest.mark.timeout(240)

ROOT = EXTENSION.parents[1]
UNWANTED = os.environ.get("KVASIR_SKIP_EDITORS") == "1"
NODE_MODULES = {"child_process", "crypto", "fs", "net", "os", "path", "readline", "url", "util"}
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in (EXTENSION / "src").glob("*.ts")}


@pytest.fixture(scope="module")
def package() -> dict[str, Any]:
    return json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def offered(package: dict[str, Any]) -> set[str]:
    return {command["command"] for command in package["contributes"]["commands"]}


@pytest.fixture(scope="module")
def vsix() -> zipfile.ZipFile:
    if UNWANTED:
        pytest.skip("KVASIR_SKIP_EDITORS=1: nothing is fetched from npm")
    return zipfile.ZipFile(extension())


def test_the_settings_are_the_options_of_the_server() -> None:
    generated = runpy.run_path(str(ROOT / "docs/generate.py"))["manifest"]()
    assert (EXTENSION / "package.json").read_text(encoding="utf-8") == generated, 'Run "make docs".'


def test_every_command_that_is_offered_is_there_and_the_other_way_round(offered: set[str]) -> None:
    assert set(re.findall(r'^    "(kvasir\.ui\.\w+)": ', SOURCES["extension.ts"], re.MULTILINE)) == offered


def test_no_command_has_the_name_of_one_of_the_server(offered: set[str]) -> None:
    assert offered & set(COMMANDS) == set()


def test_menus_keys_and_code_name_only_commands_that_are_offered(
    package: dict[str, Any], offered: set[str]
) -> None:
    contributes = package["contributes"]
    entries = [
        *contributes["keybindings"],
        *(item for menu in contributes["menus"].values() for item in menu),
    ]
    named = {entry["command"] for entry in entries if "command" in entry}
    walked = set(re.findall(r"kvasir\.ui\.\w+", json.dumps(contributes["walkthroughs"])))
    called = {name for text in SOURCES.values() for name in re.findall(r"kvasir\.ui\.\w+", text)}
    assert (named | walked | called) - offered == set()


def test_the_code_calls_only_commands_of_the_server_that_exist() -> None:
    called = {
        name
        for text in SOURCES.values()
        for name in re.findall(r'execute(?:<\w+>)?\(\s*"(kvasir\.\w+)"', text)
    }
    assert {"kvasir.ask", "kvasir.open"} <= called <= set(COMMANDS)


def test_what_starts_programs_or_sends_code_is_not_for_a_workspace_to_set(package: dict[str, Any]) -> None:
    sections = package["contributes"]["configuration"]
    settings = {name: schema for section in sections for name, schema in section["properties"].items()}
    guarded = set(package["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"])
    mine = {name for name, schema in settings.items() if schema["scope"] == "machine"}
    assert {"kvasir.command", "kvasir.model", "kvasir.models", "kvasir.server.binary"} <= mine <= guarded


def test_the_walkthrough_that_a_missing_server_opens_exists(package: dict[str, Any]) -> None:
    (walkthrough,) = package["contributes"]["walkthroughs"]
    name = f"{package['publisher']}.{package['name']}#{walkthrough['id']}"
    assert f'"{name}"' in SOURCES["server.ts"]
    assert all((EXTENSION / step["media"]["markdown"]).exists() for step in walkthrough["steps"])


def test_the_lock_file_names_no_place_that_packages_come_from() -> None:
    packages = json.loads((EXTENSION / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_the_package_holds_what_runs_and_what_people_read_and_nothing_else(vsix: zipfile.ZipFile) -> None:
    names = {name.removeprefix("extension/") for name in vsix.namelist() if name.startswith("extension/")}
    media = {name for name in names if name.startswith("media/")}
    assert media == {f"media/{path.name}" for path in (EXTENSION / "media").iterdir()}
    assert names - media == {"package.json", "readme.md", "LICENSE.txt", "dist/extension.js"}
    assert vsix.read("extension/LICENSE.txt") == (ROOT / "LICENSE").read_bytes()


def test_the_bundle_needs_only_what_vs_code_and_node_bring(vsix: zipfile.ZipFile) -> None:
    bundle = vsix.read("extension/dist/extension.js").decode()
    needed = {name.removeprefix("node:") for name in re.findall(r'require\("([^"]+)"\)', bundle)}
    assert "vscode" in needed
    assert needed <= {"vscode", *NODE_MODULES}


def test_the_readme_names_the_keys_that_there_are(package: dict[str, Any]) -> None:
    page = (EXTENSION / "README.md").read_text(encoding="utf-8").lower()
    keys = [binding["key"] for binding in package["contributes"]["keybindings"]]
    assert [key for key in keys if f"`{key}`" not in page] == []
