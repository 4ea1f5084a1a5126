"""The Asterisk that tests share: each of them finds it with nothing in it."""

from pathlib import Path

from testbed.manifests import manifest
from tests.reconcile.site_rig import Rig, extension, extensions

BOX = {"enabled": True, "pinSecretRef": {"name": "pin", "key": "pin"}}


async def test_the_next_rig_gets_the_same_asterisk_with_nothing_in_it(tmp_path: Path) -> None:
    async with Rig(tmp_path / "first") as rig:
        rig.source.secret("pin", pin="4711")
        trunk = manifest("SipTrunk", "alpha", host="127.0.0.9", port=9)
        rig.put(rig.pbx(), extension("101", voicemail=BOX), *extensions([102]), trunk)
        rig.run()
        await rig.settled()
        caller, callee = await rig.phone("101"), await rig.phone("102")
        for phone in (caller, callee):
            assert (await phone.ask("register"))["code"] == 200
        assert (await caller.ask("call", number="102"))["code"] == 200
        pid = rig.asterisk.pid
    async with Rig(tmp_path / "second") as rig:
        assert rig.asterisk.pid == pid
        assert "0 active channels" in await rig.asterisk.console("core show channels")
        assert (await rig.endpoints(), await rig.bound()) == (set(), set())
        assert "There is no existence of 'dp-internal'" in await rig.asterisk.console("dialplan show dp-internal")
        assert "no voicemail users" in await rig.asterisk.console("voicemail show users")
        assert {path.name for path in rig.config.iterdir() if path.stat().st_size} == {"rtp.conf"}


async def test_one_whose_transports_were_others_serves_no_other_rig(tmp_path: Path) -> None:
    async with Rig(tmp_path / "first") as rig:
        rig.pbx(transports=[])
        pid = rig.asterisk.pid
    async with Rig(tmp_path / "second") as rig:
        assert rig.asterisk.pid != pid
