"""The talk of ``kvasir setup``: what would be done is shown, then asked about, then done."""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import attrs

from context.errors import KvasirError
from server.setup.editors import ALIASES, EDITORS, Editor, installed, named
from server.setup.person import Person, person
from server.setup.steps import Plan, by_hand, carry_out, shown

Answer: TypeAlias = Literal["yes", "no", "nobody"]


@attrs.frozen
class Task:
    """An editor and what is to be done for it; ``failed`` says why that could not be found out."""

    editor: Editor
    plan: Plan
    failed: str = ""


def set_up(name: str | None, *, yes: bool) -> int:
    """Wire one editor, or all that are installed."""
    here = person()
    tasks = [_planned(editor, program, here) for editor, program in _chosen(here, name)]
    return _talk(tasks, yes=yes, verb="set up")


def take_back(name: str | None, *, yes: bool) -> int:
    """Undo what setup did, for editors that are gone too."""
    here = person()
    chosen = EDITORS if name is None else (_known(name),)
    tasks = [Task(editor, editor.unwire(here, here.program(*editor.programs))) for editor in chosen]
    return _talk([task for task in tasks if task.plan.todo or name], yes=yes, verb="take back")


def print_only(name: str | None) -> int:
    """What would be written, for those who write it themselves."""
    here = person()
    failed = False
    for editor, program in _chosen(here, name):
        task = _planned(editor, program, here)
        failed = failed or bool(task.failed)
        if task.failed:
            print(f"kvasir: {task.failed}", file=sys.stderr)
        for step in task.plan.steps:
            print(by_hand(step))
        for note in task.plan.notes:
            print(f"# {note}")
    return 1 if failed else 0


def _known(name: str) -> Editor:
    editor = named(name)
    if editor is None:
        names = ", ".join([*(editor.name for editor in EDITORS), *ALIASES])
        raise KvasirError(f"{name!r} is no editor that setup knows.", hint=f"It knows {names}.")
    return editor


def _chosen(here: Person, name: str | None) -> Sequence[tuple[Editor, str]]:
    if name is None:
        found = installed(here)
        if not found:
            titles = ", ".join(editor.title for editor in EDITORS)
            raise KvasirError(
                f"None of these is on the PATH: {titles}.", hint="Install one, then run it again."
            )
        return found
    editor = _known(name)
    program = here.program(*editor.programs)
    if program is None:
        raise KvasirError(f"{editor.title} is not on the PATH (no {' or '.join(editor.programs)}).")
    return ((editor, program),)


def _planned(editor: Editor, program: str, here: Person) -> Task:
    # One editor's broken configuration does not keep the others from being set up.
    try:
        return Task(editor, editor.wire(here, program))
    except KvasirError as error:
        return Task(editor, Plan(""), str(error))


def _talk(tasks: Sequence[Task], *, yes: bool, verb: str) -> int:
    for line in _overview(tasks):
        print(line)
    todo = [task for task in tasks if task.plan.todo]
    failed = any(task.failed for task in tasks)
    if not todo:
        print("Nothing to do.")
        return 1 if failed else 0
    titles = ", ".join(task.editor.title for task in todo)
    match "yes" if yes else _ask(f"{verb.capitalize()} {titles}? [y/N] "):
        case "no":
            print("Nothing was changed.")
            return 1
        case "nobody":
            print(f'Nothing was changed: there is no terminal to ask at. "--yes" says yes to {titles}.')
            return 1
        case "yes":
            return 0 if _done(todo, verb) and not failed else 1


def _overview(tasks: Sequence[Task]) -> Iterator[str]:
    for task in tasks:
        state = task.failed or task.plan.state or ("" if task.plan.todo else "nothing of ours is there")
        yield f"{task.editor.title}: {state}".rstrip()
        for step in task.plan.todo:
            yield textwrap.indent(shown(step), "  ")
        for note in task.plan.notes:
            yield f"  ! {note}"
        if task.plan.todo and task.plan.notes:
            yield ""


def _ask(question: str) -> Answer:
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return "nobody"
    try:
        return "yes" if input(question).strip().lower() in {"y", "yes"} else "no"
    except EOFError:
        return "no"


def _done(tasks: Sequence[Task], verb: str) -> bool:
    well = True
    for task in tasks:
        try:
            carry_out(task.plan.todo)
        except KvasirError as error:
            print(f"kvasir: {task.editor.title}: {error}", file=sys.stderr)
            well = False
            continue
        print(
            f"{task.editor.title}: {'done. Next: ' + task.editor.then if verb == 'set up' else 'taken back.'}"
        )
    return well
