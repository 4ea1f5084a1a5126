"""The leader's half of the service of devices."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from dialplane.asterisk.asterisk_side import AsteriskSide
from dialplane.resources.conditions import Report
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.services.contract import Context, ServiceReport, SiteView
from dialplane.services.elevator.command_desk import CommandDesk
from dialplane.services.elevator.desired import DesiredDevices, from_json, to_json
from dialplane.services.elevator.leader import metrics
from dialplane.services.elevator.leader.cabins import EVENTS, Cabins
from dialplane.services.elevator.leader.callback_request import CallbackTarget
from dialplane.services.elevator.leader.callback_sender import CallbackSender
from dialplane.services.elevator.leader.gateways import FIRST_SECONDS, Gateways
from dialplane.services.elevator.leader.live import Live
from dialplane.services.elevator.leader.roster import KIND, Lift, roster, served
from dialplane.services.elevator.leader.statements import Statements
from dialplane.services.elevator.leader.sweep import Sweep
from dialplane.services.elevator.leader.view_sequence import ViewSequence
from dialplane.services.elevator.pictures.pictures import Pictures
from dialplane.services.elevator.pictures.retention import PictureLimit, keep_pruned
from dialplane.services.elevator.tables import devices
from dialplane.services.elevator.tables.callbacks import DueCallback
from dialplane.services.elevator.tables.devices import Registered
from dialplane.store import StoreError, site_views
from dialplane.store.hints import Channel
from dialplane.tasks import Backoff, keep_running, retry, wait_at_most

log = structlog.get_logger(__name__)

SERVICE: Final = "elevator"
BACKOFF: Final = Backoff(1, 30)
"""Between two attempts, while the store does not answer."""


@dataclass(frozen=True, slots=True)
class ElevatorTiming:
    """Seconds."""

    registered: float = 10.0
    """Between two looks at the devices that have a token of ours; the API asks for one at once."""
    look: float = 1.0
    """Between two looks at what changed, without a hint."""
    gap: float = 0.3
    """Between two such looks at least."""
    tick: float = 1.0
    """Between two looks at the gateways."""


class ElevatorService:
    """Implements `Service`, and for the API `DeviceDirectory`."""

    def __init__(
        self,
        context: Context,
        *,
        timing: ElevatorTiming = ElevatorTiming(),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Start for one term; `now` is the clock."""
        self._context = context
        self._store, self._site = context.store, context.site
        self._timing = timing
        self._now = now
        self._view: SiteView | None = None
        self._viewed, self._asked, self._news = asyncio.Event(), asyncio.Event(), asyncio.Event()
        if context.hints is not None:
            self._news = context.hints.subscribe(Channel.DEVICES)
        self._registered: Mapping[str, Registered] | None = None
        self._views: ViewSequence | None = None
        self._sent: DesiredDevices | None = None
        self._lifts: Mapping[str, Lift] = {}
        self._gateways = Gateways()
        self._waits_until: float | None = None
        self._settled = False
        self._extensions: Mapping[str, Key] = {}
        self._changed: Callable[[], None] = lambda: None
        self.desk = CommandDesk(self._store, self._site, context.hints, now=now)
        """Where commands are queued."""
        self.pictures = Pictures(self._store, self._site, context.storage, context.hints, now=now)
        """Those that are uploaded, and all that are seen."""
        self._cabins = Cabins(
            self._store, self._site, lifts=self.devices, leads=self._leads, happened=self._news.set, now=now
        )
        self._live = Live(context, lifts=self.devices, leads=self._leads, alarms_changed=self._cabins.wake, now=now)
        self._statements = Statements(self._live, self._gateways)
        self._callbacks = CallbackSender(
            self._store, self._site, destination=self._destination, leads=self._leads, now=now
        )
        self._sweep = Sweep(self._store, self._site, present=self._names, leads=self._leads, now=now)
        self._asterisk = AsteriskSide(self._cabins.serve, purpose="telephones of cabins", events=EVENTS)

    # --- the site loop

    def observe(self, view: SiteView) -> None:
        """See `Service.observe`."""
        self._view = view
        self._extensions = {spec.number: resource.key for resource, spec in view.snapshot.of(ExtensionSpec)}
        self._muster()
        self._viewed.set()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service.on_reports`."""
        self._say(self._statements.hear(self._lifts, self._extensions, reports))

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service.reports`."""
        self._look_at_gateways(tell=False)
        if not self._settle():
            return dict.fromkeys(self._keys(), ServiceReport(awaited=True))
        return self._statements.hand_out()

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service.run`."""
        self._changed = changed
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.desk.run(), name="commands of devices")
                tasks.create_task(self._follow_registered(), name="registered devices")
                tasks.create_task(self._follow_gateways(), name="gateways")
                tasks.create_task(self._follow_news(), name="news of devices")
                tasks.create_task(self._run_sweep(), name="overdue commands")
                tasks.create_task(self._callbacks.run(), name="callbacks of devices")
                tasks.create_task(self._asterisk.run(), name="telephones of cabins")
                tasks.create_task(self.pictures.run(), name="pictures")
                tasks.create_task(keep_pruned(self._prune_pictures), name="old pictures")
        finally:
            metrics.forget()

    # --- the API

    def devices(self) -> Mapping[str, Lift]:
        """Return every device, by name: those with a manifest, and those that registered themselves."""
        return self._lifts

    def online(self, device: str) -> bool | None:
        """Return whether a device was heard within its timeout; None while nobody has looked."""
        return self._live.online(device)

    def refresh(self) -> None:
        """Look into the tables now: there is another device, another token, or another state of an alarm."""
        self._asked.set()
        self._news.set()

    # --- who may connect

    async def _follow_registered(self) -> None:
        await self._viewed.wait()
        while True:
            self._asked.clear()
            await self._keep(self._read_registered)
            await wait_at_most(self._asked, self._timing.registered)

    async def _read_registered(self) -> None:
        if self._views is None:
            views = await self._store.call(site_views.changed_views, self._site, {SERVICE: 0})
            self._views = ViewSequence(from_json(views[0].body) if views else DesiredDevices())
        found = {each.device: each for each in await self._store.call(devices.listed, self._site)}
        if found != self._registered:
            self._registered = found
            self._muster()

    def _muster(self) -> None:
        """Work out the devices anew, and have the gateways serve them."""
        if self._view is None or self._registered is None or self._views is None:
            return
        before, self._lifts = self._lifts, roster(self._view, self._registered)
        changed = self._views.change(served(self._lifts), int(self._now().timestamp() * 1000))
        if self._sent is not self._views.desired:
            self._sent = self._views.desired
            self._context.replicas.publish(to_json(self._sent))
        different = {name for name, lift in self._lifts.items() if before.get(name) != lift}
        self._statements.keep(self._keys())
        with_cabin = any(lift.cabin is not None for lift in self._lifts.values())
        self._asterisk.want(self._view.asterisk if with_cabin else None)
        if different or before.keys() - self._lifts.keys():
            self._news.set()
        self._say(changed | different)

    # --- what happens

    async def _follow_gateways(self) -> None:
        loop = asyncio.get_running_loop()
        self._waits_until = loop.time() + FIRST_SECONDS
        while True:
            self._look_at_gateways()
            waited = not self._settled
            if waited and self._settle():
                self._changed()
            await asyncio.sleep(self._timing.tick)

    def _look_at_gateways(self, *, tell: bool = True) -> None:
        news = self._gateways.look(self._context.replicas.states(), asyncio.get_running_loop().time())
        if news is not None and (views := self._views) is not None:
            concerned = [name for name in self._lifts if self._gateways.concerns(news, name, views.since(name))]
            self._say(concerned, tell=tell)

    async def _follow_news(self) -> None:
        while True:
            self._news.clear()
            await self._keep(self._look)
            await asyncio.sleep(self._timing.gap)
            await wait_at_most(self._news, self._timing.look - self._timing.gap)

    async def _look(self) -> None:
        if not self._lifts:
            return
        first = not self._live.loaded
        changed: Collection[str] = await self._live.look()
        if self._live.notified:
            self._live.notified = False
            self._context.outbox.wake()
        self._callbacks.wake()
        self._say(self._lifts if first else changed)

    def _destination(self, callback: DueCallback) -> CallbackTarget | None:
        lift = self._lifts.get(callback.device)
        settings = lift.spec.callback if lift is not None and lift.spec is not None else None
        if settings is None or self._view is None:
            return None
        url = settings.status_url if callback.type == "status" else settings.snapshot_url
        if url is None:
            return None
        reference = settings.secret_ref
        if reference is None:
            return CallbackTarget(url)
        secret = self._view.snapshot.secrets.get(reference.name, {}).get(reference.key)
        return CallbackTarget(url, secret, is_complete=secret is not None)

    # --- what is said

    def _settle(self) -> bool:
        """Return whether a leader that has just started knows how its devices are, or has waited long enough."""
        if not self._settled:
            waited = self._waits_until is not None and asyncio.get_running_loop().time() >= self._waits_until
            knows = self._live.loaded and self._views is not None and self._gateways.serves is not None
            self._settled = knows or waited or bool(self._statements.trouble)
        return self._settled

    def _keys(self) -> Collection[Key]:
        if self._view is None:
            return ()
        return [key for key in self._view.snapshot.resources if key.kind == KIND]

    def _names(self) -> Collection[str] | None:
        """Return the names of all devices, those whose manifest cannot be read too; None while nobody has them."""
        if self._registered is None:
            return None
        return self._lifts.keys() | {key.name for key in self._keys()}

    def _say(self, names: Collection[str], *, tell: bool = True) -> None:
        """Work out anew what is said of these devices; `tell`: have it reported where it is another."""
        if self._views is None or not self._live.loaded:
            return  # nothing is known yet
        some = [lift for name in names if (lift := self._lifts.get(name)) is not None]
        if self._statements.work_out(some, self._views, self._now()) and tell:
            self._changed()

    # --- the rest

    def _leads(self) -> bool:
        return self._view is not None and self._view.leads()

    async def _keep(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Have work done, through any outage of the store."""
        await retry(work, errors=StoreError, backoff=BACKOFF, on_error=self._note_outage)
        if self._statements.trouble:
            self._statements.trouble = ""
            self._say(self._lifts)

    async def _run_sweep(self) -> None:
        await keep_running(
            self._sweep.run, errors=StoreError, backoff=BACKOFF, on_error=self._note_outage, healthy_after=30
        )

    async def _prune_pictures(self) -> None:
        if self._leads():
            kept = {name: lift.spec.snapshot for name, lift in self._lifts.items() if lift.spec is not None}
            limits = {name: PictureLimit(each.retention_days, each.most) for name, each in kept.items()}
            await self.pictures.prune(limits)

    def _note_outage(self, error: StoreError, _: float) -> None:
        self._live.interrupt()
        if not self._statements.trouble:
            log.warning("store unavailable", error=str(error))
            self._statements.trouble = str(error)
            self._say(self._lifts)
