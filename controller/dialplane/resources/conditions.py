"""Conditions by the Kubernetes convention, and how a report becomes a status.

Both front doors write the same status from the same report; only where it is kept differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from dialplane.resources.key import Key
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import Reason

JSON = Any
MESSAGE_LIMIT = 32_768
"""Characters a condition's message may have (the limit of metav1.Condition)."""

HEADLINE_LIMIT = 256
"""Characters of the message that stands beside a resource."""


class ConditionType(StrEnum):
    """The condition types of every kind; design: what True means is in docs/conditions.md."""

    ACCEPTED = "Accepted"
    READY = "Ready"
    STALLED = "Stalled"
    REGISTERED = "Registered"
    REACHABLE = "Reachable"
    ONLINE = "Online"
    RESTARTED = "Restarted"
    MAIL_DELIVERABLE = "MailDeliverable"
    PHONE_REACHABLE = "PhoneReachable"
    TEST_CALL_CURRENT = "TestCallCurrent"
    CONFLICT = "Conflict"


class Truth(StrEnum):
    """A condition's `status`."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition without its time: the sink that writes it knows when it changed."""

    type: ConditionType
    status: Truth
    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class Since:
    """Stands in a report's fields for the time at which a condition last became True; kept while it is not."""

    type: ConditionType


class Kept(Enum):
    """Stands in a report's fields for whatever the status says there already; absent where it says nothing."""

    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Report:
    """What the site loop found out about one resource: the input of a status.

    `fields` are the kind's own status fields (camelCase; JSON values, `Since` or `Kept`), without conditions and
    observedGeneration.
    """

    key: Key
    uid: str
    generation: int
    conditions: tuple[Condition, ...]
    fields: Mapping[str, JSON] = field(default_factory=dict)

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of that type, if the report has one."""
        return next((c for c in self.conditions if c.type == kind), None)


def status_of(report: Report, previous: Mapping[str, JSON], now: datetime) -> dict[str, JSON]:
    """The whole status to write for `report`, given the status the resource has now.

    Args:
        report: what was found out.
        previous: the status as read from the resource; `{}` where it has none.
        now: an aware time, used for conditions whose status changed.

    Returns:
        A status equal to `previous` where nothing changed, so that `==` decides whether to write.
    """
    before = {c.get("type"): c for c in _conditions(previous)}
    conditions = []
    for condition in sorted(report.conditions, key=lambda c: c.type):
        old = before.get(condition.type, {})
        changed = old.get("status") != condition.status or "lastTransitionTime" not in old
        conditions.append(
            {
                "type": str(condition.type),
                "status": str(condition.status),
                "reason": str(condition.reason),
                "message": condition.message[:MESSAGE_LIMIT],
                "observedGeneration": report.generation,
                "lastTransitionTime": timestamp(now) if changed else old["lastTransitionTime"],
            }
        )
    times = {str(c["type"]): str(c["lastTransitionTime"]) for c in conditions if c["status"] == Truth.TRUE}
    fields = _resolved(report.fields, previous, times)
    return {**fields, **_headline(conditions), "observedGeneration": report.generation, "conditions": conditions}


def _headline(conditions: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    """The reason and message to show beside a resource: those of whatever is not as it should be, else of Ready.

    A column of `kubectl get` cannot choose: it shows one field.
    """
    order = [(is_ready, truth) for truth in (Truth.FALSE, Truth.UNKNOWN, Truth.TRUE) for is_ready in (True, False)]
    ranked = sorted(
        (c for c in conditions if c["type"] != ConditionType.STALLED),  # it repeats another one
        key=lambda c: order.index((c["type"] == ConditionType.READY, Truth(c["status"]))),
    )
    if not ranked:
        return {}
    message = " ".join(ranked[0]["message"].split())
    short = message if len(message) <= HEADLINE_LIMIT else f"{message[: HEADLINE_LIMIT - 1]}…"
    return {"reason": ranked[0]["reason"], "message": short}


def transitions(report: Report, previous: Mapping[str, JSON]) -> tuple[Condition, ...]:
    """The conditions of `report` whose status or reason differs from `previous`: what an Event tells of."""
    before = {c.get("type"): (c.get("status"), c.get("reason")) for c in _conditions(previous)}
    return tuple(c for c in report.conditions if before.get(c.type) != (c.status, c.reason))


def _resolved(fields: Mapping[str, JSON], previous: JSON, times: Mapping[str, str]) -> dict[str, JSON]:
    """The fields with every `Since` and `Kept` replaced."""
    before = previous if isinstance(previous, Mapping) else {}
    resolved = {}
    for name, value in fields.items():
        match value:
            case Since():
                found = times.get(value.type, before.get(name))
            case Kept():
                found = before.get(name)
            case Mapping():
                found = _resolved(value, before.get(name), times)
            case _:
                found = value
        if found is not None:
            resolved[name] = found
    return resolved


def _conditions(status: Mapping[str, JSON]) -> Sequence[Mapping[str, JSON]]:
    return status.get("conditions") or ()
