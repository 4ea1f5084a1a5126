"""SmsMessage: one text message to send."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.event_type import EventType, Severity
from dialplane.resources.fields import CallerNumber, ObjectName, Timestamp
from dialplane.resources.kind import AGE, WHY, Column, Kind
from dialplane.resources.rule import Rule, exactly_one
from dialplane.resources.status import Status
from dialplane.resources.text import Text

SmsText = Annotated[str, Text("a text of 1 to 2,000 characters, without NUL", "^[^\\x00]+$", 2000)]
"""What is sent, in any language; what is longer than one message is sent as several."""

Phase = Literal["Queued", "Sent", "Delivered", "Failed", "Expired", "Unknown"]


class SmsMessageSpec(Spec):
    """One text message; it never changes."""

    model_config = ConfigDict(defer_build=False)  # the API takes it as a body, and FastAPI looks into it

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("sms-one-way", "dongle", "dongleGroup"),)

    @classmethod
    def over_time(cls) -> tuple[dict[str, str], ...]:
        """It is sent once, and as it was."""
        return ({"rule": "self == oldSelf", "message": "a message never changes: create another"},)

    dongle: ObjectName | None = None
    """The Dongle to send it by."""
    dongle_group: ObjectName | None = None
    """The group of Dongles to send it by: the first that takes it. Once one may have taken it, no other is tried."""
    to: CallerNumber
    """The number to send it to, such as `"+15550100"`."""
    text: SmsText
    """What to say."""
    validity_minutes: Annotated[int, Field(ge=5, le=10_080)] = 1440
    """How long it is worth delivering, in minutes; afterwards it is `Expired`."""
    delivery_report: bool = True
    """Ask the network to say when it has arrived."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] = 604_800
    """How long the resource is kept once it is over, in seconds."""


class SmsParts(Part):
    """A long text goes out in several messages."""

    total: Annotated[int, Field(ge=1)]
    """How many there are."""
    sent: Annotated[int, Field(ge=0)] = 0
    """How many the network has taken."""
    delivered: Annotated[int, Field(ge=0)] = 0
    """How many have arrived."""


class SmsMessageStatus(Status):
    """What became of the message."""

    phase: Phase | None = None
    """`Queued` until the network has taken it (`Sent`) and reports that it arrived (`Delivered`); `Failed` where it was
    refused, `Expired` where it was too late; `Unknown` where the answer was lost: it is never sent twice."""
    attempts: Annotated[int, Field(ge=0)] | None = None
    """How many Dongles were asked to take it."""
    dongle: Annotated[str, Field(max_length=63)] | None = None
    """The Dongle that took it."""
    parts: SmsParts | None = None
    """Of a text that is longer than one message."""
    sent_at: Timestamp | None = None
    """When the network took it."""
    delivered_at: Timestamp | None = None
    """When it arrived, by the network's report."""
    finished_at: Timestamp | None = None
    """When it was over."""
    error: Annotated[str, Field(max_length=512)] | None = None
    """What went wrong."""


def _begun(status: Mapping[str, Any]) -> bool:
    """Return whether a Dongle may have it: one that is queued and has none was not sent."""
    return status.get("phase") != "Queued" or bool(status.get("dongle"))


KIND: Final = Kind(
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
        AGE,
        Column("Error", ".status.error", wide=True),
        *WHY,
    ),
    description="A text message to send, once. Not for Git: a sync tool would send an old one again.",
    service="sms",
    events=(EventType(name="sms.failed", title="SMS to {to} failed", severity=Severity.WARNING, folded=False),),
    begun=_begun,
    expires=True,
)
