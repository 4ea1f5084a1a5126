"""The counts in the statuses of Dongles."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dialplane.services.sms.tables import inbox, outgoing
from dialplane.store import Store

FAILED: Final = frozenset({"Failed", "Expired"})
_SENT: Final = frozenset({"Sent", "Delivered"})

NONE: Final[Mapping[str, int]] = MappingProxyType({"received": 0, "sent": 0, "failed": 0})
"""Of a Dongle that the store knows nothing of."""


def of_dongles(store: Store, site: str) -> dict[str, dict[str, int]]:
    """What the store knows of each Dongle, as `status.sms` shows it. Blocks: call it by `Store.call`."""
    found: dict[str, dict[str, int]] = {}
    for name, number in inbox.counts(store, site).items():
        found.setdefault(name, dict(NONE))["received"] = number
    for (name, phase), number in outgoing.counts(store, site).items():
        kind = "sent" if phase in _SENT else "failed" if phase in FAILED else None
        if kind is not None:
            found.setdefault(name, dict(NONE))[kind] += number
    return found
