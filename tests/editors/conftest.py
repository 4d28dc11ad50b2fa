"""A person at an editor, with a project, a home and the demo model."""

import os
import re
import subprocess
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.editors.drivers.helix import Helix, helix
from tests.editors.drivers.home import KVASIR, Account, Home, furnish
from tests.editors.drivers.neovim import Neovim, neovim
from tests.editors.provision import EDITORS, Prefix, missing_tools, provision

SHIPPED = Path(__file__).parents[2] / "editors"
# Read before any test moves to a home of its own.
UNWANTED = os.environ.get("KVASIR_SKIP_EDITORS") == "1"
SKIPPED = pytest.StashKey[str]()
# With one thread: so small a model gains nothing from two, which wait for each other on a busy machine.
CONFIG = """
model = "demo"
[models.demo]
max_tokens = {max_tokens}
temperature = 0.0
threads = 1
"""
SHORT, ENDLESS = 200, 24_000
"""Lengths of answers in tokens: to go on from, and to be watched until the test stops them."""
SOURCE = "".join(f"def f{i}(x):\n    return x + {i}\n\n\n" for i in range(10)) + "total = f0(1) + f9(2)\n"


def snippets(editor: str) -> list[str]:
    """The Lua snippets in an editor's README, as a newcomer copies them."""
    text = (SHIPPED / editor / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```lua\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def prefix(request: pytest.FixtureRequest) -> Prefix:
    """The provisioned editors. A registry out of reach fails the tests."""
    reason = ""
    if UNWANTED:
        reason = "KVASIR_SKIP_EDITORS=1"
    elif missing := missing_tools():
        reason = f"this machine has no {' and no '.join(missing)} to provision them with"
    if reason:
        request.config.stash[SKIPPED] = reason
        pytest.skip(f"real editors: {reason}")
    return provision(EDITORS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if reason := config.stash.get(SKIPPED, ""):
        terminalreporter.section("Real editors were NOT tested", red=True)
        terminalreporter.line(f"Reason: {reason}.")


@pytest.fixture(scope="session")
def account(_away_from_home: None, tmp_path_factory: pytest.TempPathFactory) -> Generator[Account]:
    """One person for all tests: the demo model is made once, and one llama-server serves every editor."""
    folder = tmp_path_factory.mktemp("account")
    account = Account(Path(os.environ["XDG_CACHE_HOME"]), folder / "run")
    account.runtime.mkdir(mode=0o700)
    yield account
    env = furnish(folder / "home", account).env
    subprocess.run([KVASIR, "server", "stop"], env=env, check=True, capture_output=True, timeout=30)


@pytest.fixture
def desk(tmp_path: Path, account: Account) -> Home:
    """The home of the editor under test, with Kvasir and Helix configured as a person would."""
    home = furnish(tmp_path / "desk", account)
    home.write_config("kvasir/config.toml", CONFIG.format(max_tokens=SHORT))
    for name in ("languages.toml", "config.toml"):
        home.write_config(f"helix/{name}", (SHIPPED / "helix" / name).read_text(encoding="utf-8"))
    return home


@pytest.fixture
def endless(desk: Home) -> None:
    """Answers that end when the test ends them."""
    desk.write_config("kvasir/config.toml", CONFIG.format(max_tokens=ENDLESS))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with ``a.py`` in it, whose functions stand on lines 1-2, 5-6 and so on."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text(SOURCE, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.fixture
def with_glue(prefix: Prefix, desk: Home, project: Path) -> AbstractContextManager[Neovim]:
    """Neovim with ``editors/neovim`` as its README installs it, on ``a.py``."""
    install = snippets("neovim")[0].replace("/path/to/kvasir/editors/neovim", str(SHIPPED / "neovim"))
    return neovim(prefix.program("nvim"), desk, project, project / "a.py", install)


@pytest.fixture
def without_glue(prefix: Prefix, desk: Home, project: Path) -> AbstractContextManager[Neovim]:
    """Neovim that knows no more than how to start the server, as the README tells, on ``a.py``."""
    return neovim(prefix.program("nvim"), desk, project, project / "a.py", snippets("neovim")[1])


@pytest.fixture
def ask_in_lua() -> str:
    """The README's way to ask without our glue: "why is it slow?" about the current file."""
    return snippets("neovim")[2]


@pytest.fixture
def in_helix(prefix: Prefix, desk: Home, project: Path) -> AbstractContextManager[Helix]:
    """Helix with the snippets of ``editors/helix``, on ``a.py``."""
    return helix((prefix.program("hx"), prefix.program("tmux")), desk, project, project / "a.py")
