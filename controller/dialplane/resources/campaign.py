"""Campaign: a list of people to call, one after the other, over a tenant's pool."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.config_map_ref import ConfigMapKeyRef
from dialplane.resources.do_not_call import DoNotCall
from dialplane.resources.fields import DISTINCT, CallerNumber, HolidayDate, ObjectName, Timestamp, TimeZone
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


class CampaignAgent(Part):
    """Somebody who takes calls of the campaign, one at a time."""

    id: AgentId
    """The agent's id."""
    callback_number: CallerNumber
    """The telephone that is rung first."""


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
    """Calls of this campaign at a time; never more than there are agents."""
    calls_per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    """Calls begun in a minute at most."""
    pool_percent: Annotated[int, Field(ge=1, le=100)] = 80
    """How much of what the pool can do is the campaign's: the rest stays free for calls that people ask for."""
    min_answer_percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Where fewer of the last 20 calls were answered, it goes on with one call at a time: carriers block numbers that
    nobody answers."""


class CampaignSpec(Spec):
    """A list of people to call."""

    tenant: ObjectName
    """The InfinityTenant whose pool it calls over."""
    paused: bool = False
    """Begin no call; those that are going on end in peace."""
    agents: Annotated[tuple[CampaignAgent, ...], Field(min_length=1, max_length=256)]
    """Who takes the calls."""
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
    description="A list of people to call over a tenant's pool, within calling windows, each a few times at most.",
    service="infinity",
    watched=True,
    begun=_begun,
)
