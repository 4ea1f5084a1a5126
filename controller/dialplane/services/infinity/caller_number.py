"""Which number a customer sees: a choice from a tenant's numbers, made from what is known of the call."""

import hashlib

from dialplane.resources.infinity_tenant import InfinityTenantSpec


def choose(spec: InfinityTenantSpec, customer: str, turn: int) -> str | None:
    """The number to show; None where the platform is to choose.

    Args:
        spec: the tenant.
        customer: the number that is called.
        turn: how many calls chose before this one, for RoundRobin.
    """
    if spec.caller_number_strategy == "Default" or not spec.caller_numbers:
        return spec.default_caller_number
    if spec.caller_number_strategy == "RoundRobin":
        return spec.caller_numbers[turn % len(spec.caller_numbers)]
    return max(spec.caller_numbers, key=lambda number: _weight(number, customer))


def belongs(spec: InfinityTenantSpec, number: str) -> bool:
    """Whether calls of the tenant may show it: whoever asks for a call may choose among these, and show no other."""
    return number in spec.caller_numbers or number == spec.default_caller_number


def _weight(number: str, customer: str) -> bytes:
    """Rendezvous hashing: a number that comes or goes changes only the customers that it gains or loses."""
    return hashlib.sha256(f"{number} {customer}".encode()).digest()
