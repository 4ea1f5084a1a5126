"""Five thousand events a second: changes go on, memory stays, and what the events tell is right in the end."""

import asyncio
import logging
import time
from pathlib import Path

from dialplane.resources.conditions import ConditionType
from dialplane.resources.key import Key
from testbed.manifests import manifest
from tests.reconcile.ami_proxy import Proxy, behind_proxy
from tests.reconcile.site_rig import extension, extensions

RATE = 5000
SECONDS = 5.0
PHONE = Key("Extension", "e101")


def noise(number: int) -> bytes:
    """What a busy Asterisk says: mostly what nobody asked for, some of it about trunks and phones that are not there."""
    match number % 5:
        case 0:
            text = f"Event: TestEvent\r\nPrivilege: test,all\r\nType: StateChange\r\nState: {number}"
        case 1:
            text = f"Event: RTCPSent\r\nPrivilege: reporting,all\r\nChannel: PJSIP/101-{number:08x}\r\nSSRC: {number}"
        case 2:
            text = (
                "Event: Registry\r\nPrivilege: system,all\r\nChannelType: PJSIP\r\n"
                f"Username: sip:nobody{number % 7}@example.com\r\nDomain: sip:example.com\r\nStatus: Registered"
            )
        case 3:
            text = (
                "Event: ContactStatus\r\nPrivilege: system,all\r\nURI: sip:ghost@192.0.2.1\r\nContactStatus: Reachable\r\n"
                f"AOR: ghost{number % 50}\r\nEndpointName: ghost{number % 50}\r\nRoundtripUsec: {number}"
            )
        case _:
            text = f"Event: Newexten\r\nPrivilege: dialplan,all\r\nExtension: 101\r\nUniqueid: 1.{number}"
    return f"{text}\r\n\r\n".encode()


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def flood(proxy: Proxy, enough: asyncio.Event) -> tuple[int, float]:
    """Until it is enough, and for so many seconds at least; how many events in how many seconds."""
    started = time.monotonic()
    sent = await proxy.flood(noise, RATE, SECONDS)
    while not enough.is_set():
        sent += await proxy.flood(noise, RATE, 1.0)
    return sent, time.monotonic() - started


async def lags(found: list[float]) -> None:
    """How late the event loop wakes whoever sleeps."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.05
        await asyncio.sleep(0.05)
        found.append(loop.time() - due)


async def test_a_flood_of_events_delays_nothing_and_is_forgotten(tmp_path: Path) -> None:
    async with behind_proxy(tmp_path) as (rig, proxy):
        trunk = manifest("SipTrunk", "alpha", host="127.0.0.9", port=9, credentialsSecretRef={"name": "carrier"})
        rig.source.secret("carrier", username="account", password="secret")
        rig.put(rig.pbx(), *extensions(range(101, 131)), trunk)
        rig.run()
        await rig.settled()
        late: list[float] = []
        before, cpu = resident(), time.process_time()
        watching = asyncio.create_task(lags(late))
        enough = asyncio.Event()
        flooding = asyncio.create_task(flood(proxy, enough))
        await asyncio.sleep(1)
        phone = await rig.phone("101")
        assert (await phone.ask("register"))["code"] == 200
        changed = time.monotonic()
        rig.put(extension("102", displayName="In the flood"))
        await rig.until(lambda: rig.says("e102", "Verified"), 10)
        seconds = time.monotonic() - changed
        assert '"In the flood"' in await rig.asterisk.console("pjsip show endpoint 102")
        enough.set()
        sent, lasted = await flooding
        cpu, grown = (time.process_time() - cpu) / lasted, resident() - before
        watching.cancel()
        assert sent >= RATE * lasted * 0.5, "the peer was not read: the flood did not happen"
        assert grown < 50_000_000
        assert sorted(late)[len(late) // 2] < 0.1, "the loop is starved"

        def registered() -> bool:
            found = rig.sink.history[-1][PHONE].condition(ConditionType.REGISTERED)
            return found is not None and found.status == "True"

        await rig.until(registered, 10)
        assert proxy.connections == 1
        logging.getLogger("figures").warning(
            "flood: %d events in %.0f s, a change verified in %.2f s, %.0f %% of a core (proxy included), %+.1f MB, "
            "loop late by %.0f ms in the median, %.0f ms at worst",
            *(sent, lasted, seconds, cpu * 100, grown / 1e6, sorted(late)[len(late) // 2] * 1e3, max(late) * 1e3),
        )
