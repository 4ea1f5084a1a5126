"""Calls over the site's own trunks: placed over AMI, and followed to their end.

A call's id is the id of its channel, and its row is written before anybody is called. So whatever happens to this
process, to Asterisk or to the connection between them, the next look at the channels tells how far each call is. Where
nobody saw a call being answered, the bot's own record of it counts.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Up
from dialplane.asterisk.errors import ActionRefused, AsteriskError
from dialplane.asterisk.message import Event
from dialplane.asterisk.outgoing_call import OutgoingCall, channels, place
from dialplane.plan.dialplan.contexts import VOICE_BOTS
from dialplane.resources.numbering import Numbering, identity
from dialplane.services.infinity.campaign.own_trunks import CONTEXT, OwnTrunks
from dialplane.services.infinity.dialer import Asked, Placed
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.provider import Answer
from dialplane.services.infinity.tables import trunk_calls
from dialplane.services.infinity.tables.calls import Call, NewCall
from dialplane.services.infinity.tables.leases import Change
from dialplane.store import Store, StoreError
from dialplane.tasks import Follower

log = structlog.get_logger(__name__)

RESERVE_SECONDS: Final = 20
"""How long a call may wait until Asterisk has taken it."""
DIAL_MARGIN: Final = 15
"""Seconds that a call may ring longer than it is to: then nobody has seen its end."""
LOOK_SECONDS: Final = 5.0
"""Between two looks at the channels, while any call goes on."""
YOUNG: Final = timedelta(seconds=5)
"""A call that Asterisk has taken may have no channel yet."""
_AWAY: Final = "Asterisk does not answer"


class TrunkDialer:
    """Places the calls of one process; follows those of the site while this process leads."""

    def __init__(
        self,
        store: Store,
        site: str,
        desk: LeaseDesk,
        *,
        leads: Callable[[], bool],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Name the site; `desk` writes what becomes of calls."""
        self._store = store
        self._site = site
        self._desk = desk
        self._leads = leads
        self._now = now
        self._addresses: Follower[AmiAddress] = Follower(self._serve_at)
        self._placed = asyncio.Event()
        self._link: AsteriskLink | None = None
        self._answered: set[str] = set()

    def want(self, address: AmiAddress | None) -> None:
        """Place calls there from now on, with the account of call control; None: nowhere."""
        self._addresses.want(address)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._addresses.run()

    async def place(self, own: OwnTrunks, asked: Asked, numbering: Numbering | None) -> Placed:
        """Place a call, once for each token and request key.

        Raises:
            StoreError: nobody knows whether there is a call; none was placed.
        """
        ami = self._ami()
        if ami is None:
            return Placed(None, None, Answer("not_sent", _AWAY, 0.0), fresh=False)
        new = _new(own, asked, identity(asked.destination, numbering))
        begun = await self._store.call(trunk_calls.begin, self._site, new, now=self._now())
        if begun.call is None or not begun.fresh:
            return Placed(begun.call, begun.denied, None, fresh=False)
        call = begun.call
        if hindrance := own.dialling.hindrance(call.destination):
            change = Change(call.id, "released", rung="no", outcome="Refused", reason=hindrance)
        else:
            change = await self._call(ami, own, call)
        self._placed.set()
        after = await self._desk.change(change) or call
        kind = "refused" if change.outcome == "Refused" else "not_sent" if change.to == "released" else "accepted"
        log.info("call", campaign=call.campaign, call=call.id, answer=kind, detail=change.reason or "")
        return Placed(after, None, Answer(kind, change.reason or "", 0.0), fresh=True)  # type: ignore[arg-type]

    async def _call(self, ami: Ami, own: OwnTrunks, call: Call) -> Change:
        """Have Asterisk place a call; return how far it is then."""
        variables = {"DIALPLANE_CAMPAIGN": call.campaign or "", "DIALPLANE_DESTINATION": call.destination}
        if own.caller_id is not None:
            variables["DIALPLANE_CALLER_ID"] = own.caller_id
        try:
            await place(
                ami,
                OutgoingCall(
                    id=call.id,
                    number=call.destination,
                    context=CONTEXT,
                    to=(VOICE_BOTS, own.bot),
                    ring_seconds=own.ring_seconds,
                    variables=variables,
                ),
            )
        except ActionRefused as error:
            return Change(call.id, "released", rung="no", outcome="NotSent", reason=f"nobody was called: {error}")
        except AsteriskError as error:
            return Change(call.id, "dialing", answer_lost=True, rung="maybe", reason=str(error))
        return Change(call.id, "dialing", rung="maybe")

    def _ami(self) -> Ami | None:
        state = self._link.state if self._link is not None else None
        return state.ami if isinstance(state, Up) else None

    # --- how calls go on

    async def _serve_at(self, address: AmiAddress) -> None:
        async with AsteriskLink(address, events="call", wait_for_boot=False) as link:
            self._link = link
            try:
                while True:
                    ami = await link.up()
                    try:
                        await self._follow(ami)
                    except (AsteriskError, StoreError) as error:
                        log.info("stopped following calls", reason=str(error))
                    await asyncio.sleep(1)
            finally:
                self._link = None

    async def _follow(self, ami: Ami) -> None:
        """Follow calls for as long as the connection lasts."""
        with ami.events("OriginateResponse", "Hangup") as events:
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(self._look_often(ami))
                while batch := await events.batch():
                    for each in batch:
                        if isinstance(each, Event) and self._leads():
                            await self._happened(each)
                looking.cancel()

    async def _happened(self, event: Event) -> None:
        own = event.get("ActionID") if event.name == "OriginateResponse" else event.get("Uniqueid")
        if own is None or not own.startswith("call-"):
            return
        if event.name == "Hangup":
            await self._ended(own, f"hangup cause {event.get('Cause', '')}")
        elif event.get("Response") == "Success":
            self._answered.add(own)
            await self._desk.change(Change(own, "active", rung="yes"))
        else:
            await self._ended(own, f"not answered, reason {event.get('Reason', '')} of Originate")

    async def _ended(self, call: str, reason: str) -> None:
        answered = call in self._answered
        self._answered.discard(call)
        outcome = "Answered" if answered else "NotAnswered"
        change = Change(call, "released", outcome=outcome, reason=None if answered else reason)  # type: ignore[arg-type]
        await self._desk.change(change)

    async def _look_often(self, ami: Ami) -> None:
        while True:
            self._placed.clear()
            goes_on = self._leads() and await self.look(ami)
            if not goes_on:
                await self._placed.wait()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, ami: Ami) -> bool:
        """Compare the site's calls with the channels that there are; return whether any goes on.

        Raises:
            AsteriskError, StoreError: not now.
        """
        live = await self._store.call(trunk_calls.live, self._site)
        if not live:
            self._answered.clear()
            return False
        there = await channels(ami)
        for call in live:
            if there.get(call.id):
                self._answered.add(call.id)
                if call.state != "active":
                    await self._desk.change(Change(call.id, "active", rung="yes"))
            elif call.id not in there and self._had_a_channel(call):
                if call.state == "active" or await self._spoken_with(call):
                    self._answered.add(call.id)
                await self._ended(call.id, "its channel is gone")
        return True

    def _had_a_channel(self, call: Call) -> bool:
        """Return whether a call that has no channel had one: one that is about to be placed has none yet."""
        if call.state == "dialing":
            return call.dialing_at is not None and self._now() - call.dialing_at > YOUNG
        return call.state == "active"

    async def _spoken_with(self, call: Call) -> bool:
        """Return whether a bot noted that it spoke in this call."""
        found = await self._store.call(
            trunk_calls.bot_answers, self._site, call.campaign or "", [call.destination], since=call.reserved_at
        )
        return call.destination in found


def _new(own: OwnTrunks, asked: Asked, identity_: str) -> NewCall:
    return NewCall(
        tenant=trunk_calls.NO_TENANT,
        agent=asked.agent,
        callback_number="",
        destination=asked.destination,
        token=asked.token,
        request_key=asked.request_key,
        case_id=asked.case_id,
        custom=asked.custom,
        caller_number=own.caller_id,
        campaign=asked.campaign,
        identity=identity_,
        reserve_seconds=RESERVE_SECONDS,
        dial_seconds=own.ring_seconds + DIAL_MARGIN,
        call_seconds=own.call_seconds,
    )
