"""The sources that go with a question: their words in a chat's front matter, and what is wanted of them."""

from collections.abc import Iterable
from pathlib import Path

import attrs

from context.gather import Git, Wanted
from context.selection import Selection
from handlers.arguments import Arguments, Include
from handlers.desk import Focus
from handlers.structure import nearest
from sessions.errors import BadRequest

WORDS = tuple(f"@{field.name}" for field in attrs.fields(Include))


def included(names: Iterable[str]) -> Arguments:
    """What the words and paths of a chat's front matter ask for; ``BadRequest`` for an unknown word."""
    names = tuple(dict.fromkeys(names))
    words = [name for name in names if name.startswith("@")]
    for word in words:
        if word not in WORDS:
            close = nearest(word, WORDS)
            hint = f'Did you mean "{close}"?' if close else f"There are {', '.join(WORDS)}."
            raise BadRequest(f'A chat knows no source "{word}".', hint=hint)
    include = Include(**{word.removeprefix("@"): True for word in words})
    return Arguments(include=include, paths=tuple(name for name in names if name not in words))


def wanted(
    given: Arguments,
    root: Path | None,
    selection: Selection | None,
    paths: tuple[Path, ...],
    *,
    focus: Focus | None,
    if_readable: tuple[Path, ...] = (),
) -> Wanted:
    """All that the arguments ask for, about this selection and these files."""
    include = given.include
    return Wanted(
        root,
        selection,
        paths,
        given.wants_project,
        if_readable,
        related=given.wants_related,
        map=bool(include.map),
        retrieval=bool(include.retrieval),
        notes=bool(include.notes),
        git=tuple(kind for kind in Git if getattr(include, kind.value)),
        diagnostics=_diagnostics(given, focus),
    )


def missing(given: Arguments, found: Wanted, focus: Focus | None) -> BadRequest | None:
    """What was asked for and is not there."""
    if given.wants_file and focus is None:
        return BadRequest("Which file?", hint="Ask from a document, or name it.")
    if given.wants_selection and found.selection is None:
        return BadRequest("Nothing is selected.", hint="Select some lines, or ask about the file.")
    if given.include.diagnostics and not found.diagnostics:
        return BadRequest("The editor told of no diagnostics here.", hint="Ask without them.")
    return None


def _diagnostics(given: Arguments, focus: Focus | None) -> tuple[str, ...]:
    if given.include.diagnostics is False:
        return ()
    if given.diagnostics or not given.include.diagnostics or focus is None:
        return given.diagnostics
    return focus.diagnostics
