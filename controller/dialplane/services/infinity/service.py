"""The service of outbound calls: pools, calls over the platform and campaigns of one site."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from dialplane.resources.campaign import CampaignSpec
from dialplane.resources.conditions import Condition, ConditionType, Kept, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.numbering import Numbering
from dialplane.resources.problem import Reason
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.infinity import metrics
from dialplane.services.infinity.call_events import CallEvents
from dialplane.services.infinity.campaign.campaigns import Campaigns
from dialplane.services.infinity.dialer import Dialer
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.pool import KIND, Pools, Wanted, wanted
from dialplane.services.infinity.pool import Timing as PoolTiming
from dialplane.services.infinity.pool_exhausted import PoolExhausted
from dialplane.services.infinity.prober import Prober
from dialplane.services.infinity.provider import Answer, Probe, Provider
from dialplane.services.infinity.tables import call_records
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.leases import Denied
from dialplane.services.infinity.tenant import Tenant, site_numbering, tenants
from dialplane.services.infinity.trunk_dialer import TrunkDialer
from dialplane.store import Store, StoreError
from dialplane.tasks import Backoff, retry

log = structlog.get_logger(__name__)

Tell = Callable[[Key, str, str], None]
"""Makes an Event: of which resource, the reason, the message."""

BACKOFF: Final = Backoff(1, 30)
"""Between two attempts, while the store does not answer."""
ERROR_MOST: Final = 512
"""Characters of `lastError`."""
FIELDS: Final = ("pool", "activeCalls", "lastError")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take."""

    pools: PoolTiming = field(default_factory=PoolTiming)
    keep_calls: timedelta = timedelta(days=90)
    """How long calls that are over are remembered."""
    prune_seconds: float = 3600.0
    """Between two times that older ones are forgotten."""


class InfinityService:
    """Implements `Service`."""

    def __init__(self, store: Store, site: str, *, tell: Tell, timing: Timing = Timing()) -> None:
        """Name the site.

        Args:
            store: where pools, calls and campaigns are.
            site: the namespace.
            tell: makes an Event.
            timing: how long things take.
        """
        self._store = store
        self._site = site
        self._tell = tell
        self._timing = timing
        self._view: SiteView | None = None
        self._tenants: Mapping[str, Tenant] = {}
        self._wanted_for: object = None
        self._last_errors: dict[str, str | None] = {}
        self._trouble = ""
        self._said: Mapping[Key, ServiceReport] = {}
        self._changed: Callable[[], None] = lambda: None
        self._hub = CallEvents()
        self._shortage = PoolExhausted(self._told_short)
        self._pools = Pools(
            store, site, leads=self._leads, changed=self._say, drained=self._drained, timing=timing.pools
        )
        self.desk = LeaseDesk(store, site, told=self._told, denied=self._denied)
        self._provider = Provider()
        self._prober = Prober(self._provider.probe, tell=self._tell_of, changed=self._say)
        self.dialer = Dialer(self.desk, self._provider, known=self._known, answered=self._answered)
        self._trunks = TrunkDialer(store, site, self.desk, leads=self._leads)
        self.campaigns = Campaigns(store, site, self.dialer, trunks=self._trunks)

    # --- the site loop

    def observe(self, view: SiteView) -> None:
        """See `Service.observe`."""
        self._view = view
        self._tenants = tenants(view)
        there = frozenset(key.name for key in view.snapshot.resources if key.kind == KIND)
        wanted_for = there, {name: (tenant.spec, tenant.serves) for name, tenant in self._tenants.items()}
        if wanted_for != self._wanted_for:  # numbers are many, and a site changes often
            self._wanted_for = wanted_for
            self._pools.want(wanted(self._tenants, view.snapshot) if there else Wanted())
        for gone in self._last_errors.keys() - there:
            del self._last_errors[gone]
        self.dialer.forget(there)
        self._prober.want([tenant for tenant in self._tenants.values() if tenant.serves])
        self.campaigns.observe(view, self._tenants)
        over_trunks = any(spec.tenant is None for _, spec in view.snapshot.of(CampaignSpec))
        self._trunks.want(view.calls if over_trunks else None)
        self._said = self._sayings()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service.on_reports`: nothing that is reported matters to calls."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service.reports`."""
        return {**self._said, **self.campaigns.reports()}

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service.run`."""
        self._changed = changed
        async with asyncio.TaskGroup() as serving:
            desk = serving.create_task(self.desk.run(), name="leases")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._keep(self._pools.look), name="pools")
                    tasks.create_task(self._keep(self._prune), name="call records")
                    tasks.create_task(self._prober.run(), name="probes")
                    tasks.create_task(self.campaigns.run(changed), name="campaigns")
                    tasks.create_task(self._trunks.run(), name="calls over trunks")
                    tasks.create_task(self._shortage.run(), name="shortage")
            finally:
                await self.dialer.close()  # while the desk still writes down what becomes of calls
                desk.cancel()
                await self._provider.close()
                metrics.EXTENSIONS.clear()

    # --- the API

    def tenants(self) -> Mapping[str, Tenant]:
        """Every tenant with a valid manifest, by name, those that take no calls too."""
        return self._tenants

    def numbering(self, tenant: str | None) -> Numbering | None:
        """How a tenant writes numbers without a country; how the site does, where None is asked for."""
        if tenant is not None and tenant in self._tenants:
            return self._tenants[tenant].numbering
        return site_numbering(self._view.snapshot) if self._view else None

    def follow(self, call: str) -> AbstractContextManager[asyncio.Queue[Call]]:
        """A call as it is after each change that this process makes, by its id, until the context is left."""
        return self._hub.follow(call)

    async def test_connection(self, tenant: Tenant) -> Probe:
        """Ask the platform now; what it says counts for `Reachable`, too."""
        return await self._prober.ask(tenant)

    # --- what happens

    async def _known(self, token: str, request_key: str) -> Call | None:
        return await self._store.call(call_records.of_request, self._site, token, request_key)

    def _told(self, call: Call) -> None:
        self._hub.told(call)
        self.dialer.told(call)
        self._pools.happened()
        self.campaigns.told(call)
        if call.state == "released":
            metrics.CALLS.labels(call.tenant, call.outcome or "").inc()

    def _denied(self, tenant: str, denied: Denied) -> None:
        metrics.DENIED.labels(tenant, denied.reason).inc()
        if denied.reason in {"Exhausted", "AtMaximum"}:
            self._shortage.denied(tenant, denied)

    def _answered(self, tenant: Tenant, answer: Answer) -> None:
        self._prober.called(tenant, answers=answer.kind in {"accepted", "refused"})
        if not answer.seconds and self.dialer.breaker(tenant.name).open:
            return  # it was not asked, for it failed before: why it did is the better word
        error = None if answer.kind == "accepted" else answer.detail[:ERROR_MOST]
        if error != self._last_errors.get(tenant.name, ""):
            self._last_errors[tenant.name] = error
            self._pools.happened()  # says it, at most as often as the rest of the status

    def _drained(self, tenant: str, number: int) -> None:
        some = "1 extension" if number == 1 else f"{number} extensions"
        self._tell_of(tenant, "ExtensionsDrained", f"{some} that the manifest no longer has went: their calls are over")

    def _told_short(self, tenant: str, message: str) -> None:
        self._tell_of(tenant, "PoolExhausted", message)

    def _tell_of(self, tenant: str, reason: str, message: str) -> None:
        if tenant in self._tenants:
            log.info("tenant", tenant=tenant, reason=reason, message=message)
            self._tell(self._tenants[tenant].key, reason, message)

    # --- what is said

    def _say(self) -> None:
        said = self._sayings()
        if said != self._said:
            self._said = said
            self._changed()

    def _sayings(self) -> dict[Key, ServiceReport]:
        if self._view is None:
            return {}
        return {
            key: ServiceReport(tuple(self._conditions(key.name)), self._fields(key.name))
            for key in self._view.snapshot.resources
            if key.kind == KIND
        }

    def _fields(self, name: str) -> Mapping[str, Any]:
        standing = self._pools.standings.get(name) if self._pools.standings is not None else None
        if standing is None:
            return dict.fromkeys(FIELDS, Kept.KEPT)
        return {
            "pool": {
                "total": standing.total,
                "available": standing.available,
                "inUse": standing.in_use,
                "offline": standing.offline,
                "draining": standing.draining,
            },
            "activeCalls": standing.active_calls,
            "lastError": self._last_errors.get(name, Kept.KEPT),
        }

    def _conditions(self, name: str) -> Iterator[Condition]:
        tenant = self._tenants.get(name)
        if tenant is not None and tenant.problem is not None:
            problem = tenant.problem
            yield Condition(ConditionType.READY, Truth.FALSE, problem.reason, str(problem))
            yield Condition(ConditionType.STALLED, Truth.TRUE, problem.reason, str(problem))
        if tenant is None or not tenant.serves:
            return
        if self._trouble:
            yield Condition(ConditionType.READY, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, self._trouble)
        elif self._pools.serves(name):
            yield Condition(ConditionType.READY, Truth.TRUE, Reason.SERVED, "its extensions are in the pool")
        else:
            yield Condition(ConditionType.READY, Truth.UNKNOWN, Reason.UNKNOWN, "not served yet")
        if reachable := self._prober.condition(name):
            yield reachable

    # --- the rest

    def _leads(self) -> bool:
        return self._view is not None and self._view.leads()

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have work done for ever, through any outage of the store."""
        while True:
            await retry(work, errors=StoreError, backoff=BACKOFF, on_error=self._note_outage)
            if self._trouble:
                self._trouble = ""
                self._say()

    def _note_outage(self, error: StoreError, _: float) -> None:
        if not self._trouble:
            log.warning("store unavailable", error=str(error))
        self._trouble = str(error)
        self._say()

    async def _prune(self) -> None:
        """Forget calls that ended long ago."""
        older_than = self._timing.keep_calls
        gone = await self._store.call(call_records.prune, self._site, now=datetime.now(UTC), older_than=older_than)
        if not gone:  # else there may be more
            await asyncio.sleep(self._timing.prune_seconds)
