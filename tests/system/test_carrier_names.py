"""What Asterisk makes of what DNS says of a carrier: addresses, SRV, what comes late, changes, goes. With a real server."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from testbed.manifests import Manifest, manifest
from testbed.name_server import NameServer
from testbed.sip import Peer
from tests.system.pbx import Pbx, extension

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST, SECOND, DEAD = "127.0.0.2", "127.0.0.3", "127.0.0.9"
ANSWER_SECONDS, SLACK_SECONDS = 1, 2
HOSTS = {"plain": "0", "many": "1", "srv": "2", "naptr": "3", "prio": "4", "dual": "5", "late": "6", "proxy": "7"}
"""Trunks by the last label of their name but one, and the digit after 0 that leads to each."""


class Lab:
    """Asterisk, two carriers at one port of two addresses, and a trunk for each way to name them."""

    def __init__(self, pbx: Pbx, names: NameServer, first: Peer, second: Peer) -> None:
        self.pbx, self.names, self.carriers = pbx, names, {FIRST: first, SECOND: second}
        self.port = first.address[1]

    def trunk(self, name: str) -> Manifest:
        spec: dict[str, Any] = {"host": f"{name}.example.com", "qualifySeconds": 0, "answerSeconds": ANSWER_SECONDS}
        if name in {"plain", "many", "dual", "late"}:
            spec["port"] = self.port
        if name == "proxy":
            spec |= {"host": "nowhere.example.com", "outboundProxy": "proxy.example.com"}
        spec["outbound"] = [{"pattern": f"_0{HOSTS[name]}X.", "permission": "national"}]
        return manifest("SipTrunk", name, **spec)

    async def call(self, name: str, *, code: int = 200) -> str:
        """Dial by that trunk; the address of the carrier that took the call."""
        phone = await self.pbx.phone("101")
        before = {host: len((await peer.ask("calls"))["calls"]) for host, peer in self.carriers.items()}
        call = await phone.ask("call", number=f"0{HOSTS[name]}12345")
        assert call["code"] == code, call
        await phone.ask("hangup", call=call["call"])
        for host, peer in self.carriers.items():
            if len((await peer.ask("calls"))["calls"]) > before[host]:
                return host
        return ""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    directory = tmp_path_factory.mktemp("lab")
    async with (
        await NameServer.start(directory / "names") as names,
        Pbx(directory, names.installation()) as pbx,
    ):
        await pbx.asterisk.start()  # without any transport of the site, as a first start is
        server = pbx.asterisk.settings.host, pbx.asterisk.sip_port
        first = await Peer.carrier(directory, server=server, user="first", host=FIRST)
        async with (
            first,
            await Peer.carrier(directory, server=server, user="second", host=SECOND, port=first.address[1]) as second,
        ):
            for carrier in (first, second):
                await carrier.ask("challenge_calls", on=False)
            made = Lab(pbx, names, first, second)
            behind = {"pattern": f"_0{HOSTS['prio']}X.", "permission": "national", "priority": 200}
            other = manifest("SipTrunk", "other", host=SECOND, port=made.port, qualifySeconds=0, outbound=[behind])
            await pbx.apply([pbx.pbx(), extension("101", ["national"]), *map(made.trunk, HOSTS), other])
            yield made


async def test_a_name_with_one_address(lab: Lab) -> None:
    await lab.names.put("plain.example.com", f"A {FIRST}")
    assert await lab.call("plain") == FIRST


async def test_a_name_with_several_addresses(lab: Lab) -> None:
    await lab.names.put("many.example.com", f"A {FIRST}", f"A {SECOND}")
    assert await lab.call("many") in {FIRST, SECOND}


async def test_a_name_that_moves_is_followed_by_the_next_call(lab: Lab) -> None:
    for host in (SECOND, FIRST):
        await lab.names.put("plain.example.com", f"A {host}")
        assert await lab.call("plain") == host


async def test_without_a_port_srv_says_host_and_port(lab: Lab) -> None:
    await lab.names.put("a.example.com", f"A {SECOND}")
    await lab.names.put("_sip._udp.srv.example.com", f"SRV 10 0 {lab.port} a.example.com.")
    assert await lab.call("srv") == SECOND


async def test_other_protocols_that_dns_prefers_do_not_lead_a_udp_trunk_astray(lab: Lab) -> None:
    """Asterisk has listeners for TCP and TLS, if only on loopback; the trunk's transport speaks neither."""
    await lab.names.put("a.example.com", f"A {SECOND}")
    await lab.names.put(
        "naptr.example.com",
        'NAPTR 10 0 "s" "SIPS+D2T" "" _sips._tcp.naptr.example.com.',
        'NAPTR 20 0 "s" "SIP+D2T" "" _sip._tcp.naptr.example.com.',
        'NAPTR 30 0 "s" "SIP+D2U" "" _sip._udp.naptr.example.com.',
    )
    for service in ("_sips._tcp", "_sip._tcp", "_sip._udp"):
        await lab.names.put(f"{service}.naptr.example.com", f"SRV 10 0 {lab.port} a.example.com.")
    assert await lab.call("naptr") == SECOND


async def test_an_ipv6_address_does_not_keep_an_ipv4_trunk_from_the_other(lab: Lab) -> None:
    await lab.names.put("dual.example.com", "AAAA ::1", f"A {FIRST}")
    assert await lab.call("dual") == FIRST


async def test_a_proxy_may_be_a_name(lab: Lab) -> None:
    await lab.names.put("a.example.com", f"A {FIRST}")
    await lab.names.put("_sip._udp.proxy.example.com", f"SRV 10 0 {lab.port} a.example.com.")
    assert await lab.call("proxy") == FIRST


async def test_a_dead_address_costs_a_call_its_patience_then_the_next_trunk_has_it(lab: Lab) -> None:
    """Over UDP Asterisk does not go on to the second address by itself."""
    await lab.names.put("dead.example.com", f"A {DEAD}")
    await lab.names.put("a.example.com", f"A {FIRST}")
    srv = [f"SRV 10 0 {lab.port} dead.example.com.", f"SRV 20 0 {lab.port} a.example.com."]
    await lab.names.put("_sip._udp.prio.example.com", *srv)
    started = time.monotonic()
    assert await lab.call("prio") == SECOND
    assert time.monotonic() - started < ANSWER_SECONDS + SLACK_SECONDS


async def test_a_name_that_does_not_exist_is_refused_at_once_and_works_as_soon_as_it_does(lab: Lab) -> None:
    started = time.monotonic()
    assert await lab.call("late", code=503) == ""
    assert time.monotonic() - started < SLACK_SECONDS
    await lab.names.put("late.example.com", f"A {FIRST}")
    assert await lab.call("late") == FIRST
    await lab.names.put("late.example.com")
    assert await lab.call("late", code=503) == ""


async def test_a_transport_that_is_added_later_asks_too(lab: Lab) -> None:
    """And it is its own listener that connects, not the one on loopback, which was opened before it."""
    pbx, came = lab.pbx, asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        writer.close()

    server = await asyncio.start_server(accept, FIRST, lab.port)
    await lab.names.put("tcp.example.com", f"A {FIRST}")
    own = pbx.pbx()["spec"]["transports"]
    tcp = {"name": "tcp", "protocol": "tcp", "bind": f"127.0.0.4:{pbx.asterisk.sip_port}"}
    carrier = manifest("SipTrunk", "tcp", host="tcp.example.com", port=lab.port, transport="tcp", qualifySeconds=1)
    site = pbx.pbx()
    site["spec"]["transports"] = [*own, tcp]
    async with server:
        await pbx.apply([site, carrier])
        async with asyncio.timeout(10):
            await came.wait()
