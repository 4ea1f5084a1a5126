"""A gateway that restarts under its devices, with the leader of the product: nobody is told anything, nothing is written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

import pytest
from websockets.asyncio.client import ClientConnection, connect

from dialplane.resources.conditions import ConditionType, Report, Truth, status_of
from dialplane.resources.key import Key
from dialplane.services import elevator
from dialplane.services.contract import Context, Role, SocketOptions
from dialplane.services.elevator.leader.service import ElevatorService, ElevatorTiming
from dialplane.services.elevator.tables import sessions
from dialplane.services.replica_link import ReplicaLink
from dialplane.services.replica_runner import run_replicas
from dialplane.store import Store
from dialplane.store.hints import Hints
from tests.databases import NOW
from tests.elevator.gateways import beat
from tests.elevator.leader.lifts import SITE, callbacks_of, events_of, journal_of, lift, view
from tests.eventually import eventually

NAMES = [f"lift-{number}" for number in range(20)]
QUICK = ElevatorTiming(look=0.1, gap=0.02, tick=0.05)


@asynccontextmanager
async def running(*parts: object) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(part) for part in parts]  # type: ignore[call-overload]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def gateway(store: Store, hints: Hints) -> AsyncIterator["asyncio.Future[int]"]:
    """A replica as `dialplane gateway` runs it; the port."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def announce(sock: socket) -> None:
        port.set_result(sock.getsockname()[1])

    sockets = SocketOptions("127.0.0.1:0", announce=announce)
    async with running(run_replicas(store, hints, SITE, [Role.GATEWAY], [elevator.SERVICE], sockets=sockets)):
        yield port


async def devices(port: int) -> list[ClientConnection]:
    """All of them, connected and heard."""
    url = f"ws://127.0.0.1:{port}/ws"
    found = [await connect(f"{url}?device_id={name}&token=token-of-{name}-000", proxy=None) for name in NAMES]
    for device in found:
        await beat(device)
    return found


@pytest.mark.databases
async def test_a_gateway_that_restarts_with_its_devices_back_writes_and_tells_nothing(store: Store) -> None:
    hints = Hints(store, SITE)
    link = ReplicaLink(store, hints, SITE, elevator.SERVICE.name, lambda: True)
    context = Context(store, SITE, lambda *_: None, replicas=link, hints=hints)
    leader = ElevatorService(context, timing=QUICK)
    changes = 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    def online() -> int:
        said = leader.reports().values()
        return sum(c.type is ConditionType.ONLINE and c.status is Truth.TRUE for each in said for c in each.conditions)

    def statuses(before: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        found = {}
        for name in NAMES:
            said = leader.reports()[Key("ElevatorDevice", name)]
            report = Report(Key("ElevatorDevice", name), "uid", 1, said.conditions, said.fields)
            found[name] = status_of(report, before.get(name, {}), NOW)
        return found

    def open_sessions() -> int:
        return sum(each.closed_at is None for each in sessions.changed(store, SITE, None))

    callback = {"statusUrl": "http://127.0.0.1:1/api/device/status"}
    leader.observe(view(*(lift(name, callback=callback) for name in NAMES)))
    async with running(hints.run(), link.run(changed), leader.run(changed)):
        async with gateway(store, hints) as port:
            connected = await devices(await port)
            await eventually(lambda: online() == len(NAMES), why=leader.reports)
            first = leader.reports()[Key("ElevatorDevice", NAMES[0])]
            assert {str(each.type): str(each.reason) for each in first.conditions} == {
                "Ready": "Served",
                "Online": "Online",
            }
            before = statuses({})
            noted = journal_of(store, "online", "offline")
            told = len(callbacks_of(store))
            assert (len(noted), told) == (len(NAMES), len(NAMES))
        await asyncio.gather(*(device.wait_closed() for device in connected))
        await eventually(lambda: open_sessions() == 0)
        looks, heard = leader._live.looks, changes
        await eventually(lambda: leader._live.looks > looks + 2)
        async with gateway(store, hints) as port:
            await devices(await port)
            await eventually(lambda: open_sessions() == len(NAMES))
            looks = leader._live.looks
            await eventually(lambda: leader._live.looks > looks + 2)
            assert statuses(before) == before
    assert journal_of(store, "online", "offline") == noted
    assert len(callbacks_of(store)) == told
    assert events_of(store) == []
    assert changes - heard <= 2  # the link's own word that another gateway reports
