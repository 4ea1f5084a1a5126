"""How far one campaign is."""

from dataclasses import dataclass
from datetime import datetime

from dialplane.resources.campaign import Phase


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one campaign is; `total` is `answered`, `failed`, `skipped` and `remaining` together."""

    name: str
    tenant: str
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
