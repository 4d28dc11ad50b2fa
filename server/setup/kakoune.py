"""Kakoune: a line at the end of kakrc, behind the one that starts kakoune-lsp."""

from pathlib import Path

from server.setup.blocks import with_block, without_block
from server.setup.person import Person
from server.setup.steps import Change, Plan, read

NAME, LEADER = "kakoune", "#"
CLIENTS = ("kakoune-lsp", "kak-lsp")


def wire(person: Person, _program: str) -> Plan:
    """Source the shipped commands."""
    file = _kakrc(person)
    before = read(file)
    base = without_block(before, LEADER, NAME)
    if base is not None and "kvasir.kak" in base:
        return Plan(f"its {person.short(file)} sources Kvasir's commands", notes=_notes(person))
    body = f"source {_quoted(str(person.shipped / 'kakoune/kvasir.kak'))}"
    if not person.finds_kvasir:
        body += f"\nset-option global kvasir_command {_quoted(person.command[0])}"
    after = with_block(base, LEADER, NAME, body)
    if after == before:
        return Plan("sources Kvasir's commands", (Change(file, before, after, body),), _notes(person))
    stale = before != base
    state = "sources the commands of another Kvasir" if stale else "does not start Kvasir yet"
    return Plan(state, (Change(file, before, after, body),), _notes(person), broken=stale)


def unwire(person: Person) -> Plan:
    """Take the block out."""
    file = _kakrc(person)
    before = read(file)
    return Plan("", (Change(file, before, without_block(before, LEADER, NAME)),))


def _kakrc(person: Person) -> Path:
    return person.config / "kak/kakrc"


def _notes(person: Person) -> tuple[str, ...]:
    if person.program(*CLIENTS):
        return ()
    return ("Kakoune needs kakoune-lsp beside it; it is not on the PATH.",)


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))
