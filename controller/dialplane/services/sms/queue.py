"""The SmsMessages of a site and their messages in the store: put in once, followed, cleared away."""

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from dialplane.asterisk.errors import LineRefused
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource
from dialplane.resources.problem import Reason
from dialplane.resources.sms_message import SmsMessageSpec
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.sms import metrics, status
from dialplane.services.sms.outbox import created, enqueue, of_resource
from dialplane.services.sms.tables import outgoing, outgoing_parts
from dialplane.services.sms.tables.outgoing import NewOutgoing, Outgoing
from dialplane.store import Store, StoreError
from dialplane.tasks import wait_at_most

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 1.0
"""How often it is looked whether a message expired, or its resource's time is over."""
CONCLUDE_SECONDS: Final = 30.0
STRANDED_AFTER: Final = timedelta(seconds=60)
"""A part that was claimed so long ago and is not under way was left by a claim or an attempt that was broken off."""
PRUNE_SECONDS: Final = 600.0
REPORT_GRACE: Final = timedelta(minutes=10)
"""How long after its validity a message is waited for: reports are late too."""

_KIND: Final = "SmsMessage"
_COUNTED: Final = 1_000
"""Messages that are remembered to have been counted: late reports tell of the same again."""


class Queue:
    """What the store knows of a site's SmsMessages, and its upkeep."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        changed: Callable[[], None],
        queued: Callable[[], None],
        under_way: Callable[[], Collection[str]],
        waits: Callable[[Outgoing], str],
        keep: timedelta,
        report_grace: timedelta = REPORT_GRACE,
    ) -> None:
        """Name the site.

        Args:
            store: the store.
            site: the namespace.
            changed: called when `reports` has something new.
            queued: called when there is something to send.
            under_way: the payloads that are being sent now.
            waits: what a message that is queued waits for.
            keep: how long messages that are over are remembered.
            report_grace: how long after its validity a message is waited for.
        """
        self.ready = asyncio.Event()
        """Set once nothing is left of what a process before this one had under way: only then may anything be sent."""
        self.fault: str | None = None
        """Why the store cannot be used now."""
        self._store = store
        self._site = site
        self._changed = changed
        self._queued = queued
        self._under_way = under_way
        self._waits = waits
        self._keep = keep
        self._report_grace = report_grace
        self._view: SiteView | None = None
        self._messages: tuple[tuple[Resource, SmsMessageSpec], ...] = ()
        """Of the view: found once, for it is asked at every report."""
        self._news = asyncio.Event()
        self._known: dict[str, Outgoing] = {}
        self._refused: dict[str, str] = {}
        self._counted: dict[str, None] = {}
        self._over: frozenset[Key] = frozenset()
        self._due = dict.fromkeys(("conclude", "prune"), 0.0)

    def observe(self, view: SiteView) -> None:
        """Work on this view from now on."""
        self._view = view
        self._messages = tuple(view.snapshot.of(SmsMessageSpec))
        self._news.set()

    def became(self, message: Outgoing) -> None:
        """Something became of a message."""
        if message.source == "resource":
            before = self._known.get(message.source_uid)
            self._known[message.source_uid] = message
            if before != message:
                self._changed()
        if message.finished_at is not None and message.id not in self._counted:
            self._counted[message.id] = None
            if len(self._counted) > _COUNTED:
                del self._counted[next(iter(self._counted))]
            metrics.SENT.labels(message.phase).inc()

    def reports(self) -> dict[Key, ServiceReport]:
        """What is known of the SmsMessages."""
        if self._view is None:
            return {}
        now, found = datetime.now(UTC), dict[Key, ServiceReport]()
        for resource, spec in self._messages:
            message = self._known.get(resource.uid)
            if message is not None:
                found[resource.key] = status.of_message(message, spec, now, waits=self._waits(message))
            elif resource.begun and self.fault is None:
                if self.ready.is_set():
                    found[resource.key] = status.of_forgotten(resource.begun, _ends(resource, spec), now)
            elif resource.key in self._view.accepted:
                found[resource.key] = self._not_queued(resource.uid)
        return found

    def _not_queued(self, uid: str) -> ServiceReport:
        if uid in self._refused:
            return status.refused(self._refused[uid])
        if self.fault is not None:
            return status.waiting(Reason.STORE_UNAVAILABLE, self.fault)
        return status.waiting(Reason.QUEUED, "not in the queue yet")

    async def run(self) -> None:
        """Keep the store as the site wants it, for ever."""
        self.ready.clear()
        while True:
            try:
                await self._work()
                fault = None
            except StoreError as error:
                fault = str(error)
                log.warning("the store cannot be used", error=fault)
            if fault != self.fault:
                self.fault = fault
                self._changed()
            if fault is not None:
                await asyncio.sleep(TICK_SECONDS)
                continue
            await wait_at_most(self._news, TICK_SECONDS)

    async def _work(self) -> None:
        now = datetime.now(UTC)
        if not self.ready.is_set():
            self._heard(await self._store.call(outgoing_parts.recover, self._site, now=now))
            for message in await self._store.call(outgoing.of_resources, self._site):
                self._known[message.source_uid] = message
            self.ready.set()
            self._changed()
        if self._view is not None and self._news.is_set():
            self._news.clear()
            try:
                await self._take(self._view)
            except StoreError:
                self._news.set()
                raise
        self._heard(await self._store.call(outgoing_parts.expire, self._site, now=now))
        if self._time_for("conclude", CONCLUDE_SECONDS):
            stranded = now - STRANDED_AFTER
            but = frozenset(self._under_way())
            self._heard(await self._store.call(outgoing_parts.recover, self._site, now=now, before=stranded, but=but))
            grace = self._report_grace
            self._heard(await self._store.call(outgoing_parts.conclude, self._site, now=now, grace=grace))
        if self._view is not None and self._time_for("prune", PRUNE_SECONDS):
            keep = frozenset(resource.uid for resource in self._view.snapshot.resources.values())
            await self._store.call(outgoing.prune, self._site, now=now, older_than=self._keep, keep=keep)
        if (over := self._overdue(now)) != self._over:
            self._over = over
            self._changed()

    async def _take(self, view: SiteView) -> None:
        """Put in what is new, take out what was deleted before anything of it was sent."""
        resources = {key: resource for key, resource in view.snapshot.resources.items() if key.kind == _KIND}
        there = {resource.uid for resource in resources.values()}
        for uid in [uid for uid, message in self._known.items() if uid not in there]:
            if self._known[uid].phase == "Queued" and await self._store.call(outgoing_parts.withdraw, self._site, uid):
                log.info("withdrawn: the SmsMessage was deleted before it was sent", name=self._known[uid].name)
            del self._known[uid]
        for key, resource in resources.items():
            fresh = resource.uid not in self._known and resource.uid not in self._refused
            if not fresh or key not in view.accepted or not isinstance(resource.spec, SmsMessageSpec):
                continue
            if resource.begun:  # by a process whose store is lost: what it sent nobody knows
                continue
            new = of_resource(self._site, resource, resource.spec)
            if await self._sent_before(resource, new):
                continue
            try:
                kept = await self._store.call(enqueue, new, now=datetime.now(UTC))
            except LineRefused as error:
                self._refused[resource.uid] = str(error)
                self._changed()
                continue
            self.became(kept.message)
            self._queued()

    async def _sent_before(self, resource: Resource, new: NewOutgoing) -> bool:
        """Whether a SmsMessage of this name was sent already: one that is put back into a folder is not sent again."""
        earlier = await self._store.call(outgoing.sent_under, self._site, resource.key.name)
        if earlier is None or earlier.source_uid == resource.uid:
            return False
        if (earlier.recipient, earlier.text) != (new.recipient, new.text):
            at = f"{earlier.queued_at:%Y-%m-%d %H:%M} UTC"
            self._refused[resource.uid] = f"another message of this name was sent on {at}: give this one another name"
            self._changed()
            return True
        if (kept := await self._store.call(outgoing.adopt, earlier.id, resource.uid)) is not None:
            log.info("not sent again: a SmsMessage of this name was sent", name=resource.key.name, message=kept.id)
            self.became(kept)
        return True

    def _overdue(self, now: datetime) -> frozenset[Key]:
        """The SmsMessages whose time is over."""
        if self._view is None:
            return frozenset()
        known = ((resource, spec, self._known.get(resource.uid)) for resource, spec in self._messages)
        return frozenset(
            resource.key for resource, spec, message in known if message and status.is_over(message, spec, now)
        )

    def _heard(self, messages: tuple[Outgoing, ...]) -> None:
        for message in messages:
            log.warning("message is over", message=message.id, phase=message.phase, error=message.error)
            self.became(message)

    def _time_for(self, what: str, seconds: float) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._due[what]:
            return False
        self._due[what] = now + seconds
        return True


def _ends(resource: Resource, spec: SmsMessageSpec) -> datetime | None:
    """When a message may go of which only its resource is known."""
    began = created(resource)
    after = timedelta(minutes=spec.validity_minutes, seconds=spec.ttl_seconds_after_finished)
    return began + after if began else None
