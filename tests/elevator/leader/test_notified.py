"""What people hear of a lift: an emergency, a test call that is missing, a device that went away; as a webhook gets it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dialplane.resources.conditions import Report
from dialplane.services.elevator.leader import status
from dialplane.services.elevator.leader.status import Facts
from dialplane.services.elevator.leader.telephone_watch import TelephoneWatch
from dialplane.services.elevator.tables import telephones
from dialplane.services.elevator.tables.presence import Presence
from dialplane.services.notify.delivery import Patience
from dialplane.store import Store
from testbed.peer import PeerProcess
from tests.databases import NOW
from tests.elevator.leader.lifts import CABIN, SITE, Clock, lift, lifts
from tests.notify.site import NotifyRig, notifier

EVENTS = ["elevator.alarm", "elevator.testcall.overdue", "device.offline", "device.online"]


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[PeerProcess]:
    options = {"directory": str(tmp_path)}
    async with await PeerProcess.launch("receiver", tmp_path / "receiver.log", options, name="receiver") as peer:
        yield peer


async def test_people_hear_what_happened_and_where(store: Store, receiver: PeerProcess) -> None:
    clock, known = Clock(), lifts(lift(**CABIN))
    key = known["lift-1"].key
    assert key is not None
    async with NotifyRig(store, Patience()) as rig:
        rig.serve(notifier("duty", events=EVENTS), duty=f"json://127.0.0.1:{receiver.address[1]}/hook/duty")
        watch = TelephoneWatch(
            store, SITE, lifts=lambda: known, leads=lambda: True, notified=lambda _: rig.service.wake(), now=clock
        )
        await watch.look()
        telephones.raise_alarm(store, SITE, "lift-1", clock())
        await watch.look()
        alarm = await receiver.event("received", title="Emergency in lift lift-1")
        assert alarm["text"].startswith("Town hall, lift-1: somebody calls for help")
        clock.move(hours=73)
        await watch.look()
        overdue = await receiver.event("received", title="Lift lift-1 made no test call")
        assert "its telephone made no test call for 72 h (it never made one)" in overdue["text"]
        for online in (True, False):
            facts = Facts(presence=Presence("lift-1", online=online, since=_later(online=online)))
            judged = status.conditions(known["lift-1"], facts, NOW)
            rig.service.on_reports({key: Report(key, "uid", 1, judged)})
        offline = await receiver.event("received", title="Lift lift-1 is offline")
        assert offline["text"].startswith("it is silent: see its power and its network")


def _later(*, online: bool) -> datetime:
    return NOW + timedelta(minutes=not online)
