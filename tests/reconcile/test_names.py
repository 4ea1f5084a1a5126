"""Trunks whose host is a name, on an Asterisk that was started with base files of before: it never asks DNS."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.bootstrap import Settings, render
from testbed.manifests import Manifest, manifest
from testbed.ports import LOOPBACK
from tests.reconcile.site_rig import Rig, extension


def without_placeholders(settings: Settings) -> Mapping[str, str]:
    """Base files as they were before they opened transports of their own."""
    files = dict(render(settings))
    del files["pjsip_transport.conf"]
    ours = "transport = config,pjsip_transport.conf"
    assert ours in files["sorcery.conf"]
    files["sorcery.conf"] = files["sorcery.conf"].replace(ours, ours.replace(",", ",dialplane/"))
    return files


def trunk(name: str, host: str, **spec: Any) -> Manifest:
    return manifest("SipTrunk", name, host=host, port=9, qualifySeconds=0, **spec)


async def test_a_trunk_that_needs_what_asterisk_lacked_at_its_start_asks_for_a_restart(tmp_path: Path) -> None:
    async with Rig(tmp_path, bootstrap=without_placeholders) as rig:
        udp = rig.pbx()["spec"]["transports"][0]
        tcp = {"name": "tcp", "protocol": "tcp", "bind": f"{LOOPBACK}:{rig.asterisk.sip_port}"}
        named = trunk("named", "sip.example.com")
        proxied = trunk("proxied", "192.0.2.1", outboundProxy="proxy.example.com:9")
        rig.put(rig.pbx(), extension("101"), named, proxied, trunk("address", "192.0.2.2"))
        rig.run()
        await rig.settled()
        for name, host in (("named", "sip.example.com"), ("proxied", "proxy.example.com")):
            said = rig.ready(name, "SipTrunk")
            assert said is not None
            assert (said.status, said.reason) == ("False", "RestartRequired")
            assert host in said.message
        assert rig.says("address", "Verified", "SipTrunk")
        assert rig.says("pbx", "Verified", "Asterisk")

        await asyncio.sleep(1)  # Asterisk tells its age to the second: it must be younger than the files
        await rig.restart()
        await rig.until(lambda: all(rig.says(n, "Verified", "SipTrunk") for n in ("named", "proxied", "address")))

        rig.put(rig.pbx(transports=[udp, tcp]), trunk("late", "sip.example.com", transport="tcp"))
        await rig.until(lambda: rig.says("late", "RestartRequired", "SipTrunk"))
        assert rig.says("named", "Verified", "SipTrunk")
        await rig.rerun()
        await rig.settled()
        assert rig.says("late", "RestartRequired", "SipTrunk")
        assert rig.says("named", "Verified", "SipTrunk")
