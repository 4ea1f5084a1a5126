"""Commands from the store to a device and back."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from dialplane.services.elevator.tables import commands
from dialplane.services.elevator.tables.commands import Command, NewCommand
from dialplane.store import Store
from dialplane.store.hints import replica_channel
from tests.elevator.gateways import RunningGateway, beat, gateway, hear, ready, say, view
from tests.eventually import eventually

SITE = "office"


async def send(running: RunningGateway, *wanted: NewCommand) -> list[Command]:
    """Queue commands as the API does, and send the hint."""
    made = await running.context.store.call(commands.queue, SITE, wanted, now=datetime.now(UTC))
    await running.hints.send(replica_channel(running.context.replica))
    return made


def command(name: str, device: str = "lift-1", *, data: Any = None, key: str = "1") -> NewCommand:
    physical = name in {"REBOOT", "OPEN"}
    return NewCommand(device, name, physical, data, "ops", f"{name} {key}", datetime.now(UTC) + timedelta(seconds=30))


async def acknowledging(running: RunningGateway, name: str = "lift-1") -> ClientConnection:
    device = await running.device(name)
    await say(device, "hello", firmware="3", capabilities=["ack"])
    await ready(running, name)
    return device


async def until(store: Store, made: Command, holds: Callable[[Command], bool]) -> Command:
    async def look() -> Command:
        found = await store.call(commands.get, SITE, made.id)
        assert found is not None
        return found

    return await eventually(look, holds=holds)


async def ended(store: Store, made: Command) -> Command:
    return await until(store, made, lambda found: found.ended_at is not None)


@pytest.mark.databases
async def test_a_command_is_sent_acknowledged_and_ends_with_its_result(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await acknowledging(running)
        (made,) = await send(running, command("REBOOT", data={"delay": 1, "text": "\ud800"}))
        sent = await hear(device)
        assert (sent["type"], sent["id"], sent["payload"]) == ("command", made.id, "REBOOT")
        assert sent["data"]["delay"] == 1
        before = await store.call(commands.get, SITE, made.id)
        assert before is not None
        assert (before.state, before.epoch, before.sends) == ("sent", 1, 1)
        await say(device, "command_ack", id=made.id)
        await until(store, made, lambda found: found.state == "acknowledged")
        await say(device, "command_result", id=made.id, state="succeeded", result={"floor": 3})
        found = await ended(store, made)
        assert (found.state, found.result) == ("succeeded", {"floor": 3})
        await running.journals("lift-1", 1, "command")


async def test_an_old_device_gets_what_may_go_unacknowledged_and_nothing_else(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        await beat(device)
        made = await send(running, command("REBOOT"), command("OPEN"), command("LIGHT"), command("FLY"))
        assert {(await hear(device))["payload"] for _ in range(2)} == {"OPEN", "LIGHT"}
        assert [(await ended(store, each)).state for each in made] == ["rejected", "unknown", "delivered", "rejected"]
        await beat(device)


async def test_after_a_reconnect_what_is_safe_comes_again_and_what_is_physical_does_not(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await acknowledging(running)
        safe, physical = await send(running, command("LIGHT"), command("REBOOT"))
        assert {(await hear(device))["id"] for _ in range(2)} == {safe.id, physical.id}
        device.transport.abort()
        again = await acknowledging(running)
        assert (await hear(again))["id"] == safe.id
        await say(again, "command_result", id=safe.id, state="ok")
        await say(again, "command_result", id=physical.id, state="ok")
        assert [(await ended(store, each)).state for each in (safe, physical)] == ["succeeded", "succeeded"]
        await beat(again)


async def test_what_waited_for_a_device_is_sent_when_it_comes(store: Store) -> None:
    async with gateway(store, view("lift-1", "lift-2")) as running:
        (made,) = await send(running, command("LIGHT"))
        await acknowledging(running, "lift-2")
        device = await acknowledging(running)
        assert (await hear(device))["id"] == made.id


@pytest.mark.databases
async def test_a_thousand_commands_take_few_transactions_and_each_arrives_once(store: Store) -> None:
    names = [f"lift-{number}" for number in range(20)]
    async with gateway(store, view(*names)) as running:
        devices = [await acknowledging(running, name) for name in names]
        writes = 0
        write = store.write

        def counted() -> Any:
            nonlocal writes
            writes += 1
            return write()

        store.write = counted  # type: ignore[method-assign]
        made = await send(running, *(command("REBOOT", name, key=str(n)) for name in names for n in range(20)))

        async def answer(device: ClientConnection) -> list[str]:
            got = []
            for _ in range(20):
                got.append((await hear(device))["id"])
                await device.send(json.dumps({"type": "command_result", "id": got[-1], "state": "ok"}))
            return got

        got = [each for some in await asyncio.gather(*map(answer, devices)) for each in some]
        assert sorted(got) == sorted(each.id for each in made)
        for each in made:
            assert (await ended(store, each)).state == "succeeded"
        assert writes <= 40


async def test_a_device_that_does_not_read_is_cut_off_and_keeps_nobody_waiting(store: Store) -> None:
    async with gateway(store, view("lift-1", "lift-2")) as running:
        unread, device = await acknowledging(running), await acknowledging(running, "lift-2")
        unread.transport.pause_reading()
        session = running.gateway._connections.sessions["lift-1"]
        while session.socket.writable:
            session.send(json.dumps({"type": "command", "data": "x" * 30_000}))
        for _ in range(12):
            session.send("{}")
        await eventually(lambda: "lift-1" not in running.connected)
        (made,) = await send(running, command("LIGHT", "lift-2"))
        assert (await hear(device))["id"] == made.id
        unread.transport.abort()


async def test_what_waits_for_a_device_that_does_not_read_is_not_sent_late(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await acknowledging(running)
        device.transport.pause_reading()
        session = running.gateway._connections.sessions["lift-1"]
        while session.socket.writable:
            session.send(json.dumps({"type": "filler", "data": "x" * 30_000}))
        for kind, seconds in (("late", -1), ("in time", 30)):
            assert session.send(json.dumps({"type": kind}), datetime.now(UTC) + timedelta(seconds=seconds))
        device.transport.resume_reading()
        while (heard := (await hear(device))["type"]) == "filler":
            pass
        assert heard == "in time"
