"""How far one campaign is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dialplane.resources.campaign import Phase
from dialplane.services.infinity.campaign import pacing
from dialplane.services.infinity.campaign.desired import DesiredCampaign
from dialplane.services.infinity.tables.destinations import Counts


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one campaign is; `total` is `answered`, `failed`, `skipped` and `remaining` together."""

    name: str
    tenant: str | None
    """None: it calls over the site's own trunks."""
    phase: Phase
    why: str
    """What it waits for, in a sentence; empty where it does not wait."""
    total: int
    dialed: int
    answered: int
    failed: int
    skipped: int
    remaining: int
    active_calls: int
    answer_percent: int | None
    next_call_at: datetime | None
    completed_at: datetime | None


def progress(duty: DesiredCampaign, counts: Counts, *, answered: Sequence[bool], why: str, now: datetime) -> Progress:
    """Where a campaign stands.

    Args:
        duty: the campaign.
        counts: of its destinations.
        answered: whether somebody was reached by its last calls, the newest first.
        why: what keeps it from beginning calls, if anything does.
        now: the moment.
    """
    phase, waits, again = _stands(duty, counts, why, now)
    return Progress(
        name=duty.name,
        tenant=duty.spec.tenant,
        phase=phase,
        why=waits,
        total=counts.total,
        dialed=counts.dialed,
        answered=counts.answered,
        failed=counts.failed,
        skipped=counts.skipped,
        remaining=counts.remaining,
        active_calls=counts.calling,
        answer_percent=pacing.answer_percent(answered),
        next_call_at=again,
        completed_at=counts.finished_at if phase == "Completed" else None,
    )


def _stands(duty: DesiredCampaign, counts: Counts, why: str, now: datetime) -> tuple[Phase, str, datetime | None]:
    """Phase, what it waits for, and until when if that is known."""
    phase: Phase | None = None
    if counts.total and not counts.remaining and not counts.calling:
        phase = "Completed"
    elif duty.spec.paused:
        phase = "Paused"
    elif counts.calling:
        phase = "Running"
    if phase is not None:
        return phase, "", None
    waits, again = _waits(duty, counts, why, now)
    return ("Waiting" if waits else "Running"), waits, again


def _waits(duty: DesiredCampaign, counts: Counts, why: str, now: datetime) -> tuple[str, datetime | None]:
    """What it waits for, empty where it does not; and until when if that is known."""
    if not counts.total:
        uploads = duty.ingredients.source == "upload" and counts.listed_at is None
        return why or ("nobody has uploaded its list yet" if uploads else "nobody is on its list"), None
    due = max(counts.due_at or now, now)
    opens = duty.window.next_open(due)
    if opens is None:
        return "its calling windows never open", None
    if not duty.window.open_at(now):
        return "outside of its calling windows", opens
    if why:
        return why, None
    return ("until the next attempt is due", opens) if due > now else ("", None)
