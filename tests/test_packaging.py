"""What a person gets who installs Kvasir."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_site_packages_gains_only_names_of_ours(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"kvasir.py", "_kvasir", f"kvasir-{PROJECT['project']['version']}.dist-info"}
    assert {name.split("/")[1] for name in names if name.startswith("_kvasir/")} == {
        "server",
        "handlers",
        "sessions",
        "context",
        "editors",
    }


def test_every_source_file_is_in_the_wheel(wheel: Path):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    rooms = ("server/", "handlers/", "sessions/", "context/", "editors/")
    # The extension for VS Code goes in as the .vsix that is built of it.
    expected = {
        f"_kvasir/{name}"
        for name in tracked.stdout.splitlines()
        if name.startswith(rooms) and not name.startswith("editors/vscode/")
    }
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_an_installed_kvasir_imports_its_own_rooms_and_not_those_of_a_project(wheel: Path, tmp_path: Path):
    site, project = tmp_path / "site", tmp_path / "project"
    zipfile.ZipFile(wheel).extractall(site)
    for room in ("server", "handlers", "sessions", "context"):
        (project / room).mkdir(parents=True)
        (project / room / "__init__.py").write_text("raise SystemExit('a stranger ran')")
    script = "import kvasir, server, handlers, sessions, context; print(server.__file__)"

    # PYTHONPATH=. is common where direnv is: the stranger's rooms come first on the path.
    path = os.pathsep.join([str(project), str(site)])
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert Path(result.stdout.strip()) == site / "_kvasir/server/__init__.py"


def test_the_lock_file_pins_every_package_by_hash_and_names_no_host():
    pins = re.findall(r"^[a-z0-9-]+==\S+", LOCK, re.MULTILINE)
    blocks = re.split(r"\n(?=[a-z0-9-]+==)", LOCK)[1:]
    assert len(pins) == len(blocks) > 0
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK


def test_the_lock_file_has_what_the_project_asks_for():
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["local"],
        *PROJECT["dependency-groups"]["dev"],
    ]
    names = {re.split(r"[<>=~!\[; ]", requirement)[0] for requirement in wanted}
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK, re.MULTILINE))
    assert names - locked == set()
