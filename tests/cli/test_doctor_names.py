"""`dialplane doctor` looks up the names of trunks as Asterisk does, at a real DNS server."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from testbed.manifests import manifest
from testbed.name_server import NameServer

TRUNKS = {
    "plain": ({"host": "plain.example.com", "port": 5060}, "ok", "plain.example.com is 192.0.2.1"),
    "srv": ({"host": "srv.example.com"}, "ok", "srv.example.com is 192.0.2.1, 192.0.2.9"),
    "ported": ({"host": "srv.example.com", "port": 5060}, "failed", "no address of srv.example.com for udp over IPv4"),
    "naptr": ({"host": "naptr.example.com"}, "ok", "naptr.example.com is 192.0.2.9"),
    "over-tcp": ({"host": "naptr.example.com", "transport": "tcp"}, "ok", "naptr.example.com is 192.0.2.1"),
    "no-a": ({"host": "six.example.com", "port": 5060}, "failed", "no address of six.example.com for udp over IPv4"),
    "six": ({"host": "six.example.com", "port": 5060, "transport": "six"}, "ok", "six.example.com is 2001:db8::1"),
    "proxied": ({"host": "192.0.2.1", "outboundProxy": "gone.example.com"}, "failed", "spec.outboundProxy: DNS says"),
}
"""What a trunk says, and what is found; whatever is an address is not asked for."""


@pytest_asyncio.fixture
async def names(tmp_path: Path) -> AsyncIterator[NameServer]:
    async with await NameServer.start(tmp_path / "names") as server:
        await server.put("plain.example.com", "A 192.0.2.1")
        await server.put("six.example.com", "AAAA 2001:db8::1")
        await server.put("backup.example.com", "A 192.0.2.9")
        await server.put(
            "_sip._udp.srv.example.com", "SRV 20 0 5060 backup.example.com.", "SRV 10 0 5060 plain.example.com."
        )
        await server.put("_sip._tcp.srv.example.com", "SRV 10 0 5060 plain.example.com.")
        await server.put(
            "naptr.example.com",
            'NAPTR 10 0 "s" "SIP+D2T" "" _sip._tcp.srv.example.com.',
            'NAPTR 20 0 "s" "SIP+D2U" "" _other._udp.example.com.',
        )
        await server.put("_other._udp.example.com", "SRV 10 0 5060 backup.example.com.")
        yield server


async def examine(names: NameServer, site: Path) -> list[dict[str, str]]:
    command = (sys.executable, "-m", "dialplane.cli", "doctor", "-f", str(site), "--timeout", "1", "-o", "json")
    process = await asyncio.create_subprocess_exec(
        *names.asked_by([*command, "--host", "127.0.0.1", "--port", "1"]),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "ASTERISK_AMI_USERNAME": "nobody", "ASTERISK_AMI_PASSWORD": "nothing"},
    )
    async with asyncio.timeout(40):
        out, _ = await process.communicate()
    return [check for check in json.loads(out)["checks"] if check["check"] == "names"]


def put(site: Path, *manifests: dict[str, object]) -> Path:
    site.write_text("---\n".join(json.dumps(each) + "\n" for each in manifests))
    return site


async def test_each_name_is_asked_for_by_the_trunks_own_transport(names: NameServer, tmp_path: Path) -> None:
    transports = [
        {"name": "udp", "protocol": "udp", "bind": "127.0.0.1:5060"},
        {"name": "tcp", "protocol": "tcp", "bind": "127.0.0.1:5060"},
        {"name": "six", "protocol": "udp", "bind": "[::1]:5060"},
    ]
    trunks = [manifest("SipTrunk", name, **spec) for name, (spec, _, _) in TRUNKS.items()]
    off = manifest("SipTrunk", "off", host="gone.example.com", enabled=False)
    address = manifest("SipTrunk", "address", host="192.0.2.1")
    site = put(tmp_path / "site.yaml", manifest("Asterisk", "pbx", transports=transports), *trunks, off, address)
    found = {check["message"].partition(":")[0]: check for check in await examine(names, site)}
    assert set(found) == {f"SipTrunk/{name}" for name in TRUNKS}
    for name, (_, level, message) in TRUNKS.items():
        check = found[f"SipTrunk/{name}"]
        assert check["level"] == level, check
        assert message in check["message"]
        assert ("/etc/resolv.conf" in check["cure"]) == (level == "failed")


async def test_a_name_server_that_is_silent_is_waited_for_briefly(names: NameServer, tmp_path: Path) -> None:
    await names.stop()
    trunk = manifest("SipTrunk", "silent", host="silent.example.com")
    (check,) = await examine(names, put(tmp_path / "site.yaml", manifest("Asterisk", "pbx"), trunk))
    assert check["level"] == "failed"
    assert "SipTrunk/silent: spec.host: " in check["message"]
