"""A service of tests in two roles: the leader publishes which beacons there are, each gateway reports how they are.

Run as a program it is `dialplane` with this service registered, which writes the names of what it imported into a file:
`python -m tests.services.beacons MODULES LOG ARGUMENT…`. The beacon `crash` makes a gateway's half fail, `superseded`
says that another process has taken its place.
"""

import asyncio
import atexit
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from dialplane.cli.app import main as dialplane
from dialplane.logs import configure_logs
from dialplane.resources.conditions import ConditionType, Report
from dialplane.resources.key import Key
from dialplane.resources.snapshot import Snapshot
from dialplane.services import registry, replica_runner
from dialplane.services.contract import (
    Context,
    ReplicaContext,
    ReplicaSuperseded,
    Role,
    Service,
    ServiceDefinition,
    ServiceReport,
    SiteView,
)
from dialplane.services.replica_runner import Pace
from dialplane.services.runner import ServiceOptions, SiteServices
from dialplane.store.hints import Hints

SITE = "office"
LEASE = 1.5
"""Seconds until a replica that was killed is forgotten."""


class BeaconsLeader:
    """The leader's half."""

    def __init__(self, context: Context, wanted: Callable[[], Any]) -> None:
        self._context = context
        self._wanted = wanted

    def observe(self, view: SiteView) -> None:
        del view
        if (wanted := self._wanted()) is not None:
            self._context.replicas.publish({"beacons": wanted})

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """It asks for nothing."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        states = self._context.replicas.states()
        return {
            Key("Beacon", beacon): ServiceReport(fields={each.replica: each.state for each in found})
            for beacon, found in states.items()
        }

    async def run(self, changed: Callable[[], None]) -> None:
        del changed
        await asyncio.Event().wait()


class BeaconsGateway:
    """A replica's half."""

    made = 0
    """In this process, so far."""

    def __init__(self, context: ReplicaContext) -> None:
        BeaconsGateway.made += 1
        self._number = BeaconsGateway.made
        self._context = context
        self._beacons: set[str] = set()
        self._crash = asyncio.Event()

    def observe(self, desired: Any) -> None:
        beacons = set(desired["beacons"])
        for gone in self._beacons - beacons:
            self._context.report(gone, None)
        for beacon in beacons:
            self._context.report(beacon, {"by": os.getpid(), "number": self._number})
        self._beacons = beacons
        if beacons & {"crash", "superseded"}:
            self._crash.set()

    async def run(self) -> None:
        await self._crash.wait()
        if "superseded" in self._beacons:
            raise ReplicaSuperseded("another process has its beacons")
        raise ValueError("a beacon burnt through")


def beacons(wanted: Callable[[], Any] = lambda: None) -> ServiceDefinition:
    def start(context: Context) -> Service:
        return BeaconsLeader(context, wanted)

    def asked(view: SiteView) -> Iterable[tuple[Key, ConditionType]]:
        del view
        return [(Key("Beacon", "any"), ConditionType.READY)]

    return ServiceDefinition(name="beacons", start=start, asked=asked, replicas={Role.GATEWAY: BeaconsGateway})


class Leader:
    """A leader of the beacons, which has neither Asterisk nor Kubernetes around it."""

    def __init__(self, url: str, roles: tuple[Role, ...] = ()) -> None:
        self.beacons: list[str] | None = None
        self.leads = True
        options = ServiceOptions(SecretStr(url), "", Path(), roles=roles)
        self.services = SiteServices(options, lambda *_: None, [beacons(lambda: self.beacons)])

    def want(self, beacons: list[str] | None) -> None:
        """Make these the beacons that there are, as a pass of the site loop does."""
        self.beacons = beacons
        self.services.observe(SiteView(Snapshot(SITE, {}), leads=lambda: self.leads))

    def seen(self) -> dict[str, dict[str, Any]]:
        """What is reported of each beacon, by replica."""
        return {key.name: dict(report.fields) for key, report in self.services.reports().items()}


async def lead(url: str, orders: Connection) -> None:
    """Lead: each message received is a list of the beacons that there are, each one sent what is reported of them."""
    leader = Leader(url)
    leader.want(None)
    asyncio.get_running_loop().add_reader(orders.fileno(), lambda: leader.want(orders.recv()))
    await leader.services.run(lambda: orders.send(leader.seen()))


def run_leader(log: str, url: str, orders: Connection) -> None:
    """Be a leader's process."""
    _write_to(log)
    configure_logs()
    asyncio.run(lead(url, orders))


def run_command(log: str, arguments: list[str], look_every: float = 0) -> None:
    """Be a process of `dialplane` that has this service, and looks at the store by itself every so many seconds."""
    _write_to(log)
    if look_every:
        Hints.poll_seconds = look_every  # type: ignore[method-assign,assignment]
    registry.SERVICES = (beacons(),)  # type: ignore[misc]
    replica_runner.PACE = Pace(lease=LEASE, renew=0.3, gather=0.02)  # type: ignore[misc]
    dialplane(arguments)


def _write_to(log: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


if __name__ == "__main__":
    modules = Path(sys.argv[1])
    atexit.register(lambda: modules.write_text(json.dumps(sorted(sys.modules))))
    run_command(sys.argv[2], sys.argv[3:])
