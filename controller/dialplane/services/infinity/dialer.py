"""One call from being asked for to what the platform said of it: breaker, lease, request, and what is written down.

Whoever asks twice with the same key asks once: the second is given the same call, and the platform hears nothing. The
same holds for a caller who goes away: before the request goes out, the call is cancelled; from then on it is brought to
its end without them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from dialplane.resources.numbering import identity
from dialplane.services.infinity import caller_number, metrics
from dialplane.services.infinity.breaker import Breaker
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.provider import Answer, Provider
from dialplane.services.infinity.tables.calls import Call, NewCall
from dialplane.services.infinity.tables.leases import Change, Denied
from dialplane.services.infinity.tenant import Tenant
from dialplane.store import StoreError, StoreUnavailable
from dialplane.tasks import Backoff, retry

log = structlog.get_logger(__name__)

RESERVE_MARGIN: Final = 5
"""Seconds that a call may stay `reserved` longer than the request may take."""
SETTLE_SECONDS: Final = 8.0
"""How long a caller waits until the outcome is written down. The desk gives up on a store that is away after 5 s."""
SETTLE_LATER_SECONDS: Final = 600.0
"""How long it is tried without them; the reaper would end the call, but hold its extension until then."""
STOP_WITHIN: Final = 3.0
"""Seconds that answers under way are waited for at the end."""

Known = Callable[[str, str], Awaitable[Call | None]]
"""The call that a token has asked for with a request key."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants."""

    agent: str
    callback_number: str
    """The agent's telephone."""
    destination: str
    """The customer's."""
    case_id: str | None
    custom: dict[str, str]
    caller_number: str | None
    """The number that the customer is to see; None leaves it to the tenant's manifest."""
    token: str
    """The name of the caller's token; `campaign/UID` for a campaign's."""
    request_key: str
    campaign: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of it."""

    call: Call | None
    """None where no extension was leased: `denied` says why, or `answer` why the platform was not to be asked."""
    denied: Denied | None
    answer: Answer | None
    """None where the platform was not asked, by this request."""
    fresh: bool
    """False: that key had this call already."""


async def _nobody(token: str, key: str) -> Call | None:
    del token, key
    return None


@dataclass(slots=True, eq=False)
class _Platform:
    """What is remembered of a tenant's platform."""

    address: str
    breaker: Breaker = field(default_factory=Breaker)
    turn: int = 0
    """Calls that chose a caller number."""


@dataclass(slots=True, eq=False)
class _Attempt:
    """A call that is being placed."""

    placing: "asyncio.Task[Placed]" = field(init=False)
    request: "asyncio.Task[Answer] | None" = None
    callers: int = 0
    """Who waits for it."""
    sent: bool = False
    unwanted: bool = False

    def sending(self) -> None:
        """The request goes out now. Raises CancelledError where it is not to."""
        if self.unwanted:
            raise asyncio.CancelledError
        self.sent = True

    def give_up(self) -> None:
        """Ask nobody, if that can still be."""
        if not self.sent:
            self.unwanted = True
            self.abandon()

    def abandon(self) -> None:
        """Wait for no answer."""
        if self.request is not None:
            self.request.cancel()


class Dialer:
    """Places the calls of one process."""

    def __init__(
        self,
        desk: LeaseDesk,
        provider: Provider,
        *,
        known: Known = _nobody,
        answered: Callable[[Tenant, Answer], None] = lambda *_: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Name those who help.

        Args:
            desk: gives extensions.
            provider: asks the platforms.
            known: looks calls up by their request, where no extension is to be leased for the question.
            answered: hears every answer of a platform, and why it was not asked.
            now: the clock that deadlines go by.
        """
        self._desk = desk
        self._provider = provider
        self._known = known
        self._answered = answered
        self._now = now
        self._platforms: dict[str, _Platform] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._background: set[asyncio.Task[None]] = set()

    def breaker(self, tenant: str) -> Breaker:
        """Whether this process asks the tenant's platform now."""
        platform = self._platforms.get(tenant)
        return platform.breaker if platform else Breaker()

    async def make_call(self, tenant: Tenant, asked: Asked, *, wait_seconds: float = 0) -> Placed:
        """Place a call, once for each token and request key.

        Cancelled, it ends the call if the platform has not been asked yet; else that goes on.

        Args:
            tenant: over whose platform and pool.
            asked: the call.
            wait_seconds: how long to wait for an extension.

        Raises:
            StoreError: nobody knows whether it got an extension; the platform was not asked.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        if verdict := tenant.barred.verdict(asked.destination):
            call = await self._known(asked.token, asked.request_key)
            denied = Denied.barred(verdict)
            return await self._again(call) if call is not None else Placed(None, denied, None, fresh=False)
        if hindrance := self._hindrance(tenant):
            call = await self._known(asked.token, asked.request_key)
            if call is not None:
                return await self._again(call)
            answer = Answer("not_sent", hindrance, 0.0)
            self._answered(tenant, answer)
            return Placed(None, None, answer, fresh=False)
        leased = await self._desk.lease(self._wanted(tenant, asked), wait_seconds=wait_seconds)
        if leased.call is None:
            return Placed(None, leased.denied, None, fresh=False)
        if not leased.fresh:
            return await self._again(leased.call)
        metrics.LEASE_SECONDS.observe(loop.time() - began)
        placed = await self._wait(self._begin(tenant, leased.call))
        metrics.MAKE_CALL_SECONDS.observe(loop.time() - began)
        return placed

    def told(self, call: Call) -> None:
        """A call changed its state: one whose extension is free again is not asked for any more."""
        attempt = self._attempts.get(call.id)
        if attempt is not None and call.state == "released":
            attempt.give_up()

    def forget(self, tenants: Collection[str]) -> None:
        """Forget the platforms of all but these tenants."""
        for gone in self._platforms.keys() - tenants:
            del self._platforms[gone]
            metrics.BREAKER.remove(gone)

    async def close(self) -> None:
        """Come to an end, while the desk still serves: whom nobody has asked for yet is not called."""
        attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.give_up()
        placing = {attempt.placing for attempt in attempts}
        if placing:
            await asyncio.wait(placing, timeout=STOP_WITHIN)
        for attempt in attempts:
            attempt.abandon()
        await asyncio.gather(*placing, return_exceptions=True)
        for later in self._background:
            later.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    # --- callers

    def _begin(self, tenant: Tenant, call: Call) -> _Attempt:
        attempt = self._attempts[call.id] = _Attempt()
        attempt.placing = asyncio.create_task(self._place(tenant, call, attempt), name=f"place {call.id}")
        attempt.placing.add_done_callback(lambda _: self._attempts.pop(call.id))
        return attempt

    async def _again(self, call: Call) -> Placed:
        """It was asked for before: perhaps just now, then the answer is worth waiting for."""
        attempt = self._attempts.get(call.id)
        if attempt is None:
            return Placed(call, None, None, fresh=False)
        return replace(await self._wait(attempt), fresh=False)

    async def _wait(self, attempt: _Attempt) -> Placed:
        attempt.callers += 1
        try:
            await asyncio.wait({attempt.placing})
        finally:
            attempt.callers -= 1
            if not attempt.callers:
                attempt.give_up()
        return attempt.placing.result()

    # --- the platform

    def _platform(self, tenant: Tenant) -> _Platform:
        platform = self._platforms.get(tenant.name)
        if platform is None or platform.address != tenant.spec.api_url:
            turn = platform.turn if platform else 0
            platform = self._platforms[tenant.name] = _Platform(tenant.spec.api_url, turn=turn)
            metrics.BREAKER.labels(tenant.name).set(0)
        return platform

    def _hindrance(self, tenant: Tenant) -> str:
        """Why the platform is not to be asked; empty where it may be."""
        if tenant.token is None:
            reference = tenant.spec.token_secret_ref
            return f"the access token is missing: the Secret {reference.name} has no key {reference.key}"
        breaker = self._platform(tenant).breaker
        now = asyncio.get_running_loop().time()
        if breaker.admits(now):
            return ""
        since = self._now() - timedelta(seconds=now - breaker.failing_since)
        soon = f"in {breaker.wait(now):.0f} s" if breaker.wait(now) else "once the call that tries is answered"
        return (
            f"the platform is down since {since:%H:%M:%S} UTC ({breaker.failures} requests in a row failed): "
            f"nobody was called; it is asked again {soon}"
        )

    async def _place(self, tenant: Tenant, call: Call, attempt: _Attempt) -> Placed:
        answer = await self._ask(tenant, call, attempt)
        if answer is None:
            reason = "its caller went before it was placed"
            change = Change(call.id, "released", rung="no", outcome="Cancelled", reason=reason)
            return Placed(await self._settle(call, change), None, Answer("not_sent", reason, 0.0), fresh=True)
        say = log.info if answer.kind == "accepted" else log.warning
        about = {"tenant": tenant.name, "call": call.id, "extension": call.number}
        say("call", **about, answer=answer.kind, seconds=round(answer.seconds, 3), detail=answer.detail)
        self._answered(tenant, answer)
        return Placed(await self._settle(call, _found(call, answer)), None, answer, fresh=True)

    async def _ask(self, tenant: Tenant, call: Call, attempt: _Attempt) -> Answer | None:
        """What the platform says; None where it was not asked, for nobody waits any more."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if hindrance := self._hindrance(tenant) or self._too_late(tenant, call):
            return Answer("not_sent", hindrance, 0.0)
        if attempt.unwanted:
            return None
        platform = self._platform(tenant)
        platform.breaker, number = platform.breaker.asked()
        asking = self._provider.make_call(tenant, call, sending=attempt.sending)
        attempt.request = asyncio.create_task(asking, name=f"request {call.id}")
        await asyncio.wait({attempt.request})
        if attempt.request.cancelled() or attempt.request.exception() is not None:
            platform.breaker = platform.breaker.given_back(number)
        if attempt.request.cancelled():
            words = "the controller was stopped before the platform answered: the customer may be rung"
            return Answer("lost", words, loop.time() - began) if attempt.sent else None
        if (error := attempt.request.exception()) is not None:
            # Nobody foresaw it: the lease ends all the same. Its words may repeat what was sent.
            log.error("a request failed in an unforeseen way", call=call.id, error=type(error).__name__)
            why, spent = f"the request failed ({type(error).__name__})", loop.time() - began
            if attempt.sent:
                return Answer("lost", f"{why}: the customer may be rung", spent)
            return Answer("not_sent", f"{why}: nobody was called", spent)
        answer = attempt.request.result()
        metrics.PROVIDER_SECONDS.labels(answer.kind).observe(answer.seconds)
        if answer.kind in {"accepted", "refused"}:
            platform.breaker = platform.breaker.answered()
        else:
            platform.breaker = platform.breaker.failed(loop.time(), number)
        metrics.BREAKER.labels(tenant.name).set(platform.breaker.open)
        return answer

    def _too_late(self, tenant: Tenant, call: Call) -> str:
        """A request must end before the reaper takes its call for one that nobody asks for any more."""
        latest = timedelta(seconds=tenant.spec.request_timeout_seconds)
        if call.deadline is not None and self._now() + latest > call.deadline:
            return "the store took too long to lease an extension: nobody was called"
        return ""

    # --- the store

    def _wanted(self, tenant: Tenant, asked: Asked) -> NewCall:
        spec = tenant.spec
        platform = self._platform(tenant)
        shown = asked.caller_number or caller_number.choose(spec, asked.destination, platform.turn)
        platform.turn += 1
        # Without a word when a call is answered, nobody knows one that rings from one that goes on.
        knows = spec.callback is not None and spec.callback.progress
        return NewCall(
            tenant=tenant.name,
            agent=asked.agent,
            callback_number=asked.callback_number,
            destination=asked.destination,
            token=asked.token,
            request_key=asked.request_key,
            case_id=asked.case_id,
            custom=asked.custom,
            caller_number=shown,
            campaign=asked.campaign,
            identity=identity(asked.destination, tenant.numbering),
            reserve_seconds=spec.request_timeout_seconds + RESERVE_MARGIN,
            dial_seconds=spec.call_timeout_seconds + (0 if knows else spec.longest_call_seconds),
            call_seconds=spec.longest_call_seconds,
        )

    async def _settle(self, call: Call, change: Change) -> Call:
        """The call as it is then; as it was, where the store does not answer."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                return await self._desk.change(change) or call
        except (StoreError, TimeoutError) as error:
            log.warning("what became of a call waits for the store", call=call.id, to=change.to, error=str(error))
        later = asyncio.create_task(self._settle_later(change), name=f"settle {call.id}")
        self._background.add(later)
        later.add_done_callback(self._background.discard)
        return call

    async def _settle_later(self, change: Change) -> None:
        with suppress(StoreError):
            await retry(
                partial(self._desk.change, change),
                errors=StoreUnavailable,
                backoff=Backoff(0.5, 10, least=0),
                stop_after=SETTLE_LATER_SECONDS,
            )
            return
        log.error("what became of a call was not written down", call=change.call, to=change.to)


def _found(call: Call, answer: Answer) -> Change:
    match answer.kind:
        case "accepted":
            return Change(call.id, "dialing", rung="maybe")
        case "lost":
            return Change(call.id, "dialing", answer_lost=True, rung="maybe", reason=answer.detail)
        case "refused":
            return Change(call.id, "released", rung="no", outcome="Refused", reason=answer.detail)
        case _:
            return Change(call.id, "released", rung="no", outcome="NotSent", reason=answer.detail)
