"""``kvasir ask``, ``context`` and ``chats``: as in an editor, with a terminal or pipe at the end."""

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any, assert_never

import attrs
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from context.files import project_root
from context.gather import Git, Wanted
from context.named import named
from context.selection import Selection
from server.compose import folders, log_to, options, sessions
from server.config import Settings
from sessions.ask import Sessions
from sessions.asking import Asking
from sessions.chat import Turn
from sessions.errors import BadRequest
from sessions.events import Delta, Done, Event, Failed, Loading, Prefill
from sessions.preview import Preview, preview
from sessions.question import Question
from sessions.store import Listed, Store
from sessions.transcript import markdown


def ask(given: argparse.Namespace) -> int:
    """Ask one question; 0, 1 when it failed, 130 when it was stopped by Ctrl-C."""
    settings, root = _begin()
    question = _question(given, settings, root)
    return asyncio.run(_asked(sessions(settings, folders().database), question, _printer(as_json=given.json)))


def context(given: argparse.Namespace) -> int:
    """Show what would be sent with a question, as a table or as JSON."""
    settings, root = _begin()
    question = _question(given, settings, root)
    shown = asyncio.run(_previewed(sessions(settings, folders().database), question))
    if given.json:
        print(json.dumps(shown.as_json(), ensure_ascii=False))
    else:
        _tabulate(shown)
    return 0


def _begin() -> tuple[Settings, Path]:
    """The options in force in the project around the current folder, and its root."""
    log_to(logging.ERROR, folders().log)
    root = project_root(Path.cwd()) or Path.cwd()
    loaded = options(root)
    for problem in loaded.problems:
        print(f"kvasir: {problem}", file=sys.stderr)
    return loaded.settings, root


async def _previewed(run: Sessions, question: Question) -> Preview:
    try:
        return await preview(run, question)
    finally:
        await run.close()


async def _asked(run: Sessions, question: Question, printer: "Printer") -> int:
    try:
        asking = await run.ask(question)
        for note in asking.notes:
            print(f"kvasir: {note}", file=sys.stderr)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asking.stop)
        printer.begin(asking)
        async for event in asking.events():
            printer.show(event)
        turn = asking.turn
        if turn.error:
            return 1
        return 130 if turn.status == "stopped" else 0
    finally:
        printer.close()
        await run.close()


# --- what is asked ---------------------------------------------------------------------------------


def _question(given: argparse.Namespace, settings: Settings, root: Path) -> Question:
    chat, after = _place(given)
    files = list(named(given.file, Path.cwd(), root, settings.project.max_file_kib * 1024))
    selection = _selection(given, files)
    beside = files[:-1] if selection and selection.path else files
    by_habit = settings.context.notes and chat is None
    return Question(
        text=" ".join(word for word in given.question if word != "-"),
        mode=given.mode,
        wanted=Wanted(
            root,
            selection,
            tuple(beside),
            given.project,
            related=given.related,
            map=given.map,
            retrieval=given.retrieval,
            notes=by_habit if given.notes is None else given.notes,
            git=tuple(kind for kind in Git if getattr(given, kind.value)),
        ),
        chat=chat,
        after=after,
        model=given.model,
        editor="cli",
    )


def _place(given: argparse.Namespace) -> tuple[str | None, int | None]:
    if not given.fork:
        return given.chat, None
    chat, colon, turn = str(given.fork).partition(":")
    if not colon or not turn.isdigit():
        raise BadRequest(f"{given.fork!r} names no turn.", hint="Write it as ID:TURN, for instance k7f3qa:2.")
    return chat, int(turn)


def _selection(given: argparse.Namespace, files: list[Path]) -> Selection | None:
    piped = "" if sys.stdin is None or sys.stdin.isatty() else _piped()
    if given.lines is None:
        return Selection(None, text=piped) if piped.strip() else None
    if not files:
        raise BadRequest("Lines of which file?", hint="Name it with -f.")
    first, _, last = str(given.lines).partition(":")
    if not first.isdigit() or not (last or first).isdigit():
        raise BadRequest(
            f"{given.lines!r} is no range of lines.", hint="Write it as A:B, for instance 10:20."
        )
    return Selection(files[-1], int(first) - 1, int(last or first), piped or None)


def _piped() -> str:
    try:
        return sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"What was piped in is not text: {error}.") from error


# --- how it is shown -------------------------------------------------------------------------------


class Printer:
    """Plain text for a pipe: the answer on stdout and nothing else."""

    def begin(self, asking: Asking) -> None:
        self.asking = asking

    def show(self, event: Event) -> None:
        match event:
            case Delta(text, reasoning=False):
                print(text, end="", flush=True)
            case Done():
                print(flush=True)
            case Failed():
                print(flush=True)
                print(f"kvasir: {event.error}", file=sys.stderr)
            case Delta() | Loading() | Prefill():
                pass
            case _:
                assert_never(event)

    def close(self) -> None:
        pass


class JsonPrinter(Printer):
    """One event a line; the last one tells where the answer is and what it cost."""

    def show(self, event: Event) -> None:
        match event:
            case Loading():
                said = {"event": "loading", "message": event.message}
            case Prefill():
                said = {"event": "prefill", **attrs.asdict(event)}
            case Delta():
                said = {"event": "delta", "text": event.text, "reasoning": event.reasoning}
            case Done():
                said = self._last(event.turn)
            case Failed():
                error = {"code": event.error.code, "message": event.error.message, "hint": event.error.hint}
                said = self._last(event.turn) | {"event": "failed", "error": error}
            case _:
                assert_never(event)
        print(json.dumps(said, ensure_ascii=False), flush=True)

    def _last(self, turn: Turn) -> dict[str, Any]:
        usage = turn.usage
        counts = (
            None
            if usage is None
            else {name: getattr(usage, name) for name in ("prompt", "cached", "new", "out")}
        )
        return {
            "event": "done",
            "chat": self.asking.chat.id,
            "turn": len(self.asking.chat.turns),
            "model": turn.model,
            "status": turn.status.value,
            "usage": counts,
            "ttft_ms": None if usage is None else round(usage.ttft_ms, 1),
            "tokens_per_second": None if usage is None else round(usage.tokens_per_second, 1),
            "saved_ms": None if usage is None or usage.saved_ms is None else round(usage.saved_ms),
            "answer": turn.answer,
        }


class RichPrinter(Printer):
    """For a person: progress while the prompt is read, then Markdown as it comes."""

    def __init__(self) -> None:
        self.console = Console()
        self._live = Live(console=self.console, refresh_per_second=12, vertical_overflow="visible")
        self._text = ""

    def begin(self, asking: Asking) -> None:
        super().begin(asking)
        self._live.start()

    def show(self, event: Event) -> None:
        match event:
            case Loading():
                self._live.update(f"[dim]{event.message}…[/dim]")
            case Prefill():
                share = 100 * event.done // max(1, event.total)
                self._live.update(f"[dim]reading {event.total} tokens, {event.cached} known: {share} %[/dim]")
            case Delta():
                if not event.reasoning:
                    self._text += event.text
                self._live.update(Markdown(self._text) if self._text else "[dim]thinking…[/dim]")
            case Done(turn):
                self._live.update(Markdown(self._text))
                self._live.stop()
                where = f"chat {self.asking.chat.id}, turn {len(self.asking.chat.turns)}"
                self.console.print(f"[dim]{markdown.summary(turn)} · {where}[/dim]", highlight=False)
            case Failed():
                self._live.stop()
                print(f"kvasir: {event.error}", file=sys.stderr)
            case _:
                assert_never(event)

    def close(self) -> None:
        self._live.stop()


def _tabulate(shown: Preview) -> None:
    """A row for each segment, and the sum below."""
    table = Table("tokens", "kind", "source", box=None, header_style="bold")
    table.columns[0].justify = "right"
    for each in shown.segments:
        table.add_row(str(each.tokens), each.segment.kind.value, Text(each.segment.source))
    console = Console()
    console.print(table)
    console.print(f"{shown.tokens} of {shown.window} tokens", highlight=False)
    for note in shown.notes:
        print(f"kvasir: {note}", file=sys.stderr)


def _printer(*, as_json: bool) -> Printer:
    if as_json:
        return JsonPrinter()
    return RichPrinter() if sys.stdout.isatty() else Printer()


# --- chats -----------------------------------------------------------------------------------------


def chats(given: argparse.Namespace) -> int:
    """List chats, or do to one of them what is asked."""
    store = Store(folders().database)
    try:
        if given.show:
            print(markdown.render(store.chat(given.show)), end="")
        elif given.rename:
            store.rename(*given.rename)
        elif given.delete:
            store.delete(given.delete)
        else:
            _list(store.chats(" ".join(given.query)), as_json=given.json)
    finally:
        store.close()
    return 0


def _list(found: list[Listed], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([attrs.asdict(chat) for chat in found], ensure_ascii=False, indent=2))
        return
    rows = [
        (chat.id, time.strftime("%Y-%m-%d %H:%M", time.localtime(chat.updated)), str(chat.turns), chat.title)
        for chat in found
    ]
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    table = Table("chat", "last", "turns", "title", box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
