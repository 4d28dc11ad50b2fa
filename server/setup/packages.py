"""Vim and Neovim: the shipped plug-in as a package of its own, by a link that follows Kvasir's updates."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import attrs

from server.setup.person import Person
from server.setup.steps import Change, Link, Plan, link_at, read

NAME = "kvasir"
VERSION = re.compile(r"""\bversion['"]?\s*[:=]\s*['"]([0-9][\w.]*)['"]""")
LOADED_BY_HAND = re.compile(r"""editors/(?:neo)?vim\b|\blsp\.(?:enable|config)\(\s*\{?\s*['"]kvasir\b""")
"""A configuration that only sets an option or maps a key does not load the plug-in."""
LSP_CLIENTS = ("vim-lsp", "coc.nvim")


@attrs.frozen
class Packages:
    """Where one of the two looks for packages and for its configuration."""

    shipped: Path
    link: Path
    init_files: tuple[Path, ...]
    others: tuple[Path, ...]
    """Folders in which plug-in managers keep theirs."""


def vim(person: Person) -> Packages:
    """Vim's own folder: since 9.1.0327 also the one of XDG, if there is no other."""
    classic = person.home / ".vim"
    modern = person.config / "vim"
    root = modern if modern.is_dir() and not (classic.exists() or _vimrc(person).exists()) else classic
    return Packages(
        person.shipped / "vim",
        root / "pack" / NAME / "start" / NAME,
        (_vimrc(person), root / "vimrc"),
        (root / "plugged", root / "bundle", root / "pack"),
    )


def _coc_settings(packages: Packages) -> Path:
    return packages.link.parents[3] / "coc-settings.json"


def _vimrc(person: Person) -> Path:
    return person.home / ".vimrc"


def neovim(person: Person) -> Packages:
    """Neovim's folders of XDG."""
    data, config = person.data / "nvim", person.config / "nvim"
    return Packages(
        person.shipped / "neovim",
        data / "site/pack" / NAME / "start" / NAME,
        (config / "init.lua", config / "init.vim", *sorted(config.glob("lua/**/*.lua"))),
        (data / "lazy", data / "plugged", data / "site/pack", config / "pack"),
    )


def wire_vim(person: Person, _program: str) -> Plan:
    """Link the plug-in; what it still needs is an LSP client."""
    packages = vim(person)
    plan = _wired(person, packages)
    clients = [name for name in LSP_CLIENTS if any(_installed(packages.others, name))]
    if not clients:
        note = (
            "Vim needs an LSP client beside it: vim-lsp (Kvasir registers itself there) or coc.nvim"
            f" (its settings: {packages.shipped / 'README.md'}). None was found."
        )
    elif clients == ["coc.nvim"] and "kvasir" not in (read(_coc_settings(packages)) or ""):
        note = f"coc.nvim: its settings need a block for Kvasir, see {packages.shipped / 'README.md'}."
    else:
        return plan
    return attrs.evolve(plan, notes=(*plan.notes, note))


def wire_neovim(person: Person, _program: str) -> Plan:
    """Link the plug-in; Neovim brings its own LSP client."""
    return _wired(person, neovim(person))


def unwire_vim(person: Person) -> Plan:
    """Take the link back."""
    return _unwired(vim(person))


def unwire_neovim(person: Person) -> Plan:
    """Take the link back."""
    return _unwired(neovim(person))


def _wired(person: Person, packages: Packages) -> Plan:
    here = packages.link
    before = link_at(here)
    if before is None and here.exists():
        return _copy(person, here)
    if before is None and (copy := next(iter(_installed(packages.others, NAME)), None)):
        return _copy(person, copy)
    if before is None and (file := _by_hand(packages)):
        return Plan(f"its {person.short(file)} loads Kvasir")
    steps = (Link(here, before, packages.shipped), *_command(person, packages))
    if before == packages.shipped:
        stale = any(not step.done for step in steps)
        return Plan("linked, but to start another program" if stale else "linked", steps, broken=stale)
    if before is None:
        return Plan("does not start Kvasir yet", steps)
    gone = "a folder that is gone" if not here.exists() else f"the plug-in in {before}"
    return Plan(f"linked to {gone}{_other_version(person, here)}", steps, broken=True)


def _unwired(packages: Packages) -> Plan:
    """Only a link is ours: a copy was put there by somebody else."""
    before = link_at(packages.link)
    command = _command_file(packages)
    found = read(command)
    return Plan(
        "linked" if before else "not linked",
        (Link(packages.link, before, None), Change(command, found, None)),
    )


def _copy(person: Person, folder: Path) -> Plan:
    version = _other_version(person, folder)
    notes = (
        (f"Remove {person.short(folder)}, or update it; then Kvasir's own can be linked.",) if version else ()
    )
    return Plan(f"has the plug-in in {person.short(folder)}{version}", notes=notes, broken=bool(version))


def _command(person: Person, packages: Packages) -> tuple[Change, ...]:
    """A package of one line, loaded before the plug-in (by the alphabet): which program to start."""
    file = _command_file(packages)
    before = read(file)
    if person.finds_kvasir:
        return (Change(file, before, None),) if before is not None else ()
    line = f"let g:kvasir_command = get(g:, 'kvasir_command', {json.dumps(list(person.command))})\n"
    return (Change(file, before, line, line),)


def _command_file(packages: Packages) -> Path:
    return packages.link.parent / "command/plugin/kvasir_command.vim"


def _by_hand(packages: Packages) -> Path | None:
    return next((file for file in packages.init_files if LOADED_BY_HAND.search(read(file) or "")), None)


def _installed(folders: Iterable[Path], name: str) -> list[Path]:
    """Copies of a plug-in as plug-in managers and packages lay them out."""
    patterns = (name, f"*/start/{name}", f"*/opt/{name}")
    return [path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))
            if (path / "plugin").is_dir()]  # fmt: skip


def _other_version(person: Person, folder: Path) -> str:
    """Tell which version a plug-in is of, if it is not ours."""
    for file in sorted([*folder.rglob("*.vim"), *folder.rglob("*.lua")]):
        if found := VERSION.search(file.read_text("utf-8", "replace")):
            return "" if found[1] == person.version else f", version {found[1]} (this is {person.version})"
    return ""
