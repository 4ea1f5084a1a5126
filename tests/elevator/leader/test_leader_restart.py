"""A controller that starts on an unchanged site writes no status of a device, whatever it knows at which moment."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr

from dialplane.asterisk.contacts import Contact
from dialplane.asterisk.live import LiveState
from dialplane.plan.planner import Planner
from dialplane.reconcile.report import Findings, Judged, Reporter
from dialplane.reconcile.services import Services
from dialplane.reconcile.settings import AmiDefaults
from dialplane.reconcile.template_dir import load
from dialplane.resources.conditions import status_of
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import Context
from dialplane.services.elevator.leader.service import ElevatorService, ElevatorTiming
from dialplane.store import Store, site_views
from testbed.manifests import Manifest, manifest
from tests.databases import NOW
from tests.elevator.leader.lifts import SITE, Clock, KnownReplicas, connect
from tests.eventually import eventually

LIFT = Key("ElevatorDevice", "hall")
QUICK = ElevatorTiming(registered=0.2, look=0.04, gap=0.02, tick=0.02)
MANIFESTS = [
    manifest("Asterisk", "pbx", transports=[{"name": "udp", "protocol": "udp", "bind": "127.0.0.1:5060"}]),
    manifest("Extension", "cabin", number="801", credentialsSecretRef={"name": "cabin"}, permissions=["internal"]),
    manifest(
        "ElevatorDevice", "hall", location="Hall", tokenSecretRef={"name": "tokens", "key": "hall"},
        emergencyExtension="801", testCall={"number": "770"},
    ),
]  # fmt: skip
SECRETS = {
    "cabin": {"username": SecretStr("801"), "password": SecretStr("secret-of-801-000")},
    "tokens": {"hall": SecretStr("token-of-hall-000")},
}
LIVE = LiveState(contacts={"801": (Contact("sip:801@192.0.2.7", "Reachable"),)})


class Controller:
    """A site loop's reports, written as a front door writes them."""

    def __init__(self, service: ElevatorService, statuses: dict[Key, dict[str, Any]]) -> None:
        made: list[Manifest] = [{**each, "metadata": {**each["metadata"], "uid": "uid"}} for each in MANIFESTS]
        read = [parse({**each, "status": statuses.get(Key(each["kind"], each["metadata"]["name"]))}) for each in made]
        snapshot = Snapshot(SITE, {each.key: each for each in read}, SECRETS)
        plan = Planner(load()).plan(snapshot)
        assert LIFT in plan.versions, plan.problems
        self._judged = Judged(snapshot, plan, Findings(verified=frozenset(plan.versions), live=LIVE))
        self._reporter = Reporter()
        self._due = asyncio.Event()
        self.services = Services([service], AmiDefaults(), self._due.set, None)
        self.statuses = statuses
        self.written: list[Mapping[str, Any]] = []
        self.rounds = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Controller"]:
        tasks = [asyncio.create_task(self.services.run()), asyncio.create_task(self._report())]
        self.services.observe(self._judged)
        self._due.set()
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _report(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            self.rounds += 1
            found = self.services.completed(self._reporter.reports(self._judged))
            if self.services.awaited:  # as the site loop
                await asyncio.sleep(0.01)
                self._due.set()
                continue
            for key, report in found.items():
                before = self.statuses.get(key, {})
                if (after := status_of(report, before, NOW)) != before:
                    self.statuses[key] = after
                    if key == LIFT:
                        self.written.append(after)
            self.services.published(found)

    def reasons(self) -> dict[str, str]:
        conditions = self.statuses.get(LIFT, {}).get("conditions", ())
        return {each["type"]: each["reason"] for each in conditions}


async def test_it_writes_none(store: Store) -> None:
    clock, replicas = Clock(), KnownReplicas()
    expected = {
        "Accepted": "Accepted", "Ready": "Served", "Online": "Online",
        "PhoneReachable": "Registered", "TestCallCurrent": "Unknown",
    }  # fmt: skip

    def leader() -> ElevatorService:
        return ElevatorService(Context(store, SITE, lambda *_: None, replicas=replicas), timing=QUICK, now=clock)

    first = Controller(leader(), {})
    async with first.running():
        await eventually(lambda: replicas.published)
        replicas.serve()
        connect(store, clock, "hall")
        await eventually(lambda: first.reasons() == expected, why=first.reasons)
    term = site_views.begin_term(store, SITE, "elevator")
    site_views.publish(store, SITE, "elevator", term, replicas.published[-1])
    connect(store, clock, "hall", address="192.0.2.99")
    replicas.reported = {}  # its gateway is started a moment later
    service = leader()
    second = Controller(service, dict(first.statuses))
    async with second.running():
        await eventually(lambda: second.rounds > 20)  # while it is about to know
        assert second.written == []
        replicas.serve()
        await eventually(lambda: service._live.looks > 3 and service._statements._phones is not None)
        looks = service._live.looks
        await eventually(lambda: service._live.looks > looks + 3)
    assert second.reasons() == expected
    assert second.written == []
