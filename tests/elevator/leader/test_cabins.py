"""The telephones' spool and the list of cabins in alarm, in the database of a real Asterisk."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.services.elevator.leader import cabins
from dialplane.services.elevator.leader.cabins import EVENTS, Cabins
from dialplane.services.elevator.leader.spool import ALARMS, SPOOL
from dialplane.services.elevator.tables import telephones
from dialplane.store import Store
from testbed.asterisk import AsteriskInstance
from tests.asterisk.real_asterisk import address
from tests.elevator.leader.lifts import CABIN, SITE, Clock, journal_of, lift, lifts
from tests.eventually import eventually


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    async with AsteriskInstance(tmp_path_factory.mktemp("asterisk")) as instance:
        yield instance


@pytest_asyncio.fixture
async def ami(asterisk: AsteriskInstance) -> AsyncIterator[Ami]:
    async with Ami.connect(address(asterisk), events=EVENTS) as made:
        yield made
        for family in (SPOOL, ALARMS):
            await database.remove(made, family, [entry.key for entry in await database.entries(made, family)])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cabins]:
    monkeypatch.setattr(cabins, "CONFIRM_SECONDS", 0.05)
    known = lifts(lift(**CABIN), lift("lift-2", emergencyExtension="102"))

    def start(leads: Callable[[], bool] = lambda: True) -> Cabins:
        return Cabins(store, SITE, lifts=lambda: known, leads=leads, happened=lambda: None, now=clock)

    return start


def alarm(store: Store, name: str = "lift-1") -> str | None:
    found = telephones.get(store, SITE).get(name)
    return found.alarm if found else None


async def listed(ami: Ami) -> list[str]:
    return [entry.key for entry in await database.entries(ami, ALARMS)]


def _is_empty(seen: list[str]) -> bool:
    return not seen


async def spool(ami: Ami, clock: Clock, kind: str, call: str = "1.7", detail: str = "770") -> None:
    value = f"{int(clock().timestamp())}|lift-1|{kind}|{detail}"
    await database.put(ami, SPOOL, f"{call}-{kind}", value)


async def test_what_was_spooled_while_nobody_listened_is_recorded_once_and_deleted(
    ami: Ami, store: Store, clock: Clock, desk: Callable[..., Cabins]
) -> None:
    await spool(ami, clock, "test")
    await database.put(ami, SPOOL, "odd", "not|a line")
    called = clock()
    clock.move(hours=5)
    serving = asyncio.create_task(desk().serve(ami))
    await eventually(lambda: journal_of(store) == [("lift-1", "test_call")])

    async def spooled() -> list[str]:
        return [entry.key for entry in await database.entries(ami, SPOOL)]

    await eventually(spooled, holds=_is_empty)
    assert telephones.get(store, SITE)["lift-1"].test_call_at == called
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await desk().look(ami)
    assert journal_of(store) == [("lift-1", "test_call")]


async def test_a_cabin_is_on_the_list_exactly_as_long_as_its_emergency_lasts(
    ami: Ami, store: Store, clock: Clock, desk: Callable[..., Cabins]
) -> None:
    leader = desk()
    telephones.raise_alarm(store, SITE, "lift-1", clock())
    await leader.look(ami)
    assert await listed(ami) == ["101"]
    await database.remove(ami, ALARMS, ["101"])  # an Asterisk that lost its database
    await leader.look(ami)
    assert await listed(ami) == ["101"]
    telephones.end_alarm(store, SITE, "lift-1", clock())
    await leader.look(ami)
    assert await listed(ami) == ["101"]  # the dialplan may be about to say why

    async def after_a_look() -> list[str]:
        await leader.look(ami)
        return await listed(ami)

    await eventually(after_a_look, holds=_is_empty)
    assert alarm(store) == "Ended"


async def test_a_new_call_for_help_right_after_the_end_of_another_stays_on_the_list(
    ami: Ami, store: Store, clock: Clock, desk: Callable[..., Cabins]
) -> None:
    telephones.raise_alarm(store, SITE, "lift-1", clock())
    telephones.end_alarm(store, SITE, "lift-1", clock())
    leader = desk()
    await database.put(ami, ALARMS, "101", str(int(clock().timestamp())))  # as the dialplan does: the list first
    await leader.look(ami)
    await spool(ami, clock, "alarm", detail="112")
    await asyncio.sleep(2 * cabins.CONFIRM_SECONDS)
    await leader.look(ami)
    assert (await listed(ami), alarm(store)) == (["101"], "Raised")


async def test_a_cabin_on_the_list_that_nothing_was_recorded_of_is_in_alarm(
    ami: Ami, store: Store, clock: Clock, desk: Callable[..., Cabins]
) -> None:
    await database.put(ami, ALARMS, "102", str(int(clock().timestamp()) - 60))
    await desk().look(ami)
    assert (alarm(store, "lift-2"), await listed(ami)) == ("Raised", ["102"])
    assert journal_of(store) == [("lift-2", "alarm")]


async def test_who_does_not_lead_leaves_asterisk_alone(
    ami: Ami, store: Store, clock: Clock, desk: Callable[..., Cabins]
) -> None:
    await spool(ami, clock, "test")
    await desk(leads=lambda: False).look(ami)
    assert journal_of(store) == []
    assert len(await database.entries(ami, SPOOL)) == 1


async def test_serving_ends_with_the_connection(asterisk: AsteriskInstance, desk: Callable[..., Cabins]) -> None:
    async with Ami.connect(address(asterisk), events=EVENTS) as connection:
        serving = asyncio.create_task(desk().serve(connection))
        await asyncio.sleep(0)
        connection.close()
        async with asyncio.timeout(5):
            await asyncio.gather(serving, return_exceptions=True)
