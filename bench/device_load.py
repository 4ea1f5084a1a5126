"""What devices cost a server: processor time and memory by the kernel's books, beside those of a bare server."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.usage import usage
from testbed.device_site import GROUP, TOKEN
from testbed.devices.peer import Devices
from testbed.ports import LOOPBACK, lease
from testbed.process import Child

_LIMIT_SECONDS: Final = 180.0
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """What so many devices took, for each one."""

    connect_cpu: float
    """Seconds of a connect, its first heartbeats left out."""
    beat_cpu: float
    """Seconds of a heartbeat and its pong."""
    rss: float
    """Bytes."""
    pong_p99: float
    """Seconds until the answer, of which 99 in 100 are shorter."""
    devices_cpu: float
    """What the simulated devices took themselves meanwhile, of one core."""


async def load(pid: int, fleet: Devices, count: int, *, within: float, seconds: float) -> Load:
    """Connect the first `count` devices within so many seconds, and watch them for so long; they stay connected."""
    await fleet.forget()
    idle = usage(pid)
    await fleet.connect(GROUP, within=within, first=0, count=count)
    await until_open(fleet, count)
    connected, first = usage(pid), await fleet.counts()
    await fleet.forget()
    began, before, busy = time.monotonic(), usage(pid), first["cpu_seconds"]
    await asyncio.sleep(seconds)
    after, figures = usage(pid), await fleet.counts()
    took, latency = time.monotonic() - began, await fleet.latency()
    beat = (after.cpu_seconds - before.cpu_seconds) / max(figures["pongs"], 1)
    spent = connected.cpu_seconds - idle.cpu_seconds - first["pongs"] * beat
    return Load(
        connect_cpu=max(spent, 0.0) / count,
        beat_cpu=beat,
        rss=(after.rss - idle.rss) / count,
        pong_p99=latency["p99"] or 0.0,
        devices_cpu=(figures["cpu_seconds"] - busy) / took,
    )


async def until_open(fleet: Devices, count: int) -> None:
    """Wait until so many devices are connected.

    Raises:
        TimeoutError: they were not in time; its note says what happened to them.
    """
    await until(fleet, lambda figures: figures["open"] >= count)


async def until(fleet: Devices, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the devices' figures are so, and return them.

    Raises:
        TimeoutError: likewise.
    """
    figures: dict[str, Any] = {}
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            while True:
                figures = await fleet.counts()
                if holds(figures):
                    return figures
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError as error:
        error.add_note(f"the devices: {figures}")
        raise


@asynccontextmanager
async def devices(
    directory: Path, address: str, count: int, interval: float, *, back_off: float = 8.0
) -> AsyncIterator[Devices]:
    """Start so many devices, not connected yet, which acknowledge commands and come back after some seconds."""
    async with await Devices.start(directory, address) as fleet:
        behaviour: dict[str, Any] = {
            "interval": interval,
            "hello": ["ack"],
            "back_off": back_off,
            "back_off_most": back_off,
        }
        await fleet.add(GROUP, token=TOKEN, count=count, **behaviour)
        yield fleet


async def bare(directory: Path, count: int, *, interval: float, within: float, seconds: float) -> Load:
    """Yardstick: the same devices at a server that does nothing but answer."""
    with lease(1) as ports:
        port = ports.take()
        words = [sys.executable, "-m", "bench.bare_sockets", str(port)]
        root = Path(__file__).parents[1]
        child = await Child.start("bare server", words, output=directory / "bare.log", cwd=root)
        try:
            async with devices(directory, f"{LOOPBACK}:{port}", count, interval) as fleet:
                await _until_listening(port, child)
                return await load(child.pid, fleet, count, within=within, seconds=seconds)
        finally:
            await child.stop()


async def _until_listening(port: int, child: Child) -> None:
    async with asyncio.timeout(_LIMIT_SECONDS):
        while True:
            child.check()
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                writer.close()
                return
