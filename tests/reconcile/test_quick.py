from pathlib import Path
from site_rig import Rig, extension
from dialplane.resources.key import Key

async def test_first(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), extension("101"), extension("102", voicemail={"enabled": True, "pinSecretRef": {"name": "pin", "key": "pin"}}))
        rig.source.secret("pin", pin="4711")
        rig.run()
        await rig.settled()
        for k in rig.source.manifests: print(k, rig.sink.every(k), rig.sink.statuses[k]["conditions"])
        print(rig.reloads, await rig.endpoints(), await rig.bound())
        p = await rig.phone("101"); print(await p.ask("register"), await rig.bound())
        await rig.rerun()
        await rig.settled()
        for k in rig.source.manifests: print(k, rig.sink.every(k))
        print(rig.reloads, rig.sink.writes)
        assert 0
