"""The contacts that devices registered: list them, and drop those of a deleted or re-keyed extension."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dialplane.asterisk.ami import Ami


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    """One place where an aor can be reached."""

    uri: str
    status: str
    """Asterisk's word: Reachable, Unreachable, NonQualified, Unknown, …"""
    user_agent: str = ""
    rtt_ms: float | None = None
    """Round trip of the last qualify."""


async def contacts(ami: Ami) -> Mapping[str, tuple[Contact, ...]]:
    """Every contact, by aor."""
    raise NotImplementedError


async def drop_contacts(ami: Ami, aors: Iterable[str]) -> int:
    """Unbind every registered contact of these aors, at once; returns how many there were."""
    raise NotImplementedError
