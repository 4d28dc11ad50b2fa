"""``kvasir demo``: a question about a real file through the real language server, with the numbers.

It is an editor of its own: it starts ``kvasir lsp``, warms a selection, asks, continues, forks, and prints
what each step found in the slot already.
"""

import asyncio
import itertools
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from context.files import project_root
from server.messages import read_message

Json = dict[str, Any]

LINES = (1, 60)
FEATURES = ["delta", "state"]
PROGRAM = (sys.executable, "-P", "-m", "kvasir", "lsp")
_FOOTER = re.compile(r"\*(?P<numbers>[^*\n]*)\* <!-- kv end")


def run(file: Path | None) -> int:
    """Show the main job from start to end."""
    path = (file or Path(__file__).resolve().parent.parent / "sessions" / "slots.py").resolve()
    if not path.is_file():
        print(f"kvasir: {path} does not exist.", file=sys.stderr)
        return 1
    return asyncio.run(_shown(path))


async def _shown(path: Path) -> int:
    async with _editor(project_root(path) or path.parent) as editor:
        where = {"uri": path.as_uri(), "lines1": list(LINES)}
        editor.open(path)
        _say(f"You select lines {LINES[0]} to {LINES[1]} of {path.name}, and begin to type.")
        warmed = await editor.job("kvasir.warmup", where)
        _say(f"  warmed while you type: {warmed['message']}")

        _say("You ask: What does this do?")
        first = await editor.answer("kvasir.ask", {**where, "question": "What does this do?"})
        _say("You ask on: And what could go wrong?")
        await editor.answer(
            "kvasir.ask", {"session": first["session"], "question": "And what could go wrong?"}
        )
        _say("You fork at the first answer: How would you test it?")
        await editor.answer(
            "kvasir.fork", {"session": first["session"], "turn": 1, "question": "How would you test it?"}
        )
        _say(f"The chats are documents that you go on typing in: {first['path']}")
        return 0


def _say(text: str) -> None:
    print(text, flush=True)


class _Editor:
    """The least editor that can follow an answer."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Json]] = {}
        self._ends: dict[str, asyncio.Future[Json]] = {}
        self._closings: dict[str, str] = {}

    def send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def request(self, method: str, params: Json | None) -> Any:  # noqa: ANN401 - the method's result
        number = next(self._ids)
        waiting = self._replies[number] = asyncio.get_running_loop().create_future()
        self.send({"id": number, "method": method, "params": params})
        reply = await waiting
        if "error" in reply:
            raise SystemExit(f"kvasir: {reply['error']['message']}")
        return reply["result"]

    def open(self, path: Path) -> None:
        item = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": path.read_text("utf-8")}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": item}})

    async def job(self, command: str, argument: Json) -> Json:
        """Run a command and wait until its job has ended; its last state."""
        reply = await self.request("workspace/executeCommand", {"command": command, "arguments": [argument]})
        end = self._ends.setdefault(reply["job"], asyncio.get_running_loop().create_future())
        state = await end
        if state["phase"] == "error":
            raise SystemExit(f"kvasir: {state['message']}")
        return {**reply, **state}

    async def answer(self, command: str, argument: Json) -> Json:
        """Ask, print the answer as it comes, and then its numbers."""
        print("  ", end="", flush=True)
        ended = await self.job(command, argument)
        footer = _FOOTER.search(self._closings.get(ended["job"], ""))
        _say(f"\n  [{footer['numbers'] if footer else 'no numbers came'}]")
        return ended

    async def listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        while (message := await read_message(self._process.stdout)) is not None:
            self._take(message)

    def _take(self, message: Json) -> None:
        params: Json = message.get("params") or {}
        match message.get("method"):
            case None:
                if (waiting := self._replies.pop(message["id"], None)) is not None:
                    waiting.set_result(message)
            case "kvasir/delta":
                if params["kind"] == "mark":
                    self._closings[params["job"]] = params["text"]
                else:
                    print(params["text"].replace("\n", "\n  "), end="", flush=True)
            case "kvasir/state":
                self._state(params)
            case _:
                if "id" in message:
                    self.send({"id": message["id"], "error": {"code": -32601, "message": "not here"}})

    def _state(self, state: Json) -> None:
        if state["phase"] == "loading":
            print(f"  ({state['message']})", flush=True)
        if state["phase"] in ("done", "error", "cancelled"):
            end = self._ends.setdefault(state["job"], asyncio.get_running_loop().create_future())
            if not end.done():
                end.set_result(state)


@asynccontextmanager
async def _editor(root: Path) -> AsyncGenerator[_Editor]:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    editor = _Editor(process)
    listening = asyncio.create_task(editor.listen())
    try:
        client = {"name": "kvasir.demo", "version": "0", "features": FEATURES}
        await editor.request(
            "initialize",
            {
                "processId": None,
                "rootUri": root.as_uri(),
                "capabilities": {},
                "initializationOptions": {"kvasir": {"client": client}},
            },
        )
        editor.send({"method": "initialized", "params": {}})
        yield editor
        await editor.request("shutdown", None)
        editor.send({"method": "exit"})
        await process.wait()
    finally:
        listening.cancel()
        if process.returncode is None:
            process.terminate()
            await process.wait()
