"""The contacts that devices registered: list them, and drop those of a deleted or re-keyed extension."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.database import remove
from dialplane.asterisk.message import Event

_FAMILY = "registrar/contact"


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    """One place where an aor can be reached."""

    uri: str
    status: str
    """Asterisk's word: Reachable, Unreachable, NonQualified, Unknown."""
    user_agent: str = ""
    rtt_ms: float | None = None
    """Round trip of the last qualify, in milliseconds."""
    registered: bool = True
    """A device registered it; False for one that the configuration names (a trunk's host)."""


async def contacts(ami: Ami) -> Mapping[str, tuple[Contact, ...]]:
    """Every contact that a device registered, by aor."""
    return by_aor(await ami.list("PJSIPShowRegistrationInboundContactStatuses"))


def by_aor(events: Collection[Event]) -> dict[str, tuple[Contact, ...]]:
    """The contacts that ContactStatusDetail events show, sorted. Pure."""
    found: dict[str, set[Contact]] = {}
    for event in events:
        if event.name == "ContactStatusDetail":
            found.setdefault(event["aor"], set()).add(_contact(event))
    return {aor: tuple(sorted(them, key=lambda c: c.uri)) for aor, them in found.items()}


def round_trip(microseconds: str) -> float | None:
    """Milliseconds of a RoundtripUsec field, which says `N/A` or 0 where nothing was measured."""
    return int(microseconds) / 1000 if microseconds.isdecimal() and microseconds != "0" else None


async def drop_contacts(ami: Ami, aors: Collection[str]) -> int:
    """Unbind every registered contact of these aors, at once; returns how many there were.

    Asterisk keeps them in its database, one key per contact, and reads it for each call: a deleted key is a contact no
    call finds. DBDelTree does not reach them, as it matches whole parts of a path only. No event tells of it: live
    state must be asked again.
    """
    keys = [key for aor, key in await registered_keys(ami) if aor in set(aors)]
    await remove(ami, _FAMILY, keys)
    return len(keys)


async def registered_keys(ami: Ami) -> list[tuple[str, str]]:
    """Each contact in Asterisk's database: its aor and its key (`AOR;@HASH`, res_pjsip_registrar)."""
    events = await ami.list("DBGetTree", Family="registrar", Key="contact")
    keys = [event["key"].removeprefix(f"/{_FAMILY}/") for event in events]
    return [(key.rpartition(";@")[0], key) for key in keys]


def _contact(event: Event) -> Contact:
    return Contact(
        uri=event["uri"],
        status=event.get("status", ""),
        user_agent=event.get("useragent", ""),
        rtt_ms=round_trip(event.get("roundtripusec", "")),
        registered=event.get("regexpire", "0") != "0",
    )
