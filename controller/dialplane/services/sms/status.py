"""What is said of a SmsMessage: its phase as conditions and fields. Pure."""

from datetime import datetime, timedelta
from typing import Any, Final

from dialplane.resources.conditions import Condition, ConditionType, Kept, Truth
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import Reason
from dialplane.resources.sms_message import SmsMessageSpec
from dialplane.services.contract import ServiceReport
from dialplane.services.sms.tables.outgoing import Outgoing

_BAD: Final = {"Failed": Reason.FAILED, "Expired": Reason.EXPIRED, "Unknown": Reason.OUTCOME_UNKNOWN}
_UNKNOWN: Final = "nobody knows whether a modem sent it, so it is not sent again"
_UNREPORTED: Final = "the network has it; no report of its delivery came"
_FORGOTTEN: Final = "the store that knew what became of it is lost, so it is not sent again"
_ENDS: Final = frozenset({"Delivered", "Failed", "Expired"})
_ERROR_LIMIT: Final = 512


def waiting(reason: Reason, message: str) -> ServiceReport:
    """Of a message that is not in the queue yet."""
    return ServiceReport((Condition(ConditionType.READY, Truth.UNKNOWN, reason, message),))


def refused(error: str) -> ServiceReport:
    """Of a message that cannot be sent at all."""
    conditions = ((ConditionType.READY, Truth.FALSE), (ConditionType.STALLED, Truth.TRUE))
    return ServiceReport(tuple(Condition(kind, status, Reason.FAILED, error) for kind, status in conditions))


def of_message(message: Outgoing, spec: SmsMessageSpec, now: datetime, *, waits: str = "") -> ServiceReport:
    """Of a message in the queue, or over; `waits` says what one that is queued waits for."""
    return ServiceReport((*_conditions(message, waits),), _fields(message), over=is_over(message, spec, now))


def of_forgotten(phase: str, ends: datetime | None, now: datetime) -> ServiceReport:
    """Of a message that was under way by its status, and that the store does not know.

    Args:
        phase: what its status said.
        ends: when its validity is over and the time after which its resource may go; None where that is not known.
        now: the moment.
    """
    if phase == "Delivered":
        conditions = [Condition(ConditionType.READY, Truth.TRUE, Reason.DELIVERED)]
    else:
        reason = _BAD.get(phase, Reason.OUTCOME_UNKNOWN)
        found = ((ConditionType.READY, Truth.FALSE), (ConditionType.STALLED, Truth.TRUE))
        conditions = [Condition(kind, status, reason, _FORGOTTEN) for kind, status in found]
    known = dict.fromkeys(("attempts", "dongle", "parts", "sentAt", "deliveredAt", "finishedAt", "error"), Kept.KEPT)
    fields = {"phase": phase if phase in _ENDS else "Unknown", **known}
    return ServiceReport((*conditions,), fields, over=bool(ends and now >= ends))


def is_over(message: Outgoing, spec: SmsMessageSpec, now: datetime) -> bool:
    """Whether its resource may be deleted."""
    ttl = timedelta(seconds=spec.ttl_seconds_after_finished)
    return message.finished_at is not None and now >= message.finished_at + ttl


def _conditions(message: Outgoing, waits: str) -> list[Condition]:
    def ready(status: Truth, reason: Reason, text: str = "") -> Condition:
        return Condition(ConditionType.READY, status, reason, text)

    if (reason := _BAD.get(message.phase)) is not None:
        parts = [_UNKNOWN] * (reason is Reason.OUTCOME_UNKNOWN) + [message.error or ""]
        text = ": ".join(part for part in parts if part)
        return [ready(Truth.FALSE, reason, text), Condition(ConditionType.STALLED, Truth.TRUE, reason, text)]
    if message.phase == "Delivered":
        return [ready(Truth.TRUE, Reason.DELIVERED)]
    if message.phase == "Sent" and (not message.delivery_report or message.finished_at is not None):
        return [ready(Truth.TRUE, Reason.SENT, _UNREPORTED if message.delivery_report else "")]
    if message.phase == "Sent":
        return [ready(Truth.UNKNOWN, Reason.SENT, "the network has it; it has not said yet that it arrived")]
    return [ready(Truth.UNKNOWN, Reason.QUEUED, waits)]


def _fields(message: Outgoing) -> dict[str, Any]:
    parts = {"total": message.parts_total, "sent": message.parts_sent, "delivered": message.parts_delivered}
    return {
        "phase": message.phase,
        "attempts": message.attempts,
        "dongle": message.dongle,
        "parts": parts if message.parts_total > 1 else None,
        "sentAt": _timestamp(message.sent_at),
        "deliveredAt": _timestamp(message.delivered_at),
        "finishedAt": _timestamp(message.finished_at),
        "error": message.error[:_ERROR_LIMIT] if message.error else None,
    }


def _timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
