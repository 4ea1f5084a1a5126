"""Leadership by a Lease of our own over coordination.k8s.io/v1.

Why our own: `kubernetes.aio.leaderelection` fails in five ways (facts).
Guarantees, with D = `duration` and R = `renew_deadline` < D:

- `held` is True only within R seconds after a renewal was *sent* that the server accepted, by a local clock that runs
  through suspends. Another process takes over only when it has *seen no change* of the Lease for D seconds by its own
  clock. A deposed holder therefore stops at least D - R seconds before its successor starts, whatever the wall clocks
  say; requests in flight end within that gap if their time limits are shorter than it.
- A term lasts until another process has held the Lease, or may have: while its `holderIdentity` and `leaseTransitions`
  are those that the term began with, a holder that was silent for too long goes on where it was. Until its next
  renewal `held` is False. It never takes the Lease back from another within a term.
- A stop releases the Lease, so that a waiting process takes over at its next look (`look_every` seconds).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from dialplane.kube.addresses import LEASES
from dialplane.kube.api import Api
from dialplane.kube.errors import ApiError, ConflictError, ForbiddenError, NotFoundError
from dialplane.kube.metrics import LEADER

log = structlog.get_logger(__name__)
JSON = Any


SOON = 0.3
"""Seconds until another try."""


def boot_clock() -> float:
    """Seconds on a clock that counts the time of a suspended machine too, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True)
class Lease:
    """Implements `reconcile.ports.Leadership`."""

    api: Api
    namespace: str
    name: str
    identity: str
    duration: float = 13.0
    renew_deadline: float = 10.4
    renew_every: float = 7.5
    """Eight requests a minute: most of what a quiet site costs the API server."""
    look_every: float = 1.4
    """While another holds it. A crashed holder is succeeded after at most `duration + look_every` seconds."""
    clock: Callable[[], float] = boot_clock
    alive: Callable[[], bool] = lambda: True
    """Whether the work goes on that the Lease is held for; without it no renewal is sent."""
    regained: Callable[[], None] = lambda: None
    """Called when a term goes on in which it was not held for a moment: what was not written then is due."""
    _until: float = field(default=float("-inf"), init=False)
    _term: int | None = field(default=None, init=False)
    """The `leaseTransitions` of our term; None outside of one."""
    _leads: bool = field(default=False, init=False)
    """What log and metric say."""
    _seen: tuple[str, float] = field(default=("", 0.0), init=False)
    """The Lease's resourceVersion when it last changed, and when we saw that."""
    _deleted: bool = field(default=False, init=False)
    """Whether that change was a deletion."""
    _expires: float = field(default=float("inf"), init=False)
    """When we may take it from whoever holds it."""
    _mine: JSON = field(default=None, init=False)
    """The Lease as we last wrote it: a renewal is one request, not two."""

    def held(self) -> bool:
        """See `reconcile.ports.Leadership.held`."""
        return self.clock() < self._until

    async def acquire(self) -> None:
        """Return once we hold it: a term begins.

        Raises:
            ForbiddenError: refused (other errors are waited out).
        """
        self._term = None
        waiting = False
        while not await self._attempt():
            if not waiting:
                log.info("lease_waiting", lease=self.name)
                waiting = True
            await asyncio.sleep(min(self.look_every, max(SOON, self._expires - self.clock())))
        log.info("lease_acquired", lease=self.name, identity=self.identity)
        self._leads = True
        LEADER.set(1)

    async def renew(self) -> None:
        """Keep renewing until the term is over: another process has held the Lease, or may have.

        Raises:
            ForbiddenError: refused, and not held any more. Called again, it goes on with the term.
        """
        try:
            while True:
                self._tell()
                asked, refusal = self.clock(), None
                try:
                    renewed = self.alive() and await self._attempt()
                except ForbiddenError as error:
                    log.warning("lease_refused", lease=self.name, error=error.message)
                    renewed, refusal = False, error
                self._tell()
                if self._term is None:
                    return
                if not self.held():
                    if refusal is not None:
                        raise refusal
                    await asyncio.sleep(self.look_every)
                    continue
                now = self.clock()
                wait = max(0.0, asked + self.renew_every - now) if renewed else SOON
                await asyncio.sleep(min(wait, max(0.0, self._until - now)))
        finally:
            self._leads = False
            LEADER.set(0)

    def _tell(self) -> None:
        """Log and show where leading ceases or goes on."""
        held = self.held()
        if held == self._leads:
            return
        self._leads = held
        LEADER.set(held)
        if held:
            log.info("lease_regained", lease=self.name, identity=self.identity)
            self.regained()
        else:
            log.warning("lease_lost", lease=self.name, identity=self.identity)

    async def release(self) -> None:
        """Give it up at once, if we hold it; what fails only costs the successor time."""
        held, self._until, self._term = self.held(), float("-inf"), None
        if not held:
            return
        try:
            lease = await self._read()
            self._mine = None
            if (lease.get("spec") or {}).get("holderIdentity") == self.identity:
                lease["spec"]["holderIdentity"] = ""
                await self._send("PUT", self._path, lease)
                log.info("lease_released", lease=self.name)
        except ApiError as error:
            log.warning("lease_release_failed", error=str(error))

    @property
    def _path(self) -> str:
        return LEASES.object(self.namespace, self.name)

    @property
    def _time_limit(self) -> float:
        """Of one request: the deadline leaves room for a second try."""
        return (self.renew_deadline - self.renew_every) / 2

    async def _attempt(self) -> bool:
        """Take or renew it; False where another holds it or the server does not answer."""
        try:
            async with asyncio.timeout(self.renew_deadline):
                return await self._take()
        except ForbiddenError:
            raise
        except ConflictError:
            self._mine = None
            log.info("lease_contended", lease=self.name)
        except (ApiError, TimeoutError) as error:
            log.warning("lease_unanswered", lease=self.name, error=str(error))
        return False

    async def _take(self) -> bool:
        lease, self._mine = self._mine or await self._read(), None
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        version = (lease.get("metadata") or {}).get("resourceVersion", "")
        transitions = int(spec.get("leaseTransitions") or 0)
        if version != self._seen[0]:
            self._seen, self._deleted = (version, self.clock()), not version
        if self._term is not None and (holder, transitions) != (self.identity, self._term):
            self._until, self._term = float("-inf"), None
            return False
        if holder not in ("", self.identity) or self._deleted:  # whose it was may not have heard of the deletion yet
            self._until = float("-inf")
            self._expires = self._seen[1] + max(self.duration, float(spec.get("leaseDurationSeconds") or 0))
            if self.clock() < self._expires:
                return False
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = holder == self.identity
        lease["spec"] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.duration)),
            "acquireTime": spec.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": transitions + (not mine),
        }
        sent = self.clock()
        if version:
            self._mine = await self._send("PUT", self._path, lease)  # carries the version: of two takers one gets a 409
        else:
            self._mine = await self._send("POST", LEASES.collection(self.namespace), lease)
        self._until, self._term = sent + self.renew_deadline, lease["spec"]["leaseTransitions"]
        return True

    async def _read(self) -> JSON:
        """The Lease as it is, or as it would be created."""
        try:
            return await self.api.request("GET", self._path, timeout=self._time_limit)
        except NotFoundError:
            return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.name}}

    async def _send(self, method: str, path: str, lease: JSON) -> JSON:
        return await self.api.request(method, path, body=lease, timeout=self._time_limit)


class Alone:
    """Leadership where nobody competes (`--lease ''`)."""

    def held(self) -> bool:
        """Always."""
        return True

    async def acquire(self) -> None:
        """At once."""
        LEADER.set(1)

    async def renew(self) -> None:
        """For ever."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Nothing to give up."""
