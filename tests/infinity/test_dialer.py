"""Calls over the real desk and a platform that fails in every way, on both databases: what becomes of the lease."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from dialplane.services.infinity import breaker, dialer
from dialplane.services.infinity.dialer import Asked, Dialer, Placed
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.provider import Answer, Provider
from dialplane.services.infinity.tables import call_records, pools
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.leases import CallRecord, Change
from dialplane.services.infinity.tables.pools import PoolWanted
from dialplane.services.infinity.tenant import Tenant
from dialplane.store import Store, StoreUnavailable
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from tests.infinity.tenants import TOKEN, tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

SITE = "office"
NUMBERS = ("8001", "8002", "8003")


def asked(key: str = "key", **changes: Any) -> Asked:
    fields: dict[str, Any] = {
        "agent": "agent-7",
        "callback_number": "+15550110",
        "destination": "+15550101",
        "case_id": "case-9",
        "custom": {},
        "caller_number": None,
        "token": "desk",
        "request_key": key,
    }
    return Asked(**fields | changes)


class Rig:
    """A desk and what places calls over it."""

    def __init__(self, store: Store, **desk: Any) -> None:
        self.store = store
        self.answers: list[tuple[str, Answer]] = []
        self.desk = LeaseDesk(store, SITE, **desk)
        self.provider = Provider()
        self.dialer = self.another()

    def another(self, **changes: Any) -> Dialer:
        """Another process's, as it were."""
        known = partial(self.store.call, call_records.of_request, SITE)
        answered: Callable[[Tenant, Answer], None]
        answered = lambda tenant, answer: self.answers.append((tenant.name, answer))  # noqa: E731
        return Dialer(self.desk, self.provider, **{"known": known, "answered": answered} | changes)

    async def calls(self) -> tuple[Call, ...]:
        return (await self.store.call(call_records.page, SITE, call_records.Filter(), limit=500)).calls

    async def free(self) -> int:
        return (await self.store.call(pools.standings, SITE))["sales"].available

    async def becomes(self, call: str, state: str) -> Call:
        async with asyncio.timeout(20):
            while True:
                found = await self.store.call(call_records.get, SITE, call)
                if found is not None and found.state == state:
                    return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(store: Store, *numbers: str, **desk: Any) -> AsyncIterator[Rig]:
    pools.sync(store, SITE, [PoolWanted("sales", "LeastRecentlyUsed", 50, True, numbers or NUMBERS)])
    rig = Rig(store, **desk)
    running = asyncio.create_task(rig.desk.run())
    try:
        async with asyncio.timeout(60):
            yield rig
    finally:
        await rig.dialer.close()
        running.cancel()
        await asyncio.wait({running})
        await rig.provider.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InfinityPeer]:
    account = Account(token=TOKEN, numbers=("8001-8003",))
    async with await InfinityPeer.start(tmp_path_factory.mktemp("infinity"), account) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def peer(running: InfinityPeer) -> InfinityPeer:
    await running.ask("listening", on=True)
    await running.forget()
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def rig(store: Store) -> AsyncIterator[Rig]:
    async with serving(store) as made:
        yield made


def got(placed: Placed) -> tuple[Call, Answer]:
    assert placed.call is not None
    assert placed.answer is not None
    return placed.call, placed.answer


# --- what becomes of a call


async def test_a_call_that_the_platform_takes_is_dialing(rig: Rig, peer: InfinityPeer) -> None:
    call, answer = got(await rig.dialer.make_call(tenant(peer.url), asked(custom={"product": "loan"})))
    assert answer.kind == "accepted"
    assert (call.state, call.rung, call.answer_lost, call.outcome) == ("dialing", "maybe", False, None)
    assert (call.agent, call.case_id, call.custom) == ("agent-7", "case-9", {"product": "loan"})
    (request,) = await peer.requests()
    assert request["fields"]["memberid"] == call.id
    assert request["fields"]["extnumber"] == call.number
    assert [name for name, _ in rig.answers] == ["sales"]


ENDS: dict[str, tuple[dict[str, Any], str, str, str | None, str, bool, int]] = {
    # what the platform does: kind of the answer, state, outcome, whether it rang, whether the answer is lost, free
    "refused": ({"answer": "refuse"}, "refused", "released", "Refused", "no", False, 3),
    "status": ({"answer": "status"}, "refused", "released", "Refused", "no", False, 3),
    "down": ({"answer": "error"}, "lost", "dialing", None, "maybe", True, 2),
    "garbage": ({"answer": "garbage"}, "lost", "dialing", None, "maybe", True, 2),
    "half": ({"answer": "half", "takes": True}, "lost", "dialing", None, "maybe", True, 2),
    "cut": ({"answer": "cut", "takes": True}, "lost", "dialing", None, "maybe", True, 2),
    "silent": ({"answer": "silent", "takes": True}, "lost", "dialing", None, "maybe", True, 2),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_lease_ends_only_where_nobody_can_be_rung(rig: Rig, peer: InfinityPeer, name: str) -> None:
    script, *expected = ENDS[name]
    await peer.behave(**script)
    seconds = 1 if name == "silent" else 10
    call, answer = got(await rig.dialer.make_call(tenant(peer.url, requestTimeoutSeconds=seconds), asked()))
    found = [answer.kind, call.state, call.outcome, call.rung, call.answer_lost, await rig.free()]
    assert found == expected
    assert call.reason == answer.detail
    counts = await peer.counts()
    assert (counts["requests"], counts["asked_twice"], counts["collisions"]) == (1, 0, 0)


async def test_a_call_that_was_not_sent_is_over(rig: Rig, peer: InfinityPeer) -> None:
    await peer.ask("listening", on=False)
    call, answer = got(await rig.dialer.make_call(tenant(peer.url), asked()))
    assert (answer.kind, call.state, call.outcome, call.rung) == ("not_sent", "released", "NotSent", "no")
    assert await rig.free() == 3


async def test_a_record_that_comes_before_the_answer_counts(rig: Rig, peer: InfinityPeer) -> None:
    await peer.behave(after=2)
    placing = asyncio.create_task(rig.dialer.make_call(tenant(peer.url), asked()))
    request = await peer.event("request")
    record = CallRecord({"billsec": 7}, answered=True, talk_seconds=7)
    await rig.desk.change(Change(request["memberid"], "released", record=record))
    call, answer = got(await placing)
    assert answer.kind == "accepted"
    assert (call.state, call.outcome, call.rung, call.talk_seconds) == ("released", "Answered", "yes", 7)
    assert await rig.free() == 3


async def test_a_call_between_lease_and_request_is_ended_by_others(store: Store) -> None:
    """Its process is gone: nobody knows whether it asked."""
    told: list[Call] = []
    async with serving(store, told=told.append) as rig:
        wanted = rig.dialer._wanted(tenant(requestTimeoutSeconds=1, callTimeoutSeconds=10), asked())
        leased = (await rig.desk.lease(wanted)).call
        assert leased is not None
        assert leased.deadline is not None
        assert leased.deadline - leased.reserved_at == timedelta(seconds=6)
    ahead = lambda: datetime.now(UTC) + timedelta(seconds=6)  # noqa: E731
    async with serving(store, now=ahead) as rig:
        call = await rig.becomes(leased.id, "dialing")
    assert (call.answer_lost, call.rung) == (True, "maybe")


@pytest.mark.parametrize(("callback", "seconds"), [(False, 660), (True, 60)])
async def test_how_long_a_call_may_ring_depends_on_what_the_platform_tells(
    rig: Rig, peer: InfinityPeer, callback: bool, seconds: int
) -> None:
    reference = {"name": "sales", "key": "callback"}
    spec = {"callback": {"secretRef": reference, "progress": callback}, "maxCallSeconds": 600}
    call, _ = got(await rig.dialer.make_call(tenant(peer.url, **spec), asked()))
    assert (call.dial_seconds, call.call_seconds) == (seconds, 600)


async def test_without_a_callback_an_extension_is_free_again_after_minutes(rig: Rig, peer: InfinityPeer) -> None:
    call, _ = got(await rig.dialer.make_call(tenant(peer.url, callback=None), asked()))
    assert (call.dial_seconds, call.call_seconds) == (660, 600)


# --- extensions


async def test_who_gets_no_extension_is_told_why_and_the_platform_nothing(rig: Rig, peer: InfinityPeer) -> None:
    for number in range(3):
        await rig.dialer.make_call(tenant(peer.url), asked(str(number)))
    placed = await rig.dialer.make_call(tenant(peer.url), asked("one too many"))
    assert (placed.call, placed.answer, placed.fresh) == (None, None, False)
    assert placed.denied is not None
    assert (placed.denied.reason, placed.denied.in_use) == ("Exhausted", 3)
    assert (await peer.counts())["requests"] == 3


async def test_who_waits_calls_when_another_is_over(rig: Rig, peer: InfinityPeer) -> None:
    for number in range(3):
        call, _ = got(await rig.dialer.make_call(tenant(peer.url), asked(str(number))))
    waiting = asyncio.create_task(rig.dialer.make_call(tenant(peer.url), asked("waits"), wait_seconds=30))
    await asyncio.sleep(0)
    await rig.desk.change(Change(call.id, "released", outcome="Released"))
    second, _ = got(await waiting)
    assert (second.state, second.number) == ("dialing", call.number)


# --- once for each key


async def test_the_same_key_is_the_same_call(rig: Rig, peer: InfinityPeer) -> None:
    first, _ = got(await rig.dialer.make_call(tenant(peer.url), asked()))
    for each in (rig.dialer, rig.another()):
        again = await each.make_call(tenant(peer.url), asked())
        assert (again.call, again.answer, again.fresh) == (first, None, False)
    other, _ = got(await rig.dialer.make_call(tenant(peer.url), asked(token="another")))
    assert other.id != first.id
    assert (await peer.counts())["requests"] == 2


async def test_who_asks_again_meanwhile_gets_the_same_answer(rig: Rig, peer: InfinityPeer) -> None:
    await peer.behave(after=0.3)
    placed = await asyncio.gather(*(rig.dialer.make_call(tenant(peer.url), asked()) for _ in range(5)))
    calls, answers = zip(*map(got, placed), strict=True)
    assert len({call.id for call in calls}) == 1
    assert [call.state for call in calls] == ["dialing"] * 5
    assert len(set(answers)) == 1
    assert sorted(each.fresh for each in placed) == [False] * 4 + [True]
    assert (await peer.counts())["requests"] == 1


# --- callers who go


@asynccontextmanager
async def deaf() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that takes connections, and then says nothing, not even for TLS; and whether somebody came."""
    came = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    finally:
        server.close()


async def cancelled(task: "asyncio.Task[Placed]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_goes_before_the_request_does_cancels_the_call(rig: Rig) -> None:
    async with deaf() as (url, came):
        placing = asyncio.create_task(rig.dialer.make_call(tenant(url), asked()))
        await came.wait()
        await cancelled(placing)
        (call,) = await rig.calls()
        call = await rig.becomes(call.id, "released")
    assert (call.outcome, call.rung, call.reason) == ("Cancelled", "no", "its caller went before it was placed")
    assert rig.answers == []


async def test_a_call_that_somebody_ends_before_the_request_goes_out_is_not_placed(store: Store) -> None:
    async with serving(store) as rig, deaf() as (url, came):
        rig.desk._told = rig.dialer.told
        placing = asyncio.create_task(rig.dialer.make_call(tenant(url, requestTimeoutSeconds=30), asked()))
        await came.wait()
        (call,) = await rig.calls()
        await rig.desk.change(Change(call.id, "released", outcome="Released"))
        call, answer = got(await placing)
    assert (call.outcome, call.rung, answer.kind) == ("Released", "no", "not_sent")


async def test_a_request_that_fails_as_nobody_foresaw_keeps_no_extension(rig: Rig) -> None:
    call, answer = got(await rig.dialer.make_call(tenant(token="half \ud800"), asked()))
    assert (answer.kind, call.state, call.outcome, call.rung) == ("not_sent", "released", "NotSent", "no")
    assert await rig.free() == len(NUMBERS)


async def test_one_caller_who_goes_takes_nothing_from_another(rig: Rig) -> None:
    async with deaf() as (url, came):
        first, second = (
            asyncio.create_task(rig.dialer.make_call(tenant(url, requestTimeoutSeconds=1), asked())) for _ in range(2)
        )
        await came.wait()
        await cancelled(first)
        call, answer = got(await second)
    assert (answer.kind, call.outcome) == ("not_sent", "NotSent")


async def test_who_goes_after_the_request_did_leaves_it_to_its_end(rig: Rig, peer: InfinityPeer) -> None:
    await peer.behave(after=2)
    placing = asyncio.create_task(rig.dialer.make_call(tenant(peer.url), asked()))
    request = await peer.event("request")
    await cancelled(placing)
    call = await rig.becomes(request["memberid"], "dialing")
    assert (call.answer_lost, call.rung) == (False, "maybe")
    assert [answer.kind for _, answer in rig.answers] == ["accepted"]


async def test_a_process_that_ends_says_what_it_knows(
    rig: Rig, peer: InfinityPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialer, "STOP_WITHIN", 0.1)
    await peer.behave(answer="silent")
    async with deaf() as (url, came):
        unsent = asyncio.create_task(rig.dialer.make_call(tenant(url), asked("unsent")))
        sent = asyncio.create_task(
            rig.dialer.make_call(tenant(peer.url, name="sales", requestTimeoutSeconds=30), asked("sent"))
        )
        await came.wait()
        await peer.event("request")
        await rig.dialer.close()
        call, _ = got(await unsent)
        assert (call.state, call.outcome, call.rung) == ("released", "Cancelled", "no")
        call, answer = got(await sent)
    assert (answer.kind, call.state, call.answer_lost, call.rung) == ("lost", "dialing", True, "maybe")
    assert "the controller was stopped before the platform answered" in answer.detail


# --- the breaker


async def test_a_platform_that_is_down_is_not_asked_for_a_while(
    rig: Rig, peer: InfinityPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 1000.0)
    await peer.ask("listening", on=False)
    for number in range(breaker.FAILURES):
        first, _ = got(await rig.dialer.make_call(tenant(peer.url), asked(str(number))))
    assert rig.dialer.breaker("sales").open
    await peer.ask("listening", on=True)
    before = len(await rig.calls())
    placed = await rig.dialer.make_call(tenant(peer.url), asked("while it is down"))
    assert (placed.call, placed.denied, placed.fresh) == (None, None, False)
    assert placed.answer is not None
    assert placed.answer.kind == "not_sent"
    assert f"({breaker.FAILURES} requests in a row failed): nobody was called" in placed.answer.detail
    assert len(await rig.calls()) == before
    again = await rig.dialer.make_call(tenant(peer.url), asked(first.request_key))
    assert (again.call, again.fresh) == (first, False)
    assert (await peer.counts())["requests"] == 0
    call, _ = got(await rig.dialer.make_call(tenant(f"{peer.url}/v2"), asked("elsewhere")))
    assert call.state == "dialing"


async def test_one_call_tries_and_the_others_follow_it(
    rig: Rig, peer: InfinityPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.0)
    await peer.behave(answer="error", times=breaker.FAILURES)
    for number in range(breaker.FAILURES):
        answer = (await rig.dialer.make_call(tenant(peer.url), asked(str(number)))).answer
        assert answer is None or answer.kind == "lost"
        for call in await rig.calls():
            await rig.desk.change(Change(call.id, "released", outcome="Released"))
    assert rig.dialer.breaker("sales").open
    await peer.behave(after=1)
    together = [rig.dialer.make_call(tenant(peer.url), asked(f"together-{number}")) for number in range(3)]
    kinds = sorted(placed.answer.kind for placed in await asyncio.gather(*together) if placed.answer)
    assert kinds == ["accepted", "not_sent", "not_sent"]
    assert not rig.dialer.breaker("sales").open
    call, _ = got(await rig.dialer.make_call(tenant(peer.url), asked("after")))
    assert call.state == "dialing"


async def test_a_platform_that_refuses_is_asked_again(rig: Rig, peer: InfinityPeer) -> None:
    await peer.behave(answer="refuse")
    for number in range(2 * breaker.FAILURES):
        await rig.dialer.make_call(tenant(peer.url), asked(str(number)))
    assert not rig.dialer.breaker("sales").open
    assert (await peer.counts())["requests"] == 2 * breaker.FAILURES


async def test_without_a_token_nothing_is_leased(rig: Rig, peer: InfinityPeer) -> None:
    placed = await rig.dialer.make_call(tenant(peer.url, token=None), asked())
    assert placed.call is None
    assert placed.answer is not None
    assert "the Secret sales has no key token" in placed.answer.detail
    assert await rig.calls() == ()


# --- the number that the customer sees


async def test_customers_see_the_numbers_of_the_manifest_in_turn(rig: Rig, peer: InfinityPeer) -> None:
    numbers = ["+15550120", "+15550121"]
    for number in range(3):
        await rig.dialer.make_call(tenant(peer.url, callerNumbers=numbers), asked(str(number)))
    shown = [request["fields"]["disnumber"] for request in await peer.requests()]
    assert shown == [numbers[0], numbers[1], numbers[0]]
    assert {call.caller_number for call in await rig.calls()} == set(numbers)


async def test_who_asks_for_a_number_gets_it(rig: Rig, peer: InfinityPeer) -> None:
    wanted = asked(caller_number="+15550121")
    await rig.dialer.make_call(tenant(peer.url, callerNumbers=["+15550120", "+15550121"]), wanted)
    assert (await peer.requests())[0]["fields"]["disnumber"] == "+15550121"


# --- the store


class Forgetful(LeaseDesk):
    """A desk whose store is away for the first changes."""

    failing = 2

    async def change(self, change: Change) -> Call | None:
        if self.failing:
            self.failing -= 1
            raise StoreUnavailable("the store is away")
        return await super().change(change)


async def test_what_cannot_be_written_now_is_written_later(
    store: Store, peer: InfinityPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.infinity.test_dialer.LeaseDesk", Forgetful)
    async with serving(store) as rig:
        call, answer = got(await rig.dialer.make_call(tenant(peer.url), asked()))
        assert (answer.kind, call.state) == ("accepted", "reserved")
        assert (await rig.becomes(call.id, "dialing")).rung == "maybe"


async def test_a_lease_that_came_too_late_asks_nobody(rig: Rig, peer: InfinityPeer) -> None:
    late = rig.another(now=lambda: datetime.now(UTC) + timedelta(seconds=7))
    call, answer = got(await late.make_call(tenant(peer.url), asked()))
    assert (answer.kind, call.outcome, call.rung) == ("not_sent", "NotSent", "no")
    assert (await peer.counts())["requests"] == 0


# --- everything at once

MISCHIEF: dict[str, dict[str, Any]] = {
    "1": {"answer": "refuse"},
    "2": {"answer": "status"},
    "3": {"answer": "error", "takes": True},
    "4": {"answer": "cut", "takes": True},
    "5": {"answer": "half", "takes": True},
    "6": {"answer": "garbage"},
    "7": {"after": 0.05},
}


async def of(rig: Rig, number: int) -> list[Any]:
    return [call for call in await rig.calls() if call.request_key == str(number)]


async def test_nobody_is_said_not_to_be_rung_who_may_be(store: Store, peer: InfinityPeer) -> None:
    """Calls of every kind, callers who go at any moment: what is said of each is true at the platform."""
    chance = random.Random(5)  # noqa: S311 -- the same every time
    for suffix, script in MISCHIEF.items():
        await peer.behave(destination=suffix, **script)

    async def one(rig: Rig, number: int) -> None:
        wanted = asked(str(number), destination=f"+15550{number:03}")
        placing = asyncio.create_task(rig.dialer.make_call(tenant(peer.url), wanted, wait_seconds=60))
        if number % 3 == 0:
            await asyncio.wait({placing}, timeout=chance.random() * 0.3)
            placing.cancel()
        if number % 20 == 0:
            await peer.ask("cut", connections=1)
        await asyncio.wait({placing})
        while any(call.state == "reserved" for call in await of(rig, number)):
            await asyncio.sleep(0.1)  # the platform may take it yet, though the caller has gone
        for call in await of(rig, number):
            await rig.desk.change(Change(call.id, "released", outcome="Released"))

    async with serving(store) as rig:
        async with asyncio.TaskGroup() as callers:
            for number in range(120):
                callers.create_task(one(rig, number))
                await asyncio.sleep(chance.random() * 0.02)
        async with asyncio.timeout(20):
            while any(call.state == "reserved" for call in await rig.calls()):
                await asyncio.sleep(0.05)
        calls = await rig.calls()
    taken = {call["memberid"] for call in await peer.calls()}
    asked_for = {request["fields"]["memberid"] for request in await peer.requests()}
    assert taken
    assert not taken & {call.id for call in calls if call.rung == "no"}
    assert not asked_for & {call.id for call in calls if call.outcome in {"NotSent", "Cancelled"}}
    assert {call.outcome for call in calls} >= {"Refused", "Released"}
    assert (await peer.counts())["asked_twice"] == 0
