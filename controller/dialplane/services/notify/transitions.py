"""PURE: what happened, from what is reported now and what was known before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.services.notify.tables.known_states import KnownState
from dialplane.store.events import NewEvent

_JUDGED_BY: Final = {"SipTrunk": ConditionType.REGISTERED, "Dongle": ConditionType.ONLINE}
_WORDS: Final[Mapping[tuple[str, str], str]] = {
    ("SipTrunk", Truth.TRUE): "trunk.registered",
    ("SipTrunk", Truth.FALSE): "trunk.unregistered",
    ("Dongle", Truth.TRUE): "dongle.online",
    ("Dongle", Truth.FALSE): "dongle.offline",
    ("Asterisk", Truth.TRUE): "asterisk.up",
    ("Asterisk", Truth.FALSE): "asterisk.down",
}
_OF_ASTERISK: Final = {"Normal": Truth.TRUE, "Error": Truth.FALSE}
"""Restarting is what was asked for, and Unknown is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one report says of the thing that is told of; Truth.UNKNOWN: nothing."""

    state: Truth
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Learned:
    """What follows from a look: what to remember, what to tell, what to forget."""

    states: tuple[KnownState, ...] = ()
    told: tuple[NewEvent, ...] = ()
    gone: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.states or self.gone)


def seen(reports: Mapping[Key, Report]) -> dict[Key, Seen]:
    """What the reports say of trunks, modems and Asterisk."""
    return {key: _seen(report) for key, report in reports.items() if key.kind in _JUDGED_BY or key.kind == "Asterisk"}


def learned(site: str, known: Mapping[str, str], now_seen: Mapping[Key, Seen], at: datetime) -> Learned:
    """Compare a look with what is known (state by subject).

    The first look at a thing tells nothing, and what is unknown for a while is as it was before.
    """
    states, told = [], []
    for key, found in now_seen.items():
        before = known.get(str(key))
        if found.state is Truth.UNKNOWN or found.state == before:
            continue
        states.append(KnownState(str(key), str(found.state), at))
        if before is not None:
            said = {name: value for name, value in (("reason", found.reason), ("message", found.message)) if value}
            told.append(NewEvent(site, _WORDS[key.kind, found.state], key.kind, key.name, at, said))
    gone = known.keys() - {str(key) for key in now_seen}
    return Learned(tuple(states), tuple(told), frozenset(gone))


def _seen(report: Report) -> Seen:
    if report.key.kind == "Asterisk":
        state = _OF_ASTERISK.get(str(report.fields.get("state")), Truth.UNKNOWN)
        return _with_why(state, report.condition(ConditionType.READY))
    condition = report.condition(_JUDGED_BY[report.key.kind])
    return _with_why(condition.status if condition else Truth.UNKNOWN, condition)


def _with_why(state: Truth, condition: Condition | None) -> Seen:
    if state is not Truth.FALSE or condition is None or condition.status is Truth.TRUE:
        return Seen(state)
    return Seen(state, condition.reason, condition.message)
