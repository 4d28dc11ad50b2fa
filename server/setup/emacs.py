"""Emacs: the shipped autoloads, named at the end of the init file."""

import json
import re
from pathlib import Path

from server.setup.blocks import with_block, without_block
from server.setup.person import Person
from server.setup.steps import Change, Plan, read

NAME, LEADER = "emacs", ";;"
LOADED_BY_HAND = re.compile(r"kvasir-autoloads|(?:require|use-package) '?kvasir\b")


def wire(person: Person, _program: str) -> Plan:
    """Load the autoloads, which cost nothing until a command is used."""
    file = _init_file(person)
    before = read(file)
    base = without_block(before, LEADER, NAME)
    if base is not None and LOADED_BY_HAND.search(base):
        return Plan(f"its {person.short(file)} loads Kvasir")
    # A string of JSON is one of Emacs Lisp too.
    body = f"(load {json.dumps(str(person.shipped / 'emacs/kvasir-autoloads'), ensure_ascii=False)} nil t)"
    if not person.finds_kvasir:
        # Not setq: what the person has chosen stays.
        body = f"(defvar kvasir-command (list {json.dumps(person.command[0], ensure_ascii=False)}))\n{body}"
    after = with_block(base, LEADER, NAME, body)
    step = Change(file, before, after, body)
    if step.done:
        return Plan("loads Kvasir's commands", (step,))
    stale = before != base
    state = "loads the commands of another Kvasir" if stale else "does not know Kvasir yet"
    return Plan(state, (step,), broken=stale)


def unwire(person: Person) -> Plan:
    """Take the block out."""
    file = _init_file(person)
    before = read(file)
    return Plan("", (Change(file, before, without_block(before, LEADER, NAME)),))


def _init_file(person: Person) -> Path:
    """The init file that Emacs reads: the first that exists in its own order, else the modern place."""
    modern = person.config / "emacs/init.el"
    classic = (person.home / ".emacs", person.home / ".emacs.el", person.home / ".emacs.d/init.el")
    found = next((file for file in (*classic, modern) if file.exists()), None)
    if found:
        return found
    # With a folder ~/.emacs.d Emacs does not look into the modern one.
    return classic[-1] if classic[-1].parent.is_dir() else modern
