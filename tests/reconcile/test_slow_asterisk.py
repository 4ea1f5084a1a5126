"""An Asterisk that answers late, not at all, or only some things: waited for, given up, and verified again."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dialplane.asterisk import ami as ami_module
from dialplane.asterisk import readback
from dialplane.reconcile.site import Timing
from dialplane.resources.key import Key
from tests.reconcile.ami_proxy import behind_proxy
from tests.reconcile.site_rig import Rig, extension, extensions

PBX = Key("Asterisk", "pbx")
TENTH = 0.1
"""These tests run ten times faster than life: limits and delays alike."""
HASTY = Timing(drift_check=0.3, lost_grace=0.5, retry=0.2, status_refresh=0.5, reload_limit=2)


@pytest.fixture
def tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("ANSWER_WITHIN", "_PING_AFTER", "_PING_LIMIT"):
        monkeypatch.setattr(ami_module, limit, getattr(ami_module, limit) * TENTH)
    monkeypatch.setattr(readback, "WITHIN", readback.WITHIN * TENTH)


@contextmanager
def stopped(rig: Rig) -> Iterator[None]:
    """The process stands still: its sockets stay open, the kernel acknowledges, nobody answers."""
    os.kill(rig.asterisk.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(rig.asterisk.pid, signal.SIGCONT)


async def runs(rig: Rig, number: str, name: str) -> bool:
    """Whether Asterisk itself, asked by somebody else, has that display name."""
    return await rig.display_name(number) == name


def said_true(rig: Rig, name: str, generation: int) -> bool:
    return any(g == generation and s == "True" for g, s, _ in rig.sink.every(Key("Extension", name)))


@pytest.mark.usefixtures("tenth")
async def test_answers_after_six_seconds_are_waited_for(tmp_path: Path) -> None:
    async with behind_proxy(tmp_path) as (rig, proxy):
        rig.put(rig.pbx(), extension("101", displayName="New"))
        proxy.delay = 6 * TENTH
        rig.run()
        await rig.until(lambda: rig.says("e101", "Verified"), 60)
        assert await runs(rig, "101", "New")
        assert proxy.connections == 1


@pytest.mark.usefixtures("tenth")
async def test_a_peer_that_vanished_is_noticed_without_any_work_to_do(tmp_path: Path) -> None:
    timing = Timing(drift_check=0.3, lost_grace=0.5, retry=0.2, status_refresh=600)
    async with behind_proxy(tmp_path, timing) as (rig, proxy):
        rig.put(rig.pbx(), *extensions([101]))
        rig.run()
        await rig.settled()
        proxy.stalled = True
        await rig.until(lambda: rig.says("e101", "AsteriskUnreachable"), 10)
        assert rig.sink.statuses[PBX]["state"] == "Error"
        proxy.stalled = False
        await rig.until(lambda: rig.says("e101", "Verified"), 15)
        assert rig.sink.statuses[PBX]["state"] == "Normal"


@pytest.mark.usefixtures("tenth")
async def test_an_asterisk_that_stands_still_in_a_reload_is_given_up_and_verified_again(tmp_path: Path) -> None:
    async with behind_proxy(tmp_path, HASTY) as (rig, proxy):
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        proxy.stall_on = b"Module: res_pjsip.so"
        rig.put(extension("101", displayName="New"))
        async with asyncio.timeout(10):
            while not proxy.stalled:
                await asyncio.sleep(0.05)
        with stopped(rig):
            proxy.stall_on, proxy.stalled = None, False
            await rig.until(lambda: rig.says("e102", "AsteriskUnreachable"), 15)
            assert not said_true(rig, "e101", 2)
        await rig.until(lambda: rig.says("e101", "Verified") and rig.says("e102", "Verified"), 15)
        assert await runs(rig, "101", "New")


async def test_a_reload_that_never_answers_ends_by_its_limit_and_is_done_again(tmp_path: Path) -> None:
    async with behind_proxy(tmp_path, HASTY) as (rig, proxy):
        rig.put(rig.pbx(), *extensions([101]))
        rig.run()
        await rig.settled()
        await rig.listen()
        proxy.swallow = b"Module: res_pjsip.so"
        rig.put(extension("101", displayName="New"))
        await rig.until(lambda: rig.says("e101", "ReloadFailed"), 15)
        assert "Reload" in str(rig.ready("e101"))
        assert proxy.swallowed
        assert not said_true(rig, "e101", 2)
        proxy.swallow = None
        await rig.until(lambda: rig.says("e101", "Verified"), 15)
        assert await runs(rig, "101", "New")
        assert rig.reloads.count("res_pjsip.so") >= 2, "what may not have been read is read again"


async def test_a_reload_that_another_party_holds_for_ever_is_nobodys_fault(tmp_path: Path) -> None:
    async with behind_proxy(tmp_path, HASTY) as (rig, proxy):
        rig.put(rig.pbx(), *extensions([101]))
        rig.run()
        await rig.settled()
        proxy.rewrite = (b"Module: pbx_config.so\r\nStatus: 0", b"Module: pbx_config.so\r\nStatus: 4")
        rig.put(extension("102"))
        await rig.until(lambda: rig.says("e102", "ReloadFailed"), 15)
        assert "another reload" in str(rig.ready("e102"))
        proxy.rewrite = None
        await rig.until(lambda: rig.says("e102", "Verified"), 15)
        assert not any(reason == "RejectedByAsterisk" for _, _, reason in rig.sink.every(Key("Extension", "e102")))


async def test_an_asterisk_that_is_back_after_a_long_outage_is_found_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda _low, high: high)  # the longest waits
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101]))
        rig.run()
        await rig.settled()
        await rig.asterisk.stop(limit_seconds=0)
        await asyncio.sleep(4)  # 0.5, 1, 2, 4: the longest wait has begun
        await rig.asterisk.start()
        started = time.monotonic()
        async with asyncio.timeout(10):
            while not rig.loop.connected:
                await asyncio.sleep(0.05)
        assert time.monotonic() - started < 6
        await rig.until(lambda: rig.says("e101", "Verified"), 10)
