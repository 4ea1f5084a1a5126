"""What Dialplane and a runtime service know of each other.

A service does by itself what no file of Asterisk can do. It observes the site after every pass, reports what it finds
out about its own resources, and hears what is reported of all. It knows neither the front doors nor the site loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic import SecretStr

from dialplane.api.scopes import ScopeRule
from dialplane.resources.conditions import Condition, ConditionType, Report
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS
from dialplane.resources.problem import Problem
from dialplane.resources.snapshot import Snapshot
from dialplane.storage.options import NO_STORAGE, StorageOptions

if TYPE_CHECKING:
    from socket import socket

    from dialplane.api.mount import Mount
    from dialplane.asterisk.ami import AmiAddress
    from dialplane.store import Store
    from dialplane.store.hints import Hints


@dataclass(frozen=True, slots=True)
class SiteView:
    """The site as of the last pass."""

    snapshot: Snapshot
    accepted: frozenset[Key] = frozenset()
    """The resources that may be served: valid, enabled, their references there."""
    asterisk: "AmiAddress | None" = None
    """The site's Asterisk, with the controller's account; None while there is no valid one."""
    calls: "AmiAddress | None" = None
    """The same, with the account of call control, which alone may send text messages."""
    leads: Callable[[], bool] = lambda: True
    """Whether this process may act on Asterisk, asked right before: another may lead by now."""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What a service found out about one resource; goes into that resource's report."""

    conditions: tuple[Condition, ...] = ()
    """A condition here takes the place of the loop's own of that type. But Ready of what Asterisk serves can only be
    doubted: where the loop does not say True, its word stands."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The kind's own status fields, as in `Report.fields`."""
    awaited: bool = False
    """It is about to be known: a controller that has just started says nothing of the site until it is."""
    over: bool = False
    """Its time is over: the front door may delete the resource, where deleting is its business."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to a resource and changes no condition: folded news, with how often it happened."""

    reason: str
    """CamelCase; the same for the same kind of news."""
    message: str
    """One line, without secrets."""
    times: int = 1


class Notices(Protocol):
    """Where notices go beside the log."""

    def tell(self, key: Key, notice: Notice) -> None:
        """Tell it some time soon. Never waits, never raises."""


class Service(Protocol):
    """A runtime service of one site. `run` apart, its methods are called from the loop's thread and never wait."""

    def observe(self, view: SiteView) -> None:
        """Work on this view from now on."""

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """Hear what is reported of every resource of the site, each time it is."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """Return what is known now of the resources that the service looks after."""

    async def run(self, changed: Callable[[], None]) -> None:
        """Serve until cancelled; call `changed` when `reports` has something new."""


class Role(StrEnum):
    """What a process does for a site."""

    OPERATOR = "operator"
    """The leader: it plans, reloads and reports, and runs each service's own half."""
    GATEWAY = "gateway"
    """One of several replicas that devices and programs connect to."""
    BOT = "bot"
    """One of several replicas for the media and the dialogue of calls."""


class Replica(Protocol):
    """A service's half in one of several processes: it knows the store, not Asterisk's AMI, not Kubernetes.

    It goes on with the last view while there is no leader, or no database.
    """

    def observe(self, desired: Any) -> None:
        """Work on this view, a JSON value, from now on; the first one may come late. Never waits.

        Where it raises, this is logged, and the Replica goes on with what it has.
        """

    async def run(self) -> None:
        """Serve until cancelled, or drained: see `ReplicaContext.draining`.

        After an error all states of this service that the process has reported are removed, and another Replica is
        made, which observes the last view first.
        """


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """Where a replica takes the WebSockets of devices."""

    listen: str = ""
    """`HOST:PORT`; empty: nowhere."""
    certificate: Path | None = None
    """PEM, with its chain; None: without TLS."""
    key: Path | None = None
    """PEM."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose `X-Forwarded-For` is believed."""
    announce: "Callable[[socket], None]" = lambda _: None
    """Called with the listening socket once devices may connect."""


NO_SOCKETS: Final = SocketOptions()
"""No device can connect."""


class ReplicaSuperseded(Exception):
    """Raised by `Replica.run`: another process has taken what this one has by its id.

    Its process ends, or, in `dialplane run`, the replica is started again under another id. Its text is for people.
    """


class SecretSource(Protocol):
    """Where a replica takes the values of Secrets: they never stand in the store."""

    def value(self, name: str, key: str) -> SecretStr | None:
        """Return one value of a Secret of the site as it is now; None where there is none. Reads a small file."""


class NoSecrets:
    """Nothing."""

    def value(self, name: str, key: str) -> SecretStr | None:  # noqa: ARG002 -- as the protocol says
        """See `SecretSource.value`."""
        return None


NO_SECRETS: Final = NoSecrets()


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message that one service has another one send."""

    source: str
    """Such as `bot`."""
    uid: str
    """Unique of that source: the same one again is not sent twice."""
    dongle: str
    recipient: str
    text: str


QueueText = Callable[["Store", str, TextMessage, datetime], None]
"""Queues a text message of a site in the store. Blocks: call it by `Store.call`.

Raises `ValueError` where the text cannot be sent, and `StoreError`.
"""


@dataclass(frozen=True, slots=True)
class ReplicaContext:
    """What a Replica is started with."""

    store: "Store"
    site: str
    """The namespace."""
    replica: str
    """The id of this process among the replicas of the site; another one after each start."""
    report: Callable[[str, Any], None]
    """Reports the state of a subject to the leader: a JSON value of up to 4 KB; None when it has none any more. Only
    what is coarse belongs here: each change is a write to the database. Never waits."""
    hints: "Hints"
    """Sends hints to other processes of the site."""
    orders: asyncio.Event
    """Set when another process has something for this one alone (`store.hints.replica_channel`)."""
    sockets: SocketOptions = NO_SOCKETS
    """Where devices connect."""
    storage: StorageOptions = NO_STORAGE
    """Where what is too large for the store is kept."""
    secrets: SecretSource = NO_SECRETS
    """The Secrets that its view names."""
    cache: Path | None = None
    """A folder of its own for what can be made again, such as prompts that were spoken; None: nothing is kept."""
    queue_text: QueueText | None = None
    """Queues text messages; None: no service sends any."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is to end, but not before what goes on is over: the Replica begins nothing new, and its
    `run` returns then. In `dialplane gateway` and `dialplane run` it never is."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A subject's state as one replica reported it."""

    replica: str
    state: Any
    """JSON."""
    at: datetime
    """When the database was given it, by its own clock."""


class Replicas(Protocol):
    """A service's replicas, as its leader sees them."""

    def publish(self, desired: Any) -> None:
        """Have all replicas work on this view, a JSON value, from now on. The same one again costs nothing.

        It is not to be changed afterwards. Secrets do not belong in it, but hashes of tokens may.
        """

    def living(self) -> frozenset[str] | None:
        """Return the ids of the replicas that live, of every service; None while nobody has looked."""

    def states(self) -> Mapping[str, Sequence[ReplicaState]]:
        """Return what the living replicas report of each subject, the newest first.

        When it changes, the site loop asks for `Service.reports`.
        """


class NoReplicas:
    """The replicas of a service that has none."""

    def publish(self, desired: Any) -> None:
        """See `Replicas.publish`."""

    def living(self) -> frozenset[str] | None:
        """See `Replicas.living`."""
        return None

    def states(self) -> Mapping[str, Sequence[ReplicaState]]:
        """See `Replicas.states`."""
        return {}


class Outbox:
    """Tells those who deliver events that the store has a new one (`store.events`)."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` each time."""
        self._listeners.append(wake)

    def wake(self) -> None:
        """There may be a new event."""
        for wake in self._listeners:
            wake()


@dataclass(frozen=True, slots=True)
class Context:
    """What a service is started with."""

    store: "Store"
    site: str
    """The namespace."""
    notice: Callable[[Key, str, str], None]
    """Makes an Event: of which resource, the reason, the message."""
    outbox: Outbox = field(default_factory=Outbox)
    replicas: Replicas = field(default_factory=NoReplicas)
    """The service's halves in the other roles."""
    hints: "Hints | None" = None
    """The hints of the site; None where no service has replicas."""
    storage: StorageOptions = NO_STORAGE
    """Where what is too large for the store is kept."""


def _no_mounts() -> "Sequence[Mount]":
    return ()


def _no_faults(view: SiteView, now: datetime) -> Iterator[tuple[Key, Problem]]:  # noqa: ARG001 -- as a service's own
    return iter(())


def _none_asked(view: SiteView) -> Iterable[tuple[Key, ConditionType]]:  # noqa: ARG001 -- likewise
    return ()


def _nothing() -> None:
    """Nothing takes long to import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDefinition:
    """One runtime service, and everything that the rest of Dialplane needs to know about it.

    A definition is imported by every command: what it names is imported by the functions in it.
    """

    name: str
    """A kind that says `service=NAME` is looked after by it."""
    start: Callable[[Context], Service] | None = None
    """Makes the service for one term of leadership; it needs the store."""
    start_without_store: Callable[[], Service] | None = None
    """Makes one that needs no store, and so serves every site from the start."""
    replicas: Mapping[Role, Callable[[ReplicaContext], Replica]] = field(default_factory=dict)
    """Makes its half in a role that runs in several processes."""
    preload: Callable[[], None] = _nothing
    """Imports what takes long; runs in a thread before the first `start`."""
    asked: Callable[[SiteView], Iterable[tuple[Key, ConditionType]]] = _none_asked
    """What a site asks of it beside its own kinds: resources of others, each with the condition that it owes them."""
    mounts: "Callable[[], Sequence[Mount]]" = _no_mounts
    """The paths of the API, with their scopes and limits."""
    scopes: Sequence[ScopeRule] = ()
    """What tokens may be good for."""
    tables: Sequence[str] = ()
    """The modules that define its tables."""
    queue_text: QueueText | None = None
    """Queues text messages of other services; one service does."""
    faults: Callable[[SiteView, datetime], Iterator[tuple[Key, Problem]]] = _no_faults
    """What keeps resources from being served though the plan accepts them; `validate` asks it, too."""

    def looks_after(self, kind: str) -> bool:
        """Return whether resources of a kind are its own."""
        return kind in KINDS and KINDS[kind].service == self.name

    def wanted(self, view: SiteView) -> bool:
        """Return whether a site has a use for it."""
        return any(self.looks_after(key.kind) for key in view.snapshot.resources) or any(self.asked(view))
