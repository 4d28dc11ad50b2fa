"""Libraries for tests: without an index, and with one that is filled in the test's own process."""

from pathlib import Path

import attrs

from context.files import Files, source
from context.gather import Sources
from context.index import Entry, Index, Stamp, digest_of
from context.languages import language_of
from context.library import Library
from context.listing import listed
from context.parse import parse


async def walked() -> bool:
    """Say that the index is complete."""
    return True


async def not_walked() -> bool:
    """Say that the first walk takes longer than anybody waits."""
    return False


def without_index(files: Files) -> Sources:
    """Sources of a person who has turned the index off."""
    return Sources(files, lambda root: Library(root, None, files, not_walked))


def with_index(files: Files, library: Library) -> Sources:
    return Sources(files, lambda _root: library)


@attrs.frozen
class Place:
    """A workspace and where its index is kept."""

    root: Path
    database: Path

    def fill(self) -> None:
        """Index all files as they are."""
        index = Index.open(self.database, writable=True)
        entries: list[Entry] = []
        for file in listed(self.root).files:
            text, found = file.path.read_text(), file.path.stat()
            language = language_of(file.path, text)
            entries.append(
                Entry(
                    source(file.path, self.root),
                    Stamp(found.st_mtime_ns, found.st_size, digest_of(text)),
                    language.name if language else "",
                    file.weight,
                    parse(text, language),
                    text,
                )
            )
        index.put(entries)
        index.close()
