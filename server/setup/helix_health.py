"""What the person's own Helix says about the languages that it knows: their names, and their servers."""

import contextlib
import os
import re
import subprocess
import tempfile
import termios
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from context.errors import KvasirError

ASK_S = 20
WIDE = 4000
"""Columns of the terminal that Helix believes to be in: its table cuts names to a share of that."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SERVER = re.compile(r"^  \S+ ([^:]+): ", re.MULTILINE)


@attrs.frozen
class Health:
    """One Helix with a ``languages.toml`` tried on it, away from the person's own."""

    program: str
    config: Path

    def complaint(self) -> str:
        """What it says against that file; "" if it takes it."""
        said = self._ask("python")
        return said[1].partition("Using default")[0].strip() if "Error parsing" in said[1] else ""

    def languages(self) -> Mapping[str, tuple[str, ...]]:
        """Its languages with the names of their servers, in its order."""
        has_servers = dict(_rows(self._table()))
        asked = [name for name, has in has_servers.items() if has]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = dict(zip(asked, pool.map(self._servers, asked), strict=True))
        return {name: answers.get(name, ()) for name in has_servers}

    def _servers(self, language: str) -> tuple[str, ...]:
        block = self._ask(language)[0].partition("Configured debug adapter")[0]
        return tuple(_SERVER.findall(block))

    def _ask(self, category: str) -> tuple[str, str]:
        argv = [self.program, "--health", category]
        try:
            done = subprocess.run(
                argv,
                env=self._env,
                cwd=self.config,
                capture_output=True,
                text=True,
                timeout=ASK_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KvasirError(f"{self.program} --health does not answer: {error}.") from error
        return _COLOUR.sub("", done.stdout), _COLOUR.sub("", done.stderr)

    def _table(self) -> str:
        """The table of all languages, from a terminal so wide that nothing in it is cut."""
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, WIDE))
        argv = [self.program, "--health", "all-languages"]
        # In a session of its own it cannot ask the person's terminal for its width.
        with subprocess.Popen(
            argv, env=self._env, cwd=self.config, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as running:  # fmt: skip
            os.close(theirs)
            try:
                return _COLOUR.sub("", _all_of(ours))
            finally:
                os.close(ours)
                running.kill()

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "XDG_CONFIG_HOME": str(self.config), "TERM": "dumb"}


@contextlib.contextmanager
def health(program: str, languages_toml: str | None) -> Generator[Health]:
    """Try a ``languages.toml`` on a Helix."""
    with tempfile.TemporaryDirectory(prefix="kvasir-helix-") as folder:
        config = Path(folder)
        if languages_toml is not None:
            (config / "helix").mkdir()
            (config / "helix/languages.toml").write_bytes(languages_toml.encode())
        yield Health(program, config)


def _rows(table: str) -> Iterable[tuple[str, bool]]:
    """Names of the languages, each with whether it has servers; more servers stand in rows of their own."""
    for row in table.splitlines()[1:]:
        if row[:1].strip():
            name, servers, *_ = re.split(r"\s{2,}", row)
            yield name, servers != "None"


def _all_of(terminal: int) -> str:
    # The end of a terminal is an error on Linux, and no bytes elsewhere.
    said = b""
    with contextlib.suppress(OSError):
        while read := os.read(terminal, 1 << 16):
            said += read
    return said.decode("utf-8", "replace")
