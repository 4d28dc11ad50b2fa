"""What the editor at the other end can do, resolved once from ``initialize`` into named flags.

Where clients differ from what they announce, the table of lsp-clients (section 5) is written down here, and
nowhere else: no other module asks for a client's name.
"""

from enum import StrEnum
from importlib.metadata import version
from typing import Any, cast

import attrs
from lsprotocol import types

from handlers.structure import Misfit, fit

PROTOCOL = 1
"""Version of docs/protocol.md, raised when an older plug-in or server would go wrong with it."""

CODE_POINT_CLIENTS = frozenset({"vim-lsp"})
"""They count columns in code points without saying so."""

_ANSWERS_LITTLE = frozenset({"vim-lsp", ""})
_SWITCHES_WINDOWS = frozenset({"vim-lsp"})
_HIDES_INFO = frozenset({"vim-lsp"})
_OPENS_TAB_PAGES = frozenset({"coc.nvim"})
_UNDO_STEP_PER_EDIT = frozenset({"helix"})
_LOGS_REFUSALS = frozenset({"helix"})
_FOCUSES_WHATEVER_IS_SAID = frozenset({"helix", "Eglot"})
"""Helix always brings the document to the front, Eglot does whenever ``takeFocus`` is there at all."""
_MESSAGE_PER_EDIT = frozenset({"coc.nvim"})

_DYNAMIC = {
    "document_symbol": types.TEXT_DOCUMENT_DOCUMENT_SYMBOL,
    "folding_range": types.TEXT_DOCUMENT_FOLDING_RANGE,
    "document_link": types.TEXT_DOCUMENT_DOCUMENT_LINK,
    "code_action": types.TEXT_DOCUMENT_CODE_ACTION,
    "code_lens": types.TEXT_DOCUMENT_CODE_LENS,
}
_REFRESHED = {
    "code_lens": types.WORKSPACE_CODE_LENS_REFRESH,
    "folding_range": types.WORKSPACE_FOLDING_RANGE_REFRESH,
    "inlay_hint": types.WORKSPACE_INLAY_HINT_REFRESH,
}


class Mode(StrEnum):
    """How an answer comes to the screen while it is written."""

    NOTIFY = "M1"
    """``kvasir/delta`` to a plug-in of ours, which renders."""
    VIRTUAL = "M2"
    """A virtual document, refreshed."""
    EDIT = "M3"
    """Edits that append to the chat document."""
    DISK = "M4"
    """The server writes the file."""


class Feature(StrEnum):
    """What a plug-in of ours announces in ``initializationOptions.kvasir.client.features``."""

    DELTA = "delta"
    STATE = "state"
    SELECTION = "selection"
    INPUT = "input"
    OPEN = "open"


@attrs.frozen
class Announced:
    """``initializationOptions.kvasir.client``. Features of a later version are kept, not refused."""

    name: str = ""
    version: str = ""
    protocol: int = PROTOCOL
    features: tuple[str, ...] = ()


@attrs.frozen
class Client:
    """One editor. ``complaint`` says what was wrong with what it announced about itself, to be shown once."""

    name: str
    version: str
    mode: Mode
    features: frozenset[str]
    applies_edits: bool
    """May be sent ``workspace/applyEdit``; false for clients in which it disturbs typing."""
    edit_interval_s: float
    edits_whole_lines: bool
    """Each edit is an undo step, so they end at line ends."""
    shows_documents: bool
    take_focus: bool | None
    """For ``window/showDocument``; ``None``: leave it out."""
    shows_progress: bool
    message_type: types.MessageType
    """The lowest kind of message that the client shows."""
    reads_virtual: bool
    answers_requests: bool
    """False: a request that it does not know is never answered at all."""
    serves_configuration: bool
    registers: frozenset[str]
    """Methods that can be registered for chat documents only."""
    refreshes: frozenset[str]
    shows_refusals: bool
    """The error of a command reaches the person, and not only a log."""
    shows_disabled_actions: bool
    tags_llm: bool
    nests_symbols: bool
    counts_code_points: bool
    complaint: str = ""

    def announces(self, feature: Feature) -> bool:
        """Whether a plug-in of ours can do this."""
        return feature in self.features


def resolve(params: types.InitializeParams, *, view: str = "auto") -> Client:
    """Decide everything about the client; ``view`` is the person's setting (``virtual`` chooses mode M2)."""
    info = params.client_info or types.ClientInfo(name="")
    announced, complaint = _announced(params.initialization_options)
    can = params.capabilities
    workspace = can.workspace or types.WorkspaceClientCapabilities()
    window = can.window or types.WindowClientCapabilities()
    text = can.text_document or types.TextDocumentClientCapabilities()
    features = frozenset(announced.features)
    shows = bool(window.show_document and window.show_document.support) and info.name not in _ANSWERS_LITTLE
    edits = bool(workspace.apply_edit) and info.name not in _SWITCHES_WINDOWS
    virtual = workspace.text_document_content is not None
    mode = _mode(features, wants_virtual=view == "virtual" and virtual and shows, edits=edits)
    return Client(
        name=info.name,
        version=info.version or "",
        mode=mode,
        features=features,
        applies_edits=edits,
        edit_interval_s=_edit_interval_s(info.name),
        edits_whole_lines=info.name in _UNDO_STEP_PER_EDIT,
        shows_documents=shows and (mode is Mode.VIRTUAL or info.name not in _OPENS_TAB_PAGES),
        take_focus=None if info.name in _FOCUSES_WHATEVER_IS_SAID else False,
        shows_progress=bool(window.work_done_progress),
        message_type=types.MessageType.Warning if info.name in _HIDES_INFO else types.MessageType.Info,
        reads_virtual=virtual,
        answers_requests=info.name not in _ANSWERS_LITTLE,
        serves_configuration=bool(workspace.configuration),
        registers=frozenset(_with(text, _DYNAMIC, "dynamic_registration")),
        refreshes=frozenset(_with(workspace, _REFRESHED, "refresh_support")),
        shows_refusals=info.name not in _LOGS_REFUSALS,
        shows_disabled_actions=bool(text.code_action and text.code_action.disabled_support),
        tags_llm=_tags_llm(text.code_action),
        nests_symbols=bool(
            text.document_symbol and text.document_symbol.hierarchical_document_symbol_support
        ),
        counts_code_points=info.name in CODE_POINT_CLIENTS,
        complaint=complaint,
    )


def _mode(features: frozenset[str], *, wants_virtual: bool, edits: bool) -> Mode:
    if Feature.DELTA in features:
        return Mode.NOTIFY
    if wants_virtual:
        return Mode.VIRTUAL
    return Mode.EDIT if edits else Mode.DISK


def _edit_interval_s(name: str) -> float:
    if name in _MESSAGE_PER_EDIT:
        return 1.0
    return 0.4 if name in _UNDO_STEP_PER_EDIT else 0.25


def _announced(options: object) -> tuple[Announced, str]:
    """What the plug-in says about itself, or nothing and what is wrong with it."""
    given = _at(_at(options, "kvasir"), "client")
    if given is None:
        return Announced(), ""
    protocol = _at(given, "protocol")
    # Before all else: what another version says need not fit.
    if isinstance(protocol, int) and protocol != PROTOCOL:
        return Announced(), _mismatch(_at(given, "name"), protocol)
    try:
        return fit(given, Announced), ""
    except Misfit as error:
        return Announced(), f"initializationOptions.kvasir.client is ignored: {error}."


def _mismatch(name: object, protocol: int) -> str:
    plug_in = name if isinstance(name, str) and name else "plug-in"
    update = "Update Kvasir." if protocol > PROTOCOL else 'Update it: "kvasir setup" links the right one.'
    return (
        f"The {plug_in} of this editor speaks protocol {protocol}, Kvasir {version('kvasir')} speaks "
        f"{PROTOCOL}. {update} Until then answers come as to an editor without a plug-in."
    )


def _at(value: object, key: str) -> object:
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None


def _with(capabilities: object, methods: dict[str, str], flag: str) -> list[str]:
    """The methods whose capability is there and has ``flag`` set."""
    found = ((getattr(capabilities, name, None), method) for name, method in methods.items())
    return [method for capability, method in found if getattr(capability, flag, None)]


def _tags_llm(actions: types.CodeActionClientCapabilities | None) -> bool:
    if actions is None or actions.tag_support is None:
        return False
    return types.CodeActionTag.LlmGenerated in actions.tag_support.value_set
