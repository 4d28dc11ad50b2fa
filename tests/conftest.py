"""What every test gets: the rooms on the path as a person's start puts them there, and a home of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before any test: it puts the rooms on the path, also those of an installed wheel.
import kvasir  # noqa: F401  # pyright: ignore[reportUnusedImport]

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
_PRIVATE = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")


@pytest.fixture(scope="session", autouse=True)
def _away_from_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the person's files, keys and git identity for the whole session, also from wider fixtures.

    The cache is shared by all tests, so that the demo model is made once.
    """
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        _settle(patch, home)
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        for name in (*_PRIVATE, *(name for name in os.environ if name.startswith("KVASIR_"))):
            patch.delenv(name, raising=False)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "A Tester")
            patch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
        yield


@pytest.fixture(autouse=True)
def home(
    _away_from_home: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Give the test an empty home folder, with the XDG folders config, data, state and run inside it."""
    folder = tmp_path_factory.mktemp("home")
    _settle(monkeypatch, folder)
    return folder


def _settle(patch: pytest.MonkeyPatch, home: Path) -> None:
    patch.setenv("HOME", str(home))
    for variable, name in (("CONFIG_HOME", "config"), ("DATA_HOME", "data"), ("STATE_HOME", "state")):
        patch.setenv(f"XDG_{variable}", str(home / name))
    run = home / "run"
    run.mkdir(mode=0o700)
    patch.setenv("XDG_RUNTIME_DIR", str(run))
