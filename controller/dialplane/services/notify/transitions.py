"""PURE: what happened, from what is reported now and what was known before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.event_type import EventType
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS
from dialplane.services.notify.tables.known_states import KnownState
from dialplane.store.events import NewEvent


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
    """Return what the reports say of resources of the kinds that have events by a condition or a state."""
    events = {kind.name: [event for event in kind.events if event.after is not None] for kind in KINDS.values()}
    return {key: _seen(report, of_kind) for key, report in reports.items() if (of_kind := events.get(key.kind))}


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
            happened = (event.name for event in KINDS[key.kind].events if event.after == found.state)
            told += [NewEvent(site, name, key.kind, key.name, at, said) for name in happened]
    gone = known.keys() - {str(key) for key in now_seen}
    return Learned(tuple(states), tuple(told), frozenset(gone))


def _seen(report: Report, events: Sequence[EventType]) -> Seen:
    judged_by = next((event.condition for event in events if event.condition), None)
    if judged_by is not None:
        condition = report.condition(judged_by)
        return _with_why(condition.status if condition else Truth.UNKNOWN, condition)
    state = report.fields.get("state")
    after = next((event.after for event in events if event.state == state), None)
    return _with_why(after or Truth.UNKNOWN, report.condition(ConditionType.READY))


def _with_why(state: Truth, condition: Condition | None) -> Seen:
    if state is not Truth.FALSE or condition is None or condition.status is Truth.TRUE:
        return Seen(state)
    return Seen(state, condition.reason, condition.message)
