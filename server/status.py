"""``kvasir status`` and ``kvasir server``: what runs, what its slots hold, how much was found there."""

import asyncio
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

from context.files import project_root
from server.compose import folders, options
from sessions import llama
from sessions.slot_rows import Counters, Slot, read_table
from sessions.store import Store

Json = dict[str, Any]


def gather(root: Path | None) -> Json:
    """The state of this person's servers and chats, as JSON values. Times are seconds since the epoch."""
    here = folders()
    settings = options(root).settings
    store = Store(here.database)
    try:
        count = len(store.chats(limit=1_000_000))
    finally:
        store.close()
    return {
        "model": settings.model,
        "models": list(settings.models),
        "chats": count,
        "database": str(here.database),
        "servers": [_server(running) for running in llama.running(here.servers)],
    }


def show(*, as_json: bool) -> int:
    """Print the status, for a person or as JSON."""
    said = gather(project_root(Path.cwd()))
    if as_json:
        print(json.dumps(said, indent=2))
        return 0
    console = Console()
    console.print(f"model    {said['model'] or 'looked for when first needed'}", highlight=False)
    console.print(f"chats    {said['chats']} in {said['database']}", highlight=False)
    if not said["servers"]:
        console.print('servers  none is running; "kvasir ask" or an editor starts one', highlight=False)
    for server in said["servers"]:
        _print_server(console, server)
    return 0


def show_servers() -> int:
    """List the servers that Kvasir runs."""
    found = llama.running(folders().servers)
    for running in found:
        print(f"{running.url}\t{running.model.name}\tpid {running.server_pid}\t{running.build}")
    if not found:
        print("No server is running.", file=sys.stderr)
    return 0


def stop_servers() -> int:
    """End them all. The next question starts one again, and evaluates its context anew."""
    found = llama.running(folders().servers)
    for running in found:
        asyncio.run(llama.stop(running))
        print(f"Ended {running.url} ({running.model.name}).")
    if not found:
        print("No server is running.", file=sys.stderr)
    return 0


def _server(running: llama.Running) -> Json:
    slots, counters = _table(running)
    asked = counters.cached_tokens + counters.new_tokens
    return {
        "url": running.url,
        "model": str(running.model),
        "build": running.build,
        "pid": running.server_pid,
        "started": running.started,
        "slotTokens": running.context_tokens,
        "slots": [
            {
                "slot": slot.number,
                "owner": slot.owner,
                "tokens": slot.tokens,
                "busy": bool(slot.doing),
                "used": slot.used,
            }
            for slot in slots
        ],
        "counters": attrs.asdict(counters),
        "cachedShare": round(counters.cached_tokens / asked, 4) if asked else None,
    }


def _table(running: llama.Running) -> tuple[list[Slot], Counters]:
    try:
        return read_table(running.directory / f"slots-{running.instance}")
    except sqlite3.Error:
        return [], Counters()  # nobody has asked it anything yet


def _print_server(console: Console, server: Json) -> None:
    counters: Json = server["counters"]
    console.print(
        f"server   {server['url']} · {Path(server['model']).name} · {server['build']} · pid {server['pid']}",
        highlight=False,
    )
    if server["cachedShare"] is not None:
        console.print(
            f"         {counters['answers']} answers, {100 * server['cachedShare']:.1f} %"
            f" of their prompt tokens were cached, {counters['misses']} misses;"
            f" {counters['warmed_tokens']} tokens warmed ahead",
            highlight=False,
        )
    table = Table(
        "slot", "chat", "tokens", "state", "last used", box=None, header_style="bold", pad_edge=False
    )
    for slot in server["slots"]:
        used = time.strftime("%H:%M:%S", time.localtime(slot["used"])) if slot["used"] else "never"
        table.add_row(
            str(slot["slot"]), slot["owner"], str(slot["tokens"]), "busy" if slot["busy"] else "idle", used
        )
    console.print(table)
