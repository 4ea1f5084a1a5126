"""Devices as the leader sees them, without gateways around them; a clock that a test moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from dialplane.resources.manifest import Resource, parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import ReplicaState, SiteView
from dialplane.services.elevator.leader.roster import Lift, roster
from dialplane.services.elevator.tables.callbacks import CALLBACKS
from dialplane.services.elevator.tables.journal import JOURNAL
from dialplane.services.elevator.tables.sessions import Connect, Heard, close_all, open_all
from dialplane.store import Store, events
from testbed.manifests import manifest
from tests.databases import NOW

SITE = "office"
CABIN: dict[str, Any] = {"emergencyExtension": "101", "testCall": {"number": "770"}}


def lift(name: str = "lift-1", **spec: Any) -> Resource:
    """A device whose token is in the Secret `tokens`."""
    wanted = {"location": f"Town hall, {name}", "tokenSecretRef": {"name": "tokens", "key": name}, **spec}
    made = manifest("ElevatorDevice", name, **{key: value for key, value in wanted.items() if value is not None})
    made["metadata"] |= {"uid": f"uid-{name}", "generation": 1}
    resource = parse(made)
    assert not resource.problems, resource.problems
    return resource


def view(*resources: Resource, refused: Sequence[Resource] = (), **secrets: Mapping[str, str]) -> SiteView:
    """A site whose plan accepts all but those `refused`."""
    tokens = {each.key.name: SecretStr(f"token-of-{each.key.name}-000") for each in resources}
    more = {name: {key: SecretStr(value) for key, value in values.items()} for name, values in secrets.items()}
    every = {each.key: each for each in (*resources, *refused)}
    off = {key for key, each in every.items() if not getattr(each.spec, "enabled", True)}
    accepted = frozenset(each.key for each in resources) - off
    return SiteView(Snapshot(SITE, every, {"tokens": tokens, **more}), accepted)


def lifts(*resources: Resource) -> dict[str, Lift]:
    return roster(view(*resources), {})


@dataclass
class Clock:
    """The time of a test."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> datetime:
        self.time += timedelta(**by)
        return self.time


@dataclass
class KnownReplicas:
    """What a leader has of its replicas; a test says it."""

    alive: frozenset[str] | None = frozenset({"g1"})
    published: list[Any] = field(default_factory=list)
    reported: dict[str, list[ReplicaState]] = field(default_factory=dict)

    def publish(self, desired: Any) -> None:
        self.published.append(desired)

    def living(self) -> frozenset[str] | None:
        return self.alive

    def states(self) -> Mapping[str, Sequence[ReplicaState]]:
        return self.reported

    def serve(self, number: int | None = None, replica: str = "g1") -> None:
        """A gateway serves the view of that number, by default the last one."""
        state = {"serves": self.published[-1]["number"] if number is None else number, "listens": "192.0.2.1:8090"}
        self.reported = {**self.reported, "gateway": [ReplicaState(replica, state, NOW)]}


def connect(store: Store, clock: Clock, *names: str, replica: str = "g1", address: str = "192.0.2.7") -> dict[str, int]:
    """Open connections; the epoch of each."""
    made = open_all(store, SITE, replica, [Connect(name, address, clock()) for name in names], now=clock())
    return {name: opened.epoch for name, opened in made.items()}


def disconnect(store: Store, clock: Clock, epochs: Mapping[str, int], *, heard: datetime | None = None) -> None:
    """Close connections that were heard then, or just now."""
    at = heard or clock()
    close_all(store, SITE, [Heard(name, epoch, at) for name, epoch in epochs.items()], now=clock())


def journal_of(store: Store, *types: str) -> list[tuple[str, str]]:
    """Device and type of each entry, in order; only of these types, if any."""
    query = sa.select(JOURNAL.c.device, JOURNAL.c.type).order_by(JOURNAL.c.seq)
    with store.read() as connection:
        return [(row.device, row.type) for row in connection.execute(query) if not types or row.type in types]


def callbacks_of(store: Store) -> list[Any]:
    """The bodies that wait, in order."""
    with store.read() as connection:
        return list(connection.execute(sa.select(CALLBACKS.c.body).order_by(CALLBACKS.c.seq)).scalars())


def events_of(store: Store) -> list[tuple[str, str]]:
    """Type and subject of each event, in order."""
    return [(event.type, event.subject_name) for event in events.take(store, SITE)]
