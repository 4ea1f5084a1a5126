"""Runs the replicas of one or more roles in this process, for one site.

Whatever fails is tried again: a service that fails is started again while the others go on, and without the database
all go on with the last view.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn
from uuid import uuid4

import structlog

from dialplane.extras import install_hint
from dialplane.logs import log_unexpected
from dialplane.services.contract import (
    NO_SECRETS,
    NO_SOCKETS,
    Replica,
    ReplicaContext,
    ReplicaSuperseded,
    Role,
    SecretSource,
    ServiceDefinition,
    SocketOptions,
)
from dialplane.storage.options import NO_STORAGE, StorageOptions
from dialplane.store import Store, StoreError, site_views
from dialplane.store.hints import Channel, Hints, replica_channel
from dialplane.tasks import Backoff, keep_running, run_beside, run_together, run_until, wait_at_most

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(1, 60)
"""Before a replica that failed is started again."""
STORE_BACKOFF: Final = Backoff(0.5, 5)
HEALTHY_AFTER: Final = 60.0
STATE_BYTES: Final = 4096
SUBJECT_LENGTH: Final = 253
SUBJECTS: Final = 50_000
"""States that one process reports; more are not reported."""
BATCH: Final = 1000
"""States in one transaction."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a replica writes, in seconds."""

    lease: float = 15.0
    """The states of a replica that does not renew its lease for so long are dropped."""
    renew: float = 5.0
    gather: float = 0.1
    """States that change within this time are written together."""


PACE: Final = Pace()


def replica_id() -> str:
    """Return an id for this process: the name of the host, and chance."""
    return f"{socket.gethostname()[:100]}-{uuid4().hex[:8]}"


async def run_replicas(
    store: Store,
    hints: Hints,
    site: str,
    roles: Iterable[Role],
    services: Sequence[ServiceDefinition],
    *,
    sockets: SocketOptions = NO_SOCKETS,
    storage: StorageOptions = NO_STORAGE,
    secrets: SecretSource = NO_SECRETS,
    cache: Path | None = None,
    followed: Callable[[], None] = lambda: None,
    draining: asyncio.Event | None = None,
) -> None:
    """Run the halves of these services in these roles until cancelled, or drained; then leave the site.

    Args:
        store: the database.
        hints: those of the site; the caller runs them.
        site: the namespace.
        roles: of this process.
        services: those that there are.
        sockets: where they take the WebSockets of devices.
        storage: where they keep what is too large for the store.
        secrets: where they take the values of Secrets.
        cache: their folder for what can be made again.
        followed: called after each look at the views that the database answered.
        draining: set when they are to end, but not before what goes on is over.

    Raises:
        ReplicaSuperseded: another process has taken what one of them has by the id of this one.
    """
    replica = replica_id()
    reports = _Reports(store, hints, site, replica, PACE)
    orders = hints.subscribe(replica_channel(replica))
    queue_text = next((service.queue_text for service in services if service.queue_text is not None), None)
    drains = asyncio.Event() if draining is None else draining

    def context(service: ServiceDefinition) -> ReplicaContext:
        report = reports.of(service.name)
        return ReplicaContext(
            store, site, replica, report, hints, orders, sockets, storage, secrets, cache, queue_text, drains
        )

    hosts = [
        _Host(role, service.name, make, context(service), reports)
        for role in roles
        for service in services
        if (make := service.replicas.get(role)) is not None
    ]
    views = _Views(store, hints, site, hosts, followed)
    log.info("replicas run", replica=replica, services=[host.name for host in hosts])
    try:
        await run_beside(run_together(*(host.run() for host in hosts)), views.run(), reports.run())
    finally:
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(0.3):
                await store.call(site_views.leave, site, replica)


class _Host:
    """One service's replica, kept running."""

    def __init__(
        self,
        role: Role,
        service: str,
        make: Callable[[ReplicaContext], Replica],
        context: ReplicaContext,
        reports: "_Reports",
    ) -> None:
        self.service = service
        self._reports = reports
        self.name = f"{service} ({role})"
        self._extra = "bot" if role is Role.BOT else "services"
        self._make = make
        self._context = context
        self._replica: Replica | None = None
        self._view: tuple[Any] | None = None
        self._over = asyncio.Event()

    def observe(self, desired: Any) -> None:
        self._view = (desired,)
        if self._replica is not None:
            try:
                self._replica.observe(desired)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the others go on
                log_unexpected(f"{self.name} failed", error)

    async def run(self) -> None:
        """Run until cancelled, or drained."""

        def note(error: Exception, _: float) -> None:
            if isinstance(error, ReplicaSuperseded):
                raise error
            hint = install_hint(error, self._extra) if isinstance(error, ImportError) else ""
            if hint:
                log.error("replica cannot run", replica=self.name, reason=hint)
            else:
                log_unexpected(f"{self.name} failed", error)

        async def keep() -> NoReturn:
            await keep_running(
                self._serve, errors=Exception, backoff=BACKOFF, on_error=note, healthy_after=HEALTHY_AFTER
            )

        await run_until(self._over, keep(), self._end_what_has_failed())

    async def _end_what_has_failed(self) -> None:
        await self._context.draining.wait()
        if self._replica is None:
            self._over.set()

    async def _serve(self) -> None:
        replica = self._make(self._context)
        try:
            if self._view is not None:
                replica.observe(*self._view)
            self._replica = replica
            await replica.run()
        finally:
            self._replica = None
            self._reports.forget(self.service)  # the next one reports what is so then
            if self._context.draining.is_set():
                self._over.set()
        if not self._over.is_set():
            raise RuntimeError("a replica does not end by itself")


class _Views:
    """Follows the views of the services of this process."""

    def __init__(
        self, store: Store, hints: Hints, site: str, hosts: Sequence[_Host], followed: Callable[[], None]
    ) -> None:
        self._store = store
        self._hints = hints
        self._site = site
        self._hosts = hosts
        self._followed = followed
        self._hint = hints.subscribe(Channel.VIEWS)
        self._revisions = {host.service: 0 for host in hosts}

    async def run(self) -> None:
        def note(error: StoreError, wait: float) -> None:
            log.warning("views not followed", reason=str(error), retry_seconds=wait)

        await keep_running(self._follow, errors=StoreError, backoff=STORE_BACKOFF, on_error=note, healthy_after=30)

    async def _follow(self) -> None:
        while True:
            self._hint.clear()
            for view in await self._store.call(site_views.changed_views, self._site, dict(self._revisions)):
                self._revisions[view.service] = view.revision
                for host in self._hosts:
                    if host.service == view.service:
                        host.observe(view.body)
                log.info("view followed", service=view.service, revision=view.revision)
            self._followed()
            await wait_at_most(self._hint, self._hints.poll_seconds)


class _Reports:
    """The states of this process, written together; renews its lease."""

    def __init__(self, store: Store, hints: Hints, site: str, replica: str, pace: Pace) -> None:
        self._store = store
        self._hints = hints
        self._site = site
        self._replica = replica
        self._pace = pace
        self._lease = timedelta(seconds=pace.lease)
        self._states: dict[tuple[str, str], Any] = {}
        self._changed: dict[tuple[str, str], Any] = {}
        self._wake = asyncio.Event()
        self._full = False

    def of(self, service: str) -> Callable[[str, Any], None]:
        """Return `ReplicaContext.report` of a service."""

        def report(subject: str, state: Any) -> None:
            if not subject or len(subject) > SUBJECT_LENGTH:
                raise ValueError(f"a subject has 1 to {SUBJECT_LENGTH} characters, not {len(subject)}")
            text = json.dumps(state)
            if len(text) > STATE_BYTES:
                raise ValueError(f"the state of {subject} has more than {STATE_BYTES} bytes")
            self._note((service, subject), json.loads(text))  # a copy: the service may change its own

        return report

    def forget(self, service: str) -> None:
        """Remove all states of a service."""
        for key in [key for key in self._states if key[0] == service]:
            self._note(key, None)

    def _note(self, key: tuple[str, str], state: Any) -> None:
        if self._states.get(key) == state:
            return
        if state is None:
            del self._states[key]
        elif key not in self._states and len(self._states) >= SUBJECTS:
            if not self._full:
                log.error("states not reported", reason=f"there are more than {SUBJECTS}")
            self._full = True
            return
        else:
            self._states[key] = state
        self._changed[key] = state
        self._wake.set()

    async def run(self) -> None:
        def note(error: StoreError, wait: float) -> None:
            log.warning("states not reported", reason=str(error), retry_seconds=wait)

        await keep_running(self._write, errors=StoreError, backoff=STORE_BACKOFF, on_error=note, healthy_after=30)

    async def _write(self) -> None:
        while True:
            batch = {key: self._changed[key] for key in list(self._changed)[:BATCH]}
            arguments = (self._site, self._replica, self._lease)
            if not await self._store.call(site_views.report, *arguments, batch):  # the first time, or expired
                await self._store.call(site_views.join, *arguments)
                self._changed = dict(self._states)
                continue
            self._changed = {
                key: state for key, state in self._changed.items() if key not in batch or state is not batch[key]
            }
            if batch:
                await self._hints.send(Channel.STATES)
            if not self._changed:
                self._wake.clear()
                await wait_at_most(self._wake, self._pace.renew)
                await asyncio.sleep(self._pace.gather)
