"""What an indexer and its editors agree on: where they meet, and what is said of progress."""

from pathlib import Path

import attrs


@attrs.frozen
class Progress:
    """How far the index has come: ``done`` of ``total`` files are as they are on disk."""

    done: int = 0
    total: int = 0
    complete: bool = False
    generation: int = 0


def lock_of(database: Path) -> Path:
    """The file that the indexer of a database holds locked; in it stands where its socket is."""
    return database.with_name("indexer.lock")
