"""tap.py LOG -- SERVER...: pass stdio on between an editor and a language server, and log every message.

A line of the log is a JSON object ``{"at": seconds, "way": ..., "body": {...}}``; ``way`` is ``to_server``
or ``to_editor`` for messages, ``start`` (pid) and ``exit`` (code) for the server's life. Standard library
only: it starts with every editor, and a test waits for it.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1 << 16
LENGTH = b"content-length:"


class Log:
    """Lines of JSON from two threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, way: str, body: object) -> None:
        line = json.dumps({"at": time.time(), "way": way, "body": body})
        with self._lock:
            self._file.write(f"{line}\n")


def cut(buffer: bytes) -> tuple[bytes | None, bytes]:
    """Cut the first complete message off: its body (``None`` while it is not there yet) and the rest."""
    head, separator, rest = buffer.partition(b"\r\n\r\n")
    if not separator:
        return None, buffer
    lengths = [int(line[len(LENGTH) :]) for line in head.split(b"\r\n") if line.lower().startswith(LENGTH)]
    if len(rest) < sum(lengths):
        return None, buffer
    return rest[: sum(lengths)], rest[sum(lengths) :]


def send(target: int, data: bytes) -> None:
    """Write it all, unless the other end is gone."""
    try:
        while data:
            data = data[os.write(target, data) :]
    except BrokenPipeError:
        return


def pump(source: int, target: int, log: Log, way: str) -> None:
    """Pass bytes on as they come and log the messages in them, until the source ends."""
    buffer = b""
    while chunk := os.read(source, CHUNK_BYTES):
        send(target, chunk)
        buffer += chunk
        body, buffer = cut(buffer)
        while body is not None:
            log.write(way, json.loads(body))
            body, buffer = cut(buffer)


def feed(server_input: BinaryIO, log: Log) -> None:
    """Pass the editor's messages on; its end is the end of the server's input."""
    pump(sys.stdin.fileno(), server_input.fileno(), log, "to_server")
    server_input.close()


def main() -> int:
    log = Log(Path(sys.argv[1]))
    with subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as server:
        if server.stdin is None or server.stdout is None:
            raise RuntimeError("Popen was asked for two pipes.")
        log.write("start", {"pid": server.pid})
        threading.Thread(target=feed, args=(server.stdin, log), daemon=True).start()
        pump(server.stdout.fileno(), sys.stdout.fileno(), log, "to_editor")
        code = server.wait()
        log.write("exit", {"code": code})
        # Not through the interpreter's end: the feeding thread may still sit in a read of our standard input.
        os._exit(code if code >= 0 else 1)


if __name__ == "__main__":
    main()
