"""Keeps an index in step with the files of a workspace: what is new, changed, unsaved or gone.

Work is done in steps of a fraction of a second. Each ends with what it did stored, so a walk that is
interrupted goes on where it was; what somebody is working on goes before what is still to be walked.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs

from context.errors import Unreadable
from context.files import Files, unified
from context.index import Entry, Index, Stamp, digest_of
from context.indexer_wire import Progress
from context.languages import language_of
from context.parse import Parsed, parse
from context.suspects import Suspects

STEP_SECONDS = 0.2
STEP_FILES = 200
UNSAVED = -1
"""Time and size of a text that no file has: it differs from that of any file."""

ListFiles: TypeAlias = Callable[[Path], Sequence[tuple[Path, float]]]
"""The files that belong to a workspace, with how much each counts."""

_RULES = frozenset({".gitignore", ".kvasirignore", ".gitattributes", ".gitmodules"})


@attrs.define
class Upkeep:
    """The index of the files below ``root``. Not safe for several threads at a time."""

    root: Path
    index: Index
    suspects: Suspects
    wants_listing: bool = True
    """The files are to be listed (``listed`` takes them), as some may have come or gone."""
    _files: dict[str, tuple[Path, float]] = attrs.field(factory=dict[str, tuple[Path, float]], init=False)
    _known: dict[str, Stamp] = attrs.field(factory=dict[str, Stamp], init=False)
    _unsaved: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    _urgent: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _due: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _asked: set[str] = attrs.field(factory=set[str], init=False)
    """Names that are not listed; after the next listing, those that do not belong here."""
    _total: int = attrs.field(default=0, init=False)
    _stored: int = attrs.field(default=0, init=False)
    """Files stored since the index was tidied."""
    _was_listed: bool = attrs.field(default=False, init=False)
    _instance: str = attrs.field(default="", init=False)

    @property
    def progress(self) -> Progress:
        left = len(self._due)
        complete = self._was_listed and not left and not self._urgent
        return Progress(max(0, self._total - left), self._total, complete, self.index.generation)

    @property
    def folders(self) -> set[Path]:
        """Where changes are to be looked for: the folders of all files and those around them."""
        found = {self.root}
        for path, _ in self._files.values():
            folder = path.parent
            while folder not in found and folder != folder.parent:
                found.add(folder)
                folder = folder.parent
        return found

    def listed(self, files: Iterable[tuple[Path, float]]) -> None:
        """Take in which files there are; those that look as they are known are left alone."""
        self.wants_listing = False
        self._follow()
        self._files = {self._name(path): (self.root / path, weight) for path, weight in files}
        # What has come just now is asked for again when it goes and comes back.
        self._asked -= self._files.keys()
        gone = [name for name in self._known if name not in self._files]
        for start in range(0, len(gone), STEP_FILES):
            self.index.remove(gone[start : start + STEP_FILES])
        for name in gone:
            del self._known[name]
        weights = self.index.weights()
        moved = {
            name: weight
            for name, (_, weight) in self._files.items()
            if name in weights and weights[name] != weight
        }
        if moved:
            self.index.weigh(moved)
        self._due = {name: None for name in self._files if name in self._due or not self._is_known(name)}
        self._total = len(self._files)
        self._was_listed = True

    def tell(self, path: str, text: str | None) -> None:
        """Take in what an editor has: an unsaved text, which wins over the file, or none."""
        if text is None:
            self._unsaved.pop(path, None)
        else:
            self._unsaved[path] = unified(text)
        if text is None or path in self._files:
            self._look_at(path)

    def touched(self, paths: Iterable[Path]) -> None:
        """Take in that something happened to these paths. Any event only means: look again."""
        for path in paths:
            name = self._name(path)
            if path.name in _RULES or name == ".git/index":
                self._asked.clear()
                self.wants_listing = True
            self._look_at(name)

    def step(self) -> bool:
        """Do some of what is to be done; whether there is more."""
        self._follow()
        began = time.monotonic()
        batch = _Batch()
        while (self._urgent or self._due) and len(batch.names) < STEP_FILES:
            queue = self._urgent or self._due
            is_urgent = queue is self._urgent
            name = next(iter(queue))
            del queue[name]
            if is_urgent:
                self._due.pop(name, None)
            self._check(name, batch, surely=is_urgent)
            if time.monotonic() - began > STEP_SECONDS:
                break
        self.suspects.clear()
        self._store(batch)
        if self._urgent or self._due:
            return True
        if self._stored > STEP_FILES:
            self._stored = 0
            self.index.tidy()
        return False

    def follow(self) -> None:
        """Notice that the index was replaced, and begin to fill it again."""
        self.index.follow()
        self._follow()

    def _follow(self) -> None:
        if self._instance == self.index.instance:
            return
        self._instance = self.index.instance
        self._known = self.index.known()
        self._due = dict.fromkeys(self._files)

    def _look_at(self, name: str) -> None:
        if name in self._files:
            self._urgent[name] = None
        elif name not in self._asked and not name.startswith(".git/"):
            self._asked.add(name)
            self.wants_listing = True

    def _is_known(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None or name in self._unsaved:
            return False
        try:
            found = self._files[name][0].stat()
        except OSError:
            return False
        return (known.mtime_ns, known.size) == (found.st_mtime_ns, found.st_size)

    def _check(self, name: str, batch: "_Batch", *, surely: bool) -> None:
        """See whether a file is as it is known; ``surely`` by its text, as two writes can share a time."""
        if name not in self._files or (not surely and self._is_known(name)):
            return
        path, weight = self._files[name]
        stamp, text = self._read(name, path)
        known = self._known.get(name)
        if stamp is None:
            batch.names[name] = None
            batch.gone.append(name)
        elif known is None or known.digest != stamp.digest:
            batch.names[name] = stamp
            batch.entries.append(self._entry(name, stamp, weight, text))
        elif known != stamp:
            batch.names[name] = stamp
            batch.stamps[name] = stamp

    def _read(self, name: str, path: Path) -> tuple[Stamp | None, str]:
        """A text and its stamp. What cannot be read as text is known by its name only."""
        if (unsaved := self._unsaved.get(name)) is not None:
            return Stamp(UNSAVED, UNSAVED, digest_of(unsaved)), unsaved
        try:
            found = path.stat()
        except OSError:
            return None, ""
        try:
            text = Files().read(path)
        except Unreadable:
            text = ""
        return Stamp(found.st_mtime_ns, found.st_size, digest_of(text)), text

    def _entry(self, name: str, stamp: Stamp, weight: float, text: str) -> Entry:
        language = language_of(name, text)
        may_parse = self.suspects.parsing(name, stamp.digest)
        parsed = parse(text, language if may_parse else None) if text else Parsed()
        return Entry(name, stamp, language.name if language else "", weight, parsed, text)

    def _store(self, batch: "_Batch") -> None:
        instance = self.index.instance
        if batch.entries:
            self.index.put(batch.entries)
            self._stored += len(batch.entries)
        if batch.stamps:
            self.index.stamp(batch.stamps)
        if batch.gone:
            self.index.remove(batch.gone)
            self.wants_listing = True
        for name, stamp in batch.names.items():
            if stamp is None:
                self._known.pop(name, None)
            else:
                self._known[name] = stamp
        if self.index.instance != instance:
            self._follow()

    def _name(self, path: Path) -> str:
        within = path.relative_to(self.root) if path.is_absolute() else path
        return unified(within.as_posix())


@attrs.define
class _Batch:
    """What one step found; ``names`` is all of it, with ``None`` for what has gone."""

    names: dict[str, Stamp | None] = attrs.field(factory=dict[str, "Stamp | None"])
    entries: list[Entry] = attrs.field(factory=list[Entry])
    stamps: dict[str, Stamp] = attrs.field(factory=dict[str, Stamp])
    gone: list[str] = attrs.field(factory=list[str])
