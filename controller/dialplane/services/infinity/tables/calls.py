"""Calls, each with its lease of an extension: a lease lives with its call, so both are one row."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment, sequence

PREFIX: Final = "call-"
"""What an id of a call begins with."""

CallState = Literal["reserved", "dialing", "active", "released"]
"""`reserved`: the extension is leased, the platform is being asked. `dialing`: the platform took the call, or may have.
`active`: somebody answered. `released`: over, the extension is free."""

Outcome = Literal["Answered", "NotAnswered", "Refused", "NotSent", "Cancelled", "Released", "TimedOut"]
"""How a call ended: by the platform's record (`Answered`, `NotAnswered`); the platform refused it; it was never asked
(`NotSent`); the caller went before it was asked (`Cancelled`); somebody released the extension by hand (`Released`);
nobody told of its end (`TimedOut`)."""

Rung = Literal["no", "maybe", "yes"]
"""Whether the customer's telephone rang."""

_LIVE: Final = "state <> 'released'"

CALLS: Final = sa.Table(
    "calls",
    METADATA,
    sequence(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("number", sa.String(10), nullable=False),
    sa.Column("agent", sa.String(64), nullable=False),
    sa.Column("callback_number", sa.String(32), nullable=False),
    sa.Column("destination", sa.String(32), nullable=False),
    sa.Column("caller_number", sa.String(32)),
    sa.Column("case_id", sa.String(64)),
    sa.Column("custom", Json, nullable=False),
    sa.Column("campaign", sa.String(63)),
    sa.Column("token", sa.String(253), nullable=False),
    sa.Column("request_key", sa.String(160), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("deadline", Moment),
    sa.Column("dial_seconds", sa.Integer, nullable=False),
    sa.Column("call_seconds", sa.Integer, nullable=False),
    sa.Column("answer_lost", sa.Boolean, nullable=False),
    sa.Column("rung", sa.String(8), nullable=False),
    sa.Column("outcome", sa.String(16)),
    sa.Column("reason", AnyText),
    sa.Column("reserved_at", Moment, nullable=False),
    sa.Column("dialing_at", Moment),
    sa.Column("answered_at", Moment),
    sa.Column("released_at", Moment),
    sa.Column("record", Json),
    sa.Column("record_at", Moment),
    sa.Column("provider_uuid", sa.String(64)),
    sa.Column("ring_seconds", sa.Integer),
    sa.Column("talk_seconds", sa.Integer),
    sa.Column("hangup_cause", sa.Integer),
    sa.Column("recording", AnyText),
    sa.UniqueConstraint("site", "token", "request_key"),
    sa.Index(
        "uq_calls_live_number",
        "site",
        "number",
        unique=True,
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    ),
    sa.Index(
        "ix_calls_live_deadline",
        "deadline",
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    ),
    sa.Index(
        "ix_calls_live_tenant",
        "site",
        "tenant",
        "state",  # so that SQLite finds all it needs in here, and does not read every call there ever was
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    ),
    sa.Index(
        "ix_calls_campaign",
        "site",
        "campaign",
        "seq",
        sqlite_where=sa.text("campaign IS NOT NULL"),
        postgresql_where=sa.text("campaign IS NOT NULL"),
    ),
    sa.Index(None, "site", "tenant", "seq"),
    sa.Index(None, "site", "tenant", "agent", "seq"),
    sqlite_autoincrement=True,
)
"""`seq` is the lease's fencing token: only who names it ends the lease. The database itself refuses a second live call
on an extension (`uq_calls_live_number`)."""

LIVE: Final = sa.text(f"calls.{_LIVE}")
"""Of calls that are not over: literal, since no database uses a partial index for a parameter."""


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call that wants an extension."""

    tenant: str
    agent: str
    callback_number: str
    destination: str
    token: str
    """The name of the caller's token; `campaign/UID` for a campaign's."""
    request_key: str
    """Once for each token: what was asked with the same one is the same call."""
    case_id: str | None = None
    custom: dict[str, str] = field(default_factory=dict)
    caller_number: str | None = None
    campaign: str | None = None
    identity: str = ""
    """The destination as `numbering.identity` has it, to compare with do-not-call lists; empty: as it is written."""
    reserve_seconds: int = 15
    """How long it may stay `reserved`."""
    dial_seconds: int = 60
    """How long it may stay `dialing`."""
    call_seconds: int = 7200
    """How long it may stay `active`."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it is kept."""

    seq: int
    id: str
    """`call-` and 20 hexadecimal digits."""
    site: str
    tenant: str
    number: str
    """The leased extension."""
    agent: str
    callback_number: str
    destination: str
    caller_number: str | None
    case_id: str | None
    custom: dict[str, str]
    campaign: str | None
    token: str
    request_key: str
    state: CallState
    deadline: datetime | None
    """When somebody ends this state (`reap`); None once it is over."""
    dial_seconds: int
    call_seconds: int
    answer_lost: bool
    """The platform was asked, and nobody knows what it said."""
    rung: Rung
    outcome: Outcome | None
    reason: str | None
    reserved_at: datetime
    dialing_at: datetime | None
    answered_at: datetime | None
    released_at: datetime | None
    record: dict[str, Any] | None
    """What the platform said at its end, whole."""
    record_at: datetime | None
    provider_uuid: str | None
    ring_seconds: int | None
    talk_seconds: int | None
    hangup_cause: int | None
    recording: str | None


def new_id() -> str:
    """What tells a call from any other, on the wire too."""
    return PREFIX + secrets.token_hex(10)


def reserved(id_: str, site: str, number: str, new: NewCall, now: datetime) -> dict[str, Any]:
    """Return the row of a call that is about to be placed over an extension, or over a name that stands for one."""
    return {
        "id": id_,
        "site": site,
        "tenant": new.tenant,
        "number": number,
        "agent": new.agent,
        "callback_number": new.callback_number,
        "destination": new.destination,
        "caller_number": new.caller_number,
        "case_id": new.case_id,
        "custom": new.custom,
        "campaign": new.campaign,
        "token": new.token,
        "request_key": new.request_key,
        "state": "reserved",
        "deadline": now + timedelta(seconds=new.reserve_seconds),
        "dial_seconds": new.dial_seconds,
        "call_seconds": new.call_seconds,
        "answer_lost": False,
        "rung": "no",
        "reserved_at": now,
    }


def call(row: sa.Row[tuple[Any, ...]]) -> Call:
    """A row of `CALLS` as a record: its columns are the record's fields, in order."""
    return Call(*cast("tuple[Any, ...]", row))
