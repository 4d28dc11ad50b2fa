"""Each captured client, and what is decided about it."""

from importlib.metadata import version

import pytest
from inline_snapshot import snapshot
from lsprotocol import converters, types

from server.client import Client, Feature, Mode, resolve
from tests.lsp import CLIENTS, profile

MEANWHILE = "Until then answers come as to an editor without a plug-in."


def client(name: str, features: tuple[str, ...] = (), view: str = "auto") -> Client:
    params = profile(name)
    if features:
        params["initializationOptions"] = {
            "kvasir": {"client": {"name": "plug-in", "features": list(features)}}
        }
    return resolve(converters.get_converter().structure(params, types.InitializeParams), view=view)


def row(one: Client) -> str:
    flags = {
        "edits": one.applies_edits,
        f"every {one.edit_interval_s} s": one.applies_edits,
        "whole lines": one.edits_whole_lines,
        f"show(takeFocus={one.take_focus})": one.shows_documents,
        "progress": one.shows_progress,
        "virtual": one.reads_virtual,
        "answers": one.answers_requests,
        "configuration": one.serves_configuration,
        "disabled": one.shows_disabled_actions,
        "llm tag": one.tags_llm,
        "nested symbols": one.nests_symbols,
        "code points": one.counts_code_points,
        f"registers {len(one.registers)}": bool(one.registers),
        f"refreshes {len(one.refreshes)}": bool(one.refreshes),
    }
    return (
        f"{one.mode} {one.message_type.name}: {', '.join(name for name, is_set in flags.items() if is_set)}"
    )


def test_every_captured_client():
    assert {path.stem: row(client(path.stem)) for path in sorted(CLIENTS.glob("*.json"))} == snapshot(
        {
            "ale_4_0_0": "M4 Info: ",
            "coc_0_0_82": "M3 Info: edits, every 1.0 s, progress, virtual, answers, configuration, disabled, nested symbols, registers 5, refreshes 3",
            "eglot_1_17_30_emacs_30_2": "M3 Info: edits, every 0.25 s, show(takeFocus=None), progress, answers, configuration, nested symbols",
            "helix_25_01_1": "M3 Info: edits, every 0.4 s, whole lines, progress, answers, configuration, disabled",
            "helix_25_07_1_git20260723": "M3 Info: edits, every 0.4 s, whole lines, show(takeFocus=None), progress, answers, configuration, disabled",
            "nvim_0_10_4": "M3 Info: edits, every 0.25 s, show(takeFocus=False), progress, answers, configuration, nested symbols, registers 1, refreshes 1",
            "nvim_0_12_4": "M3 Info: edits, every 0.25 s, show(takeFocus=False), progress, answers, configuration, disabled, nested symbols, registers 1, refreshes 2",
            "vim_lsp_474c656": "M4 Warning: configuration, disabled, code points",
            "vscode_languageclient_11_0": "M3 Info: edits, every 0.25 s, show(takeFocus=False), progress, virtual, answers, configuration, disabled, llm tag, nested symbols, registers 5, refreshes 3",
        }
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in CLIENTS.glob("*.json")))
def test_a_plug_in_of_ours_renders_everywhere(name: str):
    one = client(name, ("delta", "state"))
    assert one.mode is Mode.NOTIFY
    assert one.announces(Feature.STATE)
    assert not one.announces(Feature.SELECTION)


def test_virtual_documents_are_chosen_by_the_person_and_need_the_client():
    modes = {path.stem: client(path.stem, view="virtual").mode for path in CLIENTS.glob("*.json")}
    assert {name for name, mode in modes.items() if mode is Mode.VIRTUAL} == {
        "coc_0_0_82",
        "vscode_languageclient_11_0",
    }


def test_coc_shows_a_virtual_document_only():
    assert not client("coc_0_0_82").shows_documents
    assert client("coc_0_0_82", view="virtual").shows_documents


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (None, ""),
        ({"kvasir": {"settings": {}}}, ""),
        ("nonsense", ""),
        (
            {"kvasir": {"client": {"features": "delta"}}},
            "initializationOptions.kvasir.client is ignored: features: expected a list, not a string.",
        ),
        (
            {"kvasir": {"client": {"feature": ["delta"]}}},
            'initializationOptions.kvasir.client is ignored: feature: unknown key; did you mean "features"?.',
        ),
        (
            {"kvasir": {"client": {"name": "kvasir.vim", "protocol": 2, "features": ["delta"], "new": 1}}},
            f"The kvasir.vim of this editor speaks protocol 2, Kvasir {version('kvasir')} speaks 1. Update Kvasir. {MEANWHILE}",
        ),
        (
            {"kvasir": {"client": {"protocol": 0, "features": ["delta"]}}},
            f'The plug-in of this editor speaks protocol 0, Kvasir {version("kvasir")} speaks 1. Update it: "kvasir setup" links the right one. {MEANWHILE}',
        ),
    ],
)
def test_what_a_client_says_about_itself_may_be_wrong(options: object, complaint: str):
    params = types.InitializeParams(capabilities=types.ClientCapabilities(), initialization_options=options)
    one = resolve(params)
    assert one.complaint == complaint
    assert one.mode is Mode.DISK


def test_features_of_a_later_version_are_kept():
    assert client("nvim_0_12_4", ("delta", "telepathy")).features == {"delta", "telepathy"}
