"""Calls whom the campaigns name: the leader's rounds.

Each round settles the claims whose calls are over, and claims as many destinations as may be called now. A claim is
asked for as a call under the claim's own request key. Whatever happens to the process between the two, that key tells
the next one how it ended: no call, and the claim is given back; a call, and its end is the attempt's.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog

from dialplane.logs import log_unexpected
from dialplane.resources.campaign import CampaignAgent
from dialplane.resources.numbering import Numbering
from dialplane.services.infinity.campaign import pacing
from dialplane.services.infinity.campaign.backoff import TenantBackoff
from dialplane.services.infinity.campaign.desired import DesiredCampaign
from dialplane.services.infinity.campaign.own_trunks import OwnTrunks
from dialplane.services.infinity.campaign.pacing import PoolRoom
from dialplane.services.infinity.campaign.state import MINUTE, Busy, CampaignState, in_turn
from dialplane.services.infinity.dialer import Asked, Placed
from dialplane.services.infinity.provider import Answer
from dialplane.services.infinity.tables import campaign_calls, destination_claims, pools
from dialplane.services.infinity.tables.campaign_calls import RANG
from dialplane.services.infinity.tables.destinations import Claimed, Ending, Settled, UnderWay
from dialplane.services.infinity.tables.trunk_calls import NO_TENANT
from dialplane.services.infinity.tenant import Tenant
from dialplane.store import Store, StoreError

log = structlog.get_logger(__name__)

FORGOTTEN: Final = "the store that knew whom it called is lost, so nobody is called"
_MOST_ATTEMPTS: Final = 10
"""Of a campaign that is not known any more: what `attempts.max` may be at most."""
_SPACING: Final = timedelta(hours=1)


class PlacesCalls(Protocol):
    """What a campaign needs of `calling.Dialer`."""

    async def make_call(self, tenant: Tenant, asked: Asked, *, wait_seconds: float = 0) -> Placed:
        """Lease an extension and have the platform place the call."""


class PlacesTrunkCalls(Protocol):
    """What a campaign without a tenant needs of `trunk_dialer.TrunkDialer`."""

    async def place(self, own: OwnTrunks, asked: Asked, numbering: Numbering | None) -> Placed:
        """Have Asterisk place the call."""


@dataclass(frozen=True)
class Site:
    """What a round goes by: the site as of now."""

    desired_campaigns: Mapping[str, DesiredCampaign]
    """By uid."""
    tenants: Mapping[str, Tenant]
    leads: Callable[[], bool]

    def carrier(self, duty: DesiredCampaign) -> Tenant | OwnTrunks | None:
        """Return what a campaign calls over; None where that is not there."""
        return duty.own if duty.spec.tenant is None else self.tenants.get(duty.spec.tenant)


@dataclass
class _Round:
    """What is known of the site's calls in one round."""

    busy: Busy
    rooms: dict[str, PoolRoom]


class Runner:
    """Serves every campaign of a site."""

    def __init__(
        self,
        store: Store,
        site: str,
        calling: PlacesCalls,
        *,
        trunks: PlacesTrunkCalls | None = None,
        now: Callable[[], datetime],
        given_up: timedelta,
        changed: Callable[[], None],
    ) -> None:
        """Name the site.

        Args:
            store: the store.
            site: the site's namespace.
            calling: places the calls.
            trunks: places those of campaigns without a tenant.
            now: the time.
            given_up: how long a claim of another process may be without a call, before it is given back.
            changed: called when another round may find something to do.
        """
        self._store = store
        self._site = site
        self._calling = calling
        self._trunks = trunks
        self._now = now
        self._given_up = given_up
        self._changed = changed
        self.seen = Site({}, {}, lambda: False)
        """The site as of now; a call that is about to be placed looks at it once more."""
        self.courses: dict[str, CampaignState] = {}
        self._asking: dict[tuple[str, str], tuple[str, CampaignAgent]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._holds: dict[str, TenantBackoff] = {}
        self._pending: Counter[str] = Counter()
        self.stale = True
        """Something has happened since `stale` was last made False."""

    def waits(self) -> bool:
        """Whether a campaign would call now, if it had an agent, an extension or the platform."""
        now = self._now()
        return any(
            course.due is not None and course.due <= now and not duty.spec.paused and duty.window.open_at(now)
            for uid, course in self.courses.items()
            if (duty := self.seen.desired_campaigns.get(uid)) is not None
        )

    def forget(self) -> None:
        """Another process has led, or may have: what is remembered here is not what was."""
        self.courses.clear()

    async def close(self) -> None:
        """Place no more calls; those that the platform was asked for go on."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self) -> None:
        """End the claims whose calls are over, and those that never became calls.

        Raises:
            StoreError: not now; the next round does it.
        """
        now = self._now()
        under_way = await self._store.call(destination_claims.under_way, self._site)
        ended = [(each, self._settled(each, now)) for each in under_way]
        over = [(each, settled) for each, settled in ended if settled is not None]
        if over:
            await self._store.call(destination_claims.settle, [settled for _, settled in over], now=now)
        for each, settled in over:
            self._note(each, settled)
        self.stale = self.stale or bool(over)
        left = Counter(each.campaign_uid for each, settled in ended if settled is None)
        self._pending = Counter(
            duty.carrier
            for each, settled in ended
            if settled is None and each.call is None and (duty := self.seen.desired_campaigns.get(each.campaign_uid))
        )
        for uid, course in self.courses.items():
            course.active = left[uid]

    async def learn(self) -> None:
        """Hear of records that came long after their calls were given up.

        Raises:
            StoreError: not now.
        """
        for call in sorted(await self._store.call(destination_claims.told_late, self._site)):
            self.stale |= await self._store.call(destination_claims.reached, self._site, call)

    async def course(self, duty: DesiredCampaign) -> CampaignState:
        """What is remembered of a campaign; of one that is new here, what the store remembers.

        Raises:
            StoreError: not now.
        """
        known = self.courses.get(duty.uid)
        if known is None:
            now = self._now()
            most, window = duty.spec.pacing.calls_per_minute, pacing.WINDOW
            recent = await self._store.call(
                campaign_calls.recent, self._site, duty.name, duty.uid, since=now - MINUTE, most=most, window=window
            )
            known = self.courses[duty.uid] = CampaignState.start(recent, now)
        return known

    async def begin(self, desired_campaigns: Iterable[DesiredCampaign]) -> None:
        """Call as many as may be called now.

        Raises:
            StoreError: not now.
        """
        wanting = [duty for duty in desired_campaigns if self._wants(duty)]
        if not wanting:
            return
        looked = await self._look()
        for duty in wanting:
            await self._begin(duty, looked)

    def _wants(self, duty: DesiredCampaign) -> bool:
        """Whether anybody is to be called now, as far as can be told without the store."""
        course, now = self.courses[duty.uid], self._now()
        course.why = self.obstacle(duty, now)
        return not course.why and course.due is not None and course.due <= now

    def obstacle(self, duty: DesiredCampaign, now: datetime) -> str:
        """What keeps a campaign from beginning any call at all; empty where nothing does."""
        course = self.courses[duty.uid]
        if course.forgotten:
            return FORGOTTEN
        if course.bad_list is not None or course.ingredients != duty.ingredients:
            return "its list is not read yet"
        if duty.spec.paused:
            return "paused"
        if closed := self._closed(duty):
            return closed
        if not duty.window.open_at(now):
            return "outside of its calling windows"
        hold = self._holds.get(duty.carrier)
        return hold.why if hold is not None and now < hold.until else ""

    def _closed(self, duty: DesiredCampaign) -> str:
        """Why what it calls over takes no calls; empty where it does."""
        carrier = self.seen.carrier(duty)
        if isinstance(carrier, OwnTrunks):
            return carrier.why or ("" if duty.accepted else "the plan does not accept it")
        takes = carrier is not None and carrier.serves and duty.accepted
        return "" if takes else f"the InfinityTenant {duty.spec.tenant} takes no calls"

    async def _look(self) -> _Round:
        live = await self._store.call(campaign_calls.live, self._site)
        standings = await self._store.call(pools.standings, self._site)
        busy = Busy()
        for call in live:
            busy.add(call.tenant, call.agent, call.callback_number, f"call {call.id} of {call.tenant}")
        for carrier, agent in self._asking.values():
            busy.add(carrier, agent.id, agent.callback_number)
        rooms = {}
        for name, tenant in self.seen.tenants.items():
            standing = standings.get(name, pools.PoolStanding())
            pending = self._pending[name]
            rooms[name] = PoolRoom(
                available=standing.available - pending,
                in_use=standing.in_use + pending,
                active_calls=standing.active_calls + pending,
                max_calls=tenant.spec.max_concurrent_calls,
            )
        with_bots = Counter(call.agent for call in live if call.tenant == NO_TENANT)
        for duty in self.seen.desired_campaigns.values():
            if duty.own is not None:
                does = with_bots[duty.own.bot] + self._pending[duty.carrier]
                rooms[duty.carrier] = PoolRoom(max(0, duty.own.most - does), does, does, duty.own.most)
        return _Round(busy, rooms)

    async def _begin(self, duty: DesiredCampaign, looked: _Round) -> None:
        course, carrier, now = self.courses[duty.uid], duty.carrier, self._now()
        if self.seen.carrier(duty) is None or carrier not in looked.rooms:
            return
        room = looked.rooms[carrier]
        agents = self._free(duty, looked.busy)
        does = pacing.Load(len(agents), course.active, course.begun_lately(now), tuple(course.answered))
        allowed = pacing.allowed(duty.spec.pacing, does, room)
        course.why = allowed.why
        if not agents and duty.spec.agents:
            first = duty.spec.agents[0]
            course.why += f": {first.id} is in {looked.busy.call_of(carrier, first)}"
        if allowed.calls == 0 or not self.seen.leads():
            return
        # After calls that could not be placed, one tries.
        limit = 1 if carrier in self._holds else allowed.calls
        most = duty.spec.attempts.max
        course.due = None  # claims that are given back meanwhile say when they are due
        try:
            claims = await self._store.call(
                destination_claims.claim, self._site, duty.uid, limit=limit, max_attempts=most, now=now
            )
        except BaseException:
            course.due_by(now)
            raise
        if len(claims.taken) == limit:
            course.due_by(now)
        elif claims.due_at is not None:
            course.due_by(claims.due_at)
        self.stale = self.stale or bool(claims.taken) or claims.ended > 0
        reached = await self._reached(claims.taken)
        number = 0
        for claimed in claims.taken:
            if claimed.seq in reached:
                await self._end(duty, claimed, "answered")
                continue
            agent = agents[number]
            number += 1
            course.active += 1
            course.begun.append(now)
            if duty.spec.agents:
                course.turn = duty.spec.agents.index(agent) + 1
                looked.busy.add(carrier, agent.id, agent.callback_number)
            self._start(duty, claimed, agent)
        looked.rooms[carrier] = replace(
            room,
            available=room.available - number,
            in_use=room.in_use + number,
            active_calls=room.active_calls + number,
        )

    def _free(self, duty: DesiredCampaign, busy: Busy) -> Sequence[CampaignAgent]:
        """Return who may take a call each: people, or a bot several times over."""
        if duty.bot is not None:
            return (duty.bot,) * duty.spec.pacing.max_concurrent_calls
        return busy.free(duty.carrier, in_turn(duty.spec.agents or (), self.courses[duty.uid].turn))

    async def _reached(self, taken: Sequence[Claimed]) -> frozenset[int]:
        """Those whose last call a late record says to have been answered."""
        doubtful = {each.last_call: each.seq for each in taken if each.last_call is not None}
        if not doubtful:
            return frozenset()
        outcomes = await self._store.call(campaign_calls.outcomes, self._site, frozenset(doubtful))
        return frozenset(doubtful[call] for call, outcome in outcomes.items() if outcome == "Answered")

    def _start(self, duty: DesiredCampaign, claimed: Claimed, agent: CampaignAgent) -> None:
        key = (duty.uid, claimed.request_key)
        self._asking[key] = (duty.carrier, agent)
        task = asyncio.create_task(self._call(duty, claimed, agent), name=f"campaign {duty.name}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._asked, key))

    def _asked(self, key: tuple[str, str], task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._asking.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The claim stays: a later round finds out whether there is a call.
            if isinstance(error, StoreError):
                log.warning("a campaign's call was not placed", uid=key[0], error=str(error))
            else:
                log_unexpected("a campaign's call was not placed", error, uid=key[0])
        self._changed()

    async def _call(self, duty: DesiredCampaign, claimed: Claimed, agent: CampaignAgent) -> None:
        """Have one claim's call placed, if all that allowed the claim is still so."""
        current, course = self.seen.desired_campaigns.get(duty.uid), self.courses.get(duty.uid)
        carrier = self.seen.carrier(current) if current else None
        allowed = course is not None and current is not None and not self.obstacle(current, self._now())
        if course is None or carrier is None or not allowed or not self.seen.leads():
            await self._end(duty, claimed, "given_back")
            return
        if course.barred.verdict(claimed.number):
            await self._end(duty, claimed, "blocked")
            return
        asked = Asked(
            agent=agent.id,
            callback_number=agent.callback_number,
            destination=claimed.number,
            case_id=claimed.case_id,
            custom=claimed.custom,
            caller_number=None,
            token=duty.token,
            request_key=claimed.request_key,
            campaign=duty.name,
        )
        placed = await self._place(carrier, asked, duty)
        if placed.denied is not None and not placed.denied.passes:
            await self._end(duty, claimed, "blocked")
        elif placed.call is None:
            why = _DENIED.get(placed.denied.reason, "") if placed.denied else ""
            self._hold(duty, why or _NO_ANSWER)
            await self._end(duty, claimed, "given_back")
        elif placed.call.outcome == "NotSent":
            self._hold(duty, _NO_ANSWER)
        elif placed.call.outcome == "Refused":
            # One number, or all of them (a token that is no longer good): then the list is not to be used up on it.
            self._hold(duty, _REFUSES)
        else:
            self._holds.pop(duty.carrier, None)

    async def _place(self, carrier: Tenant | OwnTrunks, asked: Asked, duty: DesiredCampaign) -> Placed:
        if isinstance(carrier, Tenant):
            return await self._calling.make_call(carrier, asked)
        if self._trunks is None:
            return Placed(None, None, Answer("not_sent", _NO_TRUNKS, 0.0), fresh=False)
        return await self._trunks.place(carrier, asked, duty.ingredients.numbering)

    def _hold(self, duty: DesiredCampaign, why: str) -> None:
        if duty.own is not None:
            why = _OF_TRUNKS.get(why, why)
        self._holds[duty.carrier] = TenantBackoff.after(self._holds.get(duty.carrier), why, self._now())

    async def _end(self, duty: DesiredCampaign, claimed: Claimed, ending: Ending) -> None:
        """End a claim that no call was asked for."""
        now = self._now()
        outcome = "Answered" if ending == "answered" else None
        most = duty.spec.attempts.max
        settled = Settled(claimed.seq, claimed.request_key, ending, now, most, None, outcome)  # type: ignore[arg-type]
        await self._store.call(destination_claims.settle, [settled], now=now)
        if (course := self.courses.get(duty.uid)) is not None:
            course.due_by(now)

    def _settled(self, each: UnderWay, now: datetime) -> Settled | None:
        duty = self.seen.desired_campaigns.get(each.campaign_uid)
        most = duty.spec.attempts.max if duty else _MOST_ATTEMPTS
        spacing = timedelta(seconds=duty.spec.attempts.spacing_seconds) if duty else _SPACING
        if each.call is None:
            asking = (each.campaign_uid, each.request_key) in self._asking
            if asking or now < each.claimed_at + self._given_up:
                return None
            return Settled(each.seq, each.request_key, "given_back", now, most)
        if each.call_state != "released":
            return None
        ending: Ending = "missed"
        if each.outcome == "Answered":
            ending = "answered"
        elif each.outcome in {"NotSent", "Cancelled"}:
            ending, spacing = "given_back", timedelta(0)  # the tenant is on hold
        return Settled(each.seq, each.request_key, ending, now + spacing, most, each.call, each.outcome)

    def _note(self, each: UnderWay, settled: Settled) -> None:
        course = self.courses.get(each.campaign_uid)
        if course is None:
            return
        if settled.outcome in RANG:
            course.rang(settled.outcome == "Answered")
        if settled.ending != "answered":
            course.due_by(settled.next_at)


_NO_ANSWER: Final = "the tenant's platform does not answer"
_REFUSES: Final = "the tenant's platform refuses calls: see lastError of the InfinityTenant"
_NO_TRUNKS: Final = "calls over trunks are not placed here"
_OF_TRUNKS: Final = {
    _NO_ANSWER: "Asterisk does not answer, or places no calls for the account of call control",
    _REFUSES: "a number could not be dialled: see `dialplane campaign destinations`",
}
_DENIED: Final = {
    "Exhausted": "no extension of the pool is free",
    "AtMaximum": "the tenant has as many calls as it may have",
    "Disabled": "the InfinityTenant takes no calls",
    "NoTenant": "the pool of the InfinityTenant is not there yet",
}
