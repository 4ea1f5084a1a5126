"""InfinityTenant: outbound calls of one customer of the Infinity platform, on extensions of a pool."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.do_not_call import DoNotCall
from dialplane.resources.fields import DISTINCT, CallerNumber, HttpUrl, Networks, SecretKeyRef
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind, condition_column
from dialplane.resources.numbering import Numbering
from dialplane.resources.pool_numbers import PoolNumbers
from dialplane.resources.rule import Rule
from dialplane.resources.status import Status
from dialplane.resources.text import Text

PlatformId = Annotated[
    str,
    Text("an id: up to 64 letters, digits and . _ -, in quotes", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", 64),
]
"""The platform's name for something."""

Strategy = Literal["LeastRecentlyUsed", "RoundRobin", "AgentAffinity"]
CallerNumberStrategy = Literal["RoundRobin", "StickyPerCustomer", "Default"]


class ExtensionPool(Part):
    """The platform's extensions that calls of this tenant go over."""

    numbers: Annotated[tuple[PoolNumbers, ...], Field(min_length=1, max_length=256), DISTINCT]
    """Extension numbers and ranges of them, such as `"8001-8050"`, quoted; 10,000 in all at most. No other tenant of
    the site may have one of them. One that is removed takes no new call, and goes when its call has ended."""
    strategy: Strategy = "LeastRecentlyUsed"
    """Which of the free ones is taken: the one whose last call began longest ago, the next one in the pool's order, or
    the one that the agent had last (where it is not free: the least recently used)."""


class Callback(Part):
    """How the platform tells of a call's end: `POST /api/v1/infinity/callback/call-record`."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="callback-shared-secret-networks",
            message="SharedSecret needs allowedNetworks: a word that goes over the wire proves too little alone",
            field="allowedNetworks",
            cel="self.authentication != 'SharedSecret' || self.allowedNetworks.size() > 0",
            holds=lambda callback: callback.authentication != "SharedSecret" or bool(callback.allowed_networks),
        ),
    )

    secret_ref: SecretKeyRef
    """The secret that the platform's requests prove to know, 16 characters at least."""
    authentication: Literal["Hmac", "SharedSecret"] = "Hmac"
    """`Hmac`: the headers `X-Timestamp` (seconds since 1970) and `X-Signature` (`sha256=` and the hexadecimal
    HMAC-SHA256 of timestamp, a dot and the body). `SharedSecret`: the header `X-Callback-Secret` holds it."""
    allowed_networks: Networks = ()
    """Where requests may come from; empty: from anywhere."""
    progress: bool = False
    """The platform also tells when a call is answered. Only then does an unanswered call end after
    `callTimeoutSeconds`: without it nobody knows that a call is not going on."""


class InfinityTenantSpec(Spec):
    """Outbound calls of one tenant."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="tenant-default-caller",
            message="callerNumberStrategy Default needs defaultCallerNumber",
            field="defaultCallerNumber",
            cel="self.callerNumberStrategy != 'Default' || has(self.defaultCallerNumber)",
            holds=lambda spec: spec.caller_number_strategy != "Default" or spec.default_caller_number is not None,
        ),
    )

    enabled: bool = True
    """Place calls. `false` takes no new ones; those that are going on end in peace."""
    tenant_id: PlatformId
    """The tenant's id, unique in the site, quoted: `"1"`."""
    supplier_id: PlatformId | None = None
    """The platform's id of the account (`companycode` in its call records). Where it is set, callbacks must show it."""
    api_url: HttpUrl
    """The platform's API, such as `https://voice.example.com/api`. The token goes there: use https outside of a closed
    network."""
    token_secret_ref: SecretKeyRef
    """The access token."""
    app_id: PlatformId | None = None
    """The platform's id of the application that the token belongs to."""
    caller_numbers: Annotated[tuple[CallerNumber, ...], Field(max_length=256), DISTINCT] = ()
    """Numbers that customers may see."""
    caller_number_strategy: CallerNumberStrategy = "RoundRobin"
    """Which of `callerNumbers` a customer sees: the next one, always the same one, or `defaultCallerNumber`."""
    default_caller_number: CallerNumber | None = None
    """The number that customers see where `callerNumbers` is empty; without it the platform chooses."""
    max_concurrent_calls: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Calls at a time, over all replicas."""
    call_timeout_seconds: Annotated[int, Field(ge=10, le=300)] = 60
    """How long a call may ring."""
    request_timeout_seconds: Annotated[int, Field(ge=1, le=30)] = 10
    """How long the platform may take to answer a request."""
    max_call_seconds: Annotated[int, Field(ge=60, le=86_400)] | None = None
    """How long a call may last: where nobody tells of its end, its extension is free again then. By default 7200 with
    `callback`, and 600 without: then nobody ever tells of an end, and an unanswered call holds extension and agent."""
    extension_pool: ExtensionPool
    """The extensions."""
    do_not_call: DoNotCall = DoNotCall()
    """Whom no call of this tenant goes to, whoever asks for it: campaigns, the API, the command line."""
    numbering: Numbering | None = None
    """How numbers without a country are written in this tenant's lists and requests. By default as the Asterisk's
    `numbering` says."""
    callback: Callback | None = None
    """How the platform tells of a call's end. Without it, calls end after their longest time."""

    @property
    def longest_call_seconds(self) -> int:
        """How long a call may last, in seconds: `maxCallSeconds` with its default, which depends on `callback`."""
        return self.max_call_seconds or (7200 if self.callback else 600)


class PoolStatus(Part):
    """Extensions, by what they do now."""

    total: Annotated[int, Field(ge=0)] = 0
    """All of them."""
    available: Annotated[int, Field(ge=0)] = 0
    """Free for a call."""
    in_use: Annotated[int, Field(ge=0)] = 0
    """In a call, those of `draining` not counted."""
    offline: Annotated[int, Field(ge=0)] = 0
    """Taken out of service by somebody, and free."""
    draining: Annotated[int, Field(ge=0)] = 0
    """No longer in the manifest, and still in a call."""


class InfinityTenantStatus(Status):
    """What the pool and the platform do."""

    pool: PoolStatus | None = None
    """The extensions."""
    active_calls: Annotated[int, Field(ge=0)] | None = None
    """Calls that hold an extension."""
    last_error: Annotated[str, Field(max_length=512)] | None = None
    """Why the platform refused or failed last; empty again once it took a call."""


KIND: Final = Kind(
    name="InfinityTenant",
    plural="infinitytenants",
    singular="infinitytenant",
    short_names=("itenant",),
    spec=InfinityTenantSpec,
    status=InfinityTenantStatus,
    columns=(
        Column("Tenant", ".spec.tenantId"),
        Column("Calls", ".status.activeCalls", "integer"),
        Column("Available", ".status.pool.available", "integer"),
        Column("In-Use", ".status.pool.inUse", "integer"),
        Column("Total", ".status.pool.total", "integer"),
        Column("Draining", ".status.pool.draining", "integer", wide=True),
        Column("Offline", ".status.pool.offline", "integer", wide=True),
        condition_column("Reachable", "Reachable"),
        READY,
        AGE,
        Column("Error", ".status.lastError", wide=True),
        *WHY,
    ),
    description="Outbound calls over the Infinity platform, each on an extension that is leased from a pool.",
    service="infinity",
    watched=True,
)
