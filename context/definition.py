"""A definition: a name that a source file gives to something."""

import attrs


@attrs.frozen
class Definition:
    """Lines ``first`` to ``last`` (0-based, end exclusive) define ``name``.

    ``kind`` is ``function``, ``class``, ``method``, ``type``, ``constant``, ``macro``, ``module``,
    ``variable`` or ``heading``; ``signature`` holds the head lines without a body; ``scope`` the names
    around it: ``Store.Row``.
    """

    name: str
    kind: str
    first: int
    last: int
    signature: str
    scope: str
