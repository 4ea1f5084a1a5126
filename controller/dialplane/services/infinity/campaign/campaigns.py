"""The campaigns of one site: one task for all of them, in the process that leads."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.infinity.campaign import destination_list, pacing, status
from dialplane.services.infinity.campaign.bad_list import BadListError
from dialplane.services.infinity.campaign.desired import DesiredCampaign, desired_campaigns
from dialplane.services.infinity.campaign.progress import Progress, progress
from dialplane.services.infinity.campaign.runner import FORGOTTEN, PlacesCalls, PlacesTrunkCalls, Runner, Site
from dialplane.services.infinity.campaign.spreadsheet import decoded
from dialplane.services.infinity.campaign.state import MINUTE, CampaignState
from dialplane.services.infinity.do_not_call import Barred
from dialplane.services.infinity.tables import (
    campaign_calls,
    destination_lists,
    destinations,
    do_not_call,
    trunk_calls,
)
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.destinations import (
    Counts,
    DestinationState,
    NewDestination,
    Page,
    Synced,
    WantedList,
)
from dialplane.services.infinity.tables.do_not_call import WHOLE_SITE, Standing
from dialplane.services.infinity.tables.trunk_calls import BotAnswer
from dialplane.services.infinity.tenant import Tenant
from dialplane.store import Store, StoreError
from dialplane.tasks import Backoff, retry, wait_at_most

__all__ = ["BadListError", "Campaigns", "NoSuchCampaignError", "NotUploadedError", "Timing"]

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(1, 30)
"""Between two attempts, while the store does not answer."""
_KIND: Final = "Campaign"


class NoSuchCampaignError(Exception):
    """The site has no such Campaign with a valid manifest."""


class NotUploadedError(Exception):
    """The Campaign's list comes from its manifest: `destinations.upload: true` lets it be uploaded."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take, in seconds but for the timedeltas."""

    round: float = 1.0
    """Between two rounds, while anything goes on."""
    rest: float = 15.0
    """Between two rounds, while nothing does."""
    pause: float = 0.05
    """After each round: what happens meanwhile is one round's."""
    refresh: float = 5.0
    """Between two changes of a number in a status."""
    recount: float = 60.0
    """Between two looks at what another process may have changed, such as one that led until now."""
    learn: float = 30.0
    """Between two looks for records that came late."""
    barred: float = 30.0
    """Between two times that lists are sorted by a do-not-call list that keeps changing; calls look at it each time."""
    tidy: float = 3600.0
    given_up: timedelta = timedelta(seconds=30)
    """How long a claim of a process that is no more may be without a call."""
    kept: timedelta = timedelta(days=30)
    """How long it is remembered whom a deleted campaign called."""


class Campaigns:
    """Calls whom the Campaigns of a site name."""

    def __init__(
        self,
        store: Store,
        site: str,
        calling: PlacesCalls,
        *,
        trunks: PlacesTrunkCalls | None = None,
        timing: Timing = Timing(),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Name the site.

        Args:
            store: the store.
            site: the site's namespace.
            calling: places the calls.
            trunks: places those of campaigns without a tenant.
            timing: how long things take.
            now: the time.
        """
        self._store = store
        self._site = site
        self._timing = timing
        self._now = now
        self._wake = asyncio.Event()
        self._runner = Runner(
            store, site, calling, trunks=trunks, now=now, given_up=timing.given_up, changed=self._wake.set
        )
        self._keys: dict[Key, str] = {}
        self._of_site = Standing()
        self._led = False
        self._rounds = 0
        self._trouble = ""
        self._said: dict[Key, ServiceReport] = {}
        self._said_at = self._counted_at = self._learnt_at = self._tidied_at = self._sorted_at = float("-inf")
        self._changed: Callable[[], None] = lambda: None

    def observe(self, view: SiteView, tenants: Mapping[str, Tenant]) -> None:
        """Work on this view from now on; from the loop's thread, never waits."""
        self._runner.seen = Site(desired_campaigns(view, tenants), tenants, view.leads)
        self._keys = {key: resource.uid for key, resource in view.snapshot.resources.items() if key.kind == _KIND}
        known = self._said
        self._said = self._sayings()
        if self._said != known:
            self._changed()
        self._wake.set()

    def told(self, call: Call) -> None:
        """A call changed its state: told of every call, on the loop; never waits."""
        # An agent is free, or an extension.
        if call.state == "released" and (call.campaign is not None or self._runner.waits()):
            self._wake.set()

    def reports(self) -> Mapping[Key, ServiceReport]:
        """What is known of each Campaign: conditions and fields of its status."""
        return self._said

    async def run(self, changed: Callable[[], None]) -> None:
        """Call until cancelled; `changed` is called when `reports` has something new."""
        self._changed = changed
        try:
            while True:
                rest = await retry(self._round, errors=StoreError, backoff=BACKOFF, on_error=self._note_outage)
                self._trouble = ""
                self._say()
                await wait_at_most(self._wake, rest)
                await asyncio.sleep(self._timing.pause)
        finally:
            await self._runner.close()

    def _note_outage(self, error: StoreError, _: float) -> None:
        if not self._trouble:
            log.warning("campaigns wait for the store", error=str(error))
        self._trouble = str(error)
        self._say()

    async def upload(self, name: str, data: bytes) -> Synced:
        """Replace a campaign's list with this CSV, as a spreadsheet writes it; all of it or nothing.

        Raises:
            NoSuchCampaignError: there is none.
            NotUploadedError: its list comes from elsewhere.
            BadListError: the CSV cannot be read; `lines` says what is wrong where.
            StoreError: it is not kept.
        """
        duty = self._duty(name)
        if duty is None:
            raise NoSuchCampaignError(f"there is no Campaign {name} whose manifest is valid")
        if duty.ingredients.source != "upload":
            raise NotUploadedError(
                f"the list of the Campaign {name} is in its manifest: change it there, or set destinations.upload: true"
            )
        wanted = await asyncio.to_thread(_uploaded, duty, data, self._of_site.of(duty.spec.tenant or WHOLE_SITE))
        synced = await self._store.call(destination_lists.sync, self._site, wanted, now=self._now())
        if synced is None:  # an upload is never passed over
            raise RuntimeError("an uploaded list was not taken")
        log.info(
            "campaign list uploaded", campaign=name, total=synced.total, added=synced.added, removed=synced.removed
        )
        if (course := self._runner.courses.get(duty.uid)) is not None:
            course.forgotten = False  # whoever uploads a list has decided
        self._listed(duty.uid)
        return synced

    async def progress(self, name: str) -> Progress | None:
        """How far one campaign is; None where there is none."""
        duty = self._duty(name)
        return None if duty is None else (await self._progress([duty]))[0]

    async def all_progress(self) -> tuple[Progress, ...]:
        """How far every campaign is, by name."""
        return tuple(
            await self._progress(sorted(self._runner.seen.desired_campaigns.values(), key=lambda duty: duty.name))
        )

    async def destinations(
        self, name: str, *, limit: int, after: int | None = None, state: DestinationState | None = None
    ) -> Page | None:
        """Whom a campaign calls, in the order of its list; None where there is no such campaign."""
        duty = self._duty(name)
        if duty is None:
            return None
        return await self._store.call(destinations.page, self._site, duty.uid, limit=limit, after=after, state=state)

    async def bot_answers(self, name: str, numbers: Sequence[str]) -> Mapping[str, BotAnswer]:
        """Return what the bot of a campaign noted of its calls to these numbers; nothing where people take them."""
        duty = self._duty(name)
        if duty is None or duty.own is None:
            return {}
        return await self._store.call(trunk_calls.bot_answers, self._site, name, numbers)

    # --- rounds

    async def _round(self) -> float:
        """One round; seconds until the next, if nothing happens before."""
        self._wake.clear()
        runner = self._runner
        if not runner.seen.leads():
            if self._led:
                runner.forget()
            self._led = False
            return self._timing.round
        self._led = True
        await self._sort()
        for duty in [*runner.seen.desired_campaigns.values()]:
            await self._read(duty, await runner.course(duty))
        for gone in runner.courses.keys() - runner.seen.desired_campaigns.keys():
            del runner.courses[gone]
        await runner.settle()
        await runner.begin(self._in_turn())
        await self._learn()
        await self._count()
        await self._tidy()
        return self._rest()

    def _in_turn(self) -> list[DesiredCampaign]:
        """The campaigns; another one is first each time, for those of one tenant share its pool."""
        found = [
            duty for uid, duty in sorted(self._runner.seen.desired_campaigns.items()) if uid in self._runner.courses
        ]
        self._rounds += 1
        start = self._rounds % len(found) if found else 0
        return found[start:] + found[:start]

    async def _sort(self) -> None:
        """Look at whom nobody calls: every list is sorted by it anew, at once and then not more often than need be."""
        now = asyncio.get_running_loop().time()
        if now < self._sorted_at + self._timing.barred:
            return
        found = await self._store.call(do_not_call.standing, self._site, unless=self._of_site.version)
        if found is not None:
            self._of_site, self._sorted_at = found, now

    async def _read(self, duty: DesiredCampaign, course: CampaignState) -> None:
        """Have the list in the store be the one that is asked for."""
        read = course.read == duty.ingredients and course.of_site == self._of_site.version
        if read or course.forgotten:
            return
        if duty.begun and not await self._store.call(destination_lists.known, self._site, duty.uid):
            log.warning("campaign is not begun again", campaign=duty.name, why=FORGOTTEN)
            course.forgotten = True
            return
        try:
            of_site = self._of_site.of(duty.spec.tenant or WHOLE_SITE)
            wanted = await asyncio.to_thread(duty.ingredients.wanted, duty.name, duty.uid, of_site=of_site)
        except BadListError as error:
            log.warning("campaign list cannot be read", campaign=duty.name, error=str(error))
            course.bad_list, course.read, course.of_site = error, duty.ingredients, self._of_site.version
            return
        synced = await self._store.call(destination_lists.sync, self._site, wanted, now=self._now())
        if synced is not None:
            log.info(
                "campaign list", campaign=duty.name, total=synced.total, added=synced.added, removed=synced.removed
            )
        course.bad_list, course.barred = None, Barred(wanted.blocked, wanted.numbering)
        course.read, course.of_site = duty.ingredients, self._of_site.version
        course.ingredients = duty.ingredients
        self._listed(duty.uid)

    def _listed(self, uid: str) -> None:
        """Its list is another."""
        if (course := self._runner.courses.get(uid)) is not None:
            course.due_by(self._now())
        self._runner.stale = True
        self._counted_at = float("-inf")
        self._wake.set()

    async def _count(self) -> None:
        runner, now = self._runner, asyncio.get_running_loop().time()
        done = any(
            course.active == 0 and course.due is None and (course.counts is None or course.counts.remaining)
            for course in runner.courses.values()
        )
        recent = now < self._counted_at + self._timing.refresh and not done
        if now < self._counted_at + self._timing.recount and (not runner.stale or recent):
            return
        runner.stale = False
        self._counted_at = now
        found = await self._store.call(destinations.counts, self._site, [*runner.courses])
        for uid, course in runner.courses.items():
            before, course.counts = course.counts, found.get(uid, Counts())
            if course.counts.due_at is not None:
                course.due_by(course.counts.due_at)
            duty = runner.seen.desired_campaigns.get(uid)
            over = before is not None and before.remaining and course.counts.total and not course.counts.remaining
            if over and duty is not None:
                log.info("campaign completed", campaign=duty.name, answered=course.counts.answered)

    async def _learn(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._learnt_at + self._timing.learn:
            await self._runner.learn()
            self._learnt_at = now

    async def _tidy(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._tidied_at + self._timing.tidy:
            return
        # Also of those whose manifest cannot be read: only who is gone is forgotten.
        await self._store.call(destination_lists.seen, self._site, {*self._keys.values()}, now=self._now())
        await self._store.call(destination_lists.prune, self._site, now=self._now(), older_than=self._timing.kept)
        self._tidied_at = now

    def _rest(self) -> float:
        courses, now = self._runner.courses.values(), self._now()
        if self._runner.stale or self._runner.waits() or any(course.active for course in courses):
            return self._timing.round
        due = [course.due for course in courses if course.due is not None and course.due > now]
        soon = min(((moment - now).total_seconds() for moment in due), default=self._timing.rest)
        return min(max(soon, self._timing.round), self._timing.rest)

    # --- what is known

    def _duty(self, name: str) -> DesiredCampaign | None:
        return next((duty for duty in self._runner.seen.desired_campaigns.values() if duty.name == name), None)

    async def _progress(self, wanted: list[DesiredCampaign]) -> list[Progress]:
        counts = await self._store.call(destinations.counts, self._site, [duty.uid for duty in wanted])
        now, found = self._now(), []
        for duty in wanted:
            course = self._runner.courses.get(duty.uid)
            why = (self._runner.obstacle(duty, now) or course.why) if course else ""
            if course is None:  # another process leads
                recent = await self._store.call(
                    campaign_calls.recent,
                    *(self._site, duty.name, duty.uid),
                    since=now - MINUTE,
                    most=1,
                    window=pacing.WINDOW,
                )
                course = CampaignState.start(recent, now)
            known = counts.get(duty.uid, Counts())
            found.append(progress(duty, known, answered=tuple(course.answered), why=why, now=now))
        return found

    def _say(self) -> None:
        """Tell of what is new: of figures not more often than every few seconds."""
        said_now, now = self._sayings(), asyncio.get_running_loop().time()
        if said_now == self._said:
            return
        hurry = {key: status.urgent(each) for key, each in said_now.items()} != {
            key: status.urgent(each) for key, each in self._said.items()
        }
        if hurry or now >= self._said_at + self._timing.refresh:
            self._said, self._said_at = said_now, now
            self._changed()
        else:
            self._runner.stale = True  # so that the next round is soon

    def _sayings(self) -> dict[Key, ServiceReport]:
        seen = self._runner.seen.desired_campaigns
        return {
            key: self._saying(seen[uid]) if uid in seen and seen[uid].key == key else status.unread()
            for key, uid in self._keys.items()
        }

    def _saying(self, duty: DesiredCampaign) -> ServiceReport:
        course, now = self._runner.courses.get(duty.uid), self._now()
        known = None
        if course is not None and course.counts is not None and not course.forgotten:
            why = self._runner.obstacle(duty, now) or course.why
            known = progress(duty, course.counts, answered=tuple(course.answered), why=why, now=now)
        return status.of(known, accepted=duty.accepted, trouble=self._trouble, problem=self._problem(duty, course))

    def _problem(self, duty: DesiredCampaign, course: CampaignState | None) -> Problem | None:
        carrier = self._runner.seen.carrier(duty)
        if course is not None and course.forgotten:
            message = f"{FORGOTTEN}: create it again, or upload a list, to call everybody who is on it"
            return Problem(Reason.OUTCOME_UNKNOWN, message)
        if course is not None and course.bad_list is not None:
            return Problem(Reason.INVALID, str(course.bad_list), course.bad_list.field)
        if (problem := duty.never_opens(self._now())) is not None:
            return problem
        if duty.own is not None and duty.own.why:
            return Problem(Reason.REFERENCE_MISSING, duty.own.why, "spec.voiceBot.name")
        if carrier is None or not carrier.serves:
            message = f"the InfinityTenant {duty.spec.tenant} takes no calls: see its own conditions"
            return Problem(Reason.REFERENCE_MISSING, message, "spec.tenant")
        return None


def _uploaded(duty: DesiredCampaign, data: bytes, of_site: frozenset[str]) -> WantedList:
    """The list that somebody uploads. Takes long for a long one."""
    entries: tuple[NewDestination, ...] = destination_list.destinations(decoded(data), duty.ingredients.numbering)
    try:
        return duty.ingredients.wanted(duty.name, duty.uid, entries, of_site)
    except BadListError as error:
        if error.field != "spec.doNotCall.configMapRef":
            raise
        # Of who must not be called: the campaign waits until that is right, and then sorts them out.
        return replace(duty.ingredients, do_not_call_text=None).wanted(duty.name, duty.uid, entries, of_site)
