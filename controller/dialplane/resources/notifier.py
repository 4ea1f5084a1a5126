"""Notifier: where people are told of what happens."""

from typing import Annotated, Any, Final

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from dialplane.resources.base import Part, Spec
from dialplane.resources.fields import DISTINCT, ObjectName, SecretKeyRef, Timestamp
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind
from dialplane.resources.status import Status
from dialplane.resources.text import Text


class _EventNames:
    """Makes a text one of the names of all event types: those that the kinds have by the time it is first checked."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from dialplane.resources.kinds import event_types  # noqa: PLC0415 -- the kinds import this module

        return core_schema.literal_schema(list(event_types()))


EventName = Annotated[str, _EventNames()]
"""The name of a type of event, such as `sms.received`."""

Sender = Annotated[
    str,
    Text(
        "a sender: up to 32 letters, digits and + . _ -, or a blank within", r"^[A-Za-z0-9+][A-Za-z0-9 +._-]{0,31}$", 32
    ),
]
Template = Annotated[str, Text("a text of up to 4,000 characters, without NUL", "^[^\\x00]+$", 4000)]


class NotifierFilter(Part):
    """What of the events is told; an empty list lets everything through."""

    dongles: Annotated[tuple[ObjectName, ...], Field(max_length=64), DISTINCT] = ()
    """Of Dongles and text messages: only those of these Dongles."""
    trunks: Annotated[tuple[ObjectName, ...], Field(max_length=64), DISTINCT] = ()
    """Of trunks: only these SipTrunks."""
    senders: Annotated[tuple[Sender, ...], Field(max_length=64), DISTINCT] = ()
    """Of text messages received: only those from these numbers or names."""


class NotifierSpec(Spec):
    """Where to tell of events, and of which."""

    enabled: bool = True
    """Tell. `false` tells nothing, and nothing is kept for later."""
    url_secret_ref: SecretKeyRef
    """An Apprise URL, such as `mailto://…`, `tgram://…`, `json://…`, `bark://…`: see Apprise's list of services."""
    events: Annotated[tuple[EventName, ...], Field(max_length=16), DISTINCT] = ()
    """What to tell of. A Dongle's `sms.forwardTo` adds its messages."""
    filter: NotifierFilter = NotifierFilter()
    """Which of them, those of `sms.forwardTo` included."""
    title: Template | None = None
    """The title, a Jinja template as below; by default one sentence about the event."""
    template: Template | None = None
    """The text, a Jinja template without loops, calls and assignments. It knows `event`, `subject`, `kind`, `name`,
    `at`, `id`, `count`, `site`, and, where the event brings them, `sender`, `to`, `text`, `dongle`, `reason`, `message`
    and `truncated`; what it does not bring is empty."""
    fold_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    """The same event of the same resource is told once in so many seconds, with how often it happened; messages
    are never folded. 0: told each time."""


class NotifierStatus(Status):
    """How telling goes."""

    delivered: Annotated[int, Field(ge=0)] | None = None
    """Notifications that the service took."""
    failed: Annotated[int, Field(ge=0)] | None = None
    """Notifications that were given up: `dialplane notifications list` shows them."""
    pending: Annotated[int, Field(ge=0)] | None = None
    """Notifications that wait, or are tried again."""
    last_delivered_at: Timestamp | None = None
    """When the service last took one."""
    last_error: Annotated[str, Field(max_length=512)] | None = None
    """Why the last one failed that did; empty again once one went through."""


KIND: Final = Kind(
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
        READY,
        AGE,
        Column("Error", ".status.lastError", wide=True),
        *WHY,
    ),
    description="Where people are told of messages, modems and trunks: e-mail, chat, phone or a webhook.",
    service="notify",
)
