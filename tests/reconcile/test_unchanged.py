"""A restarted controller on an unchanged site does nothing at all; a storm of changes is one change."""

import asyncio
import logging
import time
from dataclasses import replace
from pathlib import Path

from dialplane.reconcile.site import Timing
from testbed.manifests import manifest
from tests.reconcile.site_rig import FAST, Rig, extension, extensions, key_of

DEBOUNCED = replace(FAST, quiet=Timing().quiet)


async def test_a_restart_on_an_unchanged_site_reloads_nothing_and_says_nothing_new(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.source.secret("pin", pin="4711")
        rig.source.secret("carrier", username="account", password="secret")
        box = {"enabled": True, "pinSecretRef": {"name": "pin", "key": "pin"}}
        account = {"credentialsSecretRef": {"name": "carrier"}}
        trunk = manifest("SipTrunk", "alpha", host="127.0.0.9", port=9, qualifySeconds=1, **account)
        bad = manifest("SipTrunk", "beta", host="127.0.0.9", port=9, credentialsSecretRef={"name": "nowhere"})
        rig.put(rig.pbx(), extension("101", voicemail=box), *extensions([102, 103]), trunk, bad)
        rig.run()
        await rig.settled()
        assert rig.says("e101", "Verified"), rig.ready("e101")
        assert (await (await rig.phone("101")).ask("register"))["code"] == 200
        alpha = key_of(trunk)
        await rig.until(lambda: rig.sink.statuses[alpha].get("contact", {}).get("state") == "Unreachable", 75)
        written = -1
        while written != len(rig.sink.writes):  # until the live state has come to rest
            written = len(rig.sink.writes)
            await asyncio.sleep(2)
        for _ in range(2):
            await rig.listen()
            before = dict(rig.sink.statuses)
            await rig.rerun()
            await rig.settled()
            await asyncio.sleep(0.7)
            assert rig.reloads == []
            assert rig.sink.history
            assert rig.sink.writes == [], str([(before[key], rig.sink.statuses[key]) for key in rig.sink.writes])


async def test_five_hundred_at_once_are_three_reloads_at_most(tmp_path: Path) -> None:
    async with Rig(tmp_path, timing=DEBOUNCED) as rig:
        rig.put(rig.pbx())
        rig.run()
        await rig.settled()
        await rig.listen()
        started = time.monotonic()
        for one in extensions(range(1000, 1500)):
            rig.put(one)
            if one["spec"]["number"].endswith("0"):
                await asyncio.sleep(0.01)
        await rig.until(lambda: all(rig.says(f"e{n}", "Verified") for n in range(1000, 1500)), 60)
        seconds = time.monotonic() - started
        assert rig.reloads.count("res_pjsip.so") <= 3, rig.reloads
        assert len(await rig.endpoints()) == 500
        logging.getLogger("figures").warning("storm: 500 verified in %.2f s, reloads %s", seconds, rig.reloads)
        assert seconds < 30


async def test_two_hundred_quick_edits_are_folded(tmp_path: Path) -> None:
    async with Rig(tmp_path, timing=DEBOUNCED) as rig:
        rig.put(rig.pbx(), *extensions(range(100, 120)))
        rig.run()
        await rig.settled()
        await rig.listen()
        for edit in range(200):
            rig.put(extension(str(100 + edit % 20), displayName=f"Edit {edit}"))
            await asyncio.sleep(0.005)
        await rig.settled()
        assert len(rig.reloads) <= 3, rig.reloads
        assert all(rig.says(f"e{number}", "Verified") for number in range(100, 120))
        text = (rig.config / "pjsip_endpoint.conf").read_text()
        assert all(f'"Edit {edit}"' in text for edit in range(180, 200))
        logging.getLogger("figures").warning("edits: 200 in about a second, %s reloads", len(rig.reloads))
