"""The Lease in its thread: what the root loop does holds no renewal up, and a root loop that hangs does not lead."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from dialplane.kube.api import Api
from dialplane.kube.errors import ConnectionUnknownError
from dialplane.kube.lease import Lease
from dialplane.kube.lease_thread import LeaseThread
from tests.eventually import eventually
from tests.kube.fakes import FakeApi
from tests.kube.test_lease import Store

DURATION = 1.0


@asynccontextmanager
async def connected(store: Store) -> AsyncIterator[Api]:
    yield FakeApi(store.answer)


def threaded(store: Store, *, regained: Callable[[], None] = lambda: None, patience: float = 60.0) -> LeaseThread:
    make = partial(
        Lease,
        namespace="site",
        name="l",
        identity="a",
        duration=DURATION,
        renew_deadline=DURATION * 0.8,
        renew_every=DURATION * 0.1,
        look_every=DURATION * 0.05,
    )
    return LeaseThread(partial(connected, store), make, regained, patience=patience)


@asynccontextmanager
async def renewing(leadership: LeaseThread) -> AsyncIterator[asyncio.Task[None]]:
    await leadership.acquire()
    term = asyncio.create_task(leadership.renew())
    await asyncio.sleep(0)
    try:
        yield term
    finally:
        term.cancel()
        await asyncio.wait({term})
        await leadership.release()


def compute(seconds: float) -> None:
    """As a pass does that never waits."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1_000))


async def test_work_that_never_waits_holds_no_renewal_up() -> None:
    store = Store()
    leadership = threaded(store)
    async with renewing(leadership) as term:
        before = store.version
        compute(DURATION * 1.2)  # longer than it is held without a renewal
        assert leadership.held()
        assert store.version > before + 3
        await asyncio.sleep(0)
        assert not term.done()


async def test_a_root_loop_that_hangs_loses_it_and_gets_it_back_when_nobody_took_it() -> None:
    store, regained = Store(), list[int]()
    leadership = threaded(store, regained=lambda: regained.append(threading.get_ident()), patience=0.2)
    async with renewing(leadership) as term:
        time.sleep(DURATION * 1.5)  # it hangs
        assert not leadership.held()
        await eventually(leadership.held)
        await eventually(lambda: regained)
        assert not term.done()
    assert regained == [threading.get_ident()]
    assert store.lease is not None
    assert store.lease["spec"]["leaseTransitions"] == 1


async def test_a_release_gives_it_up_and_ends_the_thread() -> None:
    store, before = Store(), set(threading.enumerate())
    leadership = threaded(store)
    async with renewing(leadership):
        assert {each.name for each in set(threading.enumerate()) - before} == {"lease"}
    assert not leadership.held()
    assert store.lease is not None
    assert store.lease["spec"]["holderIdentity"] == ""
    await eventually(lambda: set(threading.enumerate()) <= before)


async def test_without_a_cluster_acquire_says_so() -> None:
    @asynccontextmanager
    async def nowhere() -> AsyncIterator[Api]:
        raise ConnectionUnknownError("no Kubernetes cluster to connect to")
        yield

    leadership = LeaseThread(nowhere, partial(Lease, namespace="site", name="l", identity="a"), lambda: None)
    with pytest.raises(ConnectionUnknownError):
        await leadership.acquire()
    await leadership.release()
    assert not leadership.held()
