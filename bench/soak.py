"""The soak: thousands of changes to a site, and then nothing may have grown, been left over, or be untrue.

Memory is sampled after each batch of changes; what counts is the median of the last fifth against that of the second:
the first is warm-up.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from bench import doors, site
from bench.mix import Mix
from bench.usage import Usage, usage
from testbed.ami import AmiRefusedError
from testbed.kube.server import ApiServer

GROWTH_LIMIT: Final = 0.05
"""Of the level after the warm-up."""
JUDGED_FROM: Final = 2_000
"""Changes: with fewer the level is that of a process still warming up, and only told."""
SOCKET_PLAY: Final = 5
"""A kept connection more or less is no leak: that would be one for so many changes."""
_MIB = 1024 * 1024
_SETTLE_SECONDS = 60.0
_LIMIT_SECONDS = 17 * 60
"""Then no more changes are made, and what was made is judged."""
_WITNESS = "dp_witness_"

Say = Callable[[str], None]


class SoakFailedError(AssertionError):
    """Something grew, was left over, or is untrue; the message lists it."""


class DoorName(StrEnum):
    """Which front door."""

    KUBE = "kube"
    STANDALONE = "standalone"


@dataclass
class Memory:
    """Resident bytes over changes."""

    samples: list[tuple[int, int]] = field(default_factory=list)

    def level(self, first: float, last: float) -> float:
        """The median between two shares of all changes, bytes."""
        total = self.samples[-1][0]
        return statistics.median(rss for change, rss in self.samples if first * total <= change <= last * total)

    @property
    def growth(self) -> float:
        """The last fifth against the second, as a share of the latter."""
        before = self.level(0.2, 0.4)
        return (self.level(0.8, 1) - before) / before

    @property
    def slope(self) -> float:
        """Bytes per change, after the first fifth; 0 for too few samples."""
        total = self.samples[-1][0]
        changes, sizes = zip(*(each for each in self.samples if each[0] >= total / 5), strict=True)
        return statistics.linear_regression(changes, sizes).slope if len(set(changes)) > 1 else 0.0


async def soak(
    door: DoorName, *, changes: int, size: int, directory: Path, say: Say, server: ApiServer | None = None
) -> None:
    """Run it at one door; `server` has our kinds, by default it is one of its own.

    Raises:
        SoakFailedError: with every finding.
    """
    opened: AbstractAsyncContextManager[doors.Door] = (
        doors.kube(size, directory, server) if door is DoorName.KUBE else doors.folder(size, directory)
    )
    mix, memory, done, started = Mix(size), Memory(), 0, time.monotonic()
    async with opened as running:
        say(f"{door}: {size:,} phones are Ready, {changes:,} changes follow")
        before, files = usage(running.child.pid), _files(running)
        for batch in mix.batches(changes):
            await running.make(batch)
            done += len(batch)
            memory.samples.append((done, usage(running.child.pid).rss))
            if done * 10 // changes > (done - len(batch)) * 10 // changes:
                taken = time.monotonic() - started
                say(f"{door}: {done:>6,} changes, {taken:4.0f} s, {memory.samples[-1][1] / _MIB:.1f} MiB")
            if time.monotonic() - started > _LIMIT_SECONDS:
                say(f"{door}: time is up after {done:,} of {changes:,} changes")
                break
        await running.make(mix.heal())
        findings = [*await _untrue(running, mix)]
        left = sorted(_files(running) - files)
        findings += [f"files left over: {left}"] * bool(left)
        findings += await _leaked(running, before)
        after = usage(running.child.pid)
    if memory.growth > GROWTH_LIMIT and done >= JUDGED_FROM:
        findings.append(f"memory grew by {memory.growth:.1%}, more than {GROWTH_LIMIT:.0%}")
    early, late = (memory.level(*part) / _MIB for part in ((0.2, 0.4), (0.8, 1)))
    slope = memory.slope / 1024 * 1_000
    say(
        f"{door}: memory {early:.1f} MiB after the warm-up, {late:.1f} MiB at the end ({memory.growth:+.1%}, "
        f"{slope:+.0f} KiB per 1,000 changes); open files {before.files} → {after.files}, "
        f"sockets {before.sockets} → {after.sockets}"
    )
    if findings:
        raise SoakFailedError("\n".join([f"{door}, after {done:,} changes:", *findings]))


async def _untrue(door: doors.Door, mix: Mix) -> list[str]:
    """What is not as it shall be, once it had time to become so: the statuses, and Asterisk by questions of our own."""
    end = time.monotonic() + _SETTLE_SECONDS
    while True:
        findings = [*await _statuses(door, mix)]
        findings += [finding async for finding in _asterisk(door, mix)]
        if not findings or time.monotonic() > end:
            return findings[:20]
        await asyncio.sleep(1)


async def _statuses(door: doors.Door, mix: Mix) -> list[str]:
    ready, wanted = await door.ready(), {site.name(index) for index in mix.phones}
    return [
        *(f"{name} is not Ready" for name in sorted(wanted) if not ready.get(name)),
        *(f"{name} is there still" for name in sorted(ready.keys() - wanted)),
    ]


async def _asterisk(door: doors.Door, mix: Mix) -> AsyncIterator[str]:
    endpoints = await door.ami.listed("PJSIPShowEndpoints", "EndpointListComplete", limit_seconds=60)
    served = {event["ObjectName"] for event in endpoints if not event["ObjectName"].startswith(_WITNESS)}
    for number in sorted(served - {site.number(index) for index in mix.phones}):
        yield f"Asterisk serves {number} still"
    for index, phone in mix.phones.items():
        number = site.number(index)
        try:
            details = await door.ami.listed("PJSIPShowEndpoint", "EndpointDetailComplete", Endpoint=number)
        except AmiRefusedError:
            yield f"Asterisk does not serve {number}"
            continue
        found = {event["Event"]: event for event in details}
        if phone.display_name not in found["EndpointDetail"]["Callerid"]:
            yield f"Asterisk shows {number} as it was before"
        if found.get("AuthDetail", {}).get("Password") != phone.password:
            yield f"Asterisk asks {number} for another password"


def _files(door: doors.Door) -> set[str]:
    """What is in the directory that the controller writes to."""
    folder = door.asterisk.etc / "dialplane"
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def _leaked(door: doors.Door, before: Usage) -> list[str]:
    """Descriptors beyond those of the start, once connections that are kept for reuse had time to close."""
    end = time.monotonic() + _SETTLE_SECONDS
    while True:
        now = usage(door.child.pid)
        beyond = {"files": now.files - before.files, "sockets": now.sockets - before.sockets - SOCKET_PLAY}
        if max(beyond.values()) <= 0 or time.monotonic() > end:
            return [f"{more} more {what} are open than may be" for what, more in beyond.items() if more > 0]
        await asyncio.sleep(0.5)
