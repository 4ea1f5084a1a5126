"""kill -9 at any moment of an apply: every file is whole, and the next start puts everything right."""

import asyncio
import json
import logging
import os
import random
import signal
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

from dialplane.reconcile.config_dir import TEMPORARY
from tests.reconcile.site_rig import FAST, Rig, extension, extensions

POINTS = 12
SEED = 4711
BOX = {"enabled": True, "pinSecretRef": {"name": "pin", "key": "pin"}}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.conf")}


async def controllers_to_kill() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.reconcile.controller"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


async def killed(controllers: Process, job: dict[str, Any], *, after: float) -> None:
    """Start a controller on the job, and kill it after so many seconds."""
    assert controllers.stdin is not None
    assert controllers.stdout is not None
    controllers.stdin.write(f"{json.dumps(job)}\n".encode())
    async with asyncio.timeout(30):
        pid = int(await controllers.stdout.readline())
        await asyncio.sleep(after)
        os.kill(pid, signal.SIGKILL)
        assert await controllers.stdout.readline() == b"dead\n"


async def test_kills_in_the_middle_of_an_apply(tmp_path: Path) -> None:
    dice = random.Random(SEED)  # noqa: S311 -- repeatable
    async with Rig(tmp_path, timing=FAST) as rig:
        old = [rig.pbx(), *[extension(str(n), displayName="Old") for n in range(100, 130)]]
        new = [
            rig.pbx(rtp={"portStart": rig.asterisk.rtp_start, "portEnd": rig.asterisk.rtp_end - 2}),
            *[extension(str(n), displayName="New", voicemail=BOX) for n in range(110, 140)],
        ]
        rig.source.secret("pin", pin="4711")
        versions = {}
        for name, site in (("old", old), ("new", new), ("old again", old)):
            rig.source.manifests.clear()
            rig.put(*site)
            if name == "old":
                rig.run()
            await rig.settled()
            versions[name] = contents(rig.config)
        assert versions["old"] == versions["old again"]
        await rig.end()
        sites, now, seconds = {"old": old, "new": new}, "old", 0.0
        account = rig.asterisk.settings.controller
        mixed = 0
        controllers = await controllers_to_kill()
        for point in range(POINTS):
            now = "new" if now == "old" else "old"
            job = {
                "site": sites[now],
                "secrets": rig.source.secrets,
                "user": account.name,
                "secret": account.secret,
                "port": rig.asterisk.settings.ami_port,
            }
            started = time.monotonic()
            await killed(controllers, job, after=dice.uniform(0, 0.12))
            seconds += time.monotonic() - started
            found = contents(rig.config)
            kinds = set()
            for name, text in found.items():
                kinds |= {
                    v
                    for v in ("old", "new")
                    if versions[v][name] == text != versions["new" if v == "old" else "old"][name]
                }
                assert text in (versions["old"][name], versions["new"][name]), (point, name)
            mixed += len(kinds) == 2
            if point % 4 == 3:  # the next start converges; the other points go on from what the kill left behind
                rig.source.manifests.clear()
                rig.put(*sites[now])
                await rig.rerun()
                await rig.settled()
                assert contents(rig.config) == versions[now]
                assert not list(rig.config.rglob(f"*{TEMPORARY}"))
                users = await rig.asterisk.console("voicemail show users for default")
                assert ("110" in users) == (now == "new")
                rtp = await rig.asterisk.console("rtp show settings")
                assert str(rig.asterisk.rtp_end - 2 * (now == "new")) in rtp
                numbers = {one["spec"]["number"] for one in sites[now][1:]}
                assert await rig.endpoints() == numbers
                await rig.end()
        controllers.terminate()
        await controllers.wait()
        logging.getLogger("figures").warning("%s kills, %s of them between two files; %.1f s", POINTS, mixed, seconds)


async def test_what_a_killed_controller_wrote_is_read_by_asterisk_after_all(tmp_path: Path) -> None:
    """A PIN cannot be read back: only a note that survives the kill tells that Asterisk has not read it yet."""
    async with Rig(tmp_path) as rig:
        rig.source.secret("pin", pin="4711")
        rig.put(rig.pbx(), extension("101", voicemail=BOX), *extensions([102]))
        rig.run()
        await rig.settled()
        await rig.end()
        await rig.listen()
        rig.source.secret("pin", pin="1174")
        written = asyncio.Event()

        def die() -> None:
            if not rig.leader.may:
                return
            if "1174" in (rig.config / "voicemail.conf").read_text():
                written.set()
                rig.leader.may = False

        held = rig.leader.held
        rig.leader.held = lambda: (die(), held())[1]  # type: ignore[method-assign]
        rig.run()
        async with asyncio.timeout(10):
            await written.wait()
        await rig.end()
        assert "app_voicemail.so" not in rig.reloads
        rig.leader.may, rig.leader.held = True, held  # type: ignore[method-assign]
        await rig.rerun()
        await rig.settled()
        assert "app_voicemail.so" in rig.reloads
        assert rig.says("e101", "Verified")
