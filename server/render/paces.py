"""How often places are brought up to date."""

import attrs


@attrs.frozen
class Paces:
    """The least time between two flushes, in seconds. A plug-in gets 25 a second, files and refreshes 4."""

    notify_s: float = 0.04
    disk_s: float = 0.25
