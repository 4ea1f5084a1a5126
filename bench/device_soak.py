"""The soak of devices: a gateway is killed under commands, peers never read, and thousands of frames are garbage.

What became of each command is judged by a trigger in the database and by the devices, which count what arrived.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.command_audit import ENDS, ENTRIES, INSTALL, StateChange, audit
from bench.device_books import Books, restart
from bench.device_load import until, until_open
from bench.soak import GROWTH_LIMIT, Say, SoakFailedError
from bench.usage import usage
from testbed.device_site import GROUP, PHYSICAL, SAFE, TOKEN, DeviceSite, device_name, device_site
from testbed.devices.peer import Devices
from testbed.postgres import Postgres

UNREAD: Final = "unread"
NOISE: Final = "noise"
GONE_SECONDS: Final = 20.0
"""How long a device that never reads may stay."""
UNREAD_BYTES: Final = 256 * 1024
"""What one of them may cost meanwhile."""
GRACE_SECONDS: Final = 15.0
"""After a deadline: the leader looks each second, on a machine that is busy."""
_JUDGED_FROM: Final = 50_000
"""Frames: with fewer a process is still warming up."""
_SLOWEST: Final = 0.02
"""Seconds of a pong below which nobody is held up, whatever the ratio."""
_ROUNDS: Final = 10
_DATA: Final = {"text": "x" * 3500}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    devices: int
    """Half of them at each of two gateways."""
    commands: int
    """Asked for around the kill, in the end half of them physical."""
    unread: int
    """Devices that never read."""
    noisy: int
    """Devices that send garbage."""
    frames: int
    """Random frames, in all."""
    interval: float = 5.0
    timeout_seconds: int = 30
    deadline_seconds: int = 25
    answer_seconds: float = 1.0
    """Until a device answers a command: so long it is under way."""
    connect_seconds: float = 30.0
    timed: bool = False
    """Whether slow pongs are a finding: on a machine that has nothing else to do."""


def full() -> Plan:
    """The whole soak."""
    return Plan(devices=10_000, commands=500, unread=1_000, noisy=100, frames=100_000, timed=True)


async def soak(plan: Plan, directory: Path, say: Say) -> None:
    """Run it on PostgreSQL.

    Raises:
        SoakFailedError: with every finding.
    """
    heartbeat = {"intervalSeconds": max(round(plan.interval), 1), "timeoutSeconds": plan.timeout_seconds}
    count = plan.devices + plan.unread + plan.noisy
    async with Postgres(directory / "postgres") as server:
        url = await server.database()
        place = directory / "site"
        await asyncio.to_thread(place.mkdir)
        async with device_site(place, url, count, gateways=2, heartbeat=heartbeat) as site:
            say(f"devices: {count:,} are served by two gateways")
            async with await Devices.start(directory, *site.addresses) as fleet:
                world = SoakWorld(plan, site, fleet, Books(site), say)
                await world.connect()
                findings = [*await world.killed(), *await world.restarted(), *await world.unread()]
                findings += [*await world.garbage(), *world.quiet()]
    if findings:
        raise SoakFailedError("\n".join(["devices:", *findings]))


@dataclass
class SoakWorld:
    """A site whose devices are connected, and what is done to it; each part returns what must not be."""

    plan: Plan
    site: DeviceSite
    fleet: Devices
    books: Books
    say: Say

    async def connect(self) -> None:
        """Connect the good devices."""
        plan = self.plan
        behaviour: dict[str, Any] = {"interval": plan.interval, "hello": ["ack"], "after": plan.answer_seconds}
        behaviour |= {"back_off": 1.0, "back_off_most": 3.0}
        await self.fleet.add(GROUP, token=TOKEN, count=plan.devices, **behaviour)
        await self.fleet.connect(GROUP, within=plan.connect_seconds)
        await until_open(self.fleet, plan.devices)
        await self.books.ask(INSTALL)

    async def killed(self) -> list[str]:
        """Kill one of two gateways while commands are under way."""
        plan, site = self.plan, self.site
        chance = random.Random(plan.commands)  # noqa: S311 -- to be had again, not to be guessed
        await self.fleet.forget()
        asked: list[str] = []
        each = max(plan.commands // _ROUNDS // 2, 1)
        for number in range(_ROUNDS):
            if number == _ROUNDS // 2:
                await site.gateways[0].kill()
                await self.fleet.targets(site.gateways[1].address)  # as a load balancer does
            for command in (PHYSICAL, SAFE):
                names = [device_name(index) for index in chance.sample(range(plan.devices), each)]
                asked += (await site.command(names, command, seconds=plan.deadline_seconds)).values()
            await asyncio.sleep(plan.answer_seconds / _ROUNDS)
        await until_open(self.fleet, plan.devices)
        changes = await self._ended()
        ends = [change.becomes for change in changes if change.becomes in ENDS]
        figures, arrivals = await self.fleet.counts(), await self.fleet.arrivals()
        self.say(
            f"devices: {len(asked):,} commands over a gateway that was killed: "
            + ", ".join(f"{ends.count(state)} {state}" for state in sorted(set(ends)))
        )
        await site.gateways[0].start()
        await self.fleet.targets(*site.addresses)
        findings = audit(changes, arrivals, asked, grace=GRACE_SECONDS)
        findings += [f"{figures['late']} commands arrived after their deadline"] * bool(figures["late"])
        return findings + [f"only {len(asked)} of {plan.commands} commands were taken"] * (
            len(asked) * 2 < plan.commands
        )

    async def restarted(self) -> list[str]:
        """Start a gateway again; its devices are back before anybody thinks them offline."""
        took = await restart(self.books, self.fleet, self.plan.devices, timeout_seconds=self.plan.timeout_seconds)
        self.say(f"devices: all back {took.back_seconds:.1f} s after a restart, of which {took.told} were told")
        told = {"callbacks": took.callbacks, "events": took.events, "statuses": took.statuses}
        return [f"{number} {what} for a restart" for what, number in told.items() if number]

    async def unread(self) -> list[str]:
        """Let devices connect that never read what they are sent."""
        plan, fleet = self.plan, self.fleet
        names = [device_name(plan.devices + index) for index in range(plan.unread)]
        await fleet.forget()
        await asyncio.sleep(2 * plan.interval)
        before, rss = await fleet.latency(), self._rss()
        behaviour: dict[str, Any] = {"interval": plan.interval, "reads": False, "reconnects": False}
        await fleet.add(UNREAD, names, token=TOKEN, **behaviour)
        await fleet.connect(UNREAD, within=plan.connect_seconds / 10)
        await until(fleet, lambda figures: figures["open"] == plan.devices + plan.unread)
        await fleet.forget()
        for _ in range(3):  # more than the kernel takes for a peer that does not read
            await self.site.command(names, SAFE, data=_DATA)
        await self._until_none("queued")
        began = time.monotonic()
        highest, gone, left = rss, False, len(names)
        while not gone and time.monotonic() < began + GONE_SECONDS:
            await asyncio.sleep(0.2)
            highest = max(highest, self._rss())
            left = await self._open(names)  # by the gateway: a device that reads nothing notices when it next sends
            gone = not left
        took, after, figures = time.monotonic() - began, await fleet.latency(), await fleet.counts(GROUP)
        cost = (highest - rss) / plan.unread
        self.say(
            f"devices: {plan.unread:,} that never read were gone after {took:.1f} s at {cost / 1024:.0f} KiB each; "
            f"pongs of the others, p99: {1000 * before['p99']:.1f} -> {1000 * after['p99']:.1f} ms"
        )
        findings = [f"{left} devices that never read are there still after {took:.0f} s"] * (not gone)
        findings += [f"a device that never reads took {cost / 1024:.0f} KiB"] * (cost > UNREAD_BYTES)
        findings += ["the others lost their connections"] * (figures["open"] != plan.devices)
        unanswered = figures["pongs"] < plan.devices * (took / plan.interval) / 2
        slow = plan.timed and after["p99"] > max(2 * before["p99"], _SLOWEST)
        return findings + ["devices that never read held up the others"] * (slow or unanswered)

    async def garbage(self) -> list[str]:
        """Let devices send random frames."""
        plan, fleet = self.plan, self.fleet
        names = [device_name(plan.devices + plan.unread + index) for index in range(plan.noisy)]
        await fleet.add(NOISE, names, token=TOKEN, interval=0, back_off=0.05, back_off_most=0.2)
        await fleet.connect(NOISE, within=1)
        await until(fleet, lambda figures: figures["open"] >= plan.devices + plan.noisy // 2)
        warm = plan.frames // 10
        await self._frames(warm, seed=1)
        rss = self._rss()
        await self._frames(plan.frames - warm, seed=2)
        figures = await fleet.counts(GROUP)
        await fleet.disconnect(NOISE, how="abort")
        await asyncio.sleep(1)
        growth = (self._rss() - rss) / rss
        self.say(f"devices: {plan.frames:,} random frames, memory {growth:+.1%}; close codes {figures['closed']}")
        findings = [f"memory grew by {growth:.1%}"] * (growth > GROWTH_LIMIT and plan.frames >= _JUDGED_FROM)
        return findings + ["the others lost their connections"] * (figures["open"] != plan.devices)

    def quiet(self) -> list[str]:
        """No process may have written a traceback or a token, or have ended."""
        logs = self.site.logs
        findings = [f"{text!r} is in a log" for text in ("Traceback", TOKEN.partition("{")[0]) if text in logs]
        running = {each.name for each in self.site.gateways if each.child is not None and each.child.running}
        findings += [f"{each.name} has ended" for each in self.site.gateways if each.name not in running]
        return findings

    def _rss(self) -> int:
        """Bytes of both gateways."""
        return sum(usage(gateway.pid).rss for gateway in self.site.gateways)

    async def _frames(self, count: int, *, seed: int) -> None:
        limit_seconds = 60 + count / 100
        await self.fleet.ask("garbage", group=NOISE, frames=count, seed=seed, limit_seconds=limit_seconds)

    async def _ended(self) -> list[StateChange]:
        """Every change of a command's state, once all have ended or had the time for it."""
        await self._until_none("queued", "sent")
        return [StateChange(*row) for row in await self.books.ask(ENTRIES)]

    async def _open(self, names: list[str]) -> int:
        """How many of these devices, which follow one another, have an open session."""
        between = f"BETWEEN '{names[0]}' AND '{names[-1]}'"
        query = f"SELECT count(*) FROM device_sessions WHERE closed_at IS NULL AND device {between}"  # noqa: S608 -- ours
        ((count,),) = await self.books.ask(query)
        return int(count)

    async def _until_none(self, *states: str) -> None:
        """Wait until no command is in these states, or all had the time for it."""
        end = time.monotonic() + self.plan.deadline_seconds + GRACE_SECONDS
        while time.monotonic() < end:
            rows = await self.books.ask("SELECT DISTINCT state FROM device_commands")
            if not {state for (state,) in rows} & set(states):
                break
            await asyncio.sleep(0.2)
