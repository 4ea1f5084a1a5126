"""The kinds, one line each: whatever works for every kind reads it from here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dialplane.resources import (
    asterisk,
    campaign,
    dongle,
    elevator_device,
    extension,
    infinity_tenant,
    notifier,
    schedule,
    sip_trunk,
    sms_message,
    voice_bot,
)
from dialplane.resources.event_type import EventType
from dialplane.resources.kind import Kind

_ALL: Final[tuple[Kind, ...]] = (
    asterisk.KIND,
    sip_trunk.KIND,
    extension.KIND,
    schedule.KIND,
    dongle.KIND,
    sms_message.KIND,
    notifier.KIND,
    infinity_tenant.KIND,
    campaign.KIND,
    elevator_device.KIND,
    voice_bot.KIND,
)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})
"""Every kind by its name."""


def is_rendered(kind: str) -> bool:
    """Whether Asterisk can be asked for resources of the kind of that name; False of one that is not in the table."""
    return kind in KINDS and KINDS[kind].rendered


def is_confirmed(kind: str) -> bool:
    """Whether it takes the word of a service, too, for a resource of that kind to be Ready."""
    return kind in KINDS and (KINDS[kind].confirmed or not KINDS[kind].rendered)


def find_kind(word: str) -> Kind | None:
    """The kind that a person means by its name, plural, singular or short name, in any case."""
    wanted = word.lower().removesuffix(".dialplane.io")
    return next(
        (k for k in KINDS.values() if wanted in (k.name.lower(), k.plural, k.singular, *k.short_names)),
        None,
    )


def event_types() -> Mapping[str, EventType]:
    """Return what can happen to resources of any kind, by name and in the order of the names."""
    events = (event for kind in KINDS.values() for event in kind.events)
    return {event.name: event for event in sorted(events, key=lambda event: event.name)}
