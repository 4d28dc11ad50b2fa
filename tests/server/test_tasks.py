"""Background work has an owner."""

import asyncio

import pytest

from server.tasks import Tasks


async def test_work_is_cancelled_and_cleans_up_before_the_end():
    tasks, said = Tasks(), list[str]()
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("clean")

    task = tasks.start(work(), "work")
    await began.wait()
    await tasks.stop()
    assert task.cancelled()
    assert said == ["clean"]


async def test_a_failure_is_logged_and_given_to_whoever_waits(caplog: pytest.LogCaptureFixture):
    async def work() -> None:
        raise ValueError("broken")

    tasks = Tasks()
    with pytest.raises(ValueError, match="broken"):
        await tasks.start(work(), "the work")
    await tasks.stop()
    assert "the work failed." in caplog.text
    assert "ValueError: broken" in caplog.text


async def test_work_that_does_not_stop_is_left_behind_and_told(caplog: pytest.LogCaptureFixture):
    tasks, go, began = Tasks(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        while not go.is_set():
            try:
                began.set()
                await go.wait()
            except asyncio.CancelledError:
                continue

    task = tasks.start(stubborn(), "stubborn work")
    await began.wait()
    await tasks.stop(limit_s=0.01)
    assert "stubborn work did not stop in 0.01 s." in caplog.text
    go.set()
    await task
