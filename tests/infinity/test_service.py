"""The service of outbound calls beside a platform that answers, refuses and goes away, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from dialplane.resources.conditions import Condition, ConditionType
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.services.contract import ServiceReport
from dialplane.services.infinity.dialer import Asked, Placed
from dialplane.services.infinity.pool import Timing as PoolTiming
from dialplane.services.infinity.service import InfinityService, Timing
from dialplane.services.infinity.tables import pools
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.leases import Change
from dialplane.store import Store, StoreUnavailable
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from testbed.manifests import Manifest
from tests.infinity.site import SITE, tenant_manifest, view

ACME = Key("InfinityTenant", "acme")
QUICK = Timing(pools=PoolTiming(changed=0.05, draining=0.1, quiet=0.2, again=1.0))


@dataclass
class Rig:
    """A service that runs."""

    service: InfinityService
    peer: InfinityPeer
    told: list[tuple[Key, str, str]]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0

    def see(self, *manifests: Manifest, **about: Any) -> None:
        self.service.observe(view(manifests, **about))

    def acme(self, *numbers: str, **spec: Any) -> Manifest:
        return tenant_manifest("acme", *numbers, **{"apiUrl": self.peer.url} | spec)

    @property
    def said(self) -> ServiceReport:
        return self.service.reports().get(ACME, ServiceReport())

    def condition(self, kind: ConditionType) -> Condition | None:
        return next((each for each in self.said.conditions if each.type == kind), None)

    def reason(self, kind: ConditionType) -> Reason | None:
        found = self.condition(kind)
        return found.reason if found else None

    async def until(self, done: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(20):
                while not done():
                    self.changed.clear()
                    if not done():
                        await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self.said} {self.told}") from None

    async def ready(self) -> None:
        await self.until(lambda: self.reason(ConditionType.READY) == Reason.SERVED)

    async def call(self, **more: Any) -> Placed:
        self.calls += 1
        fields = {"agent": "ada", "callback_number": "8001", "destination": "+15550111", "case_id": None}
        fields |= {"custom": {}, "caller_number": None, "token": "test", "request_key": f"call-{self.calls}"}
        return await self.service.dialer.make_call(self.service.tenants()["acme"], Asked(**fields | more))

    async def taken(self) -> Call:
        placed = await self.call()
        assert placed.call, placed
        return placed.call

    async def end(self, call: Call) -> None:
        await self.service.desk.change(Change(call.id, "released", outcome="Released"))


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InfinityPeer]:
    account = Account(token="a-token-of-the-platform", tenant="acme")
    async with await InfinityPeer.start(tmp_path_factory.mktemp("platform"), account) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def peer(platform: InfinityPeer) -> InfinityPeer:
    """The platform, which has forgotten what was before."""
    await platform.ask("listening", on=True)
    await platform.forget()
    return platform


@asynccontextmanager
async def running(store: Store, peer: InfinityPeer) -> AsyncIterator[Rig]:
    told: list[tuple[Key, str, str]] = []
    service = InfinityService(store, SITE, tell=lambda *event: told.append(event), timing=QUICK)
    rig = Rig(service, peer, told)
    task = asyncio.create_task(service.run(rig.changed.set))
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or task.exception() is None


@pytest_asyncio.fixture(loop_scope="module")
async def rig(store: Store, peer: InfinityPeer) -> AsyncIterator[Rig]:
    async with running(store, peer) as made:
        yield made


def pool(rig: Rig) -> Any:
    return rig.said.fields["pool"]


async def test_a_tenant_is_served_once_its_pool_is_in_the_store(rig: Rig) -> None:
    rig.see(rig.acme("8001-8003"))
    assert rig.reason(ConditionType.READY) == Reason.UNKNOWN
    await rig.ready()
    await rig.until(lambda: rig.reason(ConditionType.REACHABLE) == Reason.REACHABLE)
    assert pool(rig) == {"total": 3, "available": 3, "inUse": 0, "offline": 0, "draining": 0}
    rig.see(rig.acme("8001-8004"))
    assert rig.reason(ConditionType.READY) == Reason.UNKNOWN, "of the new version nothing is known yet"
    await rig.ready()
    assert pool(rig)["total"] == 4


async def test_calls_are_counted_in_its_status(rig: Rig) -> None:
    rig.see(rig.acme())
    await rig.ready()
    call = await rig.taken()
    await rig.until(lambda: (pool(rig)["available"], pool(rig)["inUse"], rig.said.fields["activeCalls"]) == (1, 1, 1))
    await rig.end(call)
    await rig.until(lambda: (pool(rig)["available"], rig.said.fields["activeCalls"]) == (2, 0))


async def test_a_tenant_that_is_not_served_says_only_what_its_pool_does(rig: Rig) -> None:
    rig.see(rig.acme())
    await rig.ready()
    await rig.taken()
    for manifest, refused in ((rig.acme(enabled=False), ()), (rig.acme(), ("acme",)), (rig.acme(tenantId=7), ())):
        rig.see(manifest, refused=refused)
        assert rig.said.conditions == ()
        await rig.until(lambda: rig.said.fields["activeCalls"] == 1)
    rig.see()
    assert ACME not in rig.service.reports()


async def test_a_call_that_got_no_extension_is_told(rig: Rig) -> None:
    rig.see(rig.acme("8001"))
    await rig.ready()
    await rig.taken()
    placed = await rig.call()
    assert placed.denied
    assert placed.denied.reason == "Exhausted"
    async with asyncio.timeout(10):
        while not rig.told:
            await asyncio.sleep(0.01)
    assert rig.told == [(ACME, "PoolExhausted", "a call refused: none of 1 extensions is free, 1 are in calls")]


async def test_extensions_that_drained_are_told(rig: Rig) -> None:
    rig.see(rig.acme("8001-8002"))
    await rig.ready()
    call = await rig.taken()
    rig.see(rig.acme("8002"))
    await rig.until(lambda: rig.reason(ConditionType.READY) == Reason.SERVED and pool(rig)["draining"] == 1)
    await rig.end(call)
    await rig.until(lambda: pool(rig)["total"] == 1)
    assert [reason for _, reason, _ in rig.told] == ["ExtensionsDrained"]


async def test_a_platform_that_goes_away_and_comes_back_is_said_and_told_once(rig: Rig) -> None:
    rig.see(rig.acme())
    await rig.until(lambda: rig.reason(ConditionType.REACHABLE) == Reason.REACHABLE)
    await rig.ready()
    await rig.peer.ask("listening", on=False)
    tenant = rig.service.tenants()["acme"]
    for _ in range(2):
        assert not (await rig.service.test_connection(tenant)).answers
    assert rig.reason(ConditionType.REACHABLE) == Reason.UNREACHABLE
    assert rig.reason(ConditionType.READY) == Reason.SERVED
    await rig.peer.ask("listening", on=True)
    await rig.taken()
    assert rig.reason(ConditionType.REACHABLE) == Reason.REACHABLE, "a call that was taken says as much"
    assert [reason for _, reason, _ in rig.told] == ["ProviderUnreachable", "ProviderReachable"]


async def test_a_call_that_failed_has_the_platform_asked_and_a_corrected_manifest_too(rig: Rig) -> None:
    rig.see(rig.acme())
    await rig.ready()
    rig.see(rig.acme(apiUrl="http://127.0.0.1:9/api"))
    await rig.until(lambda: rig.reason(ConditionType.REACHABLE) == Reason.UNREACHABLE)
    rig.see(rig.acme())
    await rig.until(lambda: rig.reason(ConditionType.REACHABLE) == Reason.REACHABLE)


async def test_why_the_platform_refused_last_is_said_until_it_takes_a_call(rig: Rig) -> None:
    rig.see(rig.acme())
    await rig.ready()
    await rig.peer.behave(times=1, answer="refuse", words="the account is empty")
    placed = await rig.call()
    assert placed.call
    assert placed.call.outcome == "Refused"
    await rig.until(lambda: "the account is empty" in str(rig.said.fields["lastError"]))
    await rig.taken()
    await rig.until(lambda: rig.said.fields["lastError"] is None)
    assert rig.reason(ConditionType.REACHABLE) == Reason.REACHABLE


async def test_who_follows_a_call_hears_of_its_states(rig: Rig) -> None:
    rig.see(rig.acme())
    await rig.ready()
    call = await rig.taken()
    with rig.service.follow(call.id) as changes:
        await rig.end(call)
        assert (await asyncio.wait_for(changes.get(), 10)).state == "released"


async def test_a_store_that_is_away_is_said_and_heals(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.see(rig.acme())
    await rig.ready()

    def away(*_: Any) -> Any:
        raise StoreUnavailable("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(pools, "standings", away)
        await rig.until(lambda: rig.reason(ConditionType.READY) == Reason.STORE_UNAVAILABLE)
        assert rig.condition(ConditionType.REACHABLE), "the platform is another matter"
    await rig.ready()


async def test_it_runs_again_after_it_failed(store: Store, peer: InfinityPeer) -> None:
    async with running(store, peer) as rig:
        rig.see(rig.acme())
        await rig.ready()
    rig.see(rig.acme())
    again = asyncio.create_task(rig.service.run(rig.changed.set))
    async with asyncio.timeout(20):
        while rig.service.desk._closed:
            await asyncio.sleep(0.01)
    placed = await rig.call()
    again.cancel()
    await asyncio.wait({again})
    assert placed.answer is not None
    assert placed.answer.kind == "accepted"
