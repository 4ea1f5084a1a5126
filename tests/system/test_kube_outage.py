"""The API server, or the etcd behind it, is away for longer than the lease; or both die at once.

Two operators watch one site. Whatever goes, calls do not notice; the lease runs out and nobody writes anything; and
afterwards one leads, sees what happened last, and says what is true.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from testbed.kube.server import ApiServer
from tests.eventually import eventually
from tests.system.doors import is_true
from tests.system.replicas import Replicas, replicas
from tests.system.world import phones

pytestmark = pytest.mark.asyncio(loop_scope="module")

AWAY_SECONDS = 16.0
"""Longer than the lease."""
SILENT_SECONDS = 22.0
"""Longer than any request may take without an answer, too."""
ETCD, API_SERVER = 0, 1
CPU_SHARE = 0.10
BURST = 100
REQUESTS_A_SECOND = 5.0
LINES_A_SECOND = 5.0
CHANGES = 3
LOST = "lease_lost"
EDIT = "; by somebody else\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory, server: ApiServer) -> AsyncIterator[Replicas]:
    numbers = [str(number) for number in range(101, 111)]
    async with replicas(tmp_path_factory.mktemp("outage"), server, numbers) as made:
        yield made


def freeze(program: int) -> Callable[[ApiServer], Callable[[], None]]:
    def stop(server: ApiServer) -> Callable[[], None]:
        pid = server.pids[program]
        os.kill(pid, signal.SIGSTOP)
        return lambda: os.kill(pid, signal.SIGCONT)

    return stop


def kill(server: ApiServer) -> Callable[[], None]:
    server.kill()
    return server.start


@pytest.mark.parametrize(
    ("away", "at_least", "gone", "new"),
    [
        pytest.param(freeze(API_SERVER), SILENT_SECONDS, "105", "195", id="api-server-frozen"),
        pytest.param(freeze(ETCD), AWAY_SECONDS, "106", "196", id="etcd-frozen"),
        pytest.param(kill, AWAY_SECONDS, "107", "197", id="both-killed"),
    ],
)
async def test_calls_go_on_nothing_is_written_and_all_is_true_afterwards(
    site: Replicas, away: Callable[[ApiServer], Callable[[], None]], at_least: float, gone: str, new: str
) -> None:
    world, server = site.world, site.namespace.server
    leader = await site.leader()
    caller = await world.registered("101")
    await world.registered("102")
    await world.door.until("Extension", "e102", is_true("Registered"))
    await site.world.settled()
    lost = leader.log.count(LOST)
    known, reloads, effects = await world.endpoints(), len(world.reloads), [len(r.effects) for r in site.pair]

    with site.spending() as spent:
        started = time.monotonic()
        back = away(server)
        try:
            await eventually(lambda: leader.log.count(LOST) > lost, within=15, why=lambda: leader.child.tail(30))
            (world.asterisk.etc / "dialplane" / "voicemail.conf").open("a").write(EDIT)
            files = site.files()
            assert (await caller.ask("call", number="102"))["code"] == 200
            await caller.ask("hangup")
            assert (await (await world.phone("103")).ask("register"))["code"] == 200
            await asyncio.sleep(at_least - (time.monotonic() - started))
            assert await site.leaders() == []
            assert site.files() == files
            assert [len(r.effects) for r in site.pair] == effects
        finally:
            await asyncio.to_thread(back)
    seconds = time.monotonic() - started
    for each in spent:  # what each tries at once when it notices is a burst, not a rate
        assert each.cpu_seconds < CPU_SHARE * seconds
        assert each.connections < BURST + REQUESTS_A_SECOND * seconds
        assert each.log_lines < BURST + LINES_A_SECOND * seconds
    logging.getLogger(__name__).info("away for %.0f s: %s", seconds, ", ".join(map(str, spent)))

    async with site.one_leads():
        await site.patch("Extension", "e104", {"spec": {"displayName": f"Since {new}"}})
        await world.door.delete("Extension", f"e{gone}")
        await world.door.apply(*phones((new,)))
        await world.until_endpoints(known - {gone} | {new}, limit_seconds=60)
        await world.door.wait_ready(limit_seconds=60)
        assert len(await site.leaders()) == 1
    assert f"Since {new}" in await world.asterisk.console("pjsip show endpoint 104")
    assert EDIT not in (world.asterisk.etc / "dialplane" / "voicemail.conf").read_text()
    assert world.reloads[reloads:].count("res_pjsip.so") <= CHANGES
