"""VS Code and its kin: the packaged extension, and one setting where they would not find the program."""

import json
import re
import subprocess
import sys
from pathlib import Path

from context.errors import KvasirError
from server.setup.person import Person
from server.setup.steps import Change, Plan, Run, Step, read

LIST_S = 30
EXTENSION = "kvasir.kvasir"
SETTING = "kvasir.command"
_MARK, _FILE_MARK = "/* kvasir setup */", "/* kvasir setup: this file too */"
_LINE = re.compile(rf'\n    "{re.escape(SETTING)}": \[[^\n]*\],? {re.escape(_MARK)}')
_FRONT = re.compile(r"\A(?:\s|//[^\n]*|/\*.*?\*/)*\{", re.DOTALL)
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
_FOLDERS = {"code": "Code", "codium": "VSCodium", "cursor": "Cursor"}


def wire(person: Person, program: str) -> Plan:
    """Install the packaged extension unless this version is there."""
    folder = person.shipped / "vscode"
    package = max(folder.glob("*.vsix"), key=lambda path: path.stat().st_mtime, default=None)
    if package is None:
        note = 'This Kvasir brings no packaged extension: in a checkout, "make vsix" builds it.'
        return Plan("the extension is not there to be installed", notes=(note,))
    installed = _installed(program)
    current = installed == person.version
    install = Run((program, "--install-extension", str(package), "--force"), done=current)
    steps: tuple[Step, ...] = (install, *_setting(person, program))
    if current:
        return Plan(f"has the extension {installed}", steps)
    if installed:
        return Plan(f"has the extension {installed} (this is {person.version})", steps, broken=True)
    return Plan("does not have the extension yet", steps)


def unwire(person: Person, program: str | None) -> Plan:
    """Uninstall the extension and take our setting back."""
    steps: list[Step] = []
    if program:
        gone = _installed(program) is None
        steps.append(Run((program, "--uninstall-extension", EXTENSION), done=gone))
        file = _settings_file(person, program)
        before = read(file)
        steps.append(Change(file, before, without_setting(before)))
    return Plan("", tuple(steps))


def _installed(program: str) -> str | None:
    argv = (program, "--list-extensions", "--show-versions")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LIST_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KvasirError(f"{program} does not say which extensions it has: {error}.") from error
    found = re.search(rf"^{re.escape(EXTENSION)}@(\S+)", done.stdout, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else None


def _setting(person: Person, program: str) -> tuple[Change, ...]:
    file = _settings_file(person, program)
    before = read(file)
    base = without_setting(before)
    if person.finds_kvasir:
        return (Change(file, before, base),) if before != base else ()
    if base is not None and f'"{SETTING}"' in base:
        return ()
    line = f'"{SETTING}": {json.dumps(list(person.command), ensure_ascii=False)}'
    return (Change(file, before, with_setting(base, line, file), line),)


def _settings_file(person: Person, program: str) -> Path:
    name = Path(program).name
    if name == "code-server":
        # Settings of the scope "machine" are read on the side where the server runs.
        return person.data / "code-server/Machine/settings.json"
    root = person.home / "Library/Application Support" if sys.platform == "darwin" else person.config
    return root / _FOLDERS.get(name, "Code") / "User/settings.json"


def with_setting(text: str | None, line: str, file: Path) -> str:
    """The settings with a line behind their first brace, so that all comments stay where they are."""
    if text is None:
        return f"{{\n    {line} {_FILE_MARK}\n}}\n"
    front = _FRONT.match(text)
    settings = _parsed(text)
    if front is None or not isinstance(settings, dict):
        raise KvasirError(f"{file} is not valid: it holds no JSON object.", hint="Nothing was changed.")
    comma = "," if settings else ""
    return f"{text[: front.end()]}\n    {line}{comma} {_MARK}{text[front.end() :]}"


def without_setting(text: str | None) -> str | None:
    """The settings as they were before ``with_setting``."""
    if text is None or _FILE_MARK in text:
        return None
    return _LINE.sub("", text, count=1)


def _parsed(text: str) -> object:
    """The value of JSON with comments and trailing commas; ``None`` if it is none."""
    bare = _COMMENT.sub(lambda found: found[1] or "", text)
    try:
        return json.loads(_COMMA.sub(lambda found: found[1] or "", bare))
    except ValueError:
        return None
