"""What a cabin's telephone does, as the leader sees it. On a real Asterisk, with real SIP peers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from dialplane.asterisk.ami import Ami
from dialplane.services.elevator.leader.cabins import EVENTS, Cabins
from dialplane.services.elevator.tables import telephones
from dialplane.store import Store
from tests.asterisk.real_asterisk import address
from tests.elevator.leader.lifts import SITE, journal_of, lift, lifts
from tests.eventually import eventually
from tests.system.calls import dial, forget_spooled, hang_up, spooled
from tests.system.pbx import Pbx

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def leading(pbx: Pbx, store: Store) -> AsyncIterator[None]:
    known = lifts(lift("lift-2", emergencyExtension="801"))
    watched = Cabins(
        store, SITE, lifts=lambda: known, leads=lambda: True, happened=lambda: None, now=lambda: datetime.now(UTC)
    )
    async with Ami.connect(address(pbx.asterisk), events=EVENTS) as ami:
        serving = asyncio.create_task(watched.serve(ami))
        yield
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _at_rest(pbx: Pbx) -> AsyncIterator[None]:
    await forget_spooled(pbx)
    yield
    await forget_spooled(pbx)


def alarm(store: Store) -> str | None:
    found = telephones.get(store, SITE).get("lift-2")
    return found.alarm if found else None


async def test_a_test_call_made_while_nobody_led_is_recorded_once(pbx: Pbx, store: Store) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    await dial(pbx, "801", "880")
    await pbx.quiet()
    async with leading(pbx, store):
        await eventually(lambda: spooled(pbx), holds=lambda left: left == {})
    assert journal_of(store) == [("lift-2", "test_call")]
    made = telephones.get(store, SITE)["lift-2"].test_call_at
    assert made is not None
    assert began <= made <= datetime.now(UTC)


async def test_an_emergency_is_answered_as_soon_as_somebody_speaks_with_the_cabin(pbx: Pbx, store: Store) -> None:
    await pbx.phone("102")
    async with leading(pbx, store):
        call = await dial(pbx, "801", "102")
        await eventually(lambda: alarm(store), holds=lambda state: state == "Answered")
        assert await pbx.channels()  # they still speak
        await hang_up(pbx, "801", call)


async def test_an_emergency_that_nobody_answers_is_answered_by_who_calls_back(pbx: Pbx, store: Store) -> None:
    await pbx.phone("103", code=486)
    async with leading(pbx, store):
        await dial(pbx, "801", "103", code=486)
        await eventually(lambda: alarm(store), holds=lambda state: state == "Raised")
        call = await dial(pbx, "102", "801")
        await eventually(lambda: alarm(store), holds=lambda state: state == "Answered")
        await hang_up(pbx, "102", call)
