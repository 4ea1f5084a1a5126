"""Modems: what the driver shows is what was rendered, and no call on one is ever dropped for a change."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dialplane.resources.key import Key
from testbed.ami import AmiClient
from testbed.manifests import Manifest, manifest
from testbed.modem.peer import ModemPeer
from tests.reconcile.site_rig import Rig, extension

IMEI, IMSI = "354000000000119", "262000000000011"
OTHER = "354000000000226"
GSM = Key("Dongle", "gsm-1")


def dongle(name: str = "gsm-1", **spec: Any) -> Manifest:
    return manifest("Dongle", name, **({"imei": IMEI} | spec))


@asynccontextmanager
async def with_modems(directory: Path, driver: str = "chan_dongle") -> AsyncIterator[tuple[Rig, ModemPeer]]:
    """A rig whose Asterisk has that driver."""
    async with Rig(directory) as rig:
        config = rig.asterisk.etc / f"{driver.removeprefix('chan_')}.conf"
        async with await ModemPeer.start(directory, rig.asterisk, config, driver=driver) as peer:
            rig.ami_port = peer.address[1]
            try:
                yield rig, peer
            finally:
                await rig.end()


async def shown(peer: ModemPeer) -> Mapping[str, Mapping[str, str]]:
    return {device["Device"]: device for device in (await peer.ask("devices"))["devices"]}


async def reloads(peer: ModemPeer) -> int:
    return int((await peer.counts())["reloads"])


def account(rig: Rig) -> tuple[str, str]:
    controller = rig.asterisk.settings.controller
    return controller.name, controller.secret


async def call(rig: Rig, peer: ModemPeer) -> Any:
    """A call to the modem's number, which rings a phone until `hangup`."""
    phone = await rig.phone("101")
    assert (await phone.ask("register"))["code"] == 200
    await phone.ask("answer", code=200, ring_seconds=100)
    return (await peer.ask("call", device="gsm-1", number="+4917099"))["call"]


INBOUND = {"inbound": {"to": {"extension": "101"}}}
DESK = extension("101", ringSeconds=120)


@pytest.mark.parametrize("driver", ["chan_dongle", "chan_quectel"])
async def test_a_dongle_is_ready_once_its_driver_shows_what_was_rendered(tmp_path: Path, driver: str) -> None:
    async with with_modems(tmp_path, driver) as (rig, peer):
        await peer.plug(IMEI, IMSI)
        rig.put(rig.pbx(), dongle(driver=driver, imsi=IMSI, rxGain=-3, txGain=4, language="de"))
        rig.run()
        await rig.until(lambda: rig.says("gsm-1", "Verified", "Dongle"))
        device = (await shown(peer))["gsm-1"]
        assert (device["Context"], device["RXGain"], device["State"]) == ("dp-dongle-gsm-1", "-3", "Free")
        told, heard = await reloads(peer), list(rig.reloads)
        rig.put(dongle(driver=driver, imsi=IMSI, rxGain=5))
        await rig.settled()
        assert (await shown(peer))["gsm-1"]["RXGain"] == "5"
        assert (await reloads(peer), rig.reloads) == (told + 1, heard), "by its driver's own action alone"


async def test_a_restarted_controller_reloads_no_modem(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        rig.put(rig.pbx(), dongle())
        rig.run()
        await rig.settled()
        told = await reloads(peer)
        await rig.rerun()
        await rig.settled()
        assert rig.says("gsm-1", "Verified", "Dongle")
        assert await reloads(peer) == told


async def test_during_a_call_a_change_waits_and_the_call_goes_on(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        await peer.plug(IMEI, IMSI)
        rig.put(rig.pbx(), DESK, dongle(**INBOUND))
        rig.run()
        await rig.settled()
        up = await call(rig, peer)
        told = await reloads(peer)
        rig.put(dongle(imei=OTHER, **INBOUND))
        await rig.until(lambda: rig.says("gsm-1", "WaitingForCalls", "Dongle"))
        ready = rig.ready("gsm-1", "Dongle")
        assert ready is not None
        assert ready.status == "False"
        assert "call" in ready.message
        passes = rig.source.snapshots
        await rig.until(lambda: rig.source.snapshots > passes + 2)
        assert (await shown(peer))["gsm-1"]["CallsChannels"] == "1"
        assert await reloads(peer) == told + 1, "it is looked at again, not told again"
        assert rig.says("e101", "Verified")
        await peer.ask("hangup", device="gsm-1", call=up)
        await rig.until(lambda: rig.says("gsm-1", "Verified", "Dongle"))
        device = (await shown(peer))["gsm-1"]
        assert (device["IMEISetting"], device["State"]) == (OTHER, "Not connected")


async def test_another_reload_does_not_make_the_driver_forget_what_waits(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        await peer.plug(IMEI, IMSI)
        rig.put(rig.pbx(), DESK, dongle(**INBOUND))
        rig.run()
        await rig.settled()
        up = await call(rig, peer)
        rig.put(dongle(imei=OTHER, **INBOUND))
        await rig.until(lambda: rig.says("gsm-1", "WaitingForCalls", "Dongle"))
        rig.put(dongle("gsm-2", imei="354000000000333"))
        await rig.until(lambda: rig.says("gsm-2", "Verified", "Dongle"))
        assert rig.says("gsm-1", "WaitingForCalls", "Dongle")
        await peer.ask("hangup", device="gsm-1", call=up)
        await rig.until(lambda: rig.says("gsm-1", "Verified", "Dongle"))
        assert (await shown(peer))["gsm-1"]["State"] == "Not connected", "it let the old modem go"


async def test_one_whose_restart_was_forgotten_is_found_and_restarted(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        await peer.plug(IMEI, IMSI)
        rig.put(rig.pbx(), DESK, dongle(**INBOUND))
        rig.run()
        await rig.settled()
        up = await call(rig, peer)
        rig.put(dongle(imei=OTHER, **INBOUND))
        await rig.until(lambda: rig.says("gsm-1", "WaitingForCalls", "Dongle"))
        async with await AmiClient.login(*peer.address, *account(rig)) as ami:  # as somebody at the console may
            await ami.action("DongleReload", When="gracefully")
        assert (await shown(peer))["gsm-1"]["DesiredDeviceState"] == "start"
        passes = rig.source.snapshots
        await rig.until(lambda: rig.source.snapshots > passes + 2)
        assert rig.says("gsm-1", "WaitingForCalls", "Dongle")
        assert (await shown(peer))["gsm-1"]["CallsChannels"] == "1"
        await peer.ask("hangup", device="gsm-1", call=up)
        await rig.until(lambda: rig.says("gsm-1", "Verified", "Dongle"))
        assert (await shown(peer))["gsm-1"]["State"] == "Not connected"


async def test_a_modem_that_is_taken_away_goes_when_its_call_has_ended(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        await peer.plug(IMEI, IMSI)
        rig.put(rig.pbx(), DESK, dongle(**INBOUND))
        rig.run()
        await rig.settled()
        up = await call(rig, peer)
        told = await reloads(peer)
        rig.put(dongle(enabled=False, **INBOUND))
        await rig.until(lambda: rig.says("gsm-1", "WaitingForCalls", "Dongle"))
        assert list(await shown(peer)) == ["gsm-1"]
        await rig.rerun()  # a new controller knows of it, too
        await rig.until(lambda: rig.says("gsm-1", "WaitingForCalls", "Dongle"))
        await peer.ask("hangup", device="gsm-1", call=up)
        await rig.until(lambda: rig.says("gsm-1", "Disabled", "Dongle"))
        assert await shown(peer) == {}
        assert await reloads(peer) == told + 1


async def test_the_last_modem_takes_the_file_of_its_driver_along(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        rig.put(rig.pbx(), dongle())
        rig.run()
        await rig.settled()
        assert (rig.config / "dongle.conf").exists()
        assert not (rig.config / "quectel.conf").exists()
        rig.source.drop(GSM)
        await rig.until(lambda: not (rig.config / "dongle.conf").exists())
        await rig.settled()
        assert await shown(peer) == {}


async def test_a_modem_that_is_not_to_be_opened_is_verified_by_its_absence(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        rig.put(rig.pbx(), dongle(initialState="remove"))
        rig.run()
        await rig.until(lambda: rig.says("gsm-1", "Verified", "Dongle"))
        assert await shown(peer) == {}


async def test_another_driver_takes_a_modem_over(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, dongles):
        settings = SimpleNamespace(host=dongles.address[0], ami_port=dongles.address[1], ari=rig.asterisk.settings.ari)
        behind: Any = SimpleNamespace(settings=settings, ari_url=rig.asterisk.ari_url)
        config = rig.asterisk.etc / "quectel.conf"
        async with await ModemPeer.start(tmp_path, behind, config, driver="chan_quectel") as quectels:
            rig.ami_port = quectels.address[1]
            rig.put(rig.pbx(), dongle(), dongle("gsm-2", driver="chan_quectel", imei=OTHER))
            rig.run()
            await rig.settled()
            assert rig.says("gsm-1", "Verified", "Dongle")
            assert rig.says("gsm-2", "Verified", "Dongle")
            rig.put(dongle(driver="chan_quectel"))
            await rig.settled()
            assert rig.says("gsm-1", "Verified", "Dongle")
            assert (await shown(dongles), set(await shown(quectels))) == ({}, {"gsm-1", "gsm-2"})
            await rig.end()


async def test_without_the_module_the_dongles_alone_say_so(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), extension("101"), dongle(), dongle("gsm-2", driver="chan_quectel", imei=OTHER))
        rig.run()
        await rig.settled()
        for name, module in (("gsm-1", "chan_dongle.so"), ("gsm-2", "chan_quectel.so")):
            ready = rig.ready(name, "Dongle")
            assert ready is not None
            assert (ready.status, ready.reason) == ("False", "ModuleMissing")
            assert module in ready.message
        assert rig.says("e101", "Verified")
        assert rig.says("pbx", "Verified", "Asterisk"), rig.ready("pbx", "Asterisk")


async def test_a_thousand_messages_reload_nothing_and_leave_no_trace_in_the_files(tmp_path: Path) -> None:
    async with with_modems(tmp_path) as (rig, peer):
        rig.source.secret("boss", url="json://127.0.0.1:9/")
        rig.put(rig.pbx(), extension("101"), dongle(group="all"))
        rig.run()
        await rig.settled()
        told, heard = await reloads(peer), list(rig.reloads)
        files = {path.name: path.stat().st_mtime_ns for path in rig.config.glob("*.conf")}
        rig.put(
            manifest("Notifier", "boss", urlSecretRef={"name": "boss", "key": "url"}),
            *(manifest("SmsMessage", f"m{n}", dongleGroup="all", to="+49151", text=f"Nr {n}") for n in range(1_000)),
        )
        await rig.until(lambda: rig.sink.history[-1].keys() >= {Key("SmsMessage", "m999"), Key("Notifier", "boss")})
        assert (await reloads(peer), rig.reloads) == (told, heard)
        assert {path.name: path.stat().st_mtime_ns for path in rig.config.glob("*.conf")} == files
