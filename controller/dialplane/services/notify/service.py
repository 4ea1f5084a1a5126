"""Notifications of one site: from what happens, by the outbox, to each Notifier's own lane."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from dialplane.resources.conditions import Condition, ConditionType, Kept, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.moment import timestamp
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.problem import MANIFEST_MUST_CHANGE, Reason
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.notify import metrics, transitions
from dialplane.services.notify.delivery import DeliveryWorker, Patience
from dialplane.services.notify.desired import DesiredNotifier, desired_notifiers
from dialplane.services.notify.tables import deliveries, folding, known_states
from dialplane.services.notify.tables.deliveries import Standing
from dialplane.services.notify.target import prepare
from dialplane.services.notify.transitions import Seen
from dialplane.store import Store, StoreError, events
from dialplane.tasks import Backoff, retry

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 0.25
"""Seconds between looks for new events; `wake` makes one at once."""
BATCH: Final = 100
"""Events that become deliveries in one transaction."""
COUNT_EVERY: Final = 2.0
TIDY_EVERY: Final = 60.0
LOOKS_KEPT: Final = 100
"""Looks at the site that wait for the store; older ones are lost, their changes are not: the next look has them."""
BACKOFF: Final = Backoff(1, 30)
"""Between two attempts, while the store does not answer."""

KEPT: Final = timedelta(days=7)
DEAD_KEPT: Final = timedelta(days=30)
WAITS_AT_MOST: Final = timedelta(days=3)
"""How long something waits for a Notifier that is there and cannot be served."""


class NotifyService:
    """Implements `Service`."""

    def __init__(self, store: Store, patience: Patience | None = None) -> None:
        """Tell from `store`."""
        prepare()
        self._store = store
        self._patience = patience or Patience()
        self._site: str | None = None
        self._duties: dict[str, DesiredNotifier] = {}
        self._waited_for: dict[str, str] = {}
        self._lanes: dict[str, DeliveryWorker] = {}
        self._standings: dict[tuple[str, str], Standing] | None = None
        self._looks: deque[tuple[datetime, dict[Key, Seen]]] = deque(maxlen=LOOKS_KEPT)
        self._seen: dict[Key, Seen] | None = None
        self._said: dict[Key, ServiceReport] = {}
        self._trouble = ""
        self._changed: Callable[[], None] = lambda: None
        self._viewed, self._looked, self._woken, self._counted, self._gone = (asyncio.Event() for _ in range(5))

    def observe(self, view: SiteView) -> None:
        """See `Service.observe`."""
        self._site = view.snapshot.namespace
        self._duties = desired_notifiers(view, self._duties)
        for name, lane in self._lanes.items():
            lane.serve(self._duties.get(name))
        waited_for, self._waited_for = self._waited_for, dict(_waited_for(view))
        if waited_for.items() - self._waited_for.items():
            self._gone.set()
        self._viewed.set()
        self._said = self._sayings()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service.on_reports`."""
        seen = transitions.seen(reports)
        if seen != self._seen:
            self._seen = seen
            self._looks.append((datetime.now(UTC), seen))
            self._looked.set()

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service.reports`."""
        return self._said

    def wake(self) -> None:
        """Something was written to the outbox, or is to be sent again: look at once. From the loop's thread."""
        self._woken.set()
        for lane in self._lanes.values():
            lane.wake()

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service.run`."""
        self._changed = changed
        self._viewed.set()
        self._lanes.clear()
        while self._site is None:
            await self._next(self._viewed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve(tasks, self._site))
            tasks.create_task(self._keep(self._learn, self._site))
            tasks.create_task(self._keep(self._fan_out, self._site))
            tasks.create_task(self._keep(self._count, self._site))
            tasks.create_task(self._keep(self._tidy, self._site))

    async def _keep(self, work: Callable[[str], Awaitable[None]], site: str) -> None:
        """Have work done for ever, through any outage of the store."""
        while True:
            await retry(partial(work, site), errors=StoreError, backoff=BACKOFF, on_error=self._note_outage)
            if self._trouble:
                self._trouble = ""
                self._say()

    def _note_outage(self, error: StoreError, _: float) -> None:
        if not self._trouble:
            log.warning("store unavailable", error=str(error))
        self._trouble = str(error)
        self._say()

    async def _serve(self, tasks: asyncio.TaskGroup, site: str) -> None:
        """A lane for each Notifier that was ever there: one that was deleted and comes back finds its own."""
        while True:
            for name, duty in self._duties.items():
                if name not in self._lanes:
                    lane = self._lanes[name] = DeliveryWorker(
                        self._store, site, duty, self._patience, self._counted.set
                    )
                    tasks.create_task(lane.run())
            await self._next(self._viewed)

    async def _learn(self, site: str) -> None:
        """Note what changed, and that it is to be told."""
        before = await self._store.call(known_states.known, site)
        known = {subject: state.state for subject, state in before.items()}
        while True:
            while self._looks:
                at, seen = self._looks[0]
                found = transitions.learned(site, known, seen, at)
                if found:
                    await self._store.call(known_states.learn, site, found.states, found.told, found.gone)
                    known = {subject: state for subject, state in known.items() if subject not in found.gone}
                    known |= {state.subject: state.state for state in found.states}
                    self._woken.set()
                with suppress(IndexError):  # it was pushed out meanwhile
                    if self._looks[0][1] is seen:
                        self._looks.popleft()
            await self._next(self._looked)

    async def _fan_out(self, site: str) -> None:
        """Make deliveries of the events that have none yet."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await self._next(self._woken)
        new = await self._store.call(events.take, site, BATCH)
        if not new:
            return
        chosen = [(event, [d for duty in self._duties.values() if (d := duty.delivery(event))]) for event in new]
        await self._store.call(folding.fan_out, chosen, now=datetime.now(UTC))
        for name in {delivery.notifier for _, made in chosen for delivery in made}:
            if name in self._lanes:
                self._lanes[name].wake()
        self._counted.set()
        self._woken.set()

    async def _count(self, site: str) -> None:
        """Keep the figures of the statuses fresh."""
        await self._next(self._counted)
        self._standings = await self._store.call(deliveries.standings, site)
        metrics.PENDING.set(sum(standing.pending for standing in self._standings.values()))
        self._say()
        await asyncio.sleep(COUNT_EVERY)

    async def _tidy(self, site: str) -> None:
        """End what nobody waits for any more."""
        now = datetime.now(UTC)
        await self._store.call(deliveries.drop_others, site, self._waited_for, now=now)
        await self._store.call(
            deliveries.give_up_older,
            site,
            now=now,
            older_than=WAITS_AT_MOST,
            error="the Notifier could not be served for three days",
        )
        await self._store.call(deliveries.prune, site, now=now, older_than=KEPT, dead_older_than=DEAD_KEPT)
        self._counted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(TIDY_EVERY):
                await self._next(self._gone)

    @staticmethod
    async def _next(event: asyncio.Event) -> None:
        await event.wait()
        event.clear()

    def _say(self) -> None:
        said = self._sayings()
        if said != self._said:
            self._said = said
            self._changed()

    def _sayings(self) -> dict[Key, ServiceReport]:
        return {duty.key: self._saying(duty) for duty in self._duties.values() if duty.accepted}

    def _saying(self, duty: DesiredNotifier) -> ServiceReport:
        return ServiceReport(tuple(self._conditions(duty)), self._figures(duty))

    def _figures(self, duty: DesiredNotifier) -> Mapping[str, object]:
        if self._standings is None:
            return dict.fromkeys(("delivered", "failed", "pending", "lastDeliveredAt", "lastError"), Kept.KEPT)
        standing = self._standings.get((duty.name, duty.uid), Standing())
        last, lane = standing.last_delivered_at, self._lanes.get(duty.name)
        return {
            "delivered": standing.delivered,
            "failed": standing.dead,
            "pending": standing.pending,
            "lastDeliveredAt": timestamp(last) if last else None,
            "lastError": lane.last_error if lane else Kept.KEPT,
        }

    def _conditions(self, duty: DesiredNotifier) -> Iterator[Condition]:
        if (problem := duty.problem) is not None:
            yield Condition(ConditionType.READY, Truth.FALSE, problem.reason, str(problem))
            if problem.reason in MANIFEST_MUST_CHANGE:
                yield Condition(ConditionType.STALLED, Truth.TRUE, problem.reason, str(problem))
        elif self._trouble:
            yield Condition(ConditionType.READY, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, self._trouble)
        else:
            yield Condition(ConditionType.READY, Truth.TRUE, Reason.SERVED, "told of its events")


def _waited_for(view: SiteView) -> Iterator[tuple[str, str]]:
    """Name and uid of each Notifier that may yet be told, also of one whose manifest cannot be read just now."""
    for key, resource in view.snapshot.resources.items():
        off = isinstance(resource.spec, NotifierSpec) and not resource.spec.enabled
        if key.kind == "Notifier" and not off:
            yield key.name, resource.uid
