"""Puts the rooms together: folders of this person, options, and the sessions that run on them."""

import logging
import sys
from pathlib import Path

import attrs
from platformdirs import PlatformDirs

from context.files import Files
from context.gather import Sources
from context.ports import OpenText, nothing_open
from server.config import Layer, Loaded, Settings, load
from server.indexing import Indexes
from sessions.ask import Sessions
from sessions.models import Models, Places
from sessions.store import Store

WORKSPACE_FILE = ".kvasir.toml"


@attrs.frozen
class Folders:
    """Where Kvasir keeps what, by the customs of the system."""

    config: Path
    state: Path
    cache: Path

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def database(self) -> Path:
        return self.state / "chats.db"

    @property
    def log(self) -> Path:
        return self.state / "kvasir.log"

    @property
    def indexes(self) -> Path:
        return self.cache / "index"

    @property
    def servers(self) -> Path:
        return Places(self.cache).servers


def folders() -> Folders:
    """The folders of this person, as the environment says now."""
    of_system = PlatformDirs("kvasir", appauthor=False)
    return Folders(of_system.user_config_path, of_system.user_state_path, of_system.user_cache_path)


def options(root: Path | None, *layers: Layer) -> Loaded:
    """The options in force in a workspace."""
    workspace_file = None if root is None else root / WORKSPACE_FILE
    return load(folders().config_file, workspace_file, *layers)


def sessions(
    settings: Settings, database: Path, open_text: OpenText = nothing_open, indexes: Indexes | None = None
) -> Sessions:
    """Chats and models for these options. ``StoreError`` when the chats cannot be opened."""
    models = Models(settings.models, settings.model, settings.server, Places(folders().cache))
    files = Files(open_text, settings.project.max_file_kib * 1024)
    indexes = indexes or Indexes(folders().indexes)
    indexes.is_on = settings.context.index
    made = Sessions(Store(database), models, Sources(files, lambda root: indexes.library(root, files)))
    made.settings = settings.context
    return made


def log_to(stream_level: int, file: Path | None) -> None:
    """Write our log to stderr, and all of it to a file."""
    root = logging.getLogger("kvasir")
    root.setLevel(logging.INFO)
    shape = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    stream = logging.StreamHandler(sys.stderr)
    stream.setLevel(stream_level)
    handlers: list[logging.Handler] = [stream]
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handlers.append(logging.FileHandler(file, encoding="utf-8", delay=True))
        except OSError:
            stream.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(shape)
        root.addHandler(handler)
