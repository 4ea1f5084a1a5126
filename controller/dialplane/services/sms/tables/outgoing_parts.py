"""What becomes of the parts of a message to send, and with them of the message.

A part is claimed for one Dongle *before* it goes out (`sending`); from then on it is never claimed again, unless that
Dongle said no. waiting → sending → accepted → sent → delivered, or failed, expired; `unknown` is a lost answer, which
only the network's report can clear up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.resources.sms_message import Phase
from dialplane.services.sms.tables.outgoing import (
    OUTGOING,
    OUTGOING_PARTS,
    OUTGOING_REFUSALS,
    Outgoing,
    PartState,
    message,
    new_payload,
)
from dialplane.store import events
from dialplane.store.engine import Store
from dialplane.store.events import NewEvent

Outcome = Literal["sent", "delivered", "failed", "expired", "unreported"]
"""What a report says: the network's word, or `unreported`, the driver's that it took the part and waits no longer."""

_RANK: Final[dict[str, int]] = {
    "waiting": 0,
    "sending": 1,
    "unknown": 1,
    "accepted": 2,
    "sent": 3,
    "failed": 4,
    "expired": 4,
    "delivered": 5,
}
"""A part only goes up: reports come late, twice and out of order, and the answer may come after the report."""
_OPEN: Final = ("Queued", "Sent", "Unknown")


@dataclass(frozen=True, slots=True)
class Claim:
    """A part that must be sent now, by this Dongle and by nobody else."""

    message: Outgoing
    number: int
    """From 0."""
    text: str
    payload: str
    """Comes back in the answer's reports."""
    dongle: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it is kept."""

    number: int
    """From 0."""
    text: str
    payload: str
    state: PartState
    dongle: str | None
    error: str | None


def claim(store: Store, site: str, dongle: str, groups: frozenset[str], *, now: datetime) -> Claim | None:
    """Take the next part that `dongle` is to send: its state is `sending` when this returns.

    In order of the messages. A message's later parts go by the Dongle of its first, each once the one before was taken.
    A Dongle that refused a message does not get it again.
    """
    part, before = OUTGOING_PARTS.alias("part"), OUTGOING_PARTS.alias("before")
    asked = (OUTGOING.c.dongle_asked == dongle) | OUTGOING.c.group_asked.in_(groups)
    blocked = sa.exists().where(
        before.c.message == part.c.message,
        before.c.number < part.c.number,
        before.c.state.not_in(("accepted", "sent", "delivered")),
    )
    refused = sa.exists().where(OUTGOING_REFUSALS.c.message == OUTGOING.c.id, OUTGOING_REFUSALS.c.dongle == dongle)
    query = (
        sa.select(OUTGOING.c.id, part.c.number, part.c.text, part.c.payload)
        .join(part, part.c.message == OUTGOING.c.id)
        .where(
            OUTGOING.c.site == site,
            OUTGOING.c.phase.in_(("Queued", "Sent")),
            OUTGOING.c.finished_at.is_(None),
            OUTGOING.c.expires_at > now,
            part.c.state == "waiting",
            (OUTGOING.c.dongle == dongle) | (OUTGOING.c.dongle.is_(None) & asked),
            ~blocked,
            ~refused,
        )
        .order_by(OUTGOING.c.seq, part.c.number)
        .limit(1)
        .with_for_update(of=[OUTGOING, part], skip_locked=True)
    )
    with store.write() as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        mine = (OUTGOING_PARTS.c.message == row.id) & (OUTGOING_PARTS.c.number == row.number)
        connection.execute(sa.update(OUTGOING_PARTS).where(mine).values(state="sending", dongle=dongle, sending_at=now))
        first = OUTGOING.c.dongle.is_(None)
        connection.execute(
            sa.update(OUTGOING)
            .where(OUTGOING.c.id == row.id)
            .values(dongle=dongle, attempts=OUTGOING.c.attempts + sa.case((first, 1), else_=0))
        )
        kept = connection.execute(sa.select(OUTGOING).where(OUTGOING.c.id == row.id)).one()
    return Claim(message(kept), row.number, row.text, row.payload, dongle)


def accepted(store: Store, payload: str, *, now: datetime) -> Outgoing | None:
    """The Dongle's answer: it has queued the part."""
    return _become(store, payload, "accepted", now=now)


def lost(store: Store, payload: str, *, error: str, now: datetime) -> Outgoing | None:
    """There was no answer: whether the part was taken is unknown, and it is never sent again."""
    return _become(store, payload, "unknown", now=now, error=error)


def reported(
    store: Store, payload: str, outcome: Outcome, *, now: datetime, error: str | None = None
) -> Outgoing | None:
    """The network's report about a part; None where no part has that payload.

    A part that is `unreported` was sent, and no report of its delivery is waited for.
    """
    if outcome == "unreported":
        return _become(store, payload, "sent", now=now, over=True)
    return _become(store, payload, outcome, now=now, error=error)


def put_back(store: Store, payload: str, *, now: datetime, error: str | None = None) -> Outgoing | None:
    """The Dongle is out of service, or was not asked, and took nothing. The part waits again, for whoever may take it.

    `error` is what somebody should mend before it goes out.
    """
    with store.write() as connection:
        part = _part(connection, payload)
        if part is None:
            return None
        if part.state == "sending":
            _set(connection, payload, "waiting", now=now, error=error)
            connection.execute(sa.update(OUTGOING).where(OUTGOING.c.id == part.message).values(error=error))
            if part.number == 0:
                _free(connection, part.message)
        return _message(connection, part.message)


def refused(store: Store, payload: str, *, error: str, others: frozenset[str], now: datetime) -> Outgoing | None:
    """The Dongle's answer: it did not take the part, and will not.

    Args:
        store: the store.
        payload: of the part.
        error: what it said.
        others: the Dongles that may send this message. One that has not refused it is asked next, if no part of the
            message was taken before; else the message has failed.
        now: the moment.
    """
    with store.write() as connection:
        part = _part(connection, payload)
        if part is None:
            return None
        if part.state != "sending":  # a report was quicker: the part was taken
            return _message(connection, part.message)
        connection.execute(
            store.insert_new(OUTGOING_REFUSALS).values(message=part.message, dongle=part.dongle, error=error, at=now)
        )
        refusals = sa.select(OUTGOING_REFUSALS.c.dongle).where(OUTGOING_REFUSALS.c.message == part.message)
        if part.number > 0 or not others - frozenset(connection.execute(refusals).scalars()):
            _set(connection, payload, "failed", now=now, error=error)
            return _settle(connection, part.message, now=now)
        _set(connection, payload, "waiting", now=now, error=error)
        _free(connection, part.message)
        return _message(connection, part.message)


def withdraw(store: Store, site: str, source_uid: str) -> bool:
    """Forget the message of a SmsMessage that was deleted, unless a Dongle may have taken any of it."""
    mine = (OUTGOING.c.site == site) & (OUTGOING.c.source == "resource") & (OUTGOING.c.source_uid == source_uid)
    taken = sa.exists().where(OUTGOING_PARTS.c.message == OUTGOING.c.id, OUTGOING_PARTS.c.state != "waiting")
    with store.write() as connection:
        return connection.execute(sa.delete(OUTGOING).where(mine, ~taken)).rowcount > 0


def recover(
    store: Store, site: str, *, now: datetime, before: datetime | None = None, but: frozenset[str] = frozenset()
) -> tuple[Outgoing, ...]:
    """Parts that somebody was about to send who is no more: they may have been taken, so they are unknown.

    Args:
        store: the store.
        site: the site's namespace.
        now: the moment.
        before: only those that were claimed before then; None, at start, means all.
        but: payloads that are under way.
    """
    theirs = (OUTGOING_PARTS.c.state == "sending") & OUTGOING_PARTS.c.payload.not_in(but)
    if before is not None:
        theirs &= OUTGOING_PARTS.c.sending_at < before
    sending = sa.exists().where(OUTGOING_PARTS.c.message == OUTGOING.c.id, theirs)
    error = "the controller ended before the answer came"
    return _end(store, site, sending, "sending", "unknown", error=error, now=now)


def expire(store: Store, site: str, *, now: datetime) -> tuple[Outgoing, ...]:
    """What was not sent in time is not sent any more."""
    late = (
        sa.exists().where(OUTGOING_PARTS.c.message == OUTGOING.c.id, OUTGOING_PARTS.c.state == "waiting")
        & ~sa.exists().where(OUTGOING_PARTS.c.message == OUTGOING.c.id, OUTGOING_PARTS.c.state == "sending")
        & (OUTGOING.c.expires_at <= now)
    )
    return _end(store, site, late, "waiting", "expired", error="too late: its validity is over", now=now)


def conclude(store: Store, site: str, *, now: datetime, grace: timedelta) -> tuple[Outgoing, ...]:
    """Wait no longer for reports of messages whose validity was over `grace` ago.

    Of a part that was taken and never reported on nobody knows more: it is unknown. One that was sent stays so.
    """
    # Of those that are waiting or being sent others decide first: `expire`, `recover`.
    undecided = sa.exists().where(
        OUTGOING_PARTS.c.message == OUTGOING.c.id, OUTGOING_PARTS.c.state.in_(("waiting", "sending"))
    )
    due = (OUTGOING.c.expires_at <= now - grace) & ~undecided
    return _end(store, site, due, "accepted", "unknown", error="no report came", now=now, over=True)


def departed(store: Store, site: str, dongle: str, *, since: datetime, until: datetime) -> tuple[Outgoing, ...]:
    """What this Dongle took between these moments has left its queue: it was sent, unless a report says otherwise."""
    mine = (
        (OUTGOING_PARTS.c.state == "accepted")
        & (OUTGOING_PARTS.c.dongle == dongle)
        & OUTGOING_PARTS.c.accepted_at.between(since, until)
    )
    query = (
        sa.select(OUTGOING_PARTS.c.message, OUTGOING_PARTS.c.payload)
        .join(OUTGOING, OUTGOING.c.id == OUTGOING_PARTS.c.message)
        .where(OUTGOING.c.site == site, mine)
        .with_for_update()
    )
    changed: dict[str, Outgoing | None] = {}
    with store.write() as connection:
        for row in connection.execute(query).all():
            _set(connection, row.payload, "sent", now=until, error=None)
            changed[row.message] = _settle(connection, row.message, now=until)
    return tuple(found for found in changed.values() if found is not None)


def parts_of(store: Store, message_id: str) -> tuple[Part, ...]:
    """The parts of a message, in order."""
    mine = OUTGOING_PARTS.c.message == message_id
    with store.read() as connection:
        rows = connection.execute(sa.select(OUTGOING_PARTS).where(mine).order_by(OUTGOING_PARTS.c.number)).all()
    return tuple(Part(**{name: getattr(row, name) for name in Part.__dataclass_fields__}) for row in rows)


def _end(
    store: Store,
    site: str,
    which: sa.ColumnElement[bool],
    state: PartState,
    becomes: PartState,
    *,
    error: str,
    now: datetime,
    over: bool = False,
) -> tuple[Outgoing, ...]:
    """Have the parts of one state become another, in those unfinished messages."""
    query = sa.select(OUTGOING.c.id).where(OUTGOING.c.site == site, OUTGOING.c.finished_at.is_(None), which)
    changed = []
    with store.write() as connection:
        for found in connection.execute(query.with_for_update()).scalars().all():
            mine = (OUTGOING_PARTS.c.message == found) & (OUTGOING_PARTS.c.state == state)
            ends = {"finished_at": now} if becomes == "expired" else {}
            connection.execute(sa.update(OUTGOING_PARTS).where(mine).values(state=becomes, error=error, **ends))
            changed.append(_settle(connection, found, now=now, over=over))
    return tuple(found for found in changed if found is not None)


def _free(connection: sa.Connection, message_id: str) -> None:
    """No Dongle has taken any of it: another may."""
    connection.execute(sa.update(OUTGOING).where(OUTGOING.c.id == message_id).values(dongle=None))


def _become(
    store: Store, payload: str, state: PartState, *, now: datetime, error: str | None = None, over: bool = False
) -> Outgoing | None:
    with store.write() as connection:
        part = _part(connection, payload)
        if part is None:
            return None
        if _RANK[state] > _RANK[part.state] or (part.state, state) == ("sending", "unknown"):
            _set(connection, payload, state, now=now, error=error)
        return _settle(connection, part.message, now=now, over=over)


def _set(connection: sa.Connection, payload: str, state: PartState, *, now: datetime, error: str | None) -> None:
    values: dict[str, Any] = {"state": state, "error": error}
    if state in {"accepted", "sent", "delivered"}:
        values[f"{state}_at"] = now
    if state in {"delivered", "failed", "expired"}:
        values["finished_at"] = now
    if state == "waiting":
        # Another claim gets another payload. Whoever says late, or twice, what became of this one means no other.
        values |= {"dongle": None, "sending_at": None, "payload": new_payload()}
    connection.execute(sa.update(OUTGOING_PARTS).where(OUTGOING_PARTS.c.payload == payload).values(values))


def _settle(connection: sa.Connection, message_id: str, *, now: datetime, over: bool = False) -> Outgoing | None:
    """Write into the message what its parts say, and the event where it failed; `over`: nothing more is waited for."""
    before = _message(connection, message_id)
    if before is None:
        return None
    rows = connection.execute(
        sa.select(OUTGOING_PARTS).where(OUTGOING_PARTS.c.message == message_id).order_by(OUTGOING_PARTS.c.number)
    ).all()
    states = [row.state for row in rows]
    phase = _phase(states)
    bad = next((row.error for row in rows if row.state in {"failed", "expired", "unknown"}), None)
    ended = phase in {"Delivered", "Failed", "Expired"} or (phase == "Sent" and not before.delivery_report)
    ended = ended or (over and phase != "Queued")
    taken = sum(state in {"sent", "delivered"} for state in states)
    values: dict[str, Any] = {
        "phase": phase,
        "error": bad,
        "parts_sent": taken,
        "parts_delivered": states.count("delivered"),
        "sent_at": before.sent_at or (now if taken == len(states) else None),
        "delivered_at": before.delivered_at or (now if phase == "Delivered" else None),
        "finished_at": before.finished_at or (now if ended else None),
    }
    connection.execute(sa.update(OUTGOING).where(OUTGOING.c.id == message_id).values(values))
    after = _message(connection, message_id)
    failed = phase in {"Failed", "Expired"} and before.phase in _OPEN
    if after is not None and (failed or (phase == "Unknown" and over and before.finished_at is None)):
        events.append(connection, [_failed(after, now)])
    return after


def _phase(states: list[PartState]) -> Phase:
    found = set(states)
    for state, phase in (("failed", "Failed"), ("unknown", "Unknown"), ("expired", "Expired")):
        if state in found:
            return phase  # type: ignore[return-value]
    if found == {"delivered"}:
        return "Delivered"
    return "Sent" if found <= {"sent", "delivered"} else "Queued"


def _failed(found: Outgoing, now: datetime) -> NewEvent:
    named = ("SmsMessage", found.name) if found.name else ("Dongle", found.dongle or found.dongle_asked or "")
    said = {
        "id": found.id,
        "to": found.recipient,
        "text": found.text,
        "dongle": found.dongle or found.dongle_asked,
        "phase": found.phase,
        "reason": found.error,
    }
    return NewEvent(found.site, "sms.failed", *named, now, said)


def _part(connection: sa.Connection, payload: str) -> sa.Row[tuple[Any, ...]] | None:
    query = sa.select(OUTGOING_PARTS).where(OUTGOING_PARTS.c.payload == payload).with_for_update()
    return connection.execute(query).one_or_none()


def _message(connection: sa.Connection, message_id: str) -> Outgoing | None:
    row = connection.execute(sa.select(OUTGOING).where(OUTGOING.c.id == message_id)).one_or_none()
    return None if row is None else message(row)
