"""Messages to send: how they get into the store, from a SmsMessage or from the API."""

from datetime import datetime, timedelta

from dialplane.asterisk.sms_text import pieces
from dialplane.resources.manifest import Resource
from dialplane.resources.sms_message import SmsMessageSpec
from dialplane.services.contract import TextMessage
from dialplane.services.sms.tables import outgoing
from dialplane.services.sms.tables.outgoing import Enqueued, NewOutgoing
from dialplane.store import Store


def enqueue(store: Store, new: NewOutgoing, *, now: datetime) -> Enqueued:
    """Keep a message to be sent; the same source's same uid is kept once. Blocks: call it by `Store.call`.

    Raises:
        LineRefused: the text holds what cannot be sent (NUL, half a character).
        StoreUnavailable: it may or may not be kept; to try again is safe.
    """
    return outgoing.enqueue(store, new, pieces(new.text), now=now)


def queue_text(store: Store, site: str, text: TextMessage, now: datetime) -> None:
    """See `contract.QueueText`; the sender looks for new ones by itself."""
    new = NewOutgoing(
        site=site,
        source="service",
        source_uid=f"{text.source}/{text.uid}",
        recipient=text.recipient,
        text=text.text,
        dongle=text.dongle,
    )
    enqueue(store, new, now=now)


def of_resource(site: str, resource: Resource, spec: SmsMessageSpec) -> NewOutgoing:
    """The message that a SmsMessage asks for."""
    return NewOutgoing(
        site=site,
        source="resource",
        source_uid=resource.uid,
        name=resource.key.name,
        recipient=spec.to,
        text=spec.text,
        dongle=spec.dongle,
        group=spec.dongle_group,
        validity=timedelta(minutes=spec.validity_minutes),
        delivery_report=spec.delivery_report,
        created=created(resource),
    )


def created(resource: Resource) -> datetime | None:
    """When a resource was created, where its front door says so."""
    try:
        found = datetime.fromisoformat(resource.created)
    except ValueError:
        return None
    return found if found.tzinfo else None
