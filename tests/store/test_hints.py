"""Hints between two processes' stores: at once on PostgreSQL, and again after the connection was cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
import sqlalchemy as sa

from dialplane.store import Store
from dialplane.store.hints import Channel, Hints, notify_within
from tests.eventually import eventually

LISTENING = sa.text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'"
)


@asynccontextmanager
async def listening(store: Store, site: str = "office") -> AsyncIterator[tuple[Hints, asyncio.Event]]:
    hints = Hints(store, site)
    event = hints.subscribe(Channel.VIEWS)
    task = asyncio.create_task(hints.run())
    try:
        if store.engine.dialect.name == "postgresql":
            await asyncio.wait_for(event.wait(), 10)  # it listens: what came before is to be looked for
            event.clear()
        yield hints, event
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_a_hint_reaches_other_processes_of_the_site_and_this_one(postgres_url: str) -> None:
    async def go() -> None:
        with (
            closing(Store.open(postgres_url)) as first,
            closing(Store.open(postgres_url)) as second,
            closing(Store.open(postgres_url)) as third,
        ):
            await exchange(first, second, third)

    async def exchange(first: Store, second: Store, third: Store) -> None:
        async with listening(first) as (_, here), listening(second, "other") as (_, elsewhere):
            sender = Hints(third, "office")
            own = sender.subscribe(Channel.VIEWS)
            await sender.send(Channel.STATES)
            await sender.send(Channel.VIEWS)
            assert own.is_set()
            await asyncio.wait_for(here.wait(), 5)
            assert not elsewhere.is_set()

    asyncio.run(go())


def test_after_a_cut_connection_it_listens_again_and_looks_at_once(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def go() -> None:
        with closing(Store.open(postgres_url)) as store:
            await cut(store)

    async def cut(store: Store) -> None:
        async with listening(store) as (hints, event):
            with store.write() as connection:
                pids = connection.execute(LISTENING).scalars().all()
                assert len(pids) == 1
                connection.execute(sa.select(sa.func.pg_terminate_backend(pids[0])))
            await asyncio.wait_for(event.wait(), 10)
            event.clear()

            def listener() -> list[int]:
                with store.read() as connection:
                    return list(connection.execute(LISTENING).scalars())

            await eventually(listener, holds=lambda now: now and now != pids)
            await hints.send(Channel.VIEWS)
            await asyncio.wait_for(event.wait(), 5)

    asyncio.run(go())
    assert "password" not in capsys.readouterr().err


def test_on_sqlite_a_hint_stays_in_the_process(tmp_path: object) -> None:
    async def go() -> None:
        store = Store.open(f"sqlite:///{tmp_path}/store.db")
        async with listening(store) as (hints, event):
            await hints.send(Channel.VIEWS)
            assert event.is_set()
        store.close()

    asyncio.run(go())


def test_a_hint_within_a_transaction_comes_with_its_commit(postgres_url: str) -> None:
    async def go() -> None:
        with closing(Store.open(postgres_url)) as sender, closing(Store.open(postgres_url)) as receiver:
            async with listening(receiver) as (_, here):
                with sender.write() as connection:
                    notify_within(connection, Channel.VIEWS, "office")
                    await asyncio.sleep(0)
                    assert not here.is_set()
                await asyncio.wait_for(here.wait(), 5)

    asyncio.run(go())


def test_it_knows_what_is_followed_in_this_process(store: Store) -> None:
    hints = Hints(store, "office")
    event = hints.subscribe("dialplane_replica_here")
    assert hints.reaches("dialplane_replica_here")
    assert not hints.reaches("dialplane_replica_elsewhere")
    hints.wake("dialplane_replica_here")
    assert event.is_set()
