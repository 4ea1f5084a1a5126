"""PURE: what is said of one ElevatorDevice: its conditions, and the fields of its status.

Numbers that change with each connection (its address, since when, when it was last heard) ride along: they are said
anew only where a condition or another field changes, so that ten thousand devices that come back after the restart of a
gateway write no status at all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dialplane.resources.conditions import Condition, ConditionType, Kept, Report, Truth
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import Reason
from dialplane.services.contract import ServiceReport
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.tables.presence import Presence
from dialplane.services.elevator.tables.sessions import Session
from dialplane.services.elevator.tables.telephones import Telephone

RIDING = ("connectedAt", "lastSeenAt", "address")
"""Fields that ride along."""
FIRMWARE_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one device."""

    since: int = 0
    """The number of the first view that has it as it is."""
    serves: int | None = None
    """The number of the view that a gateway serves; None: there is none."""
    trouble: str = ""
    """Why the store cannot be asked."""
    presence: Presence | None = None
    session: Session | None = None
    telephone: Telephone | None = None
    phone: Report | None = None
    """What is reported of the Extension in its cabin."""
    queued: int = 0
    """Commands that wait for it."""
    picture: Mapping[str, str] | None = None
    """`lastSnapshot`."""
    twin: bool = False
    """Whether another device shows its token, too."""


def conditions(lift: Lift, facts: Facts, now: datetime) -> tuple[Condition, ...]:
    """Return what is judged of a device; of one that is not let in, only its telephone."""
    return tuple(_conditions(lift, facts, now))


def fields(facts: Facts) -> dict[str, Any]:
    """Return the fields of its status, those that ride along too."""
    session, telephone = facts.session, facts.telephone
    found: dict[str, Any] = {
        "connectedAt": timestamp(session.connected_at) if session else None,
        "lastSeenAt": timestamp(session.seen_at.replace(second=0, microsecond=0)) if session else None,
        "address": session.address if session else None,
        "firmware": session.firmware[:FIRMWARE_LENGTH] if session and session.firmware else None,
        "lastSnapshot": dict(facts.picture) if facts.picture else None,
        "commandsQueued": facts.queued,
    }
    at = telephone.test_call_at if telephone else None
    found["lastTestCallAt"] = timestamp(at) if at else None
    since = telephone.alarm_since if telephone else None
    found["alarm"] = {"state": telephone.alarm, "since": timestamp(since)} if telephone and since else None
    return found


def restate(
    judged: tuple[Condition, ...], fields: Mapping[str, Any], before: ServiceReport | None
) -> ServiceReport | None:
    """Return what to say, or None where it is what was said: numbers that ride along make no news."""
    if before is None:  # a leader that has just started lets the status keep them
        return ServiceReport(judged, {**fields, **dict.fromkeys(RIDING, Kept.KEPT)})
    riding = {name: before.fields[name] for name in RIDING}
    if judged == before.conditions and {**fields, **riding} == before.fields:
        return None
    return replace(before, conditions=judged, fields=dict(fields))


def due_at(lift: Lift, telephone: Telephone | None) -> datetime | None:
    """Return when the next test call is due at the latest; None: none is expected."""
    age = lift.test_call_age
    if age is None or telephone is None:
        return None
    last = telephone.test_call_at or telephone.expected_since
    return last + age if last is not None else None


def overdue_message(lift: Lift, telephone: Telephone) -> str:
    """Return what is said of a telephone whose test call is overdue."""
    hours = int((lift.test_call_age or timedelta()).total_seconds() // 3600)
    last = telephone.test_call_at
    made = f"the last one was at {timestamp(last)}" if last else "it never made one"
    return f"its telephone made no test call for {hours} h ({made}): it may fail in an emergency; go and try it"


def _conditions(lift: Lift, facts: Facts, now: datetime) -> Iterator[Condition]:
    if lift.connects:
        yield _ready(lift, facts)
        yield _online(facts.presence)
        if facts.twin:
            message = (
                "two devices with its token take each other's place, from different addresses; the newest stays:"
                " find the other one, and give one of them a token of its own"
            )
            yield Condition(ConditionType.CONFLICT, Truth.TRUE, Reason.TWO_DEVICES, message)
    if lift.cabin is not None:
        yield _phone_reachable(lift.cabin, facts.phone)
        if lift.test_call_age is not None:
            yield _test_call(lift, facts.telephone, now)


def _ready(lift: Lift, facts: Facts) -> Condition:
    if facts.trouble:
        return Condition(ConditionType.READY, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, facts.trouble)
    if lift.token_digest is None:
        message = f"it has no token: run `dialplane device token {lift.name}`, or set spec.tokenSecretRef"
        return Condition(ConditionType.READY, Truth.FALSE, Reason.NO_TOKEN, message)
    if facts.serves is None:
        message = (
            "no gateway runs that it could connect to: start `dialplane gateway`, or see why the one there is fails"
        )
        return Condition(ConditionType.READY, Truth.FALSE, Reason.NO_GATEWAY, message)
    if facts.serves < facts.since:
        return Condition(ConditionType.READY, Truth.UNKNOWN, Reason.UNKNOWN, "no gateway serves this version yet")
    return Condition(ConditionType.READY, Truth.TRUE, Reason.SERVED, "a gateway lets it in")


def _online(presence: Presence | None) -> Condition:
    if presence is None:
        message = "it has never connected: see its address of the gateway, and its token"
        return Condition(ConditionType.ONLINE, Truth.FALSE, Reason.NEVER_CONNECTED, message)
    if presence.online:
        return Condition(ConditionType.ONLINE, Truth.TRUE, Reason.ONLINE)
    return Condition(ConditionType.ONLINE, Truth.FALSE, Reason.OFFLINE, "it is silent: see its power and its network")


def _phone_reachable(number: str, phone: Report | None) -> Condition:
    registered = phone.condition(ConditionType.REGISTERED) if phone is not None else None
    if registered is None:
        message = f"nothing is known of the extension {number} yet"
        return Condition(ConditionType.PHONE_REACHABLE, Truth.UNKNOWN, Reason.UNKNOWN, message)
    message = f"the telephone {number}: {registered.message}" if registered.message else ""
    return Condition(ConditionType.PHONE_REACHABLE, registered.status, registered.reason, message)


def _test_call(lift: Lift, telephone: Telephone | None, now: datetime) -> Condition:
    kind, due = ConditionType.TEST_CALL_CURRENT, due_at(lift, telephone)
    if telephone is None or due is None:
        return Condition(kind, Truth.UNKNOWN, Reason.UNKNOWN, "no test call is recorded yet")
    last = telephone.test_call_at
    if now >= due:
        return Condition(kind, Truth.FALSE, Reason.TEST_CALL_OVERDUE, overdue_message(lift, telephone))
    if last is None:
        message = f"no test call yet; the first is due by {timestamp(due)}"
        return Condition(kind, Truth.UNKNOWN, Reason.UNKNOWN, message)
    return Condition(kind, Truth.TRUE, Reason.TEST_CALL_RECENT, f"its telephone made a test call at {timestamp(last)}")
