"""What stands in front of a turn: it stays as it was, or an epoch says that it was laid out anew.

On a real llama-server with the demo model, but for the property.
"""
# pyright: reportPrivateUsage=false

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from context.changes import latest
from context.deltas import ended as with_end
from context.files import Files
from context.gather import Wanted
from context.segment import Kind
from sessions import llama
from sessions.ahead import Ahead
from sessions.ask import Sessions
from sessions.chat import Chat, Status, Turn
from sessions.epochs import FORCED_SHARE, REPACK_SHARE, TURNS_KEPT, drift
from sessions.gathering import Gathering
from sessions.models import Models, Places
from sessions.prompt import build, layout, shared
from sessions.question import Question
from sessions.settings import ModelSettings, ServerSettings
from sessions.store import Store
from sessions.transcript.markdown import render
from tests.context.libraries import without_index
from tests.sessions.test_ask import (
    SLACK_TOKENS,
    _embedded_only,
    _end_servers,
    _with_model,
    about,
    answer,
    sessions_in,
    settled,
)


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a llama-server that this machine may have."""
    monkeypatch.setenv("PATH", f"{Path(shutil.which('git') or '').parent}")
    monkeypatch.setattr(llama, "_binary", _embedded_only)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    made = tmp_path_factory.mktemp("cache")
    _with_model(made)
    yield made
    _end_servers(made)


@pytest.fixture
async def sessions(cache: Path, tmp_path: Path) -> AsyncIterator[Sessions]:
    made = sessions_in(cache, tmp_path / "chats.db")
    yield made
    await made.close()


def source(folder: Path, functions: int = 30) -> str:
    """A text of its own for each test, so that no slot knows it from another."""
    return "".join(f"def f{n}(x):\n    return x + {n}  # {folder.name}\n\n\n" for n in range(functions))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text(source(tmp_path))
    (root / "b.py").write_text(f"import a\n\nprint(a.f1(2))  # {tmp_path.name}\n")
    return root


def edited(path: Path, functions: range) -> None:
    text = path.read_text()
    for number in functions:
        text = text.replace(f"    return x + {number} ", f"    return x - {number} ")
    path.write_text(text)


async def asked(sessions: Sessions, text: str, chat: str) -> Turn:
    turn = await answer(sessions, Question(text, chat=chat, editor="vim"))
    await settled(sessions)
    return turn


async def begun(sessions: Sessions, question: Question) -> Chat:
    await answer(sessions, question)
    await settled(sessions)
    return sessions.store.chat(sessions.store.chats()[0].id)


async def test_a_change_is_appended_and_all_before_it_stays_warm(sessions: Sessions, project: Path) -> None:
    chat = await begun(sessions, about(project))
    edited(project / "a.py", range(7, 8))
    turn = await asked(sessions, "and now?", chat.id)
    (change,) = turn.tail
    assert (change.kind, turn.epoch) == (Kind.CHANGE, None)
    assert "x - 7" in change.text
    assert len(change.text) < len(change.content) / 10
    before = chat.turns[0].usage
    assert turn.usage
    assert before
    assert turn.usage.missed == 0
    assert turn.usage.cached >= before.prompt + before.out - SLACK_TOKENS
    assert turn.usage.new < before.prompt / 4
    # The same text is not told twice.
    assert (await asked(sessions, "still?", chat.id)).tail == ()


async def test_much_that_changed_is_packed_again_and_warm_before_it_is_used(
    sessions: Sessions, project: Path
) -> None:
    chat = await begun(sessions, about(project))
    for first in (0, 5):
        edited(project / "a.py", range(first, first + 3))
        chat = sessions.store.chat(chat.id)
        assert drift(chat.base, chat.turns) < REPACK_SHARE
        turn = await asked(sessions, f"what about f{first}?", chat.id)
        assert turn.epoch is None
    chat = sessions.store.chat(chat.id)
    assert REPACK_SHARE <= drift(chat.base, chat.turns) < FORCED_SHARE
    turn = await asked(sessions, "and now?", chat.id)
    assert turn.epoch
    assert [part.source for part in turn.epoch.base] == ["a.py"]
    assert with_end(turn.epoch.base[0].text) == (project / "a.py").read_text()
    assert turn.usage
    assert (turn.usage.missed, turn.usage.new < 64) == (0, True)
    chat = sessions.store.chat(chat.id)
    assert drift(chat.base, chat.turns) == 0
    assert "1 parts, packed again" in render(chat)
    assert (await asked(sessions, "is that all?", chat.id)).epoch is None


async def test_at_a_share_of_the_window_older_turns_are_folded_once(
    sessions: Sessions, project: Path
) -> None:
    wanted = Wanted(root=project, paths=(project / "b.py",))
    chat = await begun(sessions, about(project, wanted=wanted))
    window = sessions.models.window_tokens("demo")
    turns = list(chat.turns)
    for number in range(20):
        turns.append(await asked(sessions, f"{number} is {number}! " * 25, chat.id))
        if turns[-1].epoch:
            break
    folded = turns[-1]
    assert folded.epoch
    assert folded.epoch.summary
    assert folded.epoch.folded == len(turns) - 1 - TURNS_KEPT
    assert turns[-2].usage
    assert turns[-2].usage.prompt + turns[-2].usage.out > 0.7 * window
    assert [turn.epoch for turn in turns[:-1]] == [None] * (len(turns) - 1)
    assert folded.usage
    assert folded.usage.prompt < turns[-2].usage.prompt
    assert folded.usage.missed == 0
    assert f"turns 1 to {folded.epoch.folded}" in render(sessions.store.chat(chat.id))

    assert (await asked(sessions, "and then?", chat.id)).epoch is None
    fork = await sessions.fork(chat.id, after=2)
    assert fork.turns == tuple(turns[:2])
    prompt = build(fork.base, fork.turns, (), "or else?")
    texts = [part.text for part in prompt.parts]
    assert turns[0].question in texts
    assert folded.epoch.told.block not in texts
    forked = await asked(sessions, "or else?", fork.id)
    assert forked.epoch is None


async def test_who_wants_fresh_files_is_told_of_no_change(sessions: Sessions, project: Path) -> None:
    sessions.settings = attrs.evolve(sessions.settings, changes="fresh")
    chat = await begun(sessions, about(project))
    edited(project / "a.py", range(7, 8))
    turn = await asked(sessions, "and now?", chat.id)
    assert turn.tail == ()
    assert turn.epoch
    assert "x - 7" in turn.epoch.base[0].text
    assert (await asked(sessions, "still?", chat.id)).epoch is None


# --- the property -----------------------------------------------------------------------------------------

EDITS = st.lists(
    st.tuples(st.sampled_from(["a.py", "b.py", "c.py"]), st.integers(0, 29), st.sampled_from([1, 2, 12])),
    max_size=3,
)
"""By turn: files, and which functions of them change."""


@given(rounds=st.lists(EDITS, min_size=2, max_size=6))
@settings(max_examples=30)
def test_nothing_in_front_changes_unless_an_epoch_is_recorded(
    rounds: list[list[tuple[str, int, int]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_chat_of(Path(folder), rounds))


async def _chat_of(folder: Path, rounds: list[list[tuple[str, int, int]]]) -> None:
    """Ask after each round of edits, without a server, and look at what would be sent."""
    names = ("a.py", "b.py", "c.py")
    for name in names:
        (folder / name).write_text(source(folder))
    models = Models(
        {"m": ModelSettings(url="http://127.0.0.1:9")}, "m", ServerSettings(), Places(folder / "cache")
    )
    store = Store(folder / "chats.db")
    gathering = Gathering(models, without_index(Files()))
    ahead = Ahead(models, Files(), lambda: "deltas")
    wanted = Wanted(folder, paths=tuple(folder / name for name in names))
    chat: Chat | None = None
    for number, edits in enumerate(rounds):
        for name, first, count in edits:
            edited_again(folder / name, range(first, first + count), number)
        epoch = None if chat is None else await ahead.epoch(chat)
        question = Question(f"question {number}", wanted=wanted, editor="vim")
        context = await gathering.context(question, chat, "m", epoch)
        new = chat or store.new_chat(title="t", root=str(folder), model="m", base=context.base)
        before = build(new.base, new.turns).chain if chat else ()
        new, turn = store.begin(new, question.text, context.tail, "m", epoch=context.epoch)
        now = build(new.base, new.turns[:-1], turn.tail, turn.question, turn.epoch).chain
        if turn.epoch is None:
            assert shared(before, now) == len(before)
        else:
            assert drift(new.base, new.turns[:-1]) >= FORCED_SHARE
        store.write(attrs.evolve(turn, status=Status.DONE, answer=f"answer {number}"))
        chat = store.chat(new.id)
        base, turns = layout(chat.base, chat.turns)
        known = latest([*base, *(part for one in turns for part in one.tail)])
        told = {name: with_end(part.text) for name, part in known.items()}
        assert told == {name: (folder / name).read_text() for name in names}
    store.close()
    await models.close()


def edited_again(path: Path, functions: range, number: int) -> None:
    lines = path.read_text().split("\n")
    for function in functions:
        at = 4 * function + 1
        if at < len(lines):
            lines[at] = f"    return x * {function} + {number}"
    path.write_text("\n".join(lines))
