"""What the store holds of some devices, for one page of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dialplane.services.elevator.api import models
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.tables import commands, sessions, snapshots, telephones
from dialplane.services.elevator.tables.sessions import Session
from dialplane.services.elevator.tables.snapshots import Snapshot
from dialplane.services.elevator.tables.telephones import Telephone
from dialplane.store import Store


@dataclass(frozen=True, slots=True)
class Overview:
    """Some devices as the store has them; one that was never connected, or never rang, is left out there."""

    sessions: Mapping[str, Session] = field(default_factory=dict)
    telephones: Mapping[str, Telephone] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)
    pictures: Mapping[str, Snapshot] = field(default_factory=dict)

    def state(self, lift: Lift, *, online: bool | None, address: Callable[[Snapshot], str]) -> models.DeviceState:
        """Return what is answered of one of them; `address` says where a picture is."""
        picture = self.pictures.get(lift.name)
        session = self.sessions.get(lift.name)
        telephone = self.telephones.get(lift.name)
        alarm = None
        if telephone is not None and telephone.alarm is not None and telephone.alarm_since is not None:
            alarm = models.DeviceAlarm(state=telephone.alarm, since=telephone.alarm_since)
        return models.DeviceState(
            id=lift.name,
            location=lift.location,
            registered=lift.key is None,
            profile=lift.settings,
            enabled=lift.connects,
            online=online,
            connected_at=session.connected_at if session and session.closed_at is None else None,
            last_seen_at=session.seen_at if session else None,
            address=session.address if session else None,
            firmware=session.firmware if session else None,
            capabilities=list(session.capabilities) if session else [],
            allowed_commands=[
                models.AllowedCommandKind(name=name, kind="physical" if each.physical else "safe")
                for name, each in lift.profile.commands.items()
            ],
            commands_queued=self.queued.get(lift.name, 0),
            emergency_extension=lift.cabin,
            last_test_call_at=telephone.test_call_at if telephone else None,
            alarm=alarm,
            last_snapshot=models.LastPicture(url=address(picture), taken_at=picture.taken_at) if picture else None,
        )


def overview(store: Store, site: str, devices: Sequence[str]) -> Overview:
    """Return what there is of these devices."""
    return Overview(
        sessions.get(store, site, devices),
        telephones.get(store, site, devices),
        commands.queued_counts(store, site),
        snapshots.newest(store, site, devices),
    )
