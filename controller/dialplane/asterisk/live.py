"""What changes by itself in Asterisk: outbound registrations and contacts, kept up to date from events."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.contacts import Contact


@dataclass(frozen=True, slots=True)
class Registration:
    """An outbound registration, named by its PJSIP id."""

    state: str
    """Asterisk's word: Registered, Unregistered, Rejected, Stopped."""
    server_uri: str
    client_uri: str


@dataclass(frozen=True, slots=True)
class LiveState:
    """One immutable view."""

    registrations: Mapping[str, Registration] = field(default_factory=dict)
    contacts: Mapping[str, tuple[Contact, ...]] = field(default_factory=dict)
    """By aor; an aor without a contact is absent."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new view, and the ids in which it differs from the one before."""

    state: LiveState
    registrations: frozenset[str] = frozenset()
    aors: frozenset[str] = frozenset()


def follow(ami: Ami, known: LiveState | None = None, *, resync_seconds: float = 60.0) -> AsyncIterator[Change]:
    """Yield the whole state first (what differs from `known`), then each change; ends with the connection."""
    raise NotImplementedError
