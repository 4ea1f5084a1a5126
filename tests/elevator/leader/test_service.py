"""The leader's half as the site loop and the API see it, on a store; its gateways are what a test says of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth, status_of
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.resources.problem import Reason
from dialplane.services.contract import Context, ReplicaState, ServiceReport, SiteView
from dialplane.services.elevator import reported
from dialplane.services.elevator.leader import gateways
from dialplane.services.elevator.leader.service import ElevatorService, ElevatorTiming
from dialplane.services.elevator.tables import commands, devices, telephones
from dialplane.services.elevator.tables.commands import NewCommand
from dialplane.services.elevator.tables.devices import Registered
from dialplane.store import Store, site_views
from testbed.manifests import manifest
from tests.databases import NOW
from tests.elevator.leader.lifts import (
    CABIN,
    SITE,
    Clock,
    KnownReplicas,
    connect,
    disconnect,
    events_of,
    journal_of,
    lift,
    view,
)
from tests.eventually import eventually

QUICK = ElevatorTiming(registered=0.2, look=0.04, gap=0.02, tick=0.02)
ACCOUNT = {"permissions": ["internal"], "credentialsSecretRef": {"name": "cabin-1"}}
EXTENSION = parse(manifest("Extension", "cabin-1", number="101", **ACCOUNT))


class Site:
    """A leader's term."""

    def __init__(self, store: Store, clock: Clock, replicas: KnownReplicas) -> None:
        self.store, self.clock, self.replicas = store, clock, replicas
        self.changes = 0
        self.service = ElevatorService(
            Context(store, SITE, lambda *_: None, replicas=replicas), timing=QUICK, now=clock
        )

    @asynccontextmanager
    async def serving(self, seen: SiteView, *, hears: bool = True) -> AsyncIterator["Site"]:
        self.service.observe(seen)
        if hears:
            self.service.on_reports({})
        task = asyncio.create_task(self.service.run(self._changed))
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _changed(self) -> None:
        self.changes += 1

    def said(self, name: str = "lift-1") -> ServiceReport:
        return self.service.reports().get(Key("ElevatorDevice", name), ServiceReport())

    def condition(self, kind: ConditionType, name: str = "lift-1") -> tuple[str, str]:
        found = next((each for each in self.said(name).conditions if each.type == kind), None)
        return (str(found.status), str(found.reason)) if found else ("", "")

    async def is_so(self, kind: ConditionType, status: str, reason: str, name: str = "lift-1") -> None:
        await eventually(
            lambda: self.condition(kind, name), within=10, holds=lambda seen: seen == (status, reason),
            why=lambda: self.said(name),
        )  # fmt: skip

    def status(self, before: dict[str, Any], name: str = "lift-1") -> dict[str, Any]:
        """The status as a front door writes it."""
        said = self.said(name)
        return status_of(Report(Key("ElevatorDevice", name), "uid", 1, said.conditions, said.fields), before, NOW)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replicas() -> KnownReplicas:
    return KnownReplicas()


@pytest.fixture
def site(store: Store, clock: Clock, replicas: KnownReplicas) -> Site:
    return Site(store, clock, replicas)


READY, ONLINE = ConditionType.READY, ConditionType.ONLINE


async def test_a_device_is_ready_once_a_gateway_serves_it_as_it_is(site: Site, replicas: KnownReplicas) -> None:
    async with site.serving(view(lift())):
        await eventually(lambda: replicas.published)
        assert site.said() == ServiceReport(awaited=True)  # a leader that has just started says nothing before it knows
        replicas.serve()
        await site.is_so(READY, "True", "Served")
        await site.is_so(ONLINE, "False", "NeverConnected")
        site.clock.move(seconds=1)
        site.service.observe(view(lift(heartbeat={"timeoutSeconds": 60}), lift("lift-2")))
        await site.is_so(READY, "Unknown", "Unknown")
        replicas.serve()
        await site.is_so(READY, "True", "Served")
        await site.is_so(READY, "True", "Served", "lift-2")


async def test_a_device_without_a_token_says_what_makes_one(site: Site, replicas: KnownReplicas) -> None:
    async with site.serving(view(lift(tokenSecretRef=None))):
        await eventually(lambda: replicas.published)
        replicas.serve()
        await site.is_so(READY, "False", "NoToken")
        made = devices.digest("a-token-of-ours-0")
        devices.set_token(site.store, SITE, "lift-1", made, by="installer", now=NOW)
        site.service.refresh()
        await eventually(lambda: replicas.published[-1]["devices"]["lift-1"][0] == made.hex())
        replicas.serve()
        await site.is_so(READY, "True", "Served")


async def test_a_device_that_registered_itself_is_served_with_the_settings_of_its_profile(
    site: Site, replicas: KnownReplicas
) -> None:
    new = Registered("dev_abc", "Tower 7", "lift-1", devices.digest("x"), "installer", NOW)
    assert devices.register(site.store, SITE, new, most=5)
    async with site.serving(view(lift(heartbeat={"timeoutSeconds": 77}))):
        await eventually(lambda: "dev_abc" in site.service.devices())
        assert replicas.published[-1]["devices"].keys() == {"lift-1", "dev_abc"}
        assert site.service.devices()["dev_abc"].profile.timeout_seconds == 77


async def test_without_a_gateway_no_device_is_ready(
    site: Site, replicas: KnownReplicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialplane.services.elevator.leader.service.FIRST_SECONDS", 0.1)
    monkeypatch.setattr(gateways, "GRACE_SECONDS", 0.1)
    async with site.serving(view(lift())):
        await site.is_so(READY, "False", "NoGateway")
        replicas.serve()
        await site.is_so(READY, "True", "Served")
        replicas.reported = {}
        await site.is_so(READY, "False", "NoGateway")


async def test_a_gateway_and_then_the_leader_restart_and_nothing_is_written(
    site: Site, store: Store, clock: Clock, replicas: KnownReplicas
) -> None:
    names = [f"lift-{n}" for n in range(20)]
    callback = {"statusUrl": "http://127.0.0.1:1/status"}
    seen = view(*(lift(name, callback=callback) for name in names))
    async with site.serving(seen):
        await eventually(lambda: replicas.published)
        replicas.serve()
        epochs = connect(store, clock, *names)
        await site.is_so(ONLINE, "True", "Online", names[-1])
        statuses = {name: site.status({}, name) for name in names}
        entries, changes = journal_of(store), site.changes
        disconnect(store, clock, epochs)
        replicas.alive, replicas.reported = frozenset(), {}
        for _ in range(20):
            clock.move(seconds=1)
            await asyncio.sleep(0)
        await _looked(site)
        replicas.alive = frozenset({"g2"})
        connect(store, clock, *names, replica="g2", address="192.0.2.200")
        replicas.serve(replica="g2")
        clock.move(seconds=40)
        await _looked(site)
        assert site.changes == changes
        assert {name: site.status(statuses[name], name) for name in names} == statuses
    site_views.publish(store, SITE, "elevator", site_views.begin_term(store, SITE, "elevator"), replicas.published[-1])
    after = Site(store, clock, replicas)
    async with after.serving(seen):
        await after.is_so(READY, "True", "Served")
        await _looked(after)
        clock.move(seconds=50)
        await _looked(after)
        assert {name: after.status(statuses[name], name) for name in names} == statuses
        assert replicas.published[-1] == replicas.published[0]
    assert journal_of(store) == entries
    assert events_of(store) == []


async def _looked(site: Site) -> None:
    """Twice anew at what is in the store."""
    live = site.service._live
    for _ in range(2):
        before = live.looks
        site.service.refresh()
        await eventually(lambda before=before: live.looks > before)  # type: ignore[misc]


async def test_the_telephone_is_reachable_as_its_extension_says(site: Site, replicas: KnownReplicas) -> None:
    async with site.serving(view(lift(**CABIN), EXTENSION)):
        await eventually(lambda: replicas.published)
        replicas.serve()
        await site.is_so(ConditionType.PHONE_REACHABLE, "Unknown", "Unknown")
        for truth, reason in ((Truth.TRUE, Reason.REGISTERED), (Truth.FALSE, Reason.NO_CONTACT)):
            registered = Condition(ConditionType.REGISTERED, truth, reason, "")
            site.service.on_reports({EXTENSION.key: Report(EXTENSION.key, "uid", 1, (registered,))})
            assert site.condition(ConditionType.PHONE_REACHABLE) == (str(truth), str(reason))


async def test_before_the_first_reports_nothing_is_said_of_a_device_with_a_telephone(
    site: Site, replicas: KnownReplicas
) -> None:
    async with site.serving(view(lift(**CABIN), lift("plain")), hears=False):
        await eventually(lambda: replicas.published)
        replicas.serve()
        await site.is_so(READY, "True", "Served", "plain")
        assert site.said() == ServiceReport()
        changes = site.changes
        site.service.on_reports({})
        assert site.condition(READY) == ("True", "Served")
        assert site.changes > changes


async def test_an_alarm_and_commands_that_wait_reach_the_status(
    site: Site, store: Store, clock: Clock, replicas: KnownReplicas
) -> None:
    wanted = NewCommand(
        "lift-1", "SNAPSHOT", physical=False, data=None, token="t", request_key="k", deadline=clock().replace(hour=23)
    )
    commands.queue(store, SITE, [wanted], now=clock() - timedelta(seconds=11))
    commands.queue(store, SITE, [replace(wanted, request_key="on its way")], now=clock())
    async with site.serving(view(lift(**CABIN))):
        await eventually(lambda: replicas.published)
        replicas.serve()
        await site.is_so(READY, "True", "Served")
        assert site.said().fields["commandsQueued"] == 1
        telephones.raise_alarm(store, SITE, "lift-1", clock())
        site.service.refresh()
        await eventually(lambda: (site.said().fields.get("alarm") or {}).get("state") == "Raised")
        assert events_of(store) == [("elevator.alarm", "lift-1")]


async def test_two_devices_with_one_token_show(site: Site, replicas: KnownReplicas) -> None:
    async with site.serving(view(lift())):
        await eventually(lambda: replicas.published)
        replicas.serve()
        await site.is_so(READY, "True", "Served")
        twin = ReplicaState("g1", reported.twin_state(["192.0.2.7"]), NOW)
        replicas.reported = {**replicas.reported, reported.twin("lift-1"): [twin]}
        await site.is_so(ConditionType.CONFLICT, "True", "TwoDevices")


async def test_overdue_commands_end(site: Site, store: Store, clock: Clock) -> None:
    wanted = NewCommand("lift-1", "SNAPSHOT", physical=False, data=None, token="t", request_key="k", deadline=clock())
    [queued] = commands.queue(store, SITE, [wanted], now=clock())
    clock.move(seconds=1)
    async with site.serving(view(lift())):
        await eventually(lambda: (commands.get(store, SITE, queued.id) or queued).state == "expired")
