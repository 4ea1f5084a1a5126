"""What is said of the ElevatorDevices of a site: worked out anew for those alone of which something is new."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from dialplane.resources.conditions import Report
from dialplane.resources.key import Key
from dialplane.services.contract import ServiceReport
from dialplane.services.elevator.leader import status
from dialplane.services.elevator.leader.gateways import Gateways
from dialplane.services.elevator.leader.live import Live
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.leader.view_sequence import ViewSequence


class Statements:
    """The reports of one site's devices."""

    def __init__(self, live: Live, gateways: Gateways) -> None:
        """Take what is known of devices from `live`, and of what is served from `gateways`."""
        self._live = live
        self._gateways = gateways
        self._phones: Mapping[str, Report] | None = None
        """Of the telephones; None: nothing was reported yet, and nothing is said of a device that has one."""
        self._reports: dict[Key, ServiceReport] = {}
        self._handed: set[Key] = set()
        self.trouble = ""
        """Why the store cannot be asked."""

    def hand_out(self) -> Mapping[Key, ServiceReport]:
        """Return what is said now, to be written into statuses."""
        if len(self._handed) != len(self._reports):
            self._handed = set(self._reports)
        return self._reports

    def hear(self, lifts: Mapping[str, Lift], extensions: Mapping[str, Key], reports: Mapping[Key, Report]) -> set[str]:
        """Take what is reported of the telephones; return the devices whose telephone is another than before.

        Args:
            lifts: the devices, by name.
            extensions: the Extensions, by number.
            reports: of all resources.
        """
        phones = {}
        for name, lift in lifts.items():
            key = extensions.get(lift.cabin) if lift.cabin is not None else None
            if key is not None and key in reports:
                phones[name] = reports[key]
        before, self._phones = self._phones, phones
        if before is None:
            return {name for name, lift in lifts.items() if lift.cabin is not None}
        return {name for name in before.keys() | phones.keys() if before.get(name) is not phones.get(name)}

    def keep(self, keys: Collection[Key]) -> None:
        """Forget what is said of all others."""
        for key in self._reports.keys() - set(keys):
            del self._reports[key]
            self._handed.discard(key)

    def work_out(self, some: Collection[Lift], views: ViewSequence, now: datetime) -> bool:
        """Work out what is said of some devices; return whether any of it is news."""
        news = False
        for lift in some:
            if lift.key is None or (self._phones is None and lift.cabin is not None):
                continue
            facts = replace(
                self._live.facts(lift.name),
                since=views.since(lift.name),
                serves=self._gateways.serves,
                trouble=self.trouble,
                phone=(self._phones or {}).get(lift.name),
                twin=lift.name in self._gateways.twins,
            )
            judged = status.conditions(lift, facts, now)
            before = self._reports.get(lift.key) if lift.key in self._handed else None
            said = status.restate(judged, status.fields(facts), before)
            if said is not None:
                news = news or said != self._reports.get(lift.key)
                self._reports[lift.key] = said
        return news
