"""Two operators of one site: one writes. The other waits warm, takes over in time, and is never written over."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import pytest_asyncio

from dialplane.reconcile.settings import Timing
from testbed.kube.namespace import Namespace
from testbed.kube.rest import MERGE_PATCH
from testbed.kube.server import ApiServer
from tests.system.doors import Kube, Seen, condition, secret
from tests.system.replicas import TAKEN_OVER_WITHIN, Replicas, replicas
from tests.system.world import phones

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("kube")]

NUMBERS = range(101, 141)
WRITES = 1_000
WRITERS = 16
CPU_MILLISECONDS_A_WRITE = 4.0
REFUSED = {401, 403}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(
    tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer]
) -> AsyncIterator[Replicas]:
    async with replicas(tmp_path_factory.mktemp("pair"), api_server(), map(str, NUMBERS)) as made:
        yield made


async def test_other_peoples_writes_cost_no_pass_and_no_reload(site: Replicas) -> None:
    leader, world = await site.leader(), site.world
    await site.world.settled()
    passes, reloads = await leader.metric("dialplane_passes_total"), len(world.reloads)
    statuses = await leader.metric("dialplane_status_writes_total")
    door = world.door
    assert isinstance(door, Kube)
    started = time.monotonic()
    with site.spending() as spent:
        async with door.namespace.session(limit=WRITERS) as session:
            await asyncio.gather(
                *(scribble(session, door.namespace, NUMBERS[n % len(NUMBERS)], n) for n in range(WRITES))
            )
        await asyncio.sleep(1)
    looks = (
        1 + (time.monotonic() - started) // Timing().drift_check
    )  # each may find older routines that nobody uses now
    assert await leader.metric("dialplane_passes_total") <= passes + looks
    assert await leader.metric("dialplane_status_writes_total") == statuses
    assert len(world.reloads) == reloads
    assert max(each.cpu_seconds for each in spent) < WRITES * CPU_MILLISECONDS_A_WRITE / 1000
    logging.getLogger(__name__).info("%d writes by others: %s", WRITES, "; ".join(map(str, spent)))
    await world.door.wait_ready()


async def test_a_secret_that_comes_changes_and_goes_is_followed(site: Replicas) -> None:
    world = site.world
    (extension,), _ = phones(("150",))
    await world.door.apply([extension])
    await world.door.until("Extension", "e150", lambda seen: reason(seen) == "SecretMissing")
    phone = await world.phone("150", "late")
    assert (await phone.ask("register"))["code"] in REFUSED
    await world.door.apply([secret("phone-150", username="150", password="late")])
    await world.door.wait_ready(("Extension", "e150"))
    assert (await phone.ask("register"))["code"] == 200
    await world.door.apply([secret("phone-150", username="150", password="other")])
    async with asyncio.timeout(20):
        while (await phone.ask("register"))["code"] == 200:
            await asyncio.sleep(0.2)
    await world.door.delete("Secret", "phone-150")
    await world.door.until("Extension", "e150", lambda seen: reason(seen) == "SecretMissing")
    assert "150" not in await world.endpoints()
    await world.door.delete("Extension", "e150")


async def test_a_leader_that_slept_through_its_lease_writes_nothing_when_it_wakes(site: Replicas) -> None:
    """It is stopped in the middle of its work, with a change in hand that is an old one when it wakes."""
    world, asleep = site.world, await site.leader()
    other = site.other(asleep)
    await site.patch("Extension", "e101", {"spec": {"displayName": "Old News"}})
    await asyncio.sleep(0.12)
    asleep.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        while not await other.leads():
            assert time.monotonic() - stopped < TAKEN_OVER_WITHIN
            await asyncio.sleep(0.1)
        await site.patch("Extension", "e101", {"spec": {"displayName": "New Name"}})
        await world.door.delete("Extension", "e104")
        await world.until_endpoints(await world.endpoints() - {"104"})
        await world.door.wait_ready()
        await site.world.settled()
        files, reloads, writes = site.files(), len(world.reloads), await world.door.writes()
        effects, patches = len(asleep.effects), await other.metric("dialplane_status_writes_total")
    finally:
        asleep.signal(signal.SIGCONT)
    await asleep.said("lease_lost")
    await asyncio.sleep(2)
    assert len(asleep.effects) == effects
    assert site.files() == files
    assert len(world.reloads) == reloads
    assert await world.door.writes() == writes
    assert await other.metric("dialplane_status_writes_total") == patches
    assert await site.leaders() == [other]
    assert "New Name" in await world.asterisk.console("pjsip show endpoint 101")


async def scribble(session: aiohttp.ClientSession, namespace: Namespace, number: int, turn: int) -> None:
    """Write what is no business of ours: labels, and the annotations of another tool."""
    notes = {"labels": {"team.example.com/turn": str(turn)}, "annotations": {"tool.example.com/seen": str(turn)}}
    path = namespace.path("Extension", f"e{number}")
    async with session.patch(path, json={"metadata": notes}, headers={"Content-Type": MERGE_PATCH}) as answer:
        assert answer.ok, await answer.text()


def reason(seen: Seen) -> str:
    return str(condition(seen, "Ready").get("reason"))
