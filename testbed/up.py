"""``make up``: a real Asterisk on this machine, a site reconciled onto it by `dialplane run`, until Ctrl-C.

Everything of the run is below one folder of the user's cache directory, one per site, so that two sites do not meet.
This process keeps Asterisk running, so it is what a restart on request is ordered from: by SIGUSR1.
"""

import asyncio
import hashlib
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import cache, voices
from testbed.asterisk import AsteriskInstance, locate
from testbed.bot_site import numbers_of_bots, rest_interface
from testbed.call_center import CallCenter, call_center
from testbed.gateway import Gateway, gateway
from testbed.lifts import Lifts, lifts
from testbed.ports import LOOPBACK
from testbed.process import die_with_parent

FIRST_MESSAGE_SECONDS = 5.0
CALLS: list[dict[str, Any]] = [
    {"agent_seconds": 1.0, "ring_seconds": 2.0, "talk_seconds": 8.0},
    {"destination": "2", "agent_seconds": 1.0, "ring_seconds": 4.0, "outcome": "no_answer"},
]
"""What the stand-in of the platform does with calls: slow enough to watch."""


async def _up(site: Path, work: Path, arguments: Sequence[str]) -> int:
    shutil.rmtree(work / "asterisk", ignore_errors=True)
    print(f"up: Asterisk {locate().version}, everything of this run is in {work}", file=sys.stderr)
    async with (
        AsteriskInstance(work / "asterisk", ari=rest_interface(site)) as asterisk,
        gateway(site, asterisk, work) as modems,
        call_center(site, work, as_written=True, rules=CALLS) as calls,
        lifts(site, work) as cabins,
    ):
        environment = {
            **os.environ,
            "ASTERISK_AMI_HOST": asterisk.settings.host,
            "ASTERISK_AMI_PORT": str(asterisk.settings.ami_port),
            "ASTERISK_AMI_USERNAME": asterisk.settings.controller.name,
            "ASTERISK_AMI_PASSWORD": asterisk.settings.controller.secret,
            "ASTERISK_AMI_CALLS_USERNAME": asterisk.settings.calls.name,
            "ASTERISK_AMI_CALLS_PASSWORD": asterisk.settings.calls.secret,
            **(modems.environment if modems else {}),
        }
        cli = Path(sys.executable).with_name("dialplane")
        if bots := numbers_of_bots(site):
            environment |= voices.environment()
            print(f"up: register a softphone, and dial {' or '.join(bots)} to speak with a bot", file=sys.stderr)
        print("up: to look at it from another terminal:", file=sys.stderr)
        print(f"up:   export DIALPLANE_STATE_DIR={work / 'state'}; {cli} get", file=sys.stderr)
        command = (sys.executable, "-m", "dialplane.cli", "run", "--file", str(site))
        order = f"import os; os.kill({os.getpid()}, {int(signal.SIGUSR1)})"
        options = (
            *("--config-dir", str(asterisk.etc / "dialplane"), "--state-dir", str(work / "state")),
            *("--restart-command", shlex.join((sys.executable, "-c", order))),
            *(await _shown(modems, work / "secrets") if modems else ()),
            *(_called(calls, cli) if calls else ()),
            *(_connected(cabins, cli, work / "secrets") if cabins else ()),
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


async def _shown(modems: Gateway, folder: Path) -> tuple[str, ...]:
    """Let a message come in, and say how more do; returns the options that lead Notifiers to the receiver."""
    _write(folder, modems.secrets)
    imsi = next(iter(modems.imsis.values()))
    message: dict[str, Any] = {"imsi": imsi, "sender": "+15550123", "text": "Good morning from the network"}
    await modems.modems.ask("deliver", **message, delay=FIRST_MESSAGE_SECONDS)
    command = json.dumps({"id": 1, "do": "deliver", **message})
    print("up: there is no modem here, a stand-in answers. A message comes in by", file=sys.stderr)
    print(f"up:   bash -c 'cat >/dev/tcp/{LOOPBACK}/{modems.control}' <<< '{command}'", file=sys.stderr)
    return "--secrets-dir", str(folder)


def _called(calls: CallCenter, cli: Path) -> tuple[str, ...]:
    """Say how to place a call; returns the options that let the platform's records come in."""
    print("up: there is no Infinity platform here, a stand-in takes the calls. Place one by", file=sys.stderr)
    print(f"up:   {cli} call {calls.tenants[0]} --agent eve --callback 8003 --to +15550121", file=sys.stderr)
    print(f"up:   {cli} pool show {calls.tenants[0]}; {cli} get itenant", file=sys.stderr)
    return "--listen", calls.listen


def _connected(cabins: Lifts, cli: Path, folder: Path) -> tuple[str, ...]:
    """Say how to look at devices, and how somebody calls for help; returns the options that let them connect."""
    _write(folder, cabins.secrets)
    name = cabins.names[0]
    alarm = json.dumps({"id": 1, "do": "say", "group": name, "message": {"type": "alarm"}})
    print("up: there are no lifts here, stand-ins connect, and their telephones make a test call", file=sys.stderr)
    print(f"up:   {cli} device list; {cli} device send REBOOT {name}; {cli} device watch", file=sys.stderr)
    print("up: somebody in a cabin calls for help by", file=sys.stderr)
    print(f"up:   bash -c 'cat >/dev/tcp/{LOOPBACK}/{cabins.control}' <<< '{alarm}'", file=sys.stderr)
    return "--listen-devices", cabins.listen, "--secrets-dir", str(folder)


def _write(folder: Path, secrets: Mapping[str, Mapping[str, str]]) -> None:
    """Write Secrets as `--secrets-dir` takes them."""
    for name, values in secrets.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for key, value in values.items():
            (folder / name / key).write_text(value)


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
