"""Devices in lifts: what they cost the gateway, what a restart costs, and how fast commands reach them.

Counted by others than the product: processor time and memory by the kernel, transactions by PostgreSQL, arrivals by the
devices, callbacks by the program that is told.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.device_books import MARGIN_SECONDS, Books, restart
from bench.device_load import Load, bare, devices, load, until, until_open
from bench.results import DeviceCommands, DeviceLoad
from testbed.certificates import Authority
from testbed.device_site import GROUP, SAFE, DeviceSite, device_name, device_site
from testbed.devices.peer import Devices
from testbed.ports import LOOPBACK, lease
from testbed.postgres import Postgres

_ROUND_SECONDS: Final = 0.1
"""Commands of such a time go out by one request."""
_DEADLINE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    count: int = 10_000
    interval: float = 5.0
    connect_seconds: float = 30.0
    steady_seconds: float = 30.0
    tls_count: int = 2_000
    command_seconds: float = 10.0
    paces: tuple[int, ...] = (200, 1_000)
    """Commands a second."""
    near_count: int = 1_000
    """Devices at the leader's own gateway."""
    timeout_seconds: int = 30
    """After which silence a device is offline."""
    back_off: float = 8.0
    """Until a device that lost its connection comes back, half as much or half more by chance."""


FULL: Final = Plan()
QUICK: Final = Plan(
    count=500,
    interval=1.0,
    connect_seconds=2.0,
    steady_seconds=2.0,
    tls_count=50,
    command_seconds=1.0,
    paces=(100,),
    near_count=50,
    timeout_seconds=3,
    back_off=0.5,
)


async def measure(directory: Path, plan: Plan, step: Callable[[str], None]) -> DeviceLoad:
    """Measure all of it, on PostgreSQL that syncs each commit; `step` takes a line of progress."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Postgres(directory / "postgres", durable=True))
        url = await server.database()
        site = await stack.enter_async_context(_site(_new(directory / "site"), url, plan))
        (gateway,) = site.gateways
        books = Books(site)
        fleet = await stack.enter_async_context(
            devices(directory, gateway.address, plan.count, plan.interval, back_off=plan.back_off)
        )
        step(f"N={plan.count:,}: devices connect, and send heartbeats")
        before = await books.now()
        ours = await load(gateway.pid, fleet, plan.count, within=plan.connect_seconds, seconds=plan.steady_seconds / 2)
        connected = await books.settled()
        await asyncio.sleep(plan.steady_seconds / 2)
        steady = await books.now()
        step(f"N={plan.count:,}: commands to devices at another process")
        commands = [await _commands(books, fleet, plan, pace, plan.count, near=False) for pace in plan.paces]
        step(f"N={plan.count:,}: the gateway is started again")
        again = await restart(books, fleet, plan.count, timeout_seconds=plan.timeout_seconds)
        await fleet.disconnect(how="abort")
        step(f"N={plan.tls_count:,}: devices connect with TLS")
        tls = await _tls(directory, site, fleet, plan)
        step(f"N={plan.near_count:,}: commands to devices at the process of the API")
        await fleet.targets(site.own_address)
        await fleet.connect(GROUP, first=0, count=plan.near_count, within=1)
        await until_open(fleet, plan.near_count)
        await books.settled()  # all others have just gone offline, which is no matter of commands
        commands += [await _commands(books, fleet, plan, pace, plan.near_count, near=True) for pace in plan.paces[:1]]
        await fleet.disconnect(how="abort")
    step(f"N={plan.count:,}: bare server")
    its = await bare(
        _new(directory / "bare"),
        plan.count,
        interval=plan.interval,
        within=plan.connect_seconds,
        seconds=plan.steady_seconds / 2,
    )
    return DeviceLoad(
        n=plan.count,
        interval=plan.interval,
        connect_cpu=ours.connect_cpu,
        beat_cpu=ours.beat_cpu,
        rss=ours.rss,
        pong_p99=ours.pong_p99,
        devices_cpu=ours.devices_cpu,
        bare_connect_cpu=its.connect_cpu,
        bare_beat_cpu=its.beat_cpu,
        bare_rss=its.rss,
        bare_pong_p99=its.pong_p99,
        connects_per_transaction=plan.count / max(connected.written - before.written, 1),
        writes_per_second=(steady.written - connected.written) / (steady.at - connected.at),
        log_per_minute=60 * (steady.wal - connected.wal) / (steady.at - connected.at),
        tls_n=plan.tls_count,
        tls_rss=tls.rss,
        tls_connect_cpu=tls.connect_cpu,
        back_seconds=again.back_seconds,
        told=again.told,
        commands=commands,
    )


async def _tls(directory: Path, site: DeviceSite, fleet: Devices, plan: Plan) -> Load:
    """A gateway of its own that speaks TLS itself."""
    authority = Authority.create("bench")
    pair = authority.vouch(f"IP:{LOOPBACK}")
    files = {"authority.pem": authority.certificate, "tls.crt": pair.certificate, "tls.key": pair.key}
    for name, text in files.items():
        (directory / name).write_text(text)
    options = ("--tls-certificate", str(directory / "tls.crt"), "--tls-key", str(directory / "tls.key"))
    with lease(2) as ports:
        gateway = replace(
            site.gateways[0],
            name="gateway-tls",
            port=ports.take(),
            metrics_port=ports.take(),
            options=options,
            child=None,
        )
        await gateway.start()
        try:
            await fleet.targets(gateway.address, authority=directory / "authority.pem")
            found = await load(
                gateway.pid, fleet, plan.tls_count, within=plan.connect_seconds / 2, seconds=plan.steady_seconds / 4
            )
            await fleet.disconnect(how="abort")
        finally:
            await gateway.stop()
    return found


async def _commands(
    books: Books, fleet: Devices, plan: Plan, per_second: int, count: int, *, near: bool
) -> DeviceCommands:
    """Send safe commands at an even pace, many by each request, and wait until the devices have them."""
    chance = random.Random(per_second)  # noqa: S311 -- to be had again, not to be guessed
    await fleet.forget()
    site, asked = books.site, dict[str, float]()
    each = max(round(per_second * _ROUND_SECONDS), 1)

    async def ask() -> None:
        began = time.time()
        names = [device_name(index) for index in chance.sample(range(count), each)]
        asked.update(dict.fromkeys((await site.command(names, SAFE, seconds=_DEADLINE_SECONDS)).values(), began))

    before, began, tasks = await books.now(), time.monotonic(), list[asyncio.Task[Any]]()
    rounds = max(round(plan.command_seconds / _ROUND_SECONDS), 1)
    async with asyncio.TaskGroup() as asking:
        for number in range(rounds):
            await asyncio.sleep(max(began + number * _ROUND_SECONDS - time.monotonic(), 0))
            tasks.append(asking.create_task(ask()))
    end = time.monotonic() + _DEADLINE_SECONDS + MARGIN_SECONDS
    await until(fleet, lambda figures: figures["commands"] >= len(asked) or time.monotonic() > end)
    after = await books.now()
    arrivals = await fleet.arrivals()
    return DeviceCommands(
        per_second=per_second,
        near=near,
        missing=len(asked.keys() - {arrival["id"] for arrival in arrivals}),
        samples=[arrival["at"] - asked[arrival["id"]] for arrival in arrivals if arrival["id"] in asked],
        transactions_per_second=(after.written - before.written) / (after.at - before.at),
    )


def _site(directory: Path, url: str, plan: Plan) -> AbstractAsyncContextManager[DeviceSite]:
    heartbeat = {"intervalSeconds": max(round(plan.interval), 1), "timeoutSeconds": plan.timeout_seconds}
    return device_site(directory, url, plan.count, callbacks=False, heartbeat=heartbeat)


def _new(directory: Path) -> Path:
    directory.mkdir()
    return directory
