"""Leadership: never two at once, by anybody's clock."""

import asyncio
import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


async def test_a_lease_that_somebody_deletes_is_taken_only_when_its_holder_has_ceased() -> None:
    store, clock = Store(), Clock()
    a, b = lease(store, "a", clock), lease(store, "b", clock)
    await a._attempt()
    assert not await b._attempt()
    store.lease = None
    for _ in range(200):
        clock.now += 0.1
        if await b._attempt():
            break
        assert not b.held()
    assert (a.held(), b.held()) == (False, True)


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


class Timeline:
    """Virtual time: a sleep moves the clock, and what was planned for a moment happens in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
        self._clock = clock
        self._plan: list[tuple[float, Callable[[], object]]] = []
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    def at(self, second: float, action: Callable[[], object]) -> None:
        """Plan one, in seconds from now; to be planned in their order."""
        self._plan.append((self._clock.now + second, action))

    async def _sleep(self, seconds: float) -> None:
        wakes = self._clock.now + max(seconds, 0.001)
        while self._plan and self._plan[0][0] <= wakes:
            self._clock.now, action = self._plan.pop(0)
            action()
        self._clock.now = wakes


class Over(Exception):
    """The end of a timeline."""


@dataclass
class Term:
    """A holder that renews, on a timeline."""

    store: Store
    clock: Clock
    lease: Lease
    time: Timeline
    held: list[bool] = field(default_factory=list)
    regained: int = 0

    def look(self) -> None:
        self.held.append(self.lease.held())

    def change(self, **spec: object) -> None:
        """Somebody else writes the Lease."""
        assert self.store.lease is not None
        self.store.version += 1
        self.store.lease["metadata"]["resourceVersion"] = str(self.store.version)
        self.store.lease["spec"].update(spec)

    def count(self) -> None:
        self.regained += 1


@pytest.fixture
async def term(monkeypatch: pytest.MonkeyPatch) -> Term:
    store, clock = Store(), Clock()
    made = Term(store, clock, lease(store, "a", clock), Timeline(monkeypatch, clock))
    made.lease.api = Direct(store)
    made.lease.regained = made.count
    await made.lease.acquire()
    return made


def over() -> None:
    raise Over


@pytest.mark.parametrize("noise", [False, True])
async def test_a_term_in_which_the_lease_was_lost_for_a_moment_goes_on(term: Term, noise: bool) -> None:
    term.time.at(5, lambda: setattr(term.store, "down", True))
    term.time.at(8, term.look)
    term.time.at(12, term.look)
    if noise:
        term.time.at(20, term.change)  # kubectl annotate, say
    term.time.at(39, term.look)
    term.time.at(40, lambda: setattr(term.store, "down", False))
    term.time.at(44, term.look)
    term.time.at(100, over)
    with pytest.raises(Over):
        await term.lease.renew()
    assert term.held == [True, False, False, True]
    assert term.regained == 1
    assert term.store.lease is not None
    assert term.store.lease["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param({"holderIdentity": "b", "leaseTransitions": 2}, id="another-holds-it"),
        pytest.param({"holderIdentity": "", "leaseTransitions": 2}, id="another-released-it"),
        pytest.param({"holderIdentity": ""}, id="somebody-cleared-it"),
        pytest.param({"leaseTransitions": 3}, id="it-is-ours-again"),
        pytest.param(None, id="somebody-deleted-it"),
    ],
)
async def test_a_term_is_over_once_another_may_have_held_the_lease(
    term: Term, meanwhile: dict[str, object] | None
) -> None:
    def happens() -> None:
        term.store.down = False
        if meanwhile is None:
            term.store.lease = None
        else:
            term.change(**meanwhile)

    term.time.at(5, lambda: setattr(term.store, "down", True))
    term.time.at(30, happens)
    term.time.at(60, over)
    await term.lease.renew()
    left = copy.deepcopy(term.store.lease)
    assert not term.lease.held()
    assert term.regained == 0
    assert left is None or left["spec"].items() >= (meanwhile or {}).items()  # nothing was written over it


async def test_a_refusal_while_renewing_is_waited_out_like_silence_and_then_raised(term: Term) -> None:
    term.time.at(5, lambda: setattr(term.store, "refusing", True))
    term.time.at(10, term.look)
    with pytest.raises(ForbiddenError):
        await term.lease.renew()
    assert term.held == [True]
    assert not term.lease.held()
    term.store.refusing = False
    term.time.at(10, term.look)
    term.time.at(20, over)
    with pytest.raises(Over):
        await term.lease.renew()
    assert term.held == [True, True]
    assert term.regained == 1


async def test_without_a_sign_of_life_of_its_work_it_is_not_renewed(term: Term) -> None:
    term.time.at(5, lambda: setattr(term.lease, "alive", lambda: False))
    term.time.at(12, term.look)
    term.time.at(30, lambda: setattr(term.lease, "alive", lambda: True))
    term.time.at(33, term.look)
    term.time.at(40, over)
    with pytest.raises(Over):
        await term.lease.renew()
    assert term.held == [False, True]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from((0.1, 2.0, 7.5, 10.5, 13.5)),
            st.sampled_from(("answered", "answer lost", "request lost", "released")),
        ),
        min_size=20,
        max_size=60,
    )
)
def test_never_do_two_hold_it_and_no_term_goes_on_after_anothers(steps: list[tuple[str, float, str]]) -> None:
    """Whatever gets lost in between, and however long either sleeps."""
    store, clock = Store(), Clock()
    fate, wrote = [""], list[tuple[str, int]]()

    def answer(request: Request) -> Any:
        if fate[0] == "request lost":
            raise UnavailableError(0, "lost")
        answered = store.answer(request)
        if request.method != "GET" and answered["spec"]["holderIdentity"]:
            wrote.append((answered["spec"]["holderIdentity"], answered["spec"]["leaseTransitions"]))
        if fate[0] == "answer lost":
            raise UnavailableError(0, "lost")
        return answered

    pair = {who: Lease(FakeApi(answer), "site", "l", who, clock=clock) for who in "ab"}

    async def play() -> None:
        for who, seconds, fate[0] in steps:
            clock.now += seconds
            before = pair[who]._term
            await (pair[who].release() if fate[0] == "released" else pair[who]._attempt())
            assert before is None or pair[who]._term in {before, None}
            assert not (pair["a"].held() and pair["b"].held())

    asyncio.run(play())
    holders = [key for key, _ in itertools.groupby(wrote)]
    assert len(holders) == len(set(holders))


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
