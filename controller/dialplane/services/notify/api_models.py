"""What `/notifications` answers."""

from datetime import datetime
from typing import Any

from dialplane.api.models import Answer
from dialplane.services.notify.tables import deliveries


class Notification(Answer):
    """An event told, or to be told, to one Notifier."""

    id: str
    """The receiver sees it too, to drop repeats by."""
    notifier: str
    """The Notifier's name."""
    state: deliveries.State
    """`dead`: given up; it can be sent again."""
    attempts: int
    """How often it was tried."""
    due_at: datetime
    """When it is tried next, while it is pending."""
    last_error: str | None
    """Why it failed last."""
    folded: int
    """How many more events of the same kind it stands for."""
    created_at: datetime
    """When it was made."""
    finished_at: datetime | None
    """When it was delivered or given up."""
    event: str
    """What it tells of, such as `sms.received`."""
    subject: str
    """Of what, such as `Dongle/gsm1`."""
    at: datetime
    """When that happened."""
    data: dict[str, Any]
    """What a template may show."""


class NotificationPage(Answer):
    """Notifications, the newest first."""

    items: list[Notification]
    """The notifications."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


def notification(found: deliveries.Told) -> Notification:
    """A notification and what it tells of."""
    kept, event = found.delivery, found.event
    return Notification(
        id=kept.id,
        notifier=kept.notifier,
        state=kept.state,
        attempts=kept.attempts,
        due_at=kept.due_at,
        last_error=kept.last_error,
        folded=kept.folded,
        created_at=kept.created_at,
        finished_at=kept.finished_at,
        event=event.type,
        subject=f"{event.subject_kind}/{event.subject_name}",
        at=event.at,
        data=dict(event.data),
    )
