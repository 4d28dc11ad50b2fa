"""What an editor's language servers say about some lines, as lines of text."""

from collections.abc import Iterable

from lsprotocol import types

MOST = 50
"""Of more complaints about a selection, the first are enough."""
_CHARACTERS = 500
_NAMES = {
    types.DiagnosticSeverity.Error: "error",
    types.DiagnosticSeverity.Warning: "warning",
    types.DiagnosticSeverity.Information: "information",
    types.DiagnosticSeverity.Hint: "hint",
}


def told(diagnostics: Iterable[types.Diagnostic]) -> tuple[str, ...]:
    """Each as ``L3: error: what is wrong (pyright reportCall)``, in the order of their lines, none twice."""
    ordered = sorted(diagnostics, key=lambda each: each.range.start.line)
    return tuple(dict.fromkeys(map(_line, ordered)))[:MOST]


def _line(diagnostic: types.Diagnostic) -> str:
    severity = _NAMES[diagnostic.severity] + ": " if diagnostic.severity else ""
    message = " ".join(diagnostic.message.split())
    if len(message) > _CHARACTERS:
        message = f"{message[: _CHARACTERS - 1]}…"
    by = " ".join(str(word) for word in (diagnostic.source, diagnostic.code) if word not in (None, ""))
    return f"L{diagnostic.range.start.line + 1}: {severity}{message}{f' ({by})' if by else ''}"
