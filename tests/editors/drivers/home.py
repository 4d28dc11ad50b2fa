"""A person's folders, as one editor sees them."""

import os
import shlex
import sys
import sysconfig
import tempfile
from pathlib import Path

import attrs

from tests.editors.drivers.wire import Wire

TAP = Path(__file__).with_name("tap.py")
KVASIR = Path(sysconfig.get_path("scripts")) / "kvasir"
FOREIGN = ("XDG_", "NVIM", "VIM", "KVASIR_", "HELIX_", "TMUX")
"""Beginnings of variables that would let the machine's own set-up into a test."""


@attrs.frozen
class Account:
    """What the editors of one person share: the demo model and the llama-server that Kvasir keeps running."""

    cache: Path
    runtime: Path


@attrs.frozen
class Home:
    """A home folder whose ``bin/kvasir`` is the real program behind a logger of the wire.

    The shipped editor snippets name ``kvasir``, so they run here word for word.
    """

    path: Path
    account: Account

    @property
    def config(self) -> Path:
        return self.path / "config"

    @property
    def wire(self) -> Wire:
        return Wire(self.path / "wire.jsonl")

    @property
    def env(self) -> dict[str, str]:
        """The environment of the editor and of everything it starts."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return kept | {
            "HOME": str(self.path),
            "PATH": f"{self.path / 'bin'}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(self.config),
            "XDG_DATA_HOME": str(self.path / "data"),
            "XDG_STATE_HOME": str(self.path / "state"),
            "XDG_CACHE_HOME": str(self.account.cache),
            "XDG_RUNTIME_DIR": str(self.account.runtime),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
        }

    def write_config(self, name: str, text: str) -> Path:
        """Write a file below the configuration folder, ``kvasir/config.toml`` for one."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def furnish(path: Path, account: Account) -> Home:
    """Make a home. ``bin/kvasir`` logs to its wire and becomes the ``kvasir`` of this environment."""
    home = Home(path, account)
    shim = path / "bin/kvasir"
    shim.parent.mkdir(parents=True)
    logged = shlex.join([sys.executable, str(TAP), str(home.wire.path), "--", str(KVASIR)])
    shim.write_text(f'#!/bin/sh\nexec {logged} "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    return home


def socket_folder() -> Path:
    """Make a folder for sockets: their paths end at 107 bytes, and pytest's folders can be longer."""
    return Path(tempfile.mkdtemp(prefix="kv-"))
