"""The desk that queues commands: many callers, few transactions, and nothing physical for who is not there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dialplane.services.elevator.command_desk import CommandDesk, CommandRequest
from dialplane.services.elevator.tables import commands, sessions
from dialplane.services.elevator.tables.commands import Command, NewCommand
from dialplane.services.elevator.tables.sessions import Connect, Heard, Introduction
from dialplane.store import Store, StoreError, StoreUnavailable
from dialplane.store.hints import Hints, replica_channel

SITE = "office"
NOW = datetime.now(UTC)


def wanted(device: str, key: str, *, physical: bool = True, **more: Any) -> CommandRequest:
    new = NewCommand(device, "REBOOT", physical, {"x": 1}, "tests", key, NOW + timedelta(hours=1))
    return CommandRequest(new, **more)


def connect(store: Store, *devices: str, replica: str = "gateway-1") -> dict[str, int]:
    opened = sessions.open_all(store, SITE, replica, [Connect(name, "192.0.2.1", NOW) for name in devices], now=NOW)
    epochs = {name: each.epoch for name, each in opened.items()}
    sessions.introduce(store, SITE, [Introduction(name, epochs[name], "1", ("ack",)) for name in devices], now=NOW)
    return epochs


@asynccontextmanager
async def serving(desk: CommandDesk) -> AsyncIterator[CommandDesk]:
    running = asyncio.create_task(desk.run())
    try:
        yield desk
    finally:
        running.cancel()
        await asyncio.wait([running])


@contextmanager
def counted(store: Store) -> Iterator[list[int]]:
    """How many transactions there were."""
    number = [0]

    def begun(_: Any) -> None:
        number[0] += 1

    sa.event.listen(store.engine, "begin", begun)
    try:
        yield number
    finally:
        sa.event.remove(store.engine, "begin", begun)


@pytest.mark.databases
async def test_a_thousand_callers_share_a_few_transactions(store: Store) -> None:
    connect(store, *(f"lift-{number}" for number in range(1000)))
    async with serving(CommandDesk(store, SITE, None)) as desk:
        with counted(store) as transactions:
            callers = (desk.submit([wanted(f"lift-{number}", "k")]) for number in range(1000))
            answers = await asyncio.gather(*callers)
    assert all(isinstance(answer, Command) for (answer,) in answers)
    assert len({answer.id for (answer,) in answers if isinstance(answer, Command)}) == 1000
    assert transactions[0] <= 10


@pytest.mark.databases
async def test_the_same_key_is_the_same_command_for_all_who_ask_at_once(store: Store) -> None:
    connect(store, "lift-1")
    async with serving(CommandDesk(store, SITE, None)) as one, serving(CommandDesk(store, SITE, None)) as other:
        desks = [one, other] * 10
        answers = await asyncio.gather(*[desk.submit([wanted("lift-1", "k", keyed=True)]) for desk in desks])
        reused = CommandRequest(NewCommand("lift-1", "LIGHT", True, None, "tests", "k", NOW), keyed=True)
        assert await one.submit([reused]) == ["KeyReused"]
    assert len({answer.id for (answer,) in answers if isinstance(answer, Command)}) == 1
    assert len(commands.page(store, SITE, "lift-1", limit=9).commands) == 1


async def test_nothing_physical_is_queued_once_the_connection_is_closed(store: Store) -> None:
    epochs = connect(store, "lift-1")
    async with serving(CommandDesk(store, SITE, None)) as desk:
        (before,) = await desk.submit([wanted("lift-1", "before", keyed=True)])
        sessions.close_all(store, SITE, [Heard("lift-1", epochs["lift-1"], NOW)], now=NOW)
        answers = await desk.submit(
            [
                wanted("lift-1", "after"),
                wanted("lift-1", "safe", physical=False),
                wanted("lift-1", "now", physical=False, online_only=True),
                wanted("lift-1", "before", keyed=True),
            ]
        )
    assert (answers[0], answers[2]) == ("Offline", "Offline")
    assert isinstance(answers[1], Command)
    assert answers[3] == before


async def test_only_gateways_with_something_to_send_are_woken(store: Store) -> None:
    connect(store, "lift-1", replica="gateway-1")
    connect(store, "lift-2", replica="gateway-2")
    hints = Hints(store, SITE)
    woken = {name: hints.subscribe(replica_channel(name)) for name in ("gateway-1", "gateway-2")}
    async with serving(CommandDesk(store, SITE, hints)) as desk:
        await desk.submit([wanted("lift-1", "k"), wanted("lift-3", "k", physical=False)])
        await asyncio.wait_for(woken["gateway-1"].wait(), 10)
    assert not woken["gateway-2"].is_set()


async def test_a_store_that_fails_fails_its_callers_and_the_desk_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = commands.queue_within
    trouble: list[Exception] = [StoreUnavailable("gone")]

    def failing(*args: Any, **kwargs: Any) -> list[Command]:
        if trouble:
            raise trouble.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(commands, "queue_within", failing)
    async with serving(CommandDesk(store, SITE, None)) as desk:
        with pytest.raises(StoreUnavailable, match="gone"):
            await desk.submit([wanted("lift-1", "k", physical=False)])
        (answer,) = await desk.submit([wanted("lift-1", "k", physical=False)])
    assert isinstance(answer, Command)


async def test_what_the_store_refuses_of_one_caller_takes_no_other_along(store: Store) -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless  # no JSON can be made of it
    bad = CommandRequest(NewCommand("lift-1", "REBOOT", False, endless, "tests", "bad", NOW))
    async with serving(CommandDesk(store, SITE, None)) as desk:
        good = wanted("lift-1", "good", physical=False)
        answers = await asyncio.gather(desk.submit([good]), desk.submit([bad]), return_exceptions=True)
    assert isinstance(answers[0], list)
    assert isinstance(answers[0][0], Command)
    assert isinstance(answers[1], Exception)


async def test_who_asks_a_desk_that_stops_is_turned_away(store: Store) -> None:
    desk = CommandDesk(store, SITE, None)
    async with serving(desk):
        waiting = [asyncio.create_task(desk.submit([wanted("lift-1", key, physical=False)])) for key in ("k", "l")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    for each in waiting:
        with pytest.raises(StoreError, match="stopped"):
            await each
    with pytest.raises(StoreError, match="stopped"):
        await desk.submit([wanted("lift-1", "m", physical=False)])
