"""How many calls a campaign may begin now. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dialplane.resources.campaign import Pacing

WINDOW: Final = 20
"""Calls that the answer rate is made of."""


@dataclass(frozen=True, slots=True)
class PoolRoom:
    """What a tenant's pool does now, whoever asked for it."""

    available: int
    """Extensions that are free for a call."""
    in_use: int
    """Extensions of the pool in a call."""
    active_calls: int
    """Calls that count for the maximum: those on extensions that leave the pool too."""
    max_calls: int

    @property
    def capacity(self) -> int:
        """Calls that it could carry at a time."""
        return min(self.available + self.in_use, self.max_calls)


@dataclass(frozen=True, slots=True)
class Load:
    """What a campaign does now."""

    free_agents: int
    active: int
    """Its calls that go on, and claims that may become calls."""
    begun: int
    """Calls that it began within the last minute."""
    answered: Sequence[bool]
    """Whether somebody was reached by its last calls, the newest first."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """How many calls may begin now, and what keeps it from more."""

    calls: int
    why: str
    """Empty where nothing but the campaign's own pace holds it back."""


def allowed(pacing: Pacing, course: Load, pool: PoolRoom) -> Allowed:
    """How many calls may begin now: the least of what agents, pace, answer rate and pool let through.

    The campaign leaves `100 - poolPercent` of what the pool can do free, whoever uses the rest; of a pool that is too
    small for that, it uses one extension.
    """
    most = pacing.max_concurrent_calls
    percent = answer_percent(course.answered)
    slow = len(course.answered) >= WINDOW and percent is not None and percent < pacing.min_answer_percent
    share = max(1, pool.capacity * pacing.pool_percent // 100)
    limits = (
        (course.free_agents, "every agent is in a call"),
        (
            (1 if slow else most) - course.active,
            f"{percent} % of the last calls were answered: one at a time" if slow else "",
        ),
        (pacing.calls_per_minute - course.begun, ""),
        (pool.available, "no extension of the pool is free"),
        (pool.max_calls - pool.active_calls, "the tenant has as many calls as it may have"),
        (share - pool.active_calls, "the rest of the pool is kept free for calls that people ask for"),
    )
    calls, why = min(limits, key=lambda limit: limit[0])
    return Allowed(max(calls, 0), why if calls <= 0 else "")


def answer_percent(answered: Sequence[bool]) -> int | None:
    """How many of the last calls were answered, in a hundred; None before the first."""
    last = answered[:WINDOW]
    return 100 * sum(last) // len(last) if last else None
