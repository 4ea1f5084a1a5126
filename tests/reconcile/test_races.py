"""What may happen in the middle of a pass, or to the front door: nothing false is said, and the loop goes on."""

import asyncio
from pathlib import Path

import pytest

from dialplane.reconcile import site
from dialplane.resources.key import Key
from tests.eventually import eventually
from tests.reconcile.site_rig import Rig, extension, extensions


async def test_a_report_in_the_middle_of_a_pass_never_calls_a_new_version_ready(tmp_path: Path) -> None:
    """Live state makes the loop report at any moment; Ready of a generation comes after Asterisk has it."""
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        loop, stale = rig.loop, []
        publish = rig.sink.publish

        async def look(reports: object) -> None:
            await publish(reports)  # type: ignore[arg-type]
            wanted = rig.source.manifests[Key("Extension", "e101")]["spec"].get("displayName", "101")
            if rig.says("e101", "Verified") and (runs := await rig.display_name("101")) != wanted:
                stale.append((wanted, runs))

        rig.sink.publish = look  # type: ignore[method-assign,assignment]

        async def chatter() -> None:
            while True:
                loop._report_due.disturb()
                await asyncio.sleep(0.01)

        noise = asyncio.create_task(chatter())
        for edit in range(12):
            rig.put(extension("101", displayName=f"Edit {edit}"))
            await asyncio.sleep(0.05 * (edit % 5))
        await rig.settled()
        noise.cancel()
        assert not stale


async def test_a_sink_that_fails_does_not_end_the_loop(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101]))
        rig.sink.fail = RuntimeError("the API server says nonsense")
        rig.run()
        async with asyncio.timeout(10):
            await rig.loop.converged.wait()
        await asyncio.sleep(0.2)
        rig.sink.fail = None
        await rig.settled()
        assert rig.says("e101", "Verified")


async def test_leadership_lost_in_the_middle_of_a_pass_ends_every_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "LEADER_CHECK_SECONDS", 0.1)
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        for checks in range(1, 9):
            await rig.listen()
            rig.leader.after = checks  # so many questions more are answered with yes
            rig.put(extension("101", displayName=f"New {checks}"), extension(f"11{checks}"))
            await eventually(lambda: rig.leader.after == 0)
            await asyncio.sleep(0.1)  # what was permitted a moment ago is done
            before = {path.name: path.stat().st_mtime_ns for path in rig.config.glob("*.conf")}
            reloads, told = len(rig.reloads), len(rig.sink.history)
            await asyncio.sleep(0.4)  # several tries
            assert {path.name: path.stat().st_mtime_ns for path in rig.config.glob("*.conf")} == before
            assert len(rig.reloads) <= reloads + 1  # the one that was under way
            assert len(rig.sink.history) <= told + 1
            rig.leader.after = -1
            await rig.settled()
            assert all(rig.says(f"e{number}", "Verified") for number in (101, 102, f"11{checks}"))


async def test_a_loop_that_is_stopped_at_any_moment_leaves_a_site_that_the_next_one_finishes(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        for moment in range(10):
            rig.put(extension("101", displayName=f"Edit {moment}"))
            await asyncio.sleep(0.1 + 0.006 * moment)
            await rig.end()
            rig.run()
        await rig.settled()
        assert '"Edit 9"' in await rig.asterisk.console("pjsip show endpoint 101")
