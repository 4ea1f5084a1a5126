"""Calls of bots, both sides speaking all the time: what they cost, and how evenly and how soon callers hear.

The replica is the product's own, with a talk that plays a tone and hears all (`testbed.bot_replica`). Processor time
and memory are the kernel's word, arrivals those of the callers' RTP ports. Where it may, everything runs with
SCHED_FIFO, as docs/operations.md recommends for Asterisk.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from bench.results import VoiceCalls
from bench.usage import usage
from dialplane.plan.dialplan.contexts import MEDIA
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.desired import AriAddress, DesiredBots, desired_bot, to_json
from testbed.asterisk import AsteriskInstance
from testbed.manifests import manifest
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK
from testbed.process import die_with_parent
from testbed.sip import Peer

CALLER: Final = "101"
NUMBER: Final = "890"
BARE: Final = "dialplane-bot-bare"
PASSWORD: Final = "of-a-bench"  # noqa: S105 -- of a phone on loopback
_PRIORITY: Final = 10


@dataclass(frozen=True, slots=True)
class VoicePlan:
    """How much of everything."""

    calls: int = 50
    seconds: float = 20.0
    turns: int = 30
    """How often a bot falls silent and speaks again, for the latencies."""


FULL: Final = VoicePlan()
QUICK: Final = VoicePlan(calls=2, seconds=1.0, turns=2)


@dataclass(frozen=True, slots=True)
class _Load:
    bot_cpu: float
    asterisk_cpu: float
    rss: int
    arrivals: dict[str, float]


async def measure(directory: Path, plan: VoicePlan) -> VoiceCalls:
    """Measure one replica, and the bare echo beside it."""
    async with _site(directory, plan.calls) as (asterisk, phone, view):
        real_time = _real_time(asterisk.pid)
        account = asterisk.settings.ari
        secrets = {"SECRET_ari_username": account.name, "SECRET_ari_password": account.secret}
        replica = await PeerProcess.launch(
            "bot_replica", directory / "bot.log", {"id": "bench", "quiet": "yes"}, name="bot", environment=secrets
        )
        try:
            _real_time(replica.pid)
            await replica.ask("observe", view=view)
            ready = await replica.event("report", subject="application", limit_seconds=20, state=_open("bench"))
            while not _is_ready(replica):  # noqa: ASYNC110 -- several reports come before it
                await asyncio.sleep(0.1)
            await asterisk.console(f"database put dpbot apps {ready['state']['name']}")
            ours = await _load(asterisk, phone, replica.pid, plan)
            spoken, silent = await _turns(phone, replica, plan.turns)
            await _hang_up(phone)
        finally:
            await replica.stop()
        async with _bare(asterisk) as pid:
            _real_time(pid)
            await asterisk.console(f"database put dpbot apps {BARE}")
            its = await _load(asterisk, phone, pid, plan)
            await _hang_up(phone)
    return VoiceCalls(
        n=plan.calls,
        seconds=plan.seconds,
        real_time=real_time,
        bot_cpu=ours.bot_cpu,
        asterisk_cpu=ours.asterisk_cpu,
        rss=ours.rss,
        arrival_p50=ours.arrivals["p50"],
        arrival_p99=ours.arrivals["p99"],
        gaps=int(ours.arrivals["gaps"]),
        bare_cpu=its.bot_cpu,
        bare_asterisk_cpu=its.asterisk_cpu,
        bare_rss=its.rss,
        bare_arrival_p99=its.arrivals["p99"],
        first_audio=spoken,
        silence=silent,
    )


def _open(replica: str) -> dict[str, Any]:
    return {"name": f"dialplane-bot-{replica}", "open": True}


def _is_ready(replica: PeerProcess) -> bool:
    found = [each["state"] for each in replica.events if each.get("subject") == "bot/tones"]
    return bool(found and found[-1]["ready"])


async def _load(asterisk: AsteriskInstance, phone: Peer, pid: int, plan: VoicePlan) -> _Load:
    """Place all calls, and see what they take while they go on; of one call, in shares of a core and bytes."""
    empty = usage(pid)
    placed = await asyncio.gather(*(phone.ask("call", number=NUMBER) for _ in range(plan.calls)))
    assert {call["code"] for call in placed} == {200}, placed  # noqa: S101 -- or nothing is measured
    await asyncio.sleep(1)
    await phone.ask("arrivals")
    before, pbx, began = usage(pid), usage(asterisk.pid), time.monotonic()
    await asyncio.sleep(plan.seconds)
    after, pbx_after, took = usage(pid), usage(asterisk.pid), time.monotonic() - began
    arrivals = await phone.ask("arrivals")
    return _Load(
        bot_cpu=(after.cpu_seconds - before.cpu_seconds) / took / plan.calls,
        asterisk_cpu=(pbx_after.cpu_seconds - pbx.cpu_seconds) / took / plan.calls,
        rss=max(after.rss - empty.rss, 0) // plan.calls,
        arrivals=arrivals,
    )


async def _turns(phone: Peer, replica: PeerProcess, turns: int) -> tuple[list[float], list[float]]:
    """Have one bot fall silent and speak again; return the seconds to its first sound, and from a FLUSH to silence."""
    spoken, silent = [], []
    for _ in range(turns):
        seen = len(replica.events)
        await phone.ask("press", call=1, key="5")
        flushed = (await replica.event("flushed", after=seen))["at"]
        await asyncio.sleep(0.4)
        silent.append(max((await phone.ask("sound", call=1))["last_loud"] - flushed, 0.0))
        await phone.ask("press", call=1, key="6")
        plays = (await replica.event("plays", after=seen))["at"]
        await asyncio.sleep(0.4)
        spoken.append((await phone.ask("sound", call=1))["loud_since"] - plays)
    return spoken, silent


async def _hang_up(phone: Peer) -> None:
    calls = (await phone.ask("calls"))["calls"]
    await asyncio.gather(*(phone.ask("hangup", call=each["call"]) for each in calls if each["state"] == "answered"))


@asynccontextmanager
async def _site(directory: Path, calls: int) -> AsyncIterator[tuple[AsteriskInstance, Peer, Any]]:
    asterisk = AsteriskInstance(directory / "asterisk", rtp_ports=4 * calls + 40)
    account = asterisk.settings.ari
    transport = {"name": "udp", "protocol": "udp", "bind": f"{LOOPBACK}:{asterisk.sip_port}"}
    speaks = {"provider": "openai", "secretRef": {"name": "openai", "key": "key"}, "instructions": "Speak."}
    manifests = [
        manifest(
            "Asterisk",
            "pbx",
            transports=[transport],
            rtp={"portStart": asterisk.rtp_start, "portEnd": asterisk.rtp_end},
            ari={"url": asterisk.ari_url, "credentialsSecretRef": {"name": "ari"}},
        ),
        manifest("Extension", "e101", number=CALLER, permissions=["internal"], credentialsSecretRef={"name": "phone"}),
        manifest(
            "VoiceBot",
            "tones",
            number=NUMBER,
            realtime=speaks,
            maxConcurrentCalls=calls + 10,
            fallback={"to": {"hangup": True}},
        ),
    ]
    resources = {each.key: each for each in map(parse, manifests)}
    values = {
        "ari": {"username": account.name, "password": account.secret},
        "phone": {"username": CALLER, "password": PASSWORD},
        "openai": {"key": "nobody's"},
    }
    secrets = {name: {key: SecretStr(text) for key, text in found.items()} for name, found in values.items()}
    plan = Planner(load()).plan(Snapshot("bench", resources, secrets))
    assert not plan.problems, plan.problems  # noqa: S101 -- or nothing is measured
    for name, text in plan.files.items():
        asterisk.write(f"dialplane/{name}", text)
    bots = {
        key.name: desired_bot(each.spec, "UTC")
        for key, each in resources.items()
        if isinstance(each.spec, VoiceBotSpec)
    }
    async with asterisk:
        server = (LOOPBACK, asterisk.sip_port)
        phone = await Peer.phone(directory, user=CALLER, password=PASSWORD, server=server, calls=calls + 5)
        try:
            _real_time(phone.pid)
            await phone.ask("register")
            yield asterisk, phone, to_json(DesiredBots(AriAddress(asterisk.ari_url, "ari"), bots))
        finally:
            await phone.stop()


@asynccontextmanager
async def _bare(asterisk: AsteriskInstance) -> AsyncIterator[int]:
    account = asterisk.settings.ari
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.bare_media", asterisk.ari_url, account.name, account.secret, BARE, MEDIA),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    assert process.stdout is not None  # noqa: S101 -- it was started with a pipe
    try:
        async with asyncio.timeout(20):
            await process.stdout.readline()
        yield process.pid
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _real_time(pid: int) -> bool:
    """Have all threads of a process run before others, where this is permitted; return whether it is."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 -- not of a disk
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except (PermissionError, ProcessLookupError):
        return False
    return True
