"""Models by name, and the server behind each, ready when asked for.

A model is configured (a file or the URL of a server), found on this machine, or the demo model that Kvasir
makes itself. Without configuration a llama-server that this person already runs comes first, then a model
file of llama.cpp's cache, then the demo model.
"""

import asyncio
import difflib
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from context.ports import CountTokens
from sessions import llama
from sessions.backends.llama import LlamaServer
from sessions.demo_model import demo_model
from sessions.discovery import found_here
from sessions.errors import ModelError, ModelUnavailable, NotFound
from sessions.settings import DEMO, ModelSettings, ServerSettings
from sessions.slots import SlotTable

logger = logging.getLogger("kvasir.sessions.models")

DEMO_ANSWER_TOKENS = 96
"""The demo model makes no sense, so it need not make much of it."""
LOADING_SECONDS = 600.0
KV_BYTES_PER_TOKEN = 500.0
KV_BYTES_PER_TOKEN_AND_WEIGHT = 1e-5
"""A guess from the file's size: 512 for the demo model, some 45 000 for 7B parameters in 4 bits (57 000)."""
CHARACTERS_PER_TOKEN = 2.5
"""A low guess for code, used until the model's own tokenizer can be asked."""

Progress = Callable[[str], None]


@attrs.frozen
class Places:
    """Folders: ``cache`` for models and running servers."""

    cache: Path

    @property
    def models(self) -> Path:
        return self.cache / "models"

    @property
    def servers(self) -> Path:
        return self.cache / "llama"


class Ready:
    """A model that answers. ``table`` is None on a server that is not ours: its slots are its own affair."""

    def __init__(
        self, settings: ModelSettings, server: LlamaServer, table: SlotTable | None, window_tokens: int
    ) -> None:
        self.settings = settings
        self.server = server
        self.table = table
        self.window_tokens = window_tokens
        self.use: llama.Use | None = None

    async def close(self) -> None:
        await self.server.close()
        if self.table is not None:
            self.table.close()
        if self.use is not None:
            self.use.close()


class Models:
    """The models that can be named, and the servers of those that were asked for."""

    def __init__(
        self, named: Mapping[str, ModelSettings], default: str, server: ServerSettings, places: Places
    ) -> None:
        self._places = places
        self._ready: dict[str, Ready] = {}
        self._lost: list[Ready] = []
        self._starting: dict[str, asyncio.Lock] = {}
        self.configure(named, default, server)

    def configure(self, named: Mapping[str, ModelSettings], default: str, server: ServerSettings) -> None:
        """Take over other settings; a server that runs goes on as it was started."""
        self._server = server
        self._named = {DEMO: ModelSettings(max_tokens=DEMO_ANSWER_TOKENS, threads=1), **named}
        self._default = default

    # --- names -------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return list(self._named)

    @property
    def default(self) -> str:
        """Name of the model for new chats, looked for on first use when it is not configured."""
        if not self._default:
            self._default = self._configured() or self._found() or DEMO
        return self._default

    def name(self, wanted: str | None) -> str:
        """``wanted`` if there is such a model, the default without one; ``NotFound`` names the nearest."""
        name = wanted or self.default
        # A chat may be of a model that was found, not configured.
        if name in self._named or (self.default and name in self._named):
            return name
        near = difflib.get_close_matches(name, self._named, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(self._named)}."
        raise NotFound(f"There is no model {name!r}.", hint=hint)

    def settings(self, name: str) -> ModelSettings:
        return self._named[name]

    def is_ours(self, name: str) -> bool:
        """Whether Kvasir runs the server of this model."""
        return not self._named[name].url

    # --- servers -----------------------------------------------------------------------------------

    async def ready(self, name: str, progress: Progress) -> Ready:
        """The model's server, started if need be. ``ModelUnavailable`` says why there is none."""
        async with self._starting.setdefault(name, asyncio.Lock()):
            if name not in self._ready:
                settings = self._named[name]
                self._ready[name] = await (
                    self._attached(settings, progress) if settings.url else self._started(name, progress)
                )
            return self._ready[name]

    def running(self, name: str) -> Ready | None:
        """The model's server if this process uses it."""
        return self._ready.get(name)

    def lost(self, ready: Ready) -> None:
        """Forget a server that went away; it is started or looked for again when next asked for.

        Others may be about to notice the same, and another server may have taken its place.
        """
        for name in [name for name, one in self._ready.items() if one is ready]:
            self._lost.append(self._ready.pop(name))

    def window_tokens(self, name: str) -> int:
        ready = self._ready.get(name)
        return self._named[name].context if ready is None else ready.window_tokens

    def count(self, name: str) -> CountTokens:
        """Counts tokens of this model: exactly while its server runs, else by a guess that is rather high."""

        async def counted(text: str) -> int:
            ready = self._ready.get(name)
            if ready is not None:
                try:
                    return len(await ready.server.tokens(text))
                except ModelError as error:
                    logger.info("tokens were guessed: %s", error)
            return round(len(text) / CHARACTERS_PER_TOKEN)

        return counted

    async def close(self) -> None:
        for ready in (*self._ready.values(), *self._lost):
            await ready.close()
        self._ready.clear()
        self._lost.clear()

    async def _started(self, name: str, progress: Progress) -> Ready:
        settings = self._named[name]
        if name == DEMO and not settings.path:
            progress("preparing the demo model")
            path = await asyncio.to_thread(demo_model, self._places.models)
        else:
            path = _path(settings)
        launch = llama.Launch(
            model=path,
            context_tokens=settings.context,
            slots=settings.slots,
            binary=self._server.binary,
            threads=settings.threads,
            idle_minutes=self._server.idle_minutes,
        )
        use = await llama.ensure(launch, self._places.servers, progress)
        running = use.server
        server = LlamaServer(running.url, running.api_key)
        table = SlotTable(
            _of_this_instance(running),
            running.kv_directory,
            running.slots,
            server,
            self._server.saved_kv_mib * 1024 * 1024,
            KV_BYTES_PER_TOKEN + KV_BYTES_PER_TOKEN_AND_WEIGHT * path.stat().st_size,
        )
        ready = Ready(settings, server, table, running.context_tokens)
        ready.use = use
        return ready

    async def _attached(self, settings: ModelSettings, progress: Progress) -> Ready:
        server = LlamaServer(settings.url)
        began = time.monotonic()
        while True:
            try:
                properties = await server.properties()
                return Ready(settings, server, None, properties.window_tokens)
            except ModelUnavailable as error:
                if "not ready" not in error.message or time.monotonic() - began > LOADING_SECONDS:
                    await server.close()
                    raise
                progress("loading the model")
                await asyncio.sleep(0.5)
            except BaseException:
                await server.close()
                raise

    # --- finding one -------------------------------------------------------------------------------

    def _configured(self) -> str:
        return next((name for name in self._named if name != DEMO), "")

    def _found(self) -> str:
        found = found_here(self._server)
        if found is None:
            return ""
        name, settings = found
        self._named[name] = settings
        return name


def _path(settings: ModelSettings) -> Path:
    return Path(settings.path).expanduser()


def _of_this_instance(running: llama.Running) -> Path:
    """The folder of the slot table; those of servers that are gone are removed."""
    directory = running.directory / f"slots-{running.instance}"
    for old in running.directory.glob("slots-*"):
        if old != directory:
            shutil.rmtree(old, ignore_errors=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory
