"""The protocol page says what the code does."""

import re
from pathlib import Path

import attrs
import pytest

from context import errors as context_errors
from handlers.arguments import Arguments, Preset
from handlers.commands import COMMANDS
from handlers.editor import Phase
from handlers.structure import keys_of
from server.client import Feature
from sessions import errors
from sessions.modes import INSTRUCTIONS, QUESTIONS

PAGE = (Path(__file__).parent.parent / "docs" / "protocol.md").read_text("utf-8")


def _codes(kind: type[context_errors.KvasirError]) -> set[str]:
    return {kind.code}.union(*(_codes(inner) for inner in kind.__subclasses__()))


def test_every_command_has_a_section():
    assert re.findall(r"^### (kvasir\.\w+)$", PAGE, re.MULTILINE) == list(COMMANDS)


def test_every_key_of_the_arguments_is_in_the_table():
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", PAGE, re.MULTILINE)
    assert [key for row in rows for key in re.findall(r"\w+", row)] == list(keys_of(Arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_keys_of_each_command_exist(command: str):
    keys = set(re.findall(r"\w+", COMMANDS[command].keys))
    assert keys <= {field.name for field in attrs.fields(Arguments)}


def test_presets_are_the_modes():
    assert {preset.value for preset in Preset} == set(INSTRUCTIONS) == set(QUESTIONS)
    assert all(f"`{preset.value}`" in PAGE for preset in Preset)


def test_phases_features_and_error_codes_are_named():
    codes = _codes(errors.KvasirError)
    names = {*codes, *(phase.value for phase in Phase), *(feature.value for feature in Feature)}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_the_error_tree_is_drawn_completely():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == {name for name in errors.__all__ if name != "KvasirError"}
