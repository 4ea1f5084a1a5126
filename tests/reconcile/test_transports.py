"""A transport is believed only when Asterisk shows it, whether a phone or a trunk names it or not."""

import socket
from pathlib import Path

from testbed.ports import LOOPBACK
from tests.reconcile.site_rig import Rig, extension


async def test_a_transport_that_asterisk_could_not_open_is_told_and_the_rest_is_served(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((LOOPBACK, 0))
            taken = {"name": "taken", "protocol": "udp", "bind": f"{LOOPBACK}:{other.getsockname()[1]}"}
            pbx = rig.pbx()
            pbx["spec"]["transports"].append(taken)
            rig.put(pbx, extension("101"))
            rig.run()
            await rig.settled()
            told = rig.ready("pbx", "Asterisk")
            assert told is not None
            assert (told.status, told.reason) == ("False", "RestartRequired")
            assert "transport taken" in told.message
            assert rig.says("e101", "Verified")
            assert await rig.endpoints() == {"101"}
        await rig.asterisk.restart()  # the address is free now
        await rig.until(lambda: rig.says("pbx", "Verified", "Asterisk"))
