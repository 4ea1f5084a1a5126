"""Dongles as they are: online, offline and why, within five seconds."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.gsm import Gateway, dongle, imei, imsi, rendered
from dialplane.asterisk.ami import Ami
from dialplane.store import Store
from testbed.asterisk import AsteriskInstance
from tests.sms.rig import Site, message

WITHIN = 5.0


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    store = await asyncio.to_thread(Store.open, f"sqlite:///{tmp_path}/store.db")
    async with (
        Gateway.running(tmp_path, [dongle(0, sms={"perMinute": 120})]) as gateway,
        Site(gateway, store).running() as running,
    ):
        await running.is_online()
        yield running
    store.close()


async def test_a_dongle_shows_what_its_modem_says(site: Site) -> None:
    found = site.fields("Dongle", "gsm-0")
    assert found | {"sms": None} == {
        "state": "Free",
        "imei": imei(0),
        "imsi": imsi(0),
        "provider": "Testnet",
        "number": None,
        "network": "Registered, home network",
        "signalDbm": -73,
        "tasksQueued": 0,
        "sms": None,
    }


async def test_a_modem_that_leaves_and_comes_back_is_noticed_within_five_seconds(site: Site) -> None:
    await site.peer.unplug(imei(0))
    assert await site.until(lambda: site.online() == ("False", "NotConnected")) < WITHIN
    await site.peer.plug(imei(0), imsi(0))
    assert await site.until(lambda: site.online() == ("True", "Online")) < WITHIN


async def test_a_modem_without_a_network_says_so(site: Site) -> None:
    await site.peer.ask("network", imei=imei(0), registration="denied")
    await site.until(lambda: site.online() == ("False", "NotRegistered"), within=WITHIN)
    await site.until(lambda: site.fields("Dongle", "gsm-0")["network"] == "Registration denied")


async def test_a_modem_that_was_stopped_says_so(site: Site) -> None:
    address = site.gateway.view().asterisk
    assert address is not None
    async with Ami.connect(address) as ami:
        await ami.action("DongleStop", Device="gsm-0", When="now")
    await site.until(lambda: site.online() == ("False", "Stopped"), within=WITHIN)


async def test_a_cut_line_is_no_news_and_a_lost_asterisk_is(site: Site) -> None:
    changes = site.changes
    await site.peer.drop()
    await asyncio.sleep(0.8)
    assert site.online() == ("True", "Online")
    await site.gateway.asterisk.stop()
    await site.until(lambda: site.online() == ("Unknown", "AsteriskUnreachable"))
    assert site.changes > changes
    await site.gateway.asterisk.start()
    await site.is_online(within=30)


async def test_the_other_driver_is_served_alike(tmp_path: Path) -> None:
    store = await asyncio.to_thread(Store.open, f"sqlite:///{tmp_path}/store.db")
    dongles = [dongle(0, driver="chan_quectel")]
    async with (
        AsteriskInstance(tmp_path / "asterisk", dialplane_files=rendered(dongles)) as asterisk,
        Gateway.on(asterisk, tmp_path, dongles, "chan_quectel") as gateway,
        Site(gateway, store).running() as site,
    ):
        await site.is_online()
        site.send(message("hello", "Привет"))
        await site.until(lambda: site.phase("hello") == "Delivered")
        await gateway.peer.deliver("gsm-0", "+15550100", "你好")
        await site.until(lambda: site.fields("Dongle", "gsm-0")["sms"] == {"received": 1, "sent": 1, "failed": 0})
        await gateway.peer.unplug(imei(0))
        await site.until(lambda: site.online() == ("False", "NotConnected"), within=WITHIN)
    store.close()


async def test_a_driver_that_is_not_loaded_is_named(tmp_path: Path) -> None:
    store = await asyncio.to_thread(Store.open, f"sqlite:///{tmp_path}/store.db")
    dongles = [dongle(0), dongle(1, driver="chan_quectel")]
    async with Gateway.running(tmp_path, dongles) as gateway, Site(gateway, store).running() as site:
        await site.is_online("gsm-0")
        assert site.online("gsm-1") == ("Unknown", "ModuleMissing")
    store.close()
