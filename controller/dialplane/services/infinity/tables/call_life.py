"""What may become of a call. Pure: it says how a call is after a change, and writes nothing."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from dialplane.services.infinity.tables.calls import Call, CallState, Outcome, Rung

_RANK: Final[dict[CallState, int]] = {"reserved": 0, "dialing": 1, "active": 2, "released": 3}
"""A call only goes up: records come late, twice, out of order, and before the platform's answer."""
_PROVISIONAL: Final = frozenset({None, "Released", "TimedOut"})
"""Outcomes that the platform's record knows better."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What the platform says of a call: at its end, or that it was answered."""

    body: dict[str, Any]
    """All that it says."""
    answered: bool
    uuid: str | None = None
    ring_seconds: int | None = None
    talk_seconds: int | None = None
    hangup_cause: int | None = None
    recording: str | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody found out about a call."""

    call: str
    """Its id."""
    to: CallState
    """A move that is not forward is none; what else is found out is kept all the same."""
    answer_lost: bool = False
    rung: Rung | None = None
    outcome: Outcome | None = None
    """Of `released`; where there is a record, that decides."""
    reason: str | None = None
    record: CallRecord | None = None
    """With `released`, of its end, and the first one counts. With `active`, that it was answered."""
    caller_number: str | None = None


def after(call: Call, change: Change, *, now: datetime) -> Call:
    """The call after the change; the same one where nothing changes."""
    forward = _RANK[change.to] > _RANK[call.state]
    found = _moved(call, change, now=now) if forward else _known_better(call, change)
    if change.caller_number is not None and found.caller_number is None:
        found = replace(found, caller_number=change.caller_number)
    if change.record is not None:
        found = _recorded(found, change, change.record, now=now)
    return found if found != call else call


def overdue(call: Call, *, now: datetime) -> Call:
    """The call once its state's deadline has passed."""
    if call.state == "reserved":
        # Whoever was about to ask is no more, and may have asked.
        reason = "the controller ended before the platform answered"
        return after(call, Change(call.id, "dialing", answer_lost=True, rung="maybe", reason=reason), now=now)
    reason = "nobody told of its end in time"
    return after(call, Change(call.id, "released", outcome="TimedOut", reason=reason), now=now)


def _moved(call: Call, change: Change, *, now: datetime) -> Call:
    common: dict[str, Any] = {"state": change.to, "answer_lost": call.answer_lost or change.answer_lost}
    if change.rung is not None and call.rung != "yes":
        common["rung"] = change.rung
    if change.reason is not None:
        common["reason"] = change.reason
    match change.to:
        case "dialing":
            common |= {"dialing_at": now, "deadline": now + timedelta(seconds=call.dial_seconds)}
        case "active":
            common |= {"answered_at": now, "deadline": now + timedelta(seconds=call.call_seconds), "rung": "yes"}
        case _:
            common |= {"released_at": now, "deadline": None, "outcome": change.outcome or "Released"}
    return replace(call, **common)


def _known_better(call: Call, change: Change) -> Call:
    """The platform's answer came after all, when it had been given up."""
    if call.state == change.to == "dialing" and call.answer_lost and not change.answer_lost:
        return replace(call, answer_lost=False, reason=change.reason)
    return call


def _recorded(call: Call, change: Change, record: CallRecord, *, now: datetime) -> Call:
    if call.record is not None:
        return call
    answered: dict[str, Any] = {}
    if record.answered:
        answered = {"rung": "yes", "answered_at": record.answered_at or call.answered_at or now}
    elif call.rung == "no":
        answered = {"rung": "maybe"}
    uuid = record.uuid or call.provider_uuid
    if change.to != "released":
        return replace(call, provider_uuid=uuid, **answered)
    if call.outcome in _PROVISIONAL:
        answered["outcome"] = "Answered" if record.answered else "NotAnswered"
    return replace(
        call,
        record=record.body,
        record_at=now,
        provider_uuid=uuid,
        ring_seconds=record.ring_seconds,
        talk_seconds=record.talk_seconds,
        hangup_cause=record.hangup_cause,
        recording=record.recording,
        **answered,
    )
