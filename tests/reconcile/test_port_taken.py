"""A transport whose port somebody else has: nothing may read as if phones could reach the site."""

import socket
from pathlib import Path

from dialplane.resources.conditions import Truth
from testbed.manifests import manifest
from tests.reconcile.site_rig import Rig, extension

LINE = {"host": "127.0.0.1", "port": 9, "registration": {}, "credentialsSecretRef": {"name": "carrier"}}


async def test_a_port_that_is_taken_is_told_and_heals_when_asterisk_starts_anew(tmp_path: Path) -> None:
    async with Rig(tmp_path, own=True) as rig:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rival:
            rival.bind(("127.0.0.1", rig.asterisk.sip_port))
            rig.source.secret("carrier", username="account", password="secret")
            rig.put(rig.pbx(), extension("101"), manifest("SipTrunk", "alpha", **LINE))
            rig.run()
            await rig.settled()
            told = rig.ready("pbx", "Asterisk")
            assert told is not None
            assert told.status == Truth.FALSE
            assert "transport udp" in told.message
            assert "dp_witness" not in told.message
            trunk = rig.ready("alpha", "SipTrunk")
            assert trunk is not None
            assert trunk.status == Truth.FALSE
        await rig.restart()
        await rig.until(
            lambda: rig.says("alpha", "Verified", "SipTrunk") and rig.says("pbx", "Verified", "Asterisk"), 30
        )
        assert await rig.registers("101", "secret-101")
