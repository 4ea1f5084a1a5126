"""What happens to the emergency telephones, written down: each step in one transaction with all that follows from it.

From two sources, the telephone itself (Asterisk's spool) and the device (its messages, which a gateway writes), come
test calls and alarms. Here they become entries of the journal, events for Notifiers and orders for pictures, each once,
whichever process dies in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from dialplane.services.elevator.leader.roster import KIND, Lift
from dialplane.services.elevator.leader.spool import CabinEvent
from dialplane.services.elevator.tables import commands, journal, spooled, telephones
from dialplane.services.elevator.tables.commands import NewCommand
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.services.elevator.tables.telephones import Telephone
from dialplane.store import Store, events
from dialplane.store.events import NewEvent

PICTURE: Final = "SNAPSHOT"
"""The command that asks for a picture."""
PICTURE_WITHIN: Final = timedelta(minutes=5)
"""A picture that comes later says nothing of the emergency."""
MADE_BY: Final = "dialplane"
"""Who asks for it, where others have the name of a token."""


@dataclass(frozen=True, slots=True)
class SpoolTally:
    """What a look at the spool brought."""

    test_calls: int = 0
    alarms: int = 0
    """New emergencies."""


def take_spooled(
    store: Store, site: str, happened: Sequence[CabinEvent], lifts: Mapping[str, Lift], *, now: datetime
) -> SpoolTally:
    """Write down what the telephones did, the oldest first; what was taken before changes nothing.

    Blocks: call it by `Store.call`. Events of devices that are not there are left out.
    """
    test_calls = alarms = 0
    with store.write() as connection:
        new = spooled.take(connection, store, site, [each.id for each in happened], now=now)
        for each in sorted(happened, key=lambda each: each.at):
            if each.id not in new or each.device not in lifts:
                continue
            data: dict[str, Any] = {"by": "telephone"}
            match each.type:
                case "test":
                    telephones.note_test_call(connection, store, site, each.device, each.at, now=now)
                    test_calls += 1
                    entry = NewEntry(each.device, "test_call", each.at, {"number": each.detail})
                case "alarm":
                    if telephones.note_raised(connection, store, site, each.device, each.at, now=now):
                        alarms += 1
                    entry = NewEntry(each.device, "alarm", each.at, {**data, "state": "Raised", "number": each.detail})
                case "answered":
                    telephones.note_answered(connection, site, each.device, each.at, now=now)
                    entry = NewEntry(each.device, "alarm", each.at, {**data, "state": "Answered", "who": each.detail})
            journal.write(connection, site, [entry])
    return SpoolTally(test_calls, alarms)


def raise_unexplained(store: Store, site: str, device: str, at: datetime, *, now: datetime) -> None:
    """Note an emergency of which Asterisk has nothing but that it lasts. Blocks: call it by `Store.call`."""
    with store.write() as connection:
        if telephones.note_raised(connection, store, site, device, at, now=now):
            journal.write(connection, site, [NewEntry(device, "alarm", at, {"by": "telephone", "state": "Raised"})])


def notify_alarms(
    store: Store, site: str, raised: Sequence[Telephone], lifts: Mapping[str, Lift], *, now: datetime
) -> frozenset[str]:
    """Have Notifiers hear of emergencies, and ask for pictures where the manifest does.

    Blocks: call it by `Store.call`.

    Returns:
        The devices whose emergency was news.
    """
    notified = set()
    with store.write() as connection:
        for each in raised:
            lift = lifts.get(each.device)
            if lift is None or not telephones.note_notified(connection, site, each.device, now=now):
                continue
            notified.add(each.device)
            at = each.alarm_raised_at or now
            data = {"message": f"{lift.location}: somebody calls for help", "location": lift.location}
            events.append(connection, [NewEvent(site, "elevator.alarm", KIND, lift.name, at, data)])
            if _wants_picture(lift):
                commands.queue_within(connection, store, site, [_picture(lift, at, now)], now=now)
    return frozenset(notified)


def notify_overdue(store: Store, site: str, overdue: Mapping[str, str], *, now: datetime) -> frozenset[str]:
    """Have Notifiers hear of test calls that are missing, once for each lapse.

    Blocks: call it by `Store.call`.

    Args:
        store: the database.
        site: the namespace.
        overdue: what is to be said of each device, by its name.
        now: the time.

    Returns:
        The devices of which that was news.
    """
    notified = set()
    with store.write() as connection:
        for name, message in sorted(overdue.items()):
            if telephones.note_overdue(connection, site, name, now=now):
                notified.add(name)
                journal.write(connection, site, [NewEntry(name, "test_call", now, {"overdue": True})])
                data = {"message": message}
                events.append(connection, [NewEvent(site, "elevator.testcall.overdue", KIND, name, now, data)])
    return frozenset(notified)


def _wants_picture(lift: Lift) -> bool:
    asked = lift.spec is not None and lift.spec.snapshot.on_alarm
    command = lift.profile.commands.get(PICTURE)
    return asked and command is not None and not command.physical


def _picture(lift: Lift, at: datetime, now: datetime) -> NewCommand:
    return NewCommand(
        device=lift.name,
        name=PICTURE,
        physical=False,
        data=None,
        token=MADE_BY,
        request_key=f"alarm-{at.isoformat()}",
        deadline=now + PICTURE_WITHIN,
    )
