"""Text messages to send, and the parts they go out in."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.resources.sms_message import Phase
from dialplane.store.columns import METADATA, AnyText, Moment, sequence
from dialplane.store.engine import Store

PREFIX: Final = "out-"
"""What an id of an outgoing message begins with."""

Source = Literal["resource", "api", "service"]
PartState = Literal["waiting", "sending", "accepted", "sent", "delivered", "failed", "expired", "unknown"]

OUTGOING: Final = sa.Table(
    "outgoing",
    METADATA,
    sequence(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("source_uid", sa.String(255), nullable=False),
    sa.Column("name", sa.String(253)),
    sa.Column("recipient", AnyText, nullable=False),
    sa.Column("text", AnyText, nullable=False),
    sa.Column("dongle_asked", sa.String(63)),
    sa.Column("group_asked", sa.String(63)),
    sa.Column("validity_minutes", sa.Integer, nullable=False),
    sa.Column("delivery_report", sa.Boolean, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("dongle", sa.String(63)),
    sa.Column("error", AnyText),
    sa.Column("parts_total", sa.Integer, nullable=False),
    sa.Column("parts_sent", sa.Integer, nullable=False),
    sa.Column("parts_delivered", sa.Integer, nullable=False),
    sa.Column("queued_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    sa.Column("delivered_at", Moment),
    sa.Column("finished_at", Moment),
    sa.UniqueConstraint("site", "source", "source_uid"),
    sa.Index(None, "site", "phase", "seq"),
    sqlite_autoincrement=True,
)

OUTGOING_PARTS: Final = sa.Table(
    "outgoing_parts",
    METADATA,
    sa.Column("message", sa.ForeignKey("outgoing.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("text", AnyText, nullable=False),
    sa.Column("payload", sa.String(64), nullable=False, unique=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("dongle", sa.String(63)),
    sa.Column("error", AnyText),
    sa.Column("sending_at", Moment),
    sa.Column("accepted_at", Moment),
    sa.Column("sent_at", Moment),
    sa.Column("delivered_at", Moment),
    sa.Column("finished_at", Moment),
    sa.PrimaryKeyConstraint("message", "number"),
    sa.Index(None, "state", "dongle"),
)

OUTGOING_REFUSALS: Final = sa.Table(
    "outgoing_refusals",
    METADATA,
    sa.Column("message", sa.ForeignKey("outgoing.id", ondelete="CASCADE"), nullable=False),
    sa.Column("dongle", sa.String(63), nullable=False),
    sa.Column("error", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("message", "dongle"),
)
"""Dongles that refused a message before any part of it was taken: they are not asked again."""


@dataclass(frozen=True, slots=True)
class NewOutgoing:
    """A message to send."""

    site: str
    source: Source
    source_uid: str
    """Once for each source: a SmsMessage's uid, what the caller of the API gave as `Idempotency-Key`, or of a service
    its name and id of it."""
    recipient: str
    text: str
    dongle: str | None = None
    """Exactly one of `dongle` and `group`."""
    group: str | None = None
    name: str | None = None
    """The SmsMessage's name."""
    validity: timedelta = timedelta(days=1)
    delivery_report: bool = True
    created: datetime | None = None
    """When it was written, where it waited before it came here; its validity began then."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send, as it is kept."""

    seq: int
    id: str
    """`out-` and 32 hexadecimal digits."""
    site: str
    source: Source
    source_uid: str
    name: str | None
    recipient: str
    text: str
    dongle_asked: str | None
    group_asked: str | None
    validity_minutes: int
    delivery_report: bool
    phase: Phase
    attempts: int
    """How many Dongles were asked to take it."""
    dongle: str | None
    """The Dongle that took it."""
    error: str | None
    parts_total: int
    parts_sent: int
    parts_delivered: int
    queued_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages, the newest first, and where the next page begins."""

    messages: tuple[Outgoing, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What `enqueue` found or made."""

    message: Outgoing
    fresh: bool
    """False where the source had given it already; then nothing changed."""


def new_payload() -> str:
    """What tells one claim of a part from any other; comes back with each report."""
    return secrets.token_hex(12)


def enqueue(store: Store, new: NewOutgoing, parts: Sequence[str], *, now: datetime) -> Enqueued:
    """Keep a message to be sent in `parts`, one after the other; the same source's same uid is kept once."""
    row = {
        "id": PREFIX + secrets.token_hex(16),
        "site": new.site,
        "source": new.source,
        "source_uid": new.source_uid,
        "name": new.name,
        "recipient": new.recipient,
        "text": new.text,
        "dongle_asked": new.dongle,
        "group_asked": new.group,
        "validity_minutes": int(new.validity.total_seconds() // 60),
        "delivery_report": new.delivery_report,
        "phase": "Queued",
        "attempts": 0,
        "parts_total": len(parts),
        "parts_sent": 0,
        "parts_delivered": 0,
        "queued_at": now,
        "expires_at": min(new.created or now, now) + new.validity,
    }
    pieces = [
        {"message": row["id"], "number": number, "text": text, "payload": new_payload(), "state": "waiting"}
        for number, text in enumerate(parts)
    ]
    mine = (OUTGOING.c.site == new.site) & (OUTGOING.c.source == new.source) & (OUTGOING.c.source_uid == new.source_uid)
    with store.write() as connection:
        made = connection.execute(store.insert_new(OUTGOING).values(row).returning(OUTGOING.c.id)).scalar()
        if made is not None:
            connection.execute(sa.insert(OUTGOING_PARTS), pieces)
        kept = connection.execute(sa.select(OUTGOING).where(mine)).one()
    return Enqueued(message(kept), made is not None)


def get(store: Store, site: str, message_id: str) -> Outgoing | None:
    """One message."""
    return _one(store, (OUTGOING.c.site == site) & (OUTGOING.c.id == message_id))


def sent_under(store: Store, site: str, name: str) -> Outgoing | None:
    """The newest message of a SmsMessage of that name that may have been sent; None where there is none."""
    mine = (OUTGOING.c.site == site) & (OUTGOING.c.source == "resource") & (OUTGOING.c.name == name)
    query = sa.select(OUTGOING).where(mine, OUTGOING.c.phase.not_in(("Failed", "Expired")))
    with store.read() as connection:
        row = connection.execute(query.order_by(OUTGOING.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else message(row)


def adopt(store: Store, message_id: str, source_uid: str) -> Outgoing | None:
    """Let a message be that of another SmsMessage: the same one, which was deleted and is back."""
    mine = OUTGOING.c.id == message_id
    with store.write() as connection:
        connection.execute(sa.update(OUTGOING).where(mine).values(source_uid=source_uid))
        row = connection.execute(sa.select(OUTGOING).where(mine)).one_or_none()
    return None if row is None else message(row)


def page(
    store: Store,
    site: str,
    *,
    limit: int,
    before: int | None = None,
    dongle: str | None = None,
    recipient: str | None = None,
    phase: Phase | None = None,
    since: datetime | None = None,
) -> Page:
    """Messages, newest first; `before` is the cursor that the page before gave."""
    query = sa.select(OUTGOING).where(OUTGOING.c.site == site).order_by(OUTGOING.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(OUTGOING.c.seq < before)
    if dongle is not None:
        query = query.where(sa.func.coalesce(OUTGOING.c.dongle, OUTGOING.c.dongle_asked) == dongle)
    if recipient is not None:
        query = query.where(OUTGOING.c.recipient == recipient)
    if phase is not None:
        query = query.where(OUTGOING.c.phase == phase)
    if since is not None:
        query = query.where(OUTGOING.c.queued_at >= since)
    with store.read() as connection:
        found = [message(row) for row in connection.execute(query)]
    kept = tuple(found[:limit])
    return Page(kept, kept[-1].seq if len(found) > limit else None)


def counts(store: Store, site: str) -> dict[tuple[str, Phase], int]:
    """How many messages are kept, by the Dongle that took them and their phase."""
    query = (
        sa.select(OUTGOING.c.dongle, OUTGOING.c.phase, sa.func.count())
        .where(OUTGOING.c.site == site, OUTGOING.c.dongle.is_not(None))
        .group_by(OUTGOING.c.dongle, OUTGOING.c.phase)
    )
    with store.read() as connection:
        return {(dongle, phase): number for dongle, phase, number in connection.execute(query)}


def of_resources(store: Store, site: str) -> tuple[Outgoing, ...]:
    """The messages that are SmsMessages, or were."""
    mine = (OUTGOING.c.site == site) & (OUTGOING.c.source == "resource")
    with store.read() as connection:
        return tuple(message(row) for row in connection.execute(sa.select(OUTGOING).where(mine)))


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta, keep: frozenset[str] = frozenset()) -> int:
    """Forget messages that ended long ago; returns how many.

    Those of the SmsMessages in `keep` (uids) stay: one that is there still would be sent again.
    """
    old = (OUTGOING.c.site == site) & (OUTGOING.c.finished_at < now - older_than)
    query = sa.select(OUTGOING.c.seq, OUTGOING.c.source, OUTGOING.c.source_uid).where(old)
    with store.write() as connection:
        gone = [
            {"gone": row.seq}
            for row in connection.execute(query)
            if row.source != "resource" or row.source_uid not in keep
        ]
        if gone:
            connection.execute(sa.delete(OUTGOING).where(OUTGOING.c.seq == sa.bindparam("gone")), gone)
    return len(gone)


def message(row: sa.Row[tuple[Any, ...]]) -> Outgoing:
    """A row of `OUTGOING` as a record."""
    return Outgoing(**{name: getattr(row, name) for name in _FIELDS})


def _one(store: Store, which: sa.ColumnElement[bool]) -> Outgoing | None:
    with store.read() as connection:
        row = connection.execute(sa.select(OUTGOING).where(which)).one_or_none()
    return None if row is None else message(row)


_FIELDS: Final = tuple(Outgoing.__dataclass_fields__)
