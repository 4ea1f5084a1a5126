"""What `/sms` answers."""

from datetime import datetime
from typing import Literal

from dialplane.api.models import Answer
from dialplane.resources.sms_message import Phase
from dialplane.services.sms.tables import inbox, outgoing, outgoing_parts


class Received(Answer):
    """A text message received."""

    direction: Literal["in"] = "in"
    """Received."""
    id: str
    """`in-…`."""
    dongle: str
    """The Dongle that received it."""
    sender: str
    """The number or name that it came from."""
    text: str
    """What it says; any Unicode, NUL included."""
    received_at: datetime
    """When Asterisk received it."""
    stored_at: datetime
    """When it came into the inbox."""
    truncated: bool
    """It was longer than 3,071 bytes and Asterisk cut it."""
    damaged: bool
    """What Asterisk had of it could not be read: `text` is that, as it was."""


class Part(Answer):
    """One of the messages that a long text goes out in."""

    number: int
    """From 0."""
    text: str
    """What it says."""
    state: outgoing.PartState
    """`sending`: nobody else will send it; `accepted`: the modem has it; `unknown`: the answer was lost."""
    dongle: str | None
    """The Dongle that it was given to."""
    error: str | None
    """What went wrong."""


class Sent(Answer):
    """A text message to send."""

    direction: Literal["out"] = "out"
    """To send."""
    id: str
    """`out-…`."""
    name: str | None
    """The SmsMessage that asked for it; null where the API did."""
    to: str
    """The number that it goes to."""
    text: str
    """What it says."""
    phase: Phase
    """As in a SmsMessage's status."""
    dongle: str | None
    """The Dongle that took it, or was asked to."""
    dongle_group: str | None
    """The group that was asked for."""
    validity_minutes: int
    """How long it is worth delivering, in minutes."""
    delivery_report: bool
    """Whether the network was asked to say when it has arrived."""
    attempts: int
    """How many Dongles were asked to take it."""
    error: str | None
    """What went wrong."""
    waits_for: str | None
    """Why it is not sent yet; null once a phase other than `Queued` says more."""
    parts_total: int
    """How many messages it goes out in."""
    parts_sent: int
    """How many of them the network has taken."""
    parts_delivered: int
    """How many of them have arrived."""
    queued_at: datetime
    """When it was given to us."""
    sent_at: datetime | None
    """When the network had taken all of it."""
    delivered_at: datetime | None
    """When all of it had arrived."""
    finished_at: datetime | None
    """When it was over."""
    parts: list[Part] | None = None
    """The messages that it goes out in; only where one message is asked for."""


class ReceivedPage(Answer):
    """Messages received, the newest first."""

    items: list[Received]
    """The messages."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class SentPage(Answer):
    """Messages to send, the newest first."""

    items: list[Sent]
    """The messages."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


def received(found: inbox.Received) -> Received:
    """A message of the inbox."""
    return Received.model_validate(found)


def sent(found: outgoing.Outgoing, waits: str, parts: tuple[outgoing_parts.Part, ...] | None = None) -> Sent:
    """A message to send, what it waits for, and its parts where they are known."""
    return Sent(
        id=found.id,
        name=found.name,
        to=found.recipient,
        text=found.text,
        phase=found.phase,
        dongle=found.dongle or found.dongle_asked,
        dongle_group=found.group_asked,
        validity_minutes=found.validity_minutes,
        delivery_report=found.delivery_report,
        attempts=found.attempts,
        error=found.error,
        waits_for=waits or None,
        parts_total=found.parts_total,
        parts_sent=found.parts_sent,
        parts_delivered=found.parts_delivered,
        queued_at=found.queued_at,
        sent_at=found.sent_at,
        delivered_at=found.delivered_at,
        finished_at=found.finished_at,
        parts=None if parts is None else [Part.model_validate(part) for part in parts],
    )
