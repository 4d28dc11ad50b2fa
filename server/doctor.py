"""``kvasir doctor``: what is there, what is missing, and what to do about it, in words."""

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import attrs

from context.files import project_root
from server.compose import folders, options
from server.setup.editors import installed
from server.setup.person import person
from sessions import llama
from sessions.backends.llama import LlamaServer
from sessions.errors import KvasirError
from sessions.models import Models, Places
from sessions.settings import DEMO
from sessions.store import Store


@attrs.frozen
class Finding:
    """One thing that was looked at. ``todo`` says what to do when it is not well."""

    well: bool
    what: str
    todo: str = ""


def examine() -> int:
    """Look at everything and print it; 0 when all is well."""
    well = True
    for finding in findings():
        well = well and finding.well
        print(f"{'ok ' if finding.well else '!! '} {finding.what}")
        if finding.todo:
            print(f"    {finding.todo}")
    return 0 if well else 1


def findings() -> Iterator[Finding]:
    """All findings, in the order in which one thing needs another."""
    yield Finding(well=True, what=f"Kvasir {version('kvasir')} on Python {sys.version.split()[0]}")
    yield from _options()
    yield from _store()
    yield from _engine()
    yield from _models()
    yield from editors()


def _options() -> Iterator[Finding]:
    root = project_root(Path.cwd())
    loaded = options(root)
    file = folders().config_file
    yield Finding(well=True, what=f"Options: {file if file.exists() else f'defaults (there is no {file})'}")
    for problem in loaded.problems:
        yield Finding(well=False, what=str(problem))


def _store() -> Iterator[Finding]:
    database = folders().database
    try:
        store = Store(database)
        count = len(store.chats(limit=1_000_000))
        store.close()
    except KvasirError as error:
        yield Finding(well=False, what=error.message, todo=error.hint)
        return
    if store.moved:
        yield Finding(well=False, what=f"The chats were damaged; they were moved to {store.moved}.")
    yield Finding(well=True, what=f"Chats: {count} in {database} (SQLite {sqlite3.sqlite_version})")


def _engine() -> Iterator[Finding]:
    server = options(None).settings.server
    binary = shutil.which(server.binary or "llama-server")
    if binary:
        yield Finding(well=True, what=f"llama-server: {binary}")
    elif server.binary:
        yield Finding(
            well=False,
            what=f"llama-server: there is no program {server.binary}.",
            todo='Correct "binary" in [server], or remove it to use the embedded one.',
        )
    else:
        try:
            yield Finding(
                well=True, what=f"llama-server: the embedded one (xllamacpp {version('xllamacpp')})"
            )
        except PackageNotFoundError:
            yield Finding(
                well=False,
                what="llama-server: there is none.",
                todo='Put one on PATH, install "kvasir[local]", or configure the url of a server.',
            )
    for running in llama.running(folders().servers):
        yield Finding(well=True, what=f"Running: {running.model.name} at {running.url} ({running.build})")


def _models() -> Iterator[Finding]:
    settings = options(None).settings
    models = Models(settings.models, settings.model, settings.server, Places(folders().cache))
    try:
        default = models.name(None)
    except KvasirError as error:
        yield Finding(well=False, what=error.message, todo=error.hint)
        return
    if default == DEMO:
        yield Finding(
            well=True,
            what="Model: the demo model, which makes no sense; all else about it is real.",
            todo=f"For answers, write into {folders().config_file} [models.NAME] with a path to a GGUF file,"
            " or the url of a llama-server.",
        )
    else:
        yield Finding(well=True, what=f"Model: {default}")
    for name in models.names():
        of_model = models.settings(name)
        if of_model.url:
            yield _reached(name, of_model.url)
        elif of_model.path:
            path = Path(of_model.path).expanduser()
            yield Finding(
                well=path.is_file(),
                what=f"Model {name}: {path}",
                todo="" if path.is_file() else "There is no such file: correct its path.",
            )


def _reached(name: str, url: str) -> Finding:
    async def ask() -> Finding:
        server = LlamaServer(url)
        try:
            said = await server.properties()
        except KvasirError as error:
            return Finding(well=False, what=f"Model {name}: {error.message}", todo=error.hint)
        finally:
            await server.close()
        return Finding(
            well=True, what=f"Model {name}: {url}, {said.window_tokens} tokens in each of {said.slots} slots"
        )

    return asyncio.run(ask())


def editors() -> Iterator[Finding]:
    """How each installed editor is wired, as setup sees it."""
    here = person()
    if not here.finds_kvasir:
        yield Finding(
            well=True,
            what=f"Editors do not find kvasir on their PATH; setup tells them {here.command[0]}.",
        )
    for editor, program in installed(here):
        try:
            plan = editor.wire(here, program)
        except KvasirError as error:
            yield Finding(well=False, what=f"Editor: {editor.title} ({program}): {error}")
            continue
        todo = [f'Run "kvasir setup {editor.name}".'] if plan.todo else []
        yield Finding(
            well=not plan.broken,
            what=f"Editor: {editor.title} ({program}) {plan.state}",
            todo=" ".join([*todo, *plan.notes]),
        )
