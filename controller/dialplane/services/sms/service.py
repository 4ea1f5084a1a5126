"""The service of text messages: modems, inbox and outbox of one site."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Up
from dialplane.asterisk.errors import AsteriskError
from dialplane.resources.conditions import Kept, Report
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.sms import counts, metrics, modems
from dialplane.services.sms.departures import Departures
from dialplane.services.sms.inbox import InboxReader, Retention
from dialplane.services.sms.modems import Fleet, Modems
from dialplane.services.sms.queue import REPORT_GRACE, Queue
from dialplane.services.sms.reports import ReportReader
from dialplane.services.sms.sender import Ready, Sender
from dialplane.services.sms.tables.outgoing import Outgoing
from dialplane.services.sms.waiting import why_waiting
from dialplane.services.sms.watchdog import Tell, Watchdog
from dialplane.store import Store, StoreError

log = structlog.get_logger(__name__)

EVENTS: Final = "system,call"
"""What of AMI is of use: FullyBooted, and the drivers' events, which are of class `call`."""
AGAIN_SECONDS: Final = 2.0
_RETENTION: Final = Retention()


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take."""

    lost_grace: float = 10.0
    """Seconds without Asterisk after which nobody knows about its modems."""
    refresh: float = 60.0
    """Seconds between two changes of a number in a status."""
    report_grace: timedelta = REPORT_GRACE
    """How long after its validity a message is waited for."""
    keep_sent: timedelta = timedelta(days=30)
    """How long messages that are over are remembered."""


class SmsService:
    """Sends and receives the text messages of one site; implements `Service`."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        tell: Tell,
        happened: Callable[[], None] = lambda: None,
        retention: Retention = _RETENTION,
        timing: Timing = Timing(),
    ) -> None:
        """Name the site.

        Args:
            store: where messages are kept.
            site: the namespace.
            tell: makes an Event of what the watchdog does.
            happened: called when the store has an event to tell of (`store.events`).
            retention: how long received messages are kept.
            timing: how long other things take.
        """
        self._store = store
        self._site = site
        self._timing = timing
        self._happened = happened
        self._view: SiteView | None = None
        self._seen = asyncio.Event()
        self.dongles: Mapping[str, DongleSpec] = {}
        """Those that may send, by name."""
        self._counts: Mapping[str, Mapping[str, int]] | None = None
        self._mending: dict[str, asyncio.Task[None]] = {}
        self._changed: Callable[[], None] = lambda: None
        self._modems = Modems(self._news, grace=timing.lost_grace, refresh=timing.refresh)
        self._modems.looked = self._looked
        self._watchdog = Watchdog(tell)
        self._queue = Queue(
            store,
            site,
            changed=self._news,
            queued=self.wake,
            under_way=lambda: self._sender.under_way,
            waits=self.waits,
            keep=timing.keep_sent,
            report_grace=timing.report_grace,
        )
        self._departures = Departures(store, site, self._became)
        self._sender = Sender(
            store,
            site,
            leads=self._leads,
            ready=self._ready,
            became=self._became,
            took=self._departures.took,
            doubted=self._modems.again.set,
        )
        self._inbox = InboxReader(store, site, self.forward_to, retention, stored=happened)
        self._reports = ReportReader(store, self._became)

    def observe(self, view: SiteView) -> None:
        """See `Service`."""
        self._view = view
        self.dongles = {
            resource.key.name: spec
            for resource, spec in view.snapshot.of(DongleSpec)
            if resource.key in view.accepted and spec.enabled
        }
        self._sender.dongles = self.dongles
        self._modems.want({spec.driver for spec in self.dongles.values()})
        self._queue.observe(view)
        self._seen.set()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service`: nothing that is reported matters to text messages."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service`."""
        found = self._queue.reports()
        for name, spec in self.dongles.items():
            fields: dict[str, Any] = modems.fields(self._modems.told.get(name))
            fields["sms"] = self._counts.get(name, counts.NONE) if self._counts is not None else Kept.KEPT
            found[Key("Dongle", name)] = ServiceReport((modems.online(spec, name, self._modems.fleet),), fields)
        return found

    def waits(self, message: Outgoing) -> str:
        """What a message that is queued waits for; empty of any other."""
        return why_waiting(message, self.dongles, self._modems.fleet)

    def wake(self) -> None:
        """Somebody else in this process has put a message into the queue."""
        self._sender.wake()

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service`."""
        self._changed = changed
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._queue.run(), name="sms queue")
                tasks.create_task(self._count(), name="sms counts")
                tasks.create_task(self._inbox.retain(), name="sms retention")
                tasks.create_task(self._follow_address(), name="sms asterisk")
        finally:
            metrics.MODEMS.clear()

    def _news(self) -> None:
        self._changed()

    def _became(self, message: Outgoing) -> None:
        self._queue.became(message)
        if message.phase in counts.FAILED or message.finished_at is not None:
            self._happened()

    def forward_to(self, dongle: str) -> tuple[str, ...]:
        """Return the Notifiers (`sms.forwardTo`) of a Dongle, by its name; none for one that is no more."""
        spec = self.dongles.get(dongle)
        return spec.sms.forward_to if spec else ()

    async def _follow_address(self) -> None:
        """Serve on the site's Asterisk, whichever it is now."""
        serving: asyncio.Task[None] | None = None
        known: tuple[AmiAddress | None, AmiAddress | None] = (None, None)
        try:
            while True:
                await self._seen_or_ended(serving)
                view = self._view
                addresses = (view.asterisk, view.calls) if view else (None, None)
                if addresses == known:
                    continue
                known = addresses
                if serving is not None:
                    await _ended(serving)
                    serving = None
                if addresses[0] is not None:
                    serve = self._serve(addresses[0], addresses[1] or addresses[0])
                    serving = asyncio.create_task(serve, name="sms connections")
        finally:
            if serving is not None:
                await _ended(serving)

    async def _seen_or_ended(self, serving: "asyncio.Task[None] | None") -> None:
        """Wait for a view; raises what ended `serving`, which nothing should."""
        seen = asyncio.create_task(self._seen.wait())
        waiting: set[asyncio.Task[Any]] = {seen} if serving is None else {seen, serving}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if serving is not None and serving.done():
                await serving
        finally:
            seen.cancel()
        self._seen.clear()

    async def _serve(self, main: AmiAddress, calls: AmiAddress) -> None:
        async with (
            AsteriskLink(main, events=EVENTS) as link,
            AsteriskLink(calls, events="off", wait_for_boot=False) as calls_link,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._modems.run(link), name="modems")
            tasks.create_task(self._on_each(link, self._inbox.serve), name="sms inbox")
            tasks.create_task(self._on_each(link, self._reports.serve), name="sms reports")
            await self._queue.ready.wait()
            tasks.create_task(self._sender.run(calls_link), name="sms sender")

    async def _on_each(self, link: AsteriskLink, serve: Callable[[Ami], Any]) -> None:
        """Serve on each connection until it ends; on a fault, again in a while."""
        while True:
            ami = await link.up()
            try:
                await serve(ami)
            except AsteriskError as error:
                log.info("stopped reading the spool", error=str(error))
            except StoreError as error:
                log.warning("stopped reading the spool", error=str(error))
            if isinstance(link.state, Up) and link.state.ami is ami:
                await asyncio.sleep(AGAIN_SECONDS)

    def _leads(self) -> bool:
        return self._view is not None and self._view.leads()

    def _ready(self) -> tuple[Ready, ...]:
        fleet = self._modems.fleet
        if fleet is None or not self._leads():
            return ()
        return tuple(
            Ready(name, spec)
            for name, spec in self.dongles.items()
            if (modem := fleet.modems.get(name)) is not None and modem.driver == spec.driver and modem.fault is None
            if name not in self._mending
        )

    def _looked(self, ami: Ami, fleet: Fleet) -> None:
        """After each look at the modems: they may take messages now, or need a remedy."""
        self._sender.wake()
        self._departures.note(fleet)
        online = len(self._ready())
        metrics.MODEMS.labels("online").set(online)
        metrics.MODEMS.labels("offline").set(len(self.dongles) - online)
        now = asyncio.get_running_loop().time()
        for name, remedy in self._watchdog.due(self.dongles, fleet.modems, now).items():
            if name in self._mending or not self._leads():
                continue
            metrics.REMEDIES.labels(remedy).inc()
            mending = asyncio.create_task(self._watchdog.mend(ami, name, self.dongles[name], remedy))
            self._mending[name] = mending
            mending.add_done_callback(partial(self._mended, name))

    def _mended(self, name: str, _: "asyncio.Task[None]") -> None:
        del self._mending[name]

    async def _count(self) -> None:
        """The numbers in the statuses of Dongles."""
        async for _ in _every(self._timing.refresh):
            try:
                found = await self._store.call(counts.of_dongles, self._site)
            except StoreError as error:
                log.warning("the store does not count", error=str(error))
                continue
            for modem in self._modems.told.values():
                if modem.signal_dbm is not None:
                    metrics.SIGNAL.observe(modem.signal_dbm)
            if found != self._counts:
                self._counts = found
                self._changed()


async def _every(seconds: float) -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(seconds)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
