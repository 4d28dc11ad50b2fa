"""A model that is on this machine without configuration: served already, else a file in a known place."""

import json
import os
import shutil
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path

from sessions import llama
from sessions.settings import ModelSettings, ServerSettings

KNOWN_PORTS = (9931, 8080, 8012)
"""Where llama-server listens by default: since 0.7, before, and in llama.vim's recommendation."""
PROBE_SECONDS = 0.5


def found_here(server: ServerSettings) -> tuple[str, ModelSettings] | None:
    """A llama-server that this person runs, else a model of llama.cpp's cache; with a name for it."""
    for port in KNOWN_PORTS:
        if (label := _llama_server_at(port)) is not None:
            return label or "llama-server", ModelSettings(url=f"http://127.0.0.1:{port}")
    if (path := _cached_model()) is not None and _can_serve(server):
        return path.stem, ModelSettings(path=str(path))
    return None


def _llama_server_at(port: int) -> str | None:
    """Label of the model that a llama-server of this very user serves on a port."""
    if _listener_uid(port) != os.getuid():
        return None
    connection = HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/props")
        said = json.loads(connection.getresponse().read())
        if "default_generation_settings" not in said or "total_slots" not in said:
            return None
        return Path(str(said.get("model_alias") or said.get("model_path") or "")).stem
    except (OSError, HTTPException, ValueError, TypeError):
        return None
    finally:
        connection.close()


def _listener_uid(port: int) -> int | None:
    """Who listens on a loopback port, by ``/proc/net/tcp``: code is not handed to another user's program."""
    try:
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return os.getuid()  # not Linux: no way to tell
    for row in rows:
        fields = row.split()
        address, _, hexadecimal = fields[1].partition(":")
        if fields[3] == "0A" and address in ("0100007F", "00000000") and int(hexadecimal, 16) == port:
            return int(fields[7])
    return None


def _cached_model() -> Path | None:
    """The newest whole model of llama.cpp's own download cache."""
    cache = Path(os.environ.get("LLAMA_CACHE") or Path.home() / ".cache" / "llama.cpp")
    found = [path for path in cache.glob("*.gguf") if "mmproj" not in path.name and "-of-0" not in path.name]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _can_serve(server: ServerSettings) -> bool:
    if server.binary or shutil.which("llama-server"):
        return True
    return find_spec(llama.EMBEDDED) is not None
