"""Files whose parsing ended the process: after the second time they are read without their grammar."""

import contextlib
import os
from collections import Counter
from pathlib import Path

DEATHS = 2


class Suspects:
    """Notes beside the index what is being parsed, so that a successor knows what its predecessor died of.

    A grammar is native code: it can crash, and a process that is killed meanwhile looks the same. So a file
    is only given up when it was there twice with the same text.
    """

    def __init__(self, database: Path) -> None:
        self._note = os.open(f"{database}.parsing", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deaths = Path(f"{database}.deaths")
        if last := os.pread(self._note, 1 << 16, 0).rstrip(b"\0 "):
            with deaths.open("ab") as file:
                file.write(last + b"\n")
        self._deaths: Counter[bytes] = Counter()
        with contextlib.suppress(OSError):
            self._deaths.update(deaths.read_bytes().splitlines())
        self.clear()

    def parsing(self, path: str, digest: str) -> bool:
        """Note what comes next; whether its grammar may be used."""
        name = f"{digest} {path}".encode("utf-8", "replace").replace(b"\n", b" ")
        # Padded to one length, the last name is gone without a second call.
        os.pwrite(self._note, name.ljust(self._width, b" "), 0)
        self._width = max(len(name), 1)
        return self._deaths[name] < DEATHS

    def clear(self) -> None:
        """Note that nothing is being parsed."""
        os.ftruncate(self._note, 0)
        self._width = 1

    def close(self) -> None:
        self.clear()
        os.close(self._note)
