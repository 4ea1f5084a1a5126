"""Campaign: a list of people to call, one after the other, over a tenant's pool or the site's own trunks."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.config_map_ref import ConfigMapKeyRef
from dialplane.resources.do_not_call import DoNotCall
from dialplane.resources.fields import (
    DISTINCT,
    CallerNumber,
    HolidayDate,
    ObjectName,
    Permission,
    Timestamp,
    TimeZone,
)
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind
from dialplane.resources.rule import Rule, exactly_one
from dialplane.resources.schedule import OpenHours
from dialplane.resources.status import Status
from dialplane.resources.text import Text

AgentId = Annotated[
    str, Text("an agent's id: up to 64 letters, digits and . _ @ -", r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", 64)
]
"""Who speaks with the customer, by the caller's own name for them."""

CaseId = Annotated[
    str, Text("a case id: up to 64 letters, digits and . _ : -", r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", 64)
]
"""What a call is about, by the caller's own name for it."""

Phase = Literal["Waiting", "Running", "Paused", "Completed"]


DIALS: Final[tuple[Permission, ...]] = ("local", "national")
"""What a campaign may dial over the site's own trunks, by default."""
RINGS: Final = 30
"""Seconds that such a call rings, by default."""


class CampaignAgent(Part):
    """Somebody who takes calls of the campaign, one at a time."""

    id: AgentId
    """The agent's id."""
    callback_number: CallerNumber
    """The telephone that is rung first."""


class CampaignBot(Part):
    """A bot that speaks with those who are called."""

    name: ObjectName
    """The VoiceBot."""
    callback_number: CallerNumber | None = None
    """With a tenant: the number whose calls lead to the bot, which the platform rings first, such as `"+49301234567"`.
    It is the `did` of an inbound route to the bot."""
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1, max_length=4), DISTINCT] | None = None
    """Without a tenant: what it may dial, as an extension's `permissions`. By default `local` and `national`."""
    caller_id: CallerNumber | None = None
    """Without a tenant: the number that those who are called see. By default the trunk's."""
    ring_seconds: Annotated[int, Field(ge=5, le=120)] | None = None
    """Without a tenant: how long it rings. By default 30."""


class Destination(Part):
    """Somebody to call."""

    number: CallerNumber
    """The number."""
    case_id: CaseId | None = None
    """What the call is about."""


class Destinations(Part):
    """Whom to call. Somebody who is listed twice is called once; who is added is called, who is removed is not."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("campaign-destinations", "inline", "configMapRef", "upload"),)

    inline: Annotated[tuple[Destination, ...], Field(min_length=1, max_length=256)] | None = None
    """Written here."""
    config_map_ref: ConfigMapKeyRef | None = None
    """In a ConfigMap, as CSV whose first line names the columns: `number`, and perhaps `caseId`; further ones are kept
    with the call."""
    upload: Literal[True] | None = None
    """Given by `dialplane campaign upload`, as the same CSV."""


class Attempts(Part):
    """How often somebody is called who does not answer."""

    max: Annotated[int, Field(ge=1, le=10)] = 3
    """How often at most."""
    spacing_seconds: Annotated[int, Field(ge=0, le=2_592_000)] = 3600
    """How long to wait before the next time."""


class Pacing(Part):
    """How fast it calls."""

    max_concurrent_calls: Annotated[int, Field(ge=1, le=1000)] = 10
    """Calls of this campaign at a time; never more than there are agents, or than its bot takes."""
    calls_per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    """Calls begun in a minute at most."""
    pool_percent: Annotated[int, Field(ge=1, le=100)] = 80
    """How much of what the pool can do is the campaign's: the rest stays free for calls that people ask for."""
    min_answer_percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Where fewer of the last 20 calls were answered, it goes on with one call at a time: carriers block numbers that
    nobody answers."""


def _fits(spec: "CampaignSpec") -> bool:
    bot = spec.voice_bot
    if bot is None:
        return spec.tenant is not None
    if spec.tenant is None:
        return bot.callback_number is None
    return bot.callback_number is not None and not (bot.permissions or bot.caller_id or bot.ring_seconds)


class CampaignSpec(Spec):
    """A list of people to call."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("campaign-who-speaks", "agents", "voiceBot"),
        Rule(
            id="campaign-over-what",
            message="agents need a tenant; with one, voiceBot has name and callbackNumber alone, and else no "
            "callbackNumber",
            field="tenant",
            cel="!has(self.voiceBot) ? has(self.tenant) : !has(self.tenant) ? !has(self.voiceBot.callbackNumber) : "
            "has(self.voiceBot.callbackNumber) && !has(self.voiceBot.permissions) && !has(self.voiceBot.callerId) && "
            "!has(self.voiceBot.ringSeconds)",
            holds=_fits,
        ),
    )

    tenant: ObjectName | None = None
    """The InfinityTenant whose pool it calls over. Without one a bot calls over the site's own trunks, and numbers are
    listed as a telephone of the site dials them."""
    paused: bool = False
    """Begin no call; those that are going on end in peace."""
    agents: Annotated[tuple[CampaignAgent, ...], Field(min_length=1, max_length=256)] | None = None
    """Who takes the calls: these people."""
    voice_bot: CampaignBot | None = None
    """Who takes the calls: a bot, several at a time."""
    destinations: Destinations
    """Whom to call: exactly one of these."""
    time_zone: TimeZone | None = None
    """The time zone of the calling windows, such as `Europe/Berlin`. By default the Asterisk's."""
    calling_windows: Annotated[tuple[OpenHours, ...], Field(max_length=64)] = ()
    """When it may call; empty: at any time."""
    holidays: Annotated[tuple[HolidayDate, ...], Field(max_length=256), DISTINCT] = ()
    """Days on which nobody is called: `"2026-04-03"`, or every year `"12-25"`, quoted."""
    attempts: Attempts = Attempts()
    """How often somebody is called."""
    pacing: Pacing = Pacing()
    """How fast it calls."""
    do_not_call: DoNotCall = DoNotCall()
    """Whom this campaign never calls. Whom nobody calls is in the InfinityTenant and in `dialplane do-not-call`."""

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """What it may dial over the site's own trunks."""
        own = self.voice_bot.permissions if self.voice_bot else None
        return own or DIALS

    @property
    def ring_seconds(self) -> int:
        """How long a call over the site's own trunks rings."""
        own = self.voice_bot.ring_seconds if self.voice_bot else None
        return own or RINGS


class CampaignStatus(Status):
    """How far it is."""

    phase: Phase | None = None
    """`Waiting` for the next window, the next attempt or the list, `Running`, `Paused`, or `Completed`."""
    total: Annotated[int, Field(ge=0)] | None = None
    """People on the list."""
    dialed: Annotated[int, Field(ge=0)] | None = None
    """Calls begun, every attempt counted."""
    answered: Annotated[int, Field(ge=0)] | None = None
    """People who were reached."""
    failed: Annotated[int, Field(ge=0)] | None = None
    """People who were not reached in any attempt."""
    skipped: Annotated[int, Field(ge=0)] | None = None
    """People who must not be called."""
    remaining: Annotated[int, Field(ge=0)] | None = None
    """People who are to be called yet, or are being called."""
    active_calls: Annotated[int, Field(ge=0)] | None = None
    """Calls that are going on."""
    answer_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """How many of the last 20 calls were answered, in a hundred."""
    next_call_at: Timestamp | None = None
    """When it goes on, where it waits for a window or an attempt."""
    completed_at: Timestamp | None = None
    """When nobody was left."""


def _begun(status: Mapping[str, Any]) -> bool:
    """Return whether somebody was called."""
    return bool(status.get("dialed") != 0)


KIND: Final = Kind(
    name="Campaign",
    plural="campaigns",
    singular="campaign",
    short_names=("campaign",),
    spec=CampaignSpec,
    status=CampaignStatus,
    columns=(
        Column("Tenant", ".spec.tenant"),
        Column("Bot", ".spec.voiceBot.name", wide=True),
        Column("Phase", ".status.phase"),
        Column("Dialed", ".status.dialed", "integer"),
        Column("Answered", ".status.answered", "integer"),
        Column("Failed", ".status.failed", "integer"),
        Column("Remaining", ".status.remaining", "integer"),
        Column("Calls", ".status.activeCalls", "integer"),
        READY,
        AGE,
        Column("Next", ".status.nextCallAt", wide=True),
        *WHY,
    ),
    description="A list of people to call over a tenant's pool or the site's own trunks, in calling windows, each a "
    "few times at most.",
    service="infinity",
    watched=True,
    begun=_begun,
)
