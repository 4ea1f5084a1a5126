"""Leadership: never two at once, by anybody's clock."""

import asyncio
import copy
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from dialplane.kube import lease as module
from dialplane.kube.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from dialplane.kube.lease import Lease
from tests.kube.fakes import Clock, FakeApi, Request


class Store:
    """The API server's side of one Lease."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down = False
        self.refusing = False

    def answer(self, request: Request) -> Any:
        if self.refusing:
            raise ForbiddenError(403, "no roles read yet")
        if self.down:
            raise UnavailableError(0, "down")
        if request.method == "GET":
            if self.lease is None:
                raise NotFoundError(404, "none")
            return copy.deepcopy(self.lease)
        sent = request.body.get("metadata", {}).get("resourceVersion", "")
        if (self.lease is None) != (request.method == "POST") or (self.lease and sent != str(self.version)):
            raise ConflictError(409, "changed")
        self.version += 1
        metadata = {"name": "l", "resourceVersion": str(self.version)}
        self.lease = {"metadata": metadata, "spec": dict(request.body["spec"])}
        return copy.deepcopy(self.lease)


class Direct:
    """An API server that answers without a pause."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        return self._store.answer(Request(method, path, body))


def lease(store: Store, who: str, clock: Clock) -> Lease:
    return Lease(FakeApi(store.answer), "site", "l", who, clock=clock)


async def test_the_first_takes_it_and_the_second_does_not() -> None:
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    assert await a._attempt()
    assert not await b._attempt()
    assert (a.held(), b.held()) == (True, False)


async def test_of_two_takers_at_once_one_wins() -> None:
    store, clock = Store(), Clock()
    takers = [lease(store, str(n), clock) for n in range(5)]
    assert sum(await asyncio.gather(*(t._attempt() for t in takers))) == 1


async def test_a_silent_holder_knows_it_is_deposed_before_another_takes_over() -> None:
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    await a._attempt()
    deposed_at = taken_at = None
    for _ in range(200):
        clock.now += 0.1
        if deposed_at is None and not a.held():
            deposed_at = clock.now
        if await b._attempt():
            taken_at = clock.now
            break
    assert deposed_at is not None
    assert taken_at is not None
    assert taken_at - deposed_at >= a.duration - a.renew_deadline - 0.2


async def test_the_successor_counts_from_what_it_saw_not_from_the_holders_clock() -> None:
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    await a._attempt()
    assert store.lease is not None
    store.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    clock.now += 100
    assert not await b._attempt()  # the first look


@pytest.mark.parametrize("told", ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z", "", None])
async def test_what_a_holder_says_of_the_time_counts_for_nothing(told: str | None) -> None:
    """Its clock is slow, fast or none: while it renews it keeps the lease, and once it ceases it loses it."""
    store, clock = Store(), Clock()
    b = lease(store, "b", clock)
    store.version = 1
    store.lease = {"metadata": {"name": "l", "resourceVersion": "1"}, "spec": {"holderIdentity": "a"}}
    for _ in range(20):
        store.version += 1
        store.lease["metadata"]["resourceVersion"] = str(store.version)
        store.lease["spec"]["renewTime"] = told
        assert not await b._attempt()
        clock.now += 2
    clock.now += b.duration - 2 - 0.1
    assert not await b._attempt()
    clock.now += 0.2
    assert await b._attempt()


async def test_our_own_wall_clock_may_jump_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = itertools.cycle((datetime(1999, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)))

    class Jumping:
        @staticmethod
        def now(_: object) -> datetime:
            return next(jumps)

    monkeypatch.setattr(module, "datetime", Jumping)
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    for _ in range(10):
        assert await a._attempt()
        assert a.held()
        assert not await b._attempt()
        clock.now += 2
    clock.now += a.renew_deadline
    assert not a.held()


async def test_a_refusal_while_renewing_is_waited_out_like_silence() -> None:
    store = Store()
    a = Lease(
        FakeApi(store.answer), "site", "l", "a", duration=0.2, renew_deadline=0.12, renew_every=0.02, look_every=0.02
    )
    await a.acquire()
    store.refusing = True
    await a.renew()
    assert not a.held()


async def test_a_holder_that_renews_keeps_it_for_ever() -> None:
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    for _ in range(50):
        assert await a._attempt()
        clock.now += 2
        assert a.held()
        assert not await b._attempt()


async def test_a_crashed_holder_is_succeeded_at_the_moment_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever between two looks it renewed last and wherever it crashed: within 15 s of its last renewal."""
    store, clock = Store(), Clock()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    a.api = b.api = Direct(store)
    await a._attempt()
    await b._attempt()
    clock.now += 0.01
    await a._attempt()
    crashed = clock.now
    clock.now += b.look_every
    await b.acquire()
    assert a.duration <= clock.now - crashed < 15


async def test_a_renewal_is_one_request() -> None:
    store, clock = Store(), Clock()
    a = lease(store, "a", clock)
    await a._attempt()
    before = len(a.api.requests)  # type: ignore[attr-defined]
    await a._attempt()
    assert len(a.api.requests) == before + 1  # type: ignore[attr-defined]


async def test_without_an_answer_it_ends_at_its_deadline() -> None:
    store, clock = Store(), Clock()
    a = lease(store, "a", clock)
    await a._attempt()
    store.down = True
    clock.now += a.renew_deadline - 0.1
    assert not await a._attempt()
    assert a.held()
    clock.now += 0.2
    assert not a.held()


async def test_somebody_elses_write_does_not_cost_the_lease() -> None:
    store, clock = Store(), Clock()
    a = lease(store, "a", clock)
    await a._attempt()
    assert store.lease is not None
    store.version += 1
    store.lease["metadata"]["resourceVersion"] = str(store.version)  # kubectl annotate, say
    assert not await a._attempt()
    assert a.held()
    assert await a._attempt()


async def test_a_released_lease_is_taken_at_once() -> None:
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    await a._attempt()
    await a.release()
    assert not a.held()
    assert await b._attempt()


@pytest.mark.parametrize("answers", [False, True])
async def test_a_release_never_fails_and_touches_nobody_elses(answers: bool) -> None:
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    await a._attempt()
    store.down = not answers
    await a.release()
    store.down = False
    await b._attempt()
    await a.release()
    if answers:
        assert b.held()
