"""What `/infinity` is told and says: the names of its fields are those that callers of the platform's world know."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dialplane.resources.campaign import AgentId, CaseId, Phase
from dialplane.resources.fields import CallerNumber, ObjectName
from dialplane.services.infinity.api.limits import WAIT_SECONDS
from dialplane.services.infinity.campaign.progress import Progress
from dialplane.services.infinity.tables import calls, destinations, do_not_call, pools
from dialplane.services.infinity.tenant import Tenant

ParamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
ParamText = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Said(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)


class MakeCall(BaseModel):
    """A call to place."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tenant": "acme",
                    "agent_id": "ada",
                    "callback_number": "+15550101",
                    "customer_number": "+15550111",
                    "case_id": "case-4711",
                    "custom_params": {"campaign": "spring"},
                    "wait_seconds": 5,
                }
            ]
        },
    )

    tenant: ObjectName
    """The InfinityTenant over whose pool the call goes."""
    agent_id: AgentId
    """Who speaks with the customer."""
    callback_number: CallerNumber
    """The agent's telephone, which is rung first."""
    customer_number: CallerNumber
    """Whom to call."""
    case_id: CaseId | None = None
    """What the call is about."""
    custom_params: Annotated[dict[ParamName, ParamText], Field(max_length=20)] = {}
    """Words of your own, kept with the call."""
    caller_number: CallerNumber | None = None
    """The number that the customer sees: one of the tenant's. By default the tenant's strategy chooses."""
    wait_seconds: Annotated[float, Field(ge=0, le=WAIT_SECONDS, allow_inf_nan=False)] = 0
    """How long to wait for an extension where none is free; whoever asked first is first served."""


class Call(_Said):
    """A call, with the extension that it holds."""

    id: str
    """`call-…`; the platform knows it as `memberid`."""
    tenant: str
    """The InfinityTenant."""
    state: calls.CallState
    """`reserved`: the platform is being asked; `dialing`: it took the call, or may have; `active`: somebody answered;
    `released`: over, the extension is free."""
    extension_number: Annotated[str, Field(validation_alias="number")]
    """The extension that it holds, or held."""
    agent_id: Annotated[str, Field(validation_alias="agent")]
    """Who speaks with the customer."""
    callback_number: str
    """The agent's telephone."""
    customer_number: Annotated[str, Field(validation_alias="destination")]
    """Who is called."""
    caller_number: str | None
    """The number that the customer sees; null where the platform chooses."""
    case_id: str | None
    """What it is about."""
    custom_params: Annotated[dict[str, str], Field(validation_alias="custom")]
    """Words of the one who asked for it."""
    campaign: str | None
    """The Campaign that placed it."""
    answer_lost: bool
    """The platform was asked, and nobody knows what it said: the customer may be rung."""
    customer_rung: Annotated[calls.Rung, Field(validation_alias="rung")]
    """Whether the customer's telephone rang."""
    outcome: calls.Outcome | None
    """How it ended; null while it goes on. `TimedOut`: nobody told."""
    reason: str | None
    """Why it ended so, in words."""
    reserved_at: datetime
    """When it was given its extension."""
    dialing_at: datetime | None
    """When the platform took it."""
    answered_at: datetime | None
    """When somebody answered."""
    released_at: datetime | None
    """When it was over."""
    deadline: datetime | None
    """When its state ends by itself, where nobody tells of another one."""
    ring_seconds: int | None
    """How long it rang, by the platform's record."""
    talk_seconds: int | None
    """How long they spoke."""
    hangup_cause: int | None
    """Why it ended, as a Q.850 cause."""
    recording: str | None
    """Where the platform keeps the recording."""
    provider_uuid: str | None
    """The platform's own name for it."""


class CallPage(_Said):
    """Calls, the newest first."""

    items: list[Call]
    """The calls."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class Released(_Said):
    """Calls that were ended by hand."""

    items: list[Call]
    """The calls."""


class CallbackTaken(_Said):
    """What became of a callback."""

    result: Literal["recorded", "known", "kept aside"]
    """`recorded`: written to its call; `known`: nothing new; `kept aside`: it belongs to no call, and changed none."""
    detail: str
    """The same in words."""


class Aside(_Said):
    """A callback that belongs to no call."""

    tenant: str
    """The InfinityTenant whose secret it proved."""
    received_at: datetime
    """When it came."""
    reason: str
    """Why it belongs to no call."""
    body: dict[str, Any]
    """All that it said."""


class AsidePage(_Said):
    """Callbacks that belong to no call, the newest first."""

    items: list[Aside]
    """The callbacks."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class CallbackConfig(_Said):
    """How the platform tells of calls."""

    authentication: Literal["Hmac", "SharedSecret"]
    """What its requests prove to know the secret by."""
    allowed_networks: list[str]
    """Where they may come from; empty: from anywhere."""
    progress: bool
    """Whether it also tells when a call is answered."""


class Config(_Said):
    """An InfinityTenant, without its secrets."""

    tenant: str
    """The resource's name."""
    tenant_id: str
    """The platform's id of the tenant."""
    supplier_id: str | None
    """The platform's id of the account."""
    api_url: str
    """The platform's API."""
    app_id: str | None
    """The platform's id of the application."""
    is_active: bool
    """Whether it takes calls: enabled, and without faults."""
    caller_numbers: list[str]
    """Numbers that customers may see."""
    caller_number_strategy: str
    """Which of them a customer sees."""
    default_caller_number: str | None
    """The number where there are no others."""
    max_concurrent_calls: int
    """Calls at a time."""
    call_timeout_seconds: int
    """How long a call may ring."""
    request_timeout_seconds: int
    """How long the platform may take to answer a request."""
    max_call_seconds: int
    """How long a call may last."""
    extensions: list[str]
    """The pool's numbers and ranges."""
    strategy: str
    """Which free extension is taken."""
    callback: CallbackConfig | None
    """How the platform tells of calls; null: not at all."""


class ConfigList(_Said):
    """InfinityTenants by name."""

    items: list[Config]
    """The tenants."""


class Connection(_Said):
    """Whether the platform answers."""

    reachable: bool
    """It answered; whether it takes the token only a call tells."""
    detail: str
    """What it said, or why it could not be asked."""
    milliseconds: float
    """How long that took."""


class Extension(_Said):
    """An extension of a pool."""

    number: str
    """Its number."""
    tenant: str
    """The InfinityTenant whose it is."""
    state: pools.ExtensionState
    """`offline`: somebody took it out of service; `draining`: no longer in the manifest, and still in a call."""
    call: str | None
    """The id of the call that holds it."""
    agent_id: Annotated[str | None, Field(validation_alias="agent")]
    """The agent of that call."""
    since: datetime | None
    """When that call was given it."""
    last_used_at: datetime | None
    """When a call was given it last."""


class ExtensionPage(_Said):
    """Extensions by number."""

    items: list[Extension]
    """The extensions."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class ExtensionState(BaseModel):
    """What an extension is to do."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, extra="forbid", json_schema_extra={"examples": [{"state": "offline"}]}
    )

    state: Literal["available", "offline"]
    """`offline` takes no new call; one that goes on ends in peace."""


class PoolStatistics(_Said):
    """A pool by what its extensions do."""

    tenant: str
    """The InfinityTenant."""
    total: int
    """All of them."""
    available: int
    """Free for a call."""
    in_use: int
    """In a call, those of `draining` not counted."""
    offline: int
    """Taken out of service."""
    draining: int
    """No longer in the manifest, and still in a call."""
    active_calls: int
    """Calls that hold an extension."""
    maximum: int | None
    """How many there may be; null where the manifest is gone."""
    utilization: float
    """The part of the extensions that is in a call, from 0 to 1."""


class StatisticsList(_Said):
    """Pools by tenant."""

    items: list[PoolStatistics]
    """The pools."""


class CampaignProgress(_Said):
    """How far a Campaign is."""

    name: str
    """The resource's name."""
    tenant: str | None
    """The InfinityTenant whose pool it calls over; null: a bot calls over the site's own trunks."""
    phase: Phase
    """`Waiting` for a window, an attempt or its list, `Running`, `Paused` or `Completed`."""
    why: str
    """What it waits for, in a sentence; empty where it does not wait."""
    total: int
    """People on the list: `answered`, `failed`, `skipped` and `remaining` together."""
    dialed: int
    """Calls begun, every attempt counted."""
    answered: int
    """People who were reached."""
    failed: int
    """People who were not reached in any attempt."""
    skipped: int
    """People who must not be called."""
    remaining: int
    """People who are to be called yet, or are being called."""
    active_calls: int
    """Calls that are going on."""
    answer_percent: int | None
    """How many of the last calls were answered, in a hundred."""
    next_call_at: datetime | None
    """When it goes on, where it waits."""
    completed_at: datetime | None
    """When nobody was left."""


class CampaignList(_Said):
    """Campaigns by name."""

    items: list[CampaignProgress]
    """The campaigns."""


class Destination(_Said):
    """Somebody whom a Campaign calls."""

    number: str
    """The number."""
    case_id: str | None
    """What the call is about."""
    custom_params: Annotated[dict[str, str], Field(validation_alias="custom")]
    """Further columns of the list."""
    listed: bool
    """On the list as it is now."""
    state: destinations.DestinationState
    """`skipped`: must not be called, or is no longer on the list."""
    attempts: int
    """How often it was called."""
    next_at: datetime | None
    """When it may be called next."""
    call: str | None
    """The id of the last call that is over."""
    outcome: str | None
    """How that ended; or why it is skipped."""
    finished_at: datetime | None
    """When nothing was left to do."""
    bot_call: str | None = None
    """Where a bot called over the site's own trunks: the id of its last call with them, of `/bots/calls`."""
    bot_outcome: str | None = None
    """How that ended for the bot."""
    collected: dict[str, str] = {}
    """What the dialogue collected in it."""


class DestinationPage(_Said):
    """Destinations in the order of the list."""

    items: list[Destination]
    """The destinations."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class Uploaded(_Said):
    """What a new list changed."""

    total: int
    """People on it."""
    added: int
    """Those who are new."""
    removed: int
    """Those who are no longer on it."""
    repeated: int
    """Lines that name somebody twice: they are called once."""
    skipped: int
    """People on it who must not be called."""


class NewDoNotCall(BaseModel):
    """A number that is not to be called any more."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="forbid",
        json_schema_extra={"examples": [{"number": "+15550111", "reason": "asked on the telephone on 3 April"}]},
    )

    number: Annotated[str, Field(min_length=2, max_length=40)]
    """The number, in whatever way it is written; without a country as the tenant or the site writes numbers."""
    tenant: ObjectName | None = None
    """The InfinityTenant that must not call it; null: nobody at the site may."""
    reason: Reason
    """Why, in a sentence."""


class DoNotCall(_Said):
    """A number that is not called."""

    number: str
    """The number with `+` and its country code."""
    tenant: str | None
    """The InfinityTenant that does not call it; null: nobody does."""
    added_at: datetime
    """When it was added."""
    added_by: str
    """The name of the token that it was added with."""
    reason: str
    """Why."""


class DoNotCallPage(_Said):
    """Numbers that are not called, the newest first."""

    items: list[DoNotCall]
    """The numbers."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class DoNotCallChange(_Said):
    """A change of the list."""

    number: str
    """The number."""
    tenant: str | None
    """The InfinityTenant that the change was for; null: the whole site."""
    change: do_not_call.Change
    """What was done."""
    at: datetime
    """When."""
    by: str
    """The name of the token that it was done with."""
    reason: str
    """Why."""


class DoNotCallChangePage(_Said):
    """Changes of the list, the newest first."""

    items: list[DoNotCallChange]
    """The changes; none is ever altered or deleted."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


def call(found: calls.Call) -> Call:
    """A call as it is kept."""
    return Call.model_validate(found)


def config(tenant: Tenant) -> Config:
    """A tenant, without its secrets."""
    spec = tenant.spec
    told = spec.callback
    return Config(
        tenant=tenant.name,
        tenant_id=spec.tenant_id,
        supplier_id=spec.supplier_id,
        api_url=spec.api_url,
        app_id=spec.app_id,
        is_active=tenant.serves,
        caller_numbers=list(spec.caller_numbers),
        caller_number_strategy=spec.caller_number_strategy,
        default_caller_number=spec.default_caller_number,
        max_concurrent_calls=spec.max_concurrent_calls,
        call_timeout_seconds=spec.call_timeout_seconds,
        request_timeout_seconds=spec.request_timeout_seconds,
        max_call_seconds=spec.longest_call_seconds,
        extensions=list(spec.extension_pool.numbers),
        strategy=spec.extension_pool.strategy,
        callback=None
        if told is None
        else CallbackConfig(
            authentication=told.authentication,
            allowed_networks=[str(network) for network in told.allowed_networks],
            progress=told.progress,
        ),
    )


def statistics(name: str, standing: pools.PoolStanding, maximum: int | None) -> PoolStatistics:
    """A pool as it stands."""
    busy = standing.in_use + standing.draining
    return PoolStatistics(
        tenant=name,
        total=standing.total,
        available=standing.available,
        in_use=standing.in_use,
        offline=standing.offline,
        draining=standing.draining,
        active_calls=standing.active_calls,
        maximum=maximum,
        utilization=round(busy / standing.total, 4) if standing.total else 0.0,
    )


def campaign(found: Progress) -> CampaignProgress:
    """How far a campaign is."""
    return CampaignProgress.model_validate(found)


def barred(found: do_not_call.Entry) -> DoNotCall:
    """A number that is not called."""
    return DoNotCall(
        number=found.number,
        tenant=found.tenant or None,
        added_at=found.at,
        added_by=found.token,
        reason=found.reason,
    )


def barred_change(found: do_not_call.Changed) -> DoNotCallChange:
    """A change of the list."""
    return DoNotCallChange(
        number=found.number,
        tenant=found.tenant or None,
        change=found.change,
        at=found.at,
        by=found.token,
        reason=found.reason,
    )
