"""The leader's half of the service of bots."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from pydantic import SecretStr

from dialplane.asterisk.asterisk_side import AsteriskSide
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.conditions import Report
from dialplane.resources.key import Key
from dialplane.services.contract import Context, ServiceReport, SiteView
from dialplane.services.site_secrets import SiteSecrets
from dialplane.services.voicebot.desired import DesiredBots, to_json
from dialplane.services.voicebot.leader import metrics, status
from dialplane.services.voicebot.leader.applications import ApplicationList, open_applications
from dialplane.services.voicebot.leader.bots import FIRST_SECONDS, BotReplicas, bot_keys, desired_bots
from dialplane.services.voicebot.leader.caller_watch import AriAccount, CallerWatch
from dialplane.services.voicebot.leader.housekeeping import CallKeeper
from dialplane.services.voicebot.secret_digest import ACCOUNT, secret_text
from dialplane.services.voicebot.tables import calls
from dialplane.services.voicebot.tables.calls import BotActivity
from dialplane.store import StoreError
from dialplane.tasks import Backoff, retry, wait_at_most

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(1, 30)
"""Between two attempts, while the store does not answer."""


@dataclass(frozen=True, slots=True)
class VoiceBotTiming:
    """Seconds."""

    tick: float = 1.0
    """Between two looks at what the replicas report."""
    count: float = 15.0
    """Between two counts of the calls, without a hint."""
    gap: float = 3.0
    """Between two such counts at least."""


class VoiceBotService:
    """Implements `Service`."""

    def __init__(
        self,
        context: Context,
        *,
        timing: VoiceBotTiming = VoiceBotTiming(),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Start for one term; `now` is the clock."""
        self._context = context
        self._timing = timing
        self._now = now
        self._view: SiteView | None = None
        self._secrets = SiteSecrets(lambda: self._view)
        self._desired = DesiredBots()
        self._published: DesiredBots | None = None
        self._time_zone = "UTC"
        self._replicas = BotReplicas()
        self._activity: Mapping[str, BotActivity] | None = None
        self._last_calls: dict[str, datetime | None] = {}
        """When the last call of each bot began; None where it had none. Asked for once, then remembered."""
        self._trouble = ""
        self._counting = asyncio.Event()
        self._waits_until: float | None = None
        self._settled = False
        self._reports: Mapping[Key, ServiceReport] = {}
        self._list = ApplicationList(self._applications, self._leads)
        self._side = AsteriskSide(self._list.serve, purpose="applications of bots", events="system")
        self._callers = CallerWatch(self._leads)
        self.keeper = CallKeeper(context)
        """The calls of the bots."""

    # --- the site loop

    def observe(self, view: SiteView) -> None:
        """See `Service.observe`."""
        self._view = view
        self.keeper.observe(view)
        pbx = next((spec for _, spec in view.snapshot.of(AsteriskSpec)), AsteriskSpec())
        self._time_zone = pbx.time_zone
        self._desired = desired_bots(view, self._secrets, self._desired)
        if self._desired != self._published:
            self._published = self._desired
            self._context.replicas.publish(to_json(self._desired))
        self._side.want(view.asterisk if self._desired.bots else None)
        self._callers.want(self._account() if self._desired.bots else None)
        self._look()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service.on_reports`: nothing that is reported matters to bots."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service.reports`."""
        self._look()
        if not self._settle():
            return {key: status.awaited(self._replicas.served.get(key.name)) for key in self._reports}
        return self._reports

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service.run`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_replicas(changed), name="replicas of bots")
                tasks.create_task(self._follow_calls(changed), name="numbers of bots")
                tasks.create_task(self._side.run(), name="applications of bots")
                tasks.create_task(self._callers.run(), name="callers of bots")
                tasks.create_task(self.keeper.run(), name="calls of bots")
        finally:
            metrics.forget()

    # --- what is so

    async def _follow_replicas(self, changed: Callable[[], None]) -> None:
        self._waits_until = asyncio.get_running_loop().time() + FIRST_SECONDS
        while True:
            waited = not self._settled
            if self._look() or (waited and self._settle()):
                changed()
            await asyncio.sleep(self._timing.tick)

    async def _follow_calls(self, changed: Callable[[], None]) -> None:
        while True:
            self._counting.clear()
            await retry(self._count, errors=StoreError, backoff=BACKOFF, on_error=self._note_outage)
            self._trouble = ""
            if self._look():
                changed()
            await asyncio.sleep(self._timing.gap)
            await wait_at_most(self._counting, self._timing.count - self._timing.gap)

    async def _count(self) -> None:
        """Count the calls since midnight: those of the days before are not looked at."""
        names = self._names()
        if not names and self._activity is not None:
            return
        store, site = self._context.store, self._context.site
        today = await store.call(calls.activity, site, status.midnight(self._now(), self._time_zone))
        known = {name: at for name, at in self._last_calls.items() if name in names}
        if new := names - known.keys():
            known |= {**dict.fromkeys(new), **await store.call(calls.last_calls, site, new)}
        self._last_calls = known | {name: each.last_call_at for name, each in today.items() if name in names}
        self._activity = {
            name: BotActivity(today[name].calls if name in today else 0, at) for name, at in self._last_calls.items()
        }

    def _look(self) -> bool:
        """Work out what is reported; return whether it is another than before."""
        if self._view is None:
            return False
        replicas, time = self._context.replicas, asyncio.get_running_loop().time()
        numbers = self._replicas.calls
        self._replicas.look(replicas.states(), self._desired, time)
        if self._replicas.calls != numbers or self._names() - self._last_calls.keys():
            self._counting.set()
        self._list.wake()
        before, self._reports = self._reports, {key: self._report(key) for key in bot_keys(self._view)}
        ready = sum(bool(each.ready) for each in self._replicas.served.values())
        metrics.SERVED.labels("served").set(ready)
        metrics.SERVED.labels("unserved").set(len(self._replicas.served) - ready)
        return before != self._reports

    def _report(self, key: Key) -> ServiceReport:
        return status.report(
            self._replicas.served.get(key.name),
            self._replicas.calls.get(key.name, 0),
            (self._activity or {}).get(key.name),
            counted=key.name in (self._activity or ()) and not self._trouble,
            trouble=self._trouble,
        )

    def _names(self) -> frozenset[str]:
        return frozenset() if self._view is None else frozenset(key.name for key in bot_keys(self._view))

    def _settle(self) -> bool:
        """Return whether a leader that has just started knows how its bots are served, or has waited long enough."""
        if not self._settled:
            waited = self._waits_until is not None and asyncio.get_running_loop().time() >= self._waits_until
            known = self._replicas.complete and self._activity is not None
            self._settled = known or waited or bool(self._trouble)
        return self._settled

    # --- the rest

    def _applications(self) -> frozenset[str] | None:
        replicas = self._context.replicas
        return None if replicas.living() is None else open_applications(replicas.states())

    def _account(self) -> AriAccount | None:
        if self._desired.ari is None:
            return None
        username, password = (secret_text(self._secrets, self._desired.ari.secret, key) for key in ACCOUNT)
        if username is None or password is None:
            return None
        return AriAccount(self._desired.ari.url, username, SecretStr(password))

    def _leads(self) -> bool:
        return self._view is not None and self._view.leads()

    def _note_outage(self, error: StoreError, _: float) -> None:
        if not self._trouble:
            log.warning("store unavailable", error=str(error))
        self._trouble = str(error)
