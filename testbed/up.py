"""``make up``: a real Asterisk on this machine, a site reconciled onto it by `dialplane run`, until Ctrl-C.

A site with a Dongle gets the modem peer in front of its Asterisk, without a modem until one is plugged in over the
control port that is told.

Everything of the run is below one folder of the user's cache directory, one per site, so that two sites do not meet.
This process keeps Asterisk running, so it is what a restart on request is ordered from: by SIGUSR1.
"""

import asyncio
import hashlib
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from testbed import cache
from testbed.asterisk import AsteriskInstance, locate
from testbed.modem.peer import ModemPeer
from testbed.ports import lease
from testbed.process import die_with_parent


async def _up(site: Path, work: Path, arguments: Sequence[str]) -> int:
    shutil.rmtree(work / "asterisk", ignore_errors=True)
    print(f"up: Asterisk {locate().version}, everything of this run is in {work}", file=sys.stderr)
    async with AsteriskInstance(work / "asterisk") as asterisk, AsyncExitStack() as stack:
        host, port = asterisk.settings.host, asterisk.settings.ami_port
        if driver := _driver(site):
            control = stack.enter_context(lease(1)).take()
            peer = await stack.enter_async_context(
                await ModemPeer.start(work, asterisk, driver=driver, control=control)
            )
            host, port = peer.address
            print(
                f"up: {driver} without a modem; plug one in at port {control} (python -m pydoc testbed.modem)",
                file=sys.stderr,
            )
        environment = {
            **os.environ,
            "ASTERISK_AMI_HOST": host,
            "ASTERISK_AMI_PORT": str(port),
            "ASTERISK_AMI_USERNAME": asterisk.settings.controller.name,
            "ASTERISK_AMI_PASSWORD": asterisk.settings.controller.secret,
            "ASTERISK_AMI_CALLS_USERNAME": asterisk.settings.calls.name,
            "ASTERISK_AMI_CALLS_PASSWORD": asterisk.settings.calls.secret,
        }
        command = (sys.executable, "-m", "dialplane.cli", "run", "--file", str(site))
        order = f"import os; os.kill({os.getpid()}, {int(signal.SIGUSR1)})"
        options = (
            *("--config-dir", str(asterisk.etc / "dialplane"), "--state-dir", str(work / "state")),
            *("--restart-command", shlex.join((sys.executable, "-c", order))),
        )
        child = await asyncio.create_subprocess_exec(
            *command, *options, *arguments, env=environment, preexec_fn=die_with_parent
        )
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, child.terminate)
        keeper = asyncio.create_task(_keep(asterisk))
        try:
            return await child.wait()
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


def _driver(site: Path) -> str:
    """The driver of the site's modems, empty if it has none; where it has both, chan_dongle."""
    texts = "\n".join(path.read_text() for path in site.rglob("*.y*ml"))
    if not re.search(r"^kind: Dongle$", texts, re.MULTILINE):
        return ""
    found = set(re.findall(r"^\s+driver: (chan_\w+)$", texts, re.MULTILINE))
    return "chan_quectel" if found == {"chan_quectel"} else "chan_dongle"


async def _keep(asterisk: AsteriskInstance) -> None:
    """Restart Asterisk whenever that is ordered."""
    ordered = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, ordered.set)
    while True:
        await ordered.wait()
        ordered.clear()
        print("up: restarting Asterisk", file=sys.stderr)
        await asterisk.restart()


def up(site: Path, arguments: Sequence[str]) -> int:
    """Run the site and return the exit code of `dialplane run`; `arguments` go to it as they are."""
    if not site.is_dir():
        raise cache.BuildError(f"{site} is no folder of manifests; name one with SITE=DIR")
    mark = hashlib.sha256(str(site.resolve()).encode()).hexdigest()[:8]
    return asyncio.run(_up(site, cache.root() / "up" / f"{site.resolve().name}-{mark}", arguments))
