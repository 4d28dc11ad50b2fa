"""Kvasir: a conversation with a language model about the code in front of you.

This module starts it, from a checkout or from an installed wheel. In a checkout the four rooms lie beside
this file; the wheel keeps them in ``_kvasir/``, so that site-packages gains no top-level ``server`` or
``context``. Whichever is there leads ``sys.path``: a project being edited that owns a ``server.py`` is never
imported in place of ours.
"""

import sys
from pathlib import Path

_here = Path(__file__).resolve().parent
_nested = _here / "_kvasir"
sys.path.insert(0, str(_nested if _nested.is_dir() else _here))


def main() -> int:
    """Run the command line; the result is the exit status."""
    from server.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
