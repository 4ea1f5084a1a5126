"""What is said of a Campaign: how far it is, as conditions and fields. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from dialplane.resources.conditions import Condition, ConditionType, Kept, Truth
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import MANIFEST_MUST_CHANGE, Problem, Reason
from dialplane.services.contract import ServiceReport
from dialplane.services.infinity.campaign.progress import Progress

FIELDS: Final = (
    "phase", "total", "dialed", "answered", "failed", "skipped", "remaining", "activeCalls", "answerPercent",
    "nextCallAt", "completedAt",
)  # fmt: skip
_KEPT: Final = dict.fromkeys(FIELDS, Kept.KEPT)


def unread() -> ServiceReport:
    """Of a campaign whose manifest cannot be read, or of which nothing is known yet: what stands there."""
    return ServiceReport((), _KEPT)


def of(progress: Progress | None, *, accepted: bool, trouble: str, problem: Problem | None) -> ServiceReport:
    """Of a campaign.

    Args:
        progress: how far it is; None while nobody knows.
        accepted: whether the plan has no objection; else its own conditions say so.
        trouble: why the store does not answer; empty where it does.
        problem: what keeps it from being served.
    """
    conditions = tuple(_conditions(progress, trouble, problem)) if accepted else ()
    return ServiceReport(conditions, _fields(progress) if progress else _KEPT)


def urgent(said: ServiceReport) -> object:
    """The part of it that is told at once; numbers may wait a while."""
    phase = said.fields.get("phase")
    return (
        [(condition.type, condition.status, condition.reason) for condition in said.conditions],
        phase if phase in {"Paused", "Completed"} else None,
    )


def _conditions(progress: Progress | None, trouble: str, problem: Problem | None) -> Iterator[Condition]:
    if problem is not None:
        yield Condition(ConditionType.READY, Truth.FALSE, problem.reason, str(problem))
        if problem.reason in MANIFEST_MUST_CHANGE or problem.reason is Reason.OUTCOME_UNKNOWN:
            yield Condition(ConditionType.STALLED, Truth.TRUE, problem.reason, str(problem))
    elif trouble:
        yield Condition(ConditionType.READY, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, trouble)
    elif progress is None:
        yield Condition(ConditionType.READY, Truth.UNKNOWN, Reason.UNKNOWN, "its list is being read")
    else:
        yield Condition(ConditionType.READY, Truth.TRUE, Reason.SERVED, progress.why)


def _fields(progress: Progress) -> dict[str, Any]:
    return {
        "phase": progress.phase,
        "total": progress.total,
        "dialed": progress.dialed,
        "answered": progress.answered,
        "failed": progress.failed,
        "skipped": progress.skipped,
        "remaining": progress.remaining,
        "activeCalls": progress.active_calls,
        "answerPercent": progress.answer_percent,
        "nextCallAt": _timestamp(progress.next_call_at),
        "completedAt": _timestamp(progress.completed_at),
    }


def _timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
