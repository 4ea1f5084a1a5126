"""The example gateway through both doors: modems, text messages and whoever is told of them."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from testbed.asterisk import AsteriskInstance
from testbed.gateway import Gateway, gateway
from testbed.kube.namespace import Namespace
from testbed.kube.server import ApiServer
from testbed.manifests import condition, manifest
from tests.system.doors import ROOT, Door, Kube, Seen, Standalone, is_false, is_true
from tests.system.world import example

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLE = ROOT / "examples/gsm-gateway"
MESSAGE = ROOT / "examples/sms-message"
OFFLINE_WITHIN = 5
FIRST, SECOND = "490154203237518", "490154203237526"


@dataclass
class Site:
    door: Door
    around: Gateway


def delivered(seen: Seen) -> bool:
    return bool(seen.get("status", {}).get("phase") == "Delivered")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(
    door_kind: str, tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer]
) -> AsyncIterator[Site]:
    directory: Path = tmp_path_factory.mktemp(door_kind)
    async with (
        AsteriskInstance(directory / "asterisk") as asterisk,
        gateway(EXAMPLE, asterisk, directory / "around") as around,
    ):
        assert around is not None
        door: Door = (
            Kube(directory / "door", asterisk, Namespace(api_server(), "gateway"))
            if door_kind == "kube"
            else Standalone(directory / "door", asterisk)
        )
        door.environment = dict(around.environment)
        try:
            await door.start()
            manifests, secrets = example(EXAMPLE, asterisk)
            manifests += example(MESSAGE, asterisk)[0]
            await door.apply(manifests, secrets | {name: dict(values) for name, values in around.secrets.items()})
            await door.wait_ready()
            yield Site(door, around)
        finally:
            await door.close()


async def test_every_resource_is_ready_and_the_modems_are_online(site: Site) -> None:
    seen = await site.door.seen()
    assert set(seen) == set(site.door.specs)
    for name in ("gsm-1", "gsm-2"):
        status = await site.door.until("Dongle", name, is_true("Online"))
        assert (status["state"], status["provider"]) == ("Free", "Example Mobile")
        assert -113 <= status["signalDbm"] <= -51


async def test_the_message_of_the_example_is_sent_once_as_it_is(site: Site) -> None:
    status = await site.door.until("SmsMessage", "hello", delivered)
    (sent,) = await site.around.modems.sent()
    assert sent["text"] == site.door.specs["SmsMessage", "hello"]["text"]
    assert status["dongle"] == sent["device"]


async def test_a_message_that_comes_in_is_told_with_every_character(site: Site) -> None:
    text = 'Привет, 世界! 👋 "quoted"; ${EXTEN}\r\nsecond line'
    imsi = site.around.imsis["gsm-1"]
    await site.around.modems.ask("deliver", imsi=imsi, sender="+15550123", text=text)
    told = await site.around.receiver.event("received", place="hook/office")
    assert text.replace("\r\n", "\n") in told["text"].replace("\r\n", "\n")


async def test_a_modem_that_is_pulled_out_is_offline_within_seconds_and_told(site: Site) -> None:
    await site.around.modems.unplug(FIRST)
    status = await site.door.until("Dongle", "gsm-1", is_false("Online"), limit_seconds=OFFLINE_WITHIN)
    assert condition({"status": status}, "Online")["reason"] == "NotConnected"
    assert condition({"status": status}, "Ready")["status"] == "True"
    told = await site.around.receiver.event("received", place="hook/office", title="dongle.offline Dongle/gsm-1")
    assert "gsm-1" in told["text"]


async def test_a_group_sends_by_the_modem_that_is_there(site: Site) -> None:
    before = len(await site.around.modems.sent())
    spec = {"dongleGroup": "out", "to": "+15550101", "text": "by the other one"}
    await site.door.apply([manifest("SmsMessage", "other", **spec)])
    status = await site.door.until("SmsMessage", "other", delivered)
    assert status["dongle"] == "gsm-2"
    assert [each["device"] for each in (await site.around.modems.sent())[before:]] == ["gsm-2"]


async def test_a_modem_that_is_put_in_again_is_online_again(site: Site) -> None:
    await site.around.modems.plug(FIRST, site.around.imsis["gsm-1"], provider="Example Mobile")
    await site.door.until("Dongle", "gsm-1", is_true("Online"), limit_seconds=40)


def shown(door: Door, kind: str) -> list[list[str]]:
    """The table of a kind as its owner sees it, in cells."""
    if isinstance(door, Kube):
        text = door.namespace.kubectl("get", f"{kind}.dialplane.io")
    else:
        assert isinstance(door, Standalone)
        command = (sys.executable, "-m", "dialplane.cli", "get", kind, "--state-dir", str(door.state))
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]


async def test_what_is_shown_reads_like_a_control_room(site: Site) -> None:
    head, *dongles = await asyncio.to_thread(shown, site.door, "dongles")
    assert head[:10] == [
        *("NAME", "STATE", "PROVIDER", "SIGNAL", "QUEUE", "RECEIVED", "SENT", "FAILED", "ONLINE", "READY"),
    ]
    assert [(row[0], row[1], row[2], row[8], row[9]) for row in dongles] == [
        (name, "Free", "Example Mobile", "True", "True") for name in ("gsm-1", "gsm-2")
    ]
    head, *messages = await asyncio.to_thread(shown, site.door, "smsmessages")
    assert head[:5] == ["NAME", "TO", "PHASE", "DONGLE", "ATTEMPTS"]
    assert {tuple(row[:3]) for row in messages} == {
        ("hello", "+15550100", "Delivered"),
        ("other", "+15550101", "Delivered"),
    }


async def test_a_restarted_controller_sends_nothing_again(site: Site) -> None:
    before = await site.around.modems.sent()
    await site.door.kill()
    await site.door.start()
    await site.door.said("pass done", limit_seconds=45)  # the lease of the killed one runs out first
    await site.door.wait_ready()
    await asyncio.sleep(2)
    assert await site.around.modems.sent() == before
