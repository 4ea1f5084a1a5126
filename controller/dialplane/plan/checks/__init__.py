"""What must hold across the whole site.

Each check is a pure function from a draft to findings; `CHECKS` runs them in order, each on what the ones before it
left in. A new check is a function here and a row in its test table.
"""

from collections.abc import Callable, Iterable

from dialplane.plan.checks.conflicts import (
    duplicate_dids,
    duplicate_names,
    duplicate_networks,
    duplicate_numbers,
    duplicate_registrations,
    overlapping_binds,
)
from dialplane.plan.checks.numbers import dialled_numbers, forwards
from dialplane.plan.checks.references import route_targets, schedule_loops, transports, trunks
from dialplane.plan.checks.secrets import secrets
from dialplane.plan.draft import Draft, Finding

CHECKS: tuple[Callable[[Draft], Iterable[Finding]], ...] = (
    secrets,
    overlapping_binds,
    transports,
    duplicate_numbers,
    duplicate_names,
    duplicate_networks,
    duplicate_registrations,
    duplicate_dids,
    route_targets,
    schedule_loops,
    trunks,
    dialled_numbers,
    forwards,
)
