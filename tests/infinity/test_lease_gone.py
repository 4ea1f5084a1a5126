"""The desk where callers, the store or the desk itself go at the wrong moment: nobody keeps an extension."""

import asyncio
import threading
from typing import Any

import pytest

from dialplane.services.infinity.tables import leases, pools
from dialplane.services.infinity.tables.leases import Leased
from dialplane.store import Store, StoreUnavailable
from tests.eventually import eventually
from tests.infinity.test_lease import SITE, over, pool, serving
from tests.store.test_leases import asked


def free(store: Store) -> int:
    return pools.standings(store, SITE)["acme"].available


class Settling:
    """Transactions of leases that are committed, and then held up, or said to have failed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
        self.committed = asyncio.Event()
        self._failures = failures
        self._free_to_go = threading.Event()
        self._loop = asyncio.get_running_loop()
        really = leases.settle

        def settle(*args: Any, **named: Any) -> Any:
            found = really(*args, **named)
            self._loop.call_soon_threadsafe(self.committed.set)
            assert self._free_to_go.wait(20)
            if self._failures:
                self._failures -= 1
                raise StoreUnavailable("the connection went with the answer")
            return found

        monkeypatch.setattr(leases, "settle", settle)

    def go(self) -> None:
        self._free_to_go.set()


async def refused(task: "asyncio.Task[Leased]") -> None:
    async with asyncio.timeout(20):
        with pytest.raises(StoreUnavailable):
            await task


async def test_a_desk_that_closes_while_the_store_goes_has_back_what_it_may_have_given(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool(store, "8001")
    async with serving(store) as desk:
        settling = Settling(monkeypatch, failures=1)
        caller = asyncio.create_task(desk.lease(asked("a")))
        await settling.committed.wait()
        assert free(store) == 0
        asyncio.get_running_loop().call_later(0.1, settling.go)
    await refused(caller)
    assert free(store) == 1


async def test_a_desk_that_closes_turns_those_away_who_wait_and_those_who_come(store: Store) -> None:
    pool(store, "8001")
    async with serving(store) as desk:
        first = (await desk.lease(asked("a"))).call
        assert first is not None
        waiting = asyncio.create_task(desk.lease(asked("b"), wait_seconds=50))
        await eventually(lambda: bool(desk._queues) and not desk._queues["acme"][0].due)
    await refused(waiting)
    await refused(asyncio.create_task(desk.lease(asked("c"))))
    with pytest.raises(StoreUnavailable):
        await desk.change(over(first))
