"""kopf's handlers: errors in them, kopf's own end, and how all of it stops."""

import asyncio
import contextlib
import signal
import time
from typing import Any

import pytest

from dialplane.kube import handlers
from dialplane.kube.errors import HandlersEndedError, KindNotServedError
from tests.kube.miniature import Door, Miniature, opened
from tests.kube.world import EXTENSION


async def test_a_handler_that_fails_ends_the_process_without_the_words_of_the_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def deliver(*_: Any) -> None:
        raise ValueError("hunter2")

    server = Miniature()
    server.world.put(EXTENSION, "ann")
    async with opened(server, deliver=deliver) as door:
        with pytest.raises(HandlersEndedError, match="the handler of Extension/ann failed: ValueError"):
            await door.until(lambda: False)
    assert "hunter2" not in caplog.text


async def test_a_handler_that_knows_why_ends_the_process_with_its_message() -> None:
    def deliver(*_: Any) -> None:
        raise KindNotServedError("as told")

    server = Miniature()
    server.world.put(EXTENSION, "ann")
    async with opened(server, deliver=deliver) as door:
        with pytest.raises(KindNotServedError, match="as told"):
            await door.until(lambda: False)


async def test_kopf_that_ends_by_itself_ends_the_process_and_leaves_no_watcher_behind() -> None:
    """An error that kopf dies of: the other kinds' watchers would live on as orphans."""
    server = Miniature()
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed and server.since)

        async def broken(_: str, path: str) -> dict[str, str]:
            if path.endswith("extensions"):
                raise RuntimeError("as told")
            return {}

        door.session._api.authorization = broken  # type: ignore[method-assign]
        server.cut()
        with pytest.raises(HandlersEndedError, match="kopf ended: RuntimeError"):
            await door.until(lambda: False)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not {name for name in names if name.startswith("watcher for ")}


async def test_kopf_that_stands_still_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "LOOKED_AFTER", 0.01)
    async with opened(Miniature()) as door:
        await door.until(lambda: door.inventory.passed)
        door.session.stalled = lambda: "nobody watches Extension any more"  # type: ignore[method-assign]
        with pytest.raises(HandlersEndedError, match="kopf stands still: nobody watches Extension"):
            await door.until(lambda: False)


async def stop_after(door: Door, steps: int, before: set[asyncio.Task[Any]]) -> None:
    """Stop the handlers so many turns of the loop later."""
    for _ in range(steps):
        await asyncio.sleep(0)
    started = time.monotonic()
    door.running.cancel()
    await asyncio.wait({door.running})
    assert time.monotonic() - started < 1.0
    assert door.running.cancelled()
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert not {name for name in left if "watcher" in name or "cheduler" in name}, left


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 20, 100])
async def test_a_stop_at_any_moment_of_the_start_is_quick_and_leaves_no_task(steps: int) -> None:
    server = Miniature()
    for number in range(50):
        server.world.put(EXTENSION, f"e{number}")
    before = asyncio.all_tasks()
    async with opened(server) as door:
        await stop_after(door, steps, before)


@pytest.mark.parametrize("steps", [110, 165, 210])
def test_a_loop_that_ends_in_the_middle_of_a_list_reports_no_error(
    caplog: pytest.LogCaptureFixture, steps: int
) -> None:
    server = Miniature(page=100)
    for number in range(300):
        server.world.put(EXTENSION, f"e{number}")

    async def start_and_stop() -> None:
        async with opened(server) as door:
            await stop_after(door, steps, asyncio.all_tasks())

    asyncio.run(start_and_stop())
    assert not [record for record in caplog.records if record.name == "asyncio"]


@pytest.mark.parametrize("trouble", ["cut", "forgotten", "kind gone", "outage"])
@pytest.mark.parametrize("steps", [0, 5, 30])
async def test_a_stop_after_a_watch_failed_is_quick_and_leaves_no_task(trouble: str, steps: int) -> None:
    server = Miniature()
    before = asyncio.all_tasks()
    async with opened(server) as door:
        await door.until(lambda: door.inventory.passed and server.since)
        if trouble == "forgotten":
            await server.forget()
        elif trouble == "kind gone":
            server.absent.add("extensions")
        elif trouble == "outage":
            server.watches += [503] * 50
        server.cut()
        await stop_after(door, steps, before)


async def test_a_watcher_that_swallows_a_cancellation_is_cancelled_again() -> None:
    """As kopf's do where it meets the end of a watch."""

    async def watch() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    watcher = asyncio.create_task(watch(), name="watcher for extensions")
    await asyncio.sleep(0)
    await handlers._stop(())
    assert watcher.cancelled()


async def test_kopf_takes_no_signal() -> None:
    loop, taken = asyncio.get_running_loop(), asyncio.Event()
    server = Miniature()
    async with opened(server, take_signals=lambda: loop.add_signal_handler(signal.SIGTERM, taken.set)) as door:
        await door.until(lambda: door.inventory.passed)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(taken.wait(), 2)
        assert not door.running.done()
    loop.remove_signal_handler(signal.SIGTERM)


def test_kopf_writes_and_posts_nothing_by_its_settings() -> None:
    settings = handlers._settings()
    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.admission.managed is None
