"""How often places are brought up to date."""

import attrs


@attrs.frozen
class Paces:
    """The least time between two flushes, in seconds. A plug-in gets 25 a second, files and refreshes 4."""

    notify_s: float = 0.04
    disk_s: float = 0.25
    settle_s: float = 0.3
    """After a late answer, until the client has told what it changed meanwhile (Neovim waits 0.15)."""
