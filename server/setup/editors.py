"""The editors that setup knows, each once."""

from collections.abc import Callable

import attrs

from server.setup import emacs, helix, kakoune, packages, vscode
from server.setup.person import Person
from server.setup.steps import Plan


@attrs.frozen
class Editor:
    """An editor. ``wire`` says what it needs, ``unwire`` what takes that back, ``then`` what to do next."""

    name: str
    title: str
    programs: tuple[str, ...]
    wire: Callable[[Person, str], Plan]
    unwire: Callable[[Person, str | None], Plan]
    then: str


def _family(name: str, title: str) -> Editor:
    return Editor(
        name,
        title,
        (name,),
        vscode.wire,
        vscode.unwire,
        'select code, press Ctrl+Shift+P and choose a command of "Kvasir".',
    )


EDITORS = (
    Editor(
        "vim",
        "Vim",
        ("vim",),
        packages.wire_vim,
        lambda person, _: packages.unwire_vim(person),
        "open a file, select lines, :QQ why is it slow?   (:help kvasir)",
    ),
    Editor(
        "nvim",
        "Neovim",
        ("nvim",),
        packages.wire_neovim,
        lambda person, _: packages.unwire_neovim(person),
        "open a file, select lines, :QQ why is it slow?   (:checkhealth kvasir)",
    ),
    Editor(
        "helix",
        "Helix",
        ("hx", "helix"),
        helix.wire,
        lambda person, _: helix.unwire(person),
        "open a file, select lines (x), Space q q, type a question, Enter.",
    ),
    _family("code", "VS Code"),
    _family("codium", "VSCodium"),
    _family("code-server", "code-server"),
    _family("cursor", "Cursor"),
    Editor(
        "emacs",
        "Emacs",
        ("emacs",),
        emacs.wire,
        lambda person, _: emacs.unwire(person),
        "open a file, mark a region, C-c k k   (M-x kvasir-ask).",
    ),
    Editor(
        "kakoune",
        "Kakoune",
        ("kak",),
        kakoune.wire,
        lambda person, _: kakoune.unwire(person),
        "open a file, select lines, :kvasir-ask why is it slow?",
    ),
)
ALIASES = {"neovim": "nvim", "hx": "helix", "vscode": "code", "kak": "kakoune"}


def installed(person: Person) -> tuple[tuple[Editor, str], ...]:
    """The editors that this person has, each with its program."""
    return tuple((editor, program) for editor in EDITORS if (program := person.program(*editor.programs)))


def named(name: str) -> Editor | None:
    """The editor of this name."""
    return next((editor for editor in EDITORS if editor.name == ALIASES.get(name, name)), None)
