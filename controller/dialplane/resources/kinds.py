"""The kinds, in one table: whatever works for every kind reads it from here."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from dialplane.resources.asterisk import AsteriskSpec, AsteriskStatus
from dialplane.resources.base import Spec
from dialplane.resources.campaign import CampaignSpec, CampaignStatus
from dialplane.resources.clean import cleaned, foreign
from dialplane.resources.diagnosis import diagnose
from dialplane.resources.dongle import DongleSpec, DongleStatus
from dialplane.resources.extension import ExtensionSpec, ExtensionStatus
from dialplane.resources.infinity_tenant import InfinityTenantSpec, InfinityTenantStatus
from dialplane.resources.notifier import NotifierSpec, NotifierStatus
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schedule import ScheduleSpec, ScheduleStatus
from dialplane.resources.schema import Schema, schema_of
from dialplane.resources.sip_trunk import SipTrunkSpec, SipTrunkStatus
from dialplane.resources.sms_message import SmsMessageSpec, SmsMessageStatus
from dialplane.resources.status import Status


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    """JSONPath below the resource."""
    type: str = "string"
    wide: bool = False
    """Only with `-o wide`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource."""

    name: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    spec: type[Spec]
    status: type[Status]
    columns: tuple[Column, ...]
    description: str
    """One or two sentences for its users."""
    rendered: bool = False
    """Its resources become objects of Asterisk: reading them back makes a resource Ready. Of every other kind the
    service that looks after it says so, and nobody else can."""
    service: str = ""
    """The service that looks after it, by the name of its package; a site with such a resource runs the services."""
    kept: tuple[str, ...] = ()
    """Status fields of a rendered kind that its service found out."""
    watched: bool = False
    """A site has few of these, and people watch their numbers: calls that are going on."""

    @property
    def kept_fields(self) -> tuple[str, ...]:
        """Status fields, by their names in manifests, that stay true while its service starts or its store is away."""
        if self.rendered:
            return self.kept
        own = self.status.model_fields.keys() - Status.model_fields.keys()
        return tuple(f.alias or name for name, f in self.status.model_fields.items() if name in own)

    @property
    def spec_schema(self) -> Schema:
        """The structural schema of its spec; shared, so copy before changing it."""
        return schema_of(self.spec)

    @property
    def status_schema(self) -> Schema:
        """The structural schema of its status; shared, so copy before changing it."""
        return schema_of(self.status, defaults=False)

    @property
    def needs_spec(self) -> bool:
        """Whether a manifest without `spec` is an error."""
        try:
            self.spec()
        except ValidationError:
            return True
        return False

    def parse_spec(self, raw: Any) -> tuple[Spec | None, tuple[Problem, ...]]:
        """Judge a spec as either front door read it, and fill in the defaults.

        Args:
            raw: the value of `spec`: any JSON value; what only YAML knows (dates, say) becomes a problem.

        Returns:
            The spec and no problems, or None and one problem per error. Never raises.
        """
        if raw is None and self.needs_spec:
            return None, (Problem(Reason.INVALID, "is required", "spec"),)
        raw = {} if raw is None else raw
        if problems := tuple(foreign(raw, "spec")):
            return None, problems
        text = json.dumps(cleaned(raw, self.spec_schema))
        try:
            # JSON mode: strict about types, yet lists fill tuples. By alias alone: display_name is no manifest field.
            return self.spec.model_validate_json(text, by_alias=True, by_name=False), ()
        except ValidationError as error:
            return None, diagnose(error, self.spec_schema, "spec")


def _condition(name: str, kind: str) -> Column:
    return Column(name, f'.status.conditions[?(@.type=="{kind}")].status')


_READY: Final = _condition("Ready", "Ready")
_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
_WHY: Final = (
    Column("Reason", ".status.reason", wide=True),
    Column("Message", ".status.message", wide=True),
)

_ALL: Final[Iterable[Kind]] = (
    Kind(
        name="Asterisk",
        plural="asterisks",
        singular="asterisk",
        short_names=("pbx",),
        spec=AsteriskSpec,
        status=AsteriskStatus,
        columns=(
            Column("State", ".status.state"),
            Column("Version", ".status.version"),
            Column("Channels", ".status.activeChannels", "integer"),
            Column("Registrations", ".status.registrations", "integer"),
            _READY,
            _AGE,
            *_WHY,
        ),
        description="The site's PBX: how to reach it, and what holds for the whole site. One per namespace.",
        rendered=True,
    ),
    Kind(
        name="SipTrunk",
        plural="siptrunks",
        singular="siptrunk",
        short_names=("siptrunk",),
        spec=SipTrunkSpec,
        status=SipTrunkStatus,
        columns=(
            Column("Host", ".spec.host"),
            _condition("Registered", "Registered"),
            _condition("Reachable", "Reachable"),
            _READY,
            _AGE,
            *_WHY,
        ),
        description="A line to a carrier or to another PBX, with the routes in and out.",
        rendered=True,
    ),
    Kind(
        name="Extension",
        plural="extensions",
        singular="extension",
        short_names=("exten",),
        spec=ExtensionSpec,
        status=ExtensionStatus,
        columns=(
            Column("Number", ".spec.number"),
            Column("Display", ".spec.displayName"),
            _condition("Registered", "Registered"),
            _READY,
            _AGE,
            *_WHY,
        ),
        description="A phone, a softphone or a browser with a number of its own.",
        rendered=True,
    ),
    Kind(
        name="Schedule",
        plural="schedules",
        singular="schedule",
        short_names=("sched",),
        spec=ScheduleSpec,
        status=ScheduleStatus,
        columns=(_READY, _AGE, *_WHY),
        description="Opening hours that send inbound calls one way or the other.",
        rendered=True,
    ),
    Kind(
        name="Dongle",
        plural="dongles",
        singular="dongle",
        short_names=("dongle",),
        spec=DongleSpec,
        status=DongleStatus,
        columns=(
            Column("State", ".status.state"),
            Column("Provider", ".status.provider"),
            Column("Number", ".status.number", wide=True),
            Column("Signal", ".status.signalDbm", "integer"),
            Column("Queue", ".status.tasksQueued", "integer"),
            Column("Received", ".status.sms.received", "integer"),
            Column("Sent", ".status.sms.sent", "integer"),
            Column("Failed", ".status.sms.failed", "integer"),
            _condition("Online", "Online"),
            _READY,
            _AGE,
            Column("IMEI", ".status.imei", wide=True),
            Column("IMSI", ".status.imsi", wide=True),
            *_WHY,
        ),
        description="A GSM modem: calls and text messages of a SIM card.",
        rendered=True,
        service="sms",
        kept=("sms",),
    ),
    Kind(
        name="SmsMessage",
        plural="smsmessages",
        singular="smsmessage",
        short_names=("sms",),
        spec=SmsMessageSpec,
        status=SmsMessageStatus,
        columns=(
            Column("To", ".spec.to"),
            Column("Phase", ".status.phase"),
            Column("Dongle", ".status.dongle"),
            Column("Attempts", ".status.attempts", "integer"),
            Column("Sent", ".status.sentAt", "date"),
            Column("Delivered", ".status.deliveredAt", "date"),
            _AGE,
            Column("Error", ".status.error", wide=True),
            *_WHY,
        ),
        description="A text message to send, once. Not for Git: a sync tool would send an old one again.",
        service="sms",
    ),
    Kind(
        name="Notifier",
        plural="notifiers",
        singular="notifier",
        short_names=("notifier",),
        spec=NotifierSpec,
        status=NotifierStatus,
        columns=(
            Column("Delivered", ".status.delivered", "integer"),
            Column("Failed", ".status.failed", "integer"),
            Column("Pending", ".status.pending", "integer"),
            Column("Last", ".status.lastDeliveredAt", "date"),
            _READY,
            _AGE,
            Column("Error", ".status.lastError", wide=True),
            *_WHY,
        ),
        description="Where people are told of messages, modems and trunks: e-mail, chat, phone or a webhook.",
        service="notify",
    ),
    Kind(
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
            _condition("Reachable", "Reachable"),
            _READY,
            _AGE,
            Column("Error", ".status.lastError", wide=True),
            *_WHY,
        ),
        description="Outbound calls over the Infinity platform, each on an extension that is leased from a pool.",
        service="infinity",
        watched=True,
    ),
    Kind(
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
            _READY,
            _AGE,
            Column("Next", ".status.nextCallAt", wide=True),
            *_WHY,
        ),
        description="A list of people to call over a tenant's pool, within calling windows, each a few times at most.",
        service="infinity",
        watched=True,
    ),
)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})
"""Every kind by its name."""


def is_rendered(kind: str) -> bool:
    """Whether Asterisk can be asked for resources of the kind of that name; False of one that is not in the table."""
    return kind in KINDS and KINDS[kind].rendered


def find_kind(word: str) -> Kind | None:
    """The kind that a person means by its name, plural, singular or short name, in any case."""
    wanted = word.lower().removesuffix(".dialplane.io")
    return next(
        (k for k in KINDS.values() if wanted in (k.name.lower(), k.plural, k.singular, *k.short_names)),
        None,
    )
