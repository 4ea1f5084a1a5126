"""What changes by itself in Asterisk: outbound registrations and contacts, kept up to date from events.

Events tell of most changes at once; a slow resync finds the rest (a dropped contact sends none). A resync asks after
the events are subscribed to, so that the two agree in the end: what the last event says is what a resync shows.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from dialplane.asterisk.ami import IN_FLIGHT, Ami
from dialplane.asterisk.contacts import Contact, by_aor, round_trip
from dialplane.asterisk.errors import ActionRefused, ActionUnknown, PermissionMissing
from dialplane.asterisk.message import Event, Gap
from dialplane.tasks import run_for_each

_REMOVED = "Removed"
_IDLE_SHARE = 4
"""Asking takes a fifth of the time at most."""
_LONGEST_PAUSE = 5.0


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

    registrations: Mapping[str, Registration] = field(default_factory=lambda: MappingProxyType({}))
    contacts: Mapping[str, tuple[Contact, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By aor; an aor without a contact is absent."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new view, and the ids in which it differs from the one before."""

    state: LiveState
    registrations: frozenset[str] = frozenset()
    aors: frozenset[str] = frozenset()


async def follow(
    ami: Ami, known: LiveState | None = None, *, resync: asyncio.Event | None = None, resync_seconds: float = 120.0
) -> AsyncIterator[Change]:
    """Yield the whole state first, with what differs from `known`, then each change; ends with the connection.

    Args:
        ami: a connection that receives the event class `system`.
        known: the last view, of the connection before.
        resync: set it to have the state asked again soon (after `drop_contacts`, or a reload that changed trunks).
        resync_seconds: how often it is asked again without that.

    Raises:
        ConnectionLost, ActionTimeout, PermissionMissing: while asking.
    """
    resync = resync or asyncio.Event()
    state = known or LiveState()
    loop = asyncio.get_running_loop()
    with ami.events("Registry", "ContactStatus") as events:
        batch: asyncio.Future[list[Event | Gap]] = asyncio.ensure_future(events.batch())
        try:
            change = _change(state, await observe(ami))
            yield change
            while True:
                state = change.state
                await _any(batch, resync, resync_seconds)
                happened = batch.result() if batch.done() else []
                if batch.done():
                    if not happened:
                        return
                    batch = asyncio.ensure_future(events.batch())
                told = [event for event in happened if isinstance(event, Event)]
                began = loop.time()
                if not happened or resync.is_set() or len(told) < len(happened):
                    resync.clear()
                    change = _change(state, await observe(ami))
                else:
                    change = _change(state, await _applied(ami, state, told))
                took = loop.time() - began
                if change.registrations or change.aors:
                    yield change
                # In a flood the events wait and are folded: most of the connection's time is left to others.
                await asyncio.sleep(min(_IDLE_SHARE * took, _LONGEST_PAUSE))
        finally:
            batch.cancel()


async def observe(ami: Ami) -> LiveState:
    """Ask for all registrations and contacts. Raises as `Ami.list`."""
    registrations = {
        event["objectname"]: Registration(event.get("status", ""), event["serveruri"], event["clienturi"])
        for event in await _listed(ami, "PJSIPShowRegistrationsOutbound")
        if event.name == "OutboundRegistrationDetail"
    }
    contacts = by_aor(await _listed(ami, "PJSIPShowRegistrationInboundContactStatuses"))
    # That leaves out the contacts that the configuration names: only the endpoint itself shows their status.
    known = {f"{aor}/{contact.uri}" for aor, them in contacts.items() for contact in them}
    named = [
        event["objectname"]
        for event in await _listed(ami, "PJSIPShowEndpoints")
        if any(c and c not in known for c in event.get("contacts", "").split(","))
    ]
    contacts |= await _contacts_of(ami, named)
    return LiveState(MappingProxyType(registrations), MappingProxyType(contacts))


async def _listed(ami: Ami, action: str) -> tuple[Event, ...]:
    """What a list holds; nothing where the module that knows such things does not run."""
    try:
        return await ami.list(action)
    except ActionUnknown:
        return ()


async def _any(batch: "asyncio.Future[list[Event | Gap]]", resync: asyncio.Event, seconds: float) -> None:
    asked: asyncio.Future[Any] = asyncio.ensure_future(resync.wait())
    waiting: set[asyncio.Future[Any]] = {batch, asked}
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()


async def _applied(ami: Ami, state: LiveState, events: Iterable[Event]) -> LiveState:
    registrations, contacts = dict(state.registrations), dict(state.contacts)
    unknown: dict[str, None] = {}
    for event in events:
        if event.name == "Registry":
            if not _apply_registry(registrations, event):
                return await observe(ami)
        elif not _apply_contact(contacts, event):
            unknown[event.get("endpointname", "")] = None
    contacts |= await _contacts_of(ami, unknown)
    return LiveState(MappingProxyType(registrations), MappingProxyType(contacts))


def _apply_registry(registrations: dict[str, Registration], event: Event) -> bool:
    # It carries no id: the pair of URIs names the registration, and the plan keeps the pairs unique.
    pair = (event.get("username", ""), event.get("domain", ""))
    ids = [name for name, known in registrations.items() if (known.client_uri, known.server_uri) == pair]
    for name in ids:
        registrations[name] = replace(registrations[name], state=event.get("status", ""))
    return bool(ids)


def _apply_contact(contacts: dict[str, tuple[Contact, ...]], event: Event) -> bool:
    """Whether the event said enough: of a new contact it does not tell the device."""
    aor, uri, status = event.get("aor", ""), event.get("uri", ""), event.get("contactstatus", "")
    others = [contact for contact in contacts.get(aor, ()) if contact.uri != uri]
    known = [contact for contact in contacts.get(aor, ()) if contact.uri == uri]
    if status == _REMOVED:
        contacts[aor] = tuple(others)
        if not others:
            del contacts[aor]
        return True
    if not known:
        return False
    new = replace(known[0], status=status, rtt_ms=round_trip(event.get("roundtripusec", "")))
    contacts[aor] = tuple(sorted([*others, new], key=lambda contact: contact.uri))
    return True


async def _contacts_of(ami: Ami, endpoints: Iterable[str]) -> dict[str, tuple[Contact, ...]]:
    found: dict[str, tuple[Contact, ...]] = {}

    async def one(endpoint: str) -> None:
        try:
            found.update(by_aor(await ami.list("PJSIPShowEndpoint", Endpoint=endpoint)))
        except PermissionMissing:
            raise
        except ActionRefused:
            return  # It was deleted meanwhile.

    await run_for_each(one, endpoints, at_most=IN_FLIGHT)
    return found


def _change(before: LiveState, after: LiveState) -> Change:
    return Change(
        after, _differing(before.registrations, after.registrations), _differing(before.contacts, after.contacts)
    )


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> frozenset[str]:
    return frozenset(name for name in {*before, *after} if before.get(name) != after.get(name))
