"""What the telephone of a lift did while no controller ran is recorded once, and supervised, when one does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from dialplane.asterisk.ami import Ami
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import SiteView
from dialplane.services.elevator.leader.cabins import EVENTS, Cabins
from dialplane.services.elevator.leader.roster import Lift, roster
from dialplane.services.elevator.tables import journal, telephones
from dialplane.store import Store
from testbed.manifests import manifest
from tests.asterisk.real_asterisk import address
from tests.eventually import eventually
from tests.system.calls import LOCATION, dial, forget_spooled, hang_up, spooled
from tests.system.pbx import Pbx

SITE = "office"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _at_rest(pbx: Pbx) -> AsyncIterator[None]:
    await forget_spooled(pbx)
    yield
    await forget_spooled(pbx)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    yield store
    store.close()


def lifts() -> dict[str, Lift]:
    made = manifest("ElevatorDevice", "lift-2", location=LOCATION, emergencyExtension="801", testCall={"number": "880"})
    resource = parse(made)
    return roster(SiteView(Snapshot(SITE, {resource.key: resource}, {}), frozenset({resource.key})), {})


def cabins(store: Store) -> Cabins:
    known = lifts()
    return Cabins(
        store, SITE, lifts=lambda: known, leads=lambda: True, happened=lambda: None, now=lambda: datetime.now(UTC)
    )


def entries(store: Store) -> list[tuple[str, object]]:
    return [(each.type, each.data) for each in journal.page(store, SITE, "lift-2", limit=50, after=0).entries]


async def until_spooled(pbx: Pbx, expected: dict[str, list[str]]) -> None:
    async def seen() -> dict[str, list[str]]:
        return await spooled(pbx)

    def is_so(found: dict[str, list[str]]) -> bool:
        return found == expected

    await eventually(seen, holds=is_so)


async def test_a_test_call_and_an_alarm_without_a_controller_are_recorded_once(pbx: Pbx, records: Store) -> None:
    cabin = await pbx.phone("801")
    call = await dial(pbx, "801", "880")
    await cabin.event("call", state="ended", call=call["call"])
    await pbx.phone("102")
    await hang_up(pbx, "801", await dial(pbx, "801", "102"))
    await pbx.quiet()
    begun = datetime.now(UTC)
    for _ in range(2):  # a controller, and another one after it
        async with Ami.connect(address(pbx.asterisk), events=EVENTS) as ami:
            serving = asyncio.create_task(cabins(records).serve(ami))
            await eventually(lambda: len(entries(records)) == 3, why=lambda: entries(records))
            await until_spooled(pbx, {"dpcabin": ["801"]})
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
    found = telephones.get(records, SITE)["lift-2"]
    assert found.alarm == "Answered"
    assert found.test_call_at is not None
    assert begun - timedelta(minutes=2) < found.test_call_at <= begun
    assert sorted(type_ for type_, _ in entries(records)) == ["alarm", "alarm", "test_call"]


async def test_an_alarm_is_noticed_as_it_is_dialled_and_the_cabin_is_called_back_until_its_end(
    pbx: Pbx, records: Store
) -> None:
    await pbx.phone("801")
    await pbx.phone("102")
    async with Ami.connect(address(pbx.asterisk), events=EVENTS) as ami:
        leader = cabins(records)
        serving = asyncio.create_task(leader.serve(ami))
        call = await dial(pbx, "801", "102")
        await eventually(lambda: (telephones.get(records, SITE).get("lift-2") or telephones.Telephone("")).in_alarm, 3)
        await hang_up(pbx, "801", call)
        await hang_up(pbx, "102", await dial(pbx, "102", "801"))
        telephones.end_alarm(records, SITE, "lift-2", datetime.now(UTC))
        leader.wake()
        await until_spooled(pbx, {})
        await dial(pbx, "102", "801", code=403)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert telephones.get(records, SITE)["lift-2"].alarm == "Ended"
