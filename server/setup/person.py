"""Whose editors: their folders, what an editor is to start, and the glue that ships with Kvasir."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import attrs

PROGRAM = "kvasir"


@attrs.frozen
class Person:
    """One person on one machine. ``command`` starts Kvasir from their editors."""

    home: Path
    config: Path
    data: Path
    path: str
    command: tuple[str, ...]
    shipped: Path
    """The folder ``editors`` of this very Kvasir."""
    version: str

    @property
    def finds_kvasir(self) -> bool:
        """Whether an editor finds the program by its name."""
        return self.command == (PROGRAM,)

    def program(self, *names: str) -> str | None:
        """Absolute path of the first of these programs that is installed."""
        return next((found for name in names if (found := shutil.which(name, path=self.path))), None)

    def short(self, path: Path) -> str:
        """A path as a person writes it."""
        return f"~/{path.relative_to(self.home)}" if path.is_relative_to(self.home) else str(path)


def person(environ: Mapping[str, str] = os.environ) -> Person:
    """Whoever runs this."""
    home = Path(environ.get("HOME") or Path.home())
    path = environ.get("PATH", os.defpath)
    return Person(
        home=home,
        config=Path(environ.get("XDG_CONFIG_HOME") or home / ".config"),
        data=Path(environ.get("XDG_DATA_HOME") or home / ".local/share"),
        path=path,
        command=_command(path),
        shipped=shipped(),
        version=version("kvasir"),
    )


def shipped() -> Path:
    """The editors' glue: ``editors`` of a checkout, ``_kvasir/editors`` where a wheel is installed."""
    return Path(__file__).resolve().parents[2] / "editors"


def _command(path: str) -> tuple[str, ...]:
    """The program's name if editors find it, else its absolute path.

    A virtual environment that is activated here is not in the editors' PATH, so it does not count.
    """
    own = Path(sysconfig.get_path("scripts"))
    elsewhere = path
    if sys.prefix != sys.base_prefix:
        elsewhere = os.pathsep.join(entry for entry in path.split(os.pathsep) if Path(entry) != own)
    if shutil.which(PROGRAM, path=elsewhere):
        return (PROGRAM,)
    here = own / PROGRAM
    return (str(here if here.exists() else Path(sys.argv[0]).resolve()),)
