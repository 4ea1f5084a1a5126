"""How fast calls get extensions: many callers at once, small pools and large ones, both databases.

Ours is the desk as the controller runs it. Yardsticks, in the same run and in databases of their own: an allocator as
one writes it first, and bare transactions of one UPDATE each, by as many threads as the store has.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from bench.results import Leases
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.tables import pools
from dialplane.services.infinity.tables.calls import Call, NewCall
from dialplane.services.infinity.tables.leases import Change
from dialplane.services.infinity.tables.pools import EXTENSIONS, PoolWanted
from dialplane.store import Store
from dialplane.store.engine import CONNECTIONS
from testbed.postgres import Postgres

CALLERS: Final = 200
POOLS: Final = (50, 5_000)
SECONDS: Final = 1.8
_HOLD_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 0.7
_SITE: Final = "bench"
_TENANT: Final = "acme"

Release = Callable[[], Awaitable[object]]
Lease = Callable[[int], Awaitable[Release | None]]
"""None where there is no free extension."""


async def measure(
    directory: Path, *, seconds: float, callers: int = CALLERS, sizes: Sequence[int] = POOLS
) -> list[Leases]:
    """Each database and each size of pool, so many seconds for each figure."""
    await asyncio.to_thread(directory.mkdir)
    found = []
    for size in sizes:
        urls = [f"sqlite:///{directory}/{name}-{size}.db" for name in ("ours", "naive")]
        found.append(await _compare("SQLite", size, urls, seconds, callers))
    async with Postgres(directory / "postgres", durable=True) as server:
        for size in sizes:
            urls = [await server.database() for _ in range(2)]
            found.append(await _compare("PostgreSQL", size, urls, seconds, callers))
    return found


async def _compare(database: str, size: int, urls: list[str], seconds: float, callers: int) -> Leases:
    ours, its = urls
    async with _desk(ours, size) as lease:
        await _pace(lease, min(callers, size), seconds / 4)  # warms up
        samples = await _samples(lease, callers, 2 * seconds)
        per_second = await _pace(lease, min(callers, size), seconds)
    async with _naive(its, size) as (lease, engine):
        naive = await _samples(lease, callers, seconds)
        naive_per_second = await _pace(lease, min(callers, size), seconds)
        bare = await asyncio.to_thread(_bare, engine, size, seconds)
    return Leases(
        database=database,
        pool=size,
        callers=callers,
        samples=samples,
        per_second=per_second,
        naive=naive,
        naive_per_second=naive_per_second,
        updates_per_second=bare,
    )


async def _samples(lease: Lease, callers: int, seconds: float) -> list[float]:
    """Seconds until each lease was had: each caller holds it for a moment, gives it back, and pauses."""
    samples: list[float] = []
    end = time.perf_counter() + seconds

    async def call(number: int) -> None:
        # Not all at the same moment, time and again: people do not do that.
        await asyncio.sleep((_HOLD_SECONDS + _PAUSE_SECONDS) * number / callers)
        while time.perf_counter() < end:
            began = time.perf_counter()
            release = await lease(number)
            samples.append(time.perf_counter() - began)
            await asyncio.sleep(_HOLD_SECONDS)
            if release is not None:
                await release()
            await asyncio.sleep(_PAUSE_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        for number in range(callers):
            tasks.create_task(call(number))
    return samples


async def _pace(lease: Lease, callers: int, seconds: float) -> float:
    """Leases a second, each given back, by callers who never pause."""
    began, done = time.perf_counter(), 0

    async def call(number: int) -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            release = await lease(number)
            if release is not None:
                await release()
                done += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(callers):
            tasks.create_task(call(number))
    return done / (time.perf_counter() - began)


@contextlib.asynccontextmanager
async def _desk(url: str, size: int) -> AsyncIterator[Lease]:
    store = await asyncio.to_thread(_opened, url, size)
    desk = LeaseDesk(store, _SITE)
    running = asyncio.create_task(desk.run())
    serial = itertools.count()

    async def lease(agent: int) -> Release | None:
        new = NewCall(_TENANT, f"agent-{agent}", "+15550100", "+15550101", "bench", f"key-{next(serial)}")
        call = (await desk.lease(new)).call
        return None if call is None else _Ending(desk, call).end

    try:
        yield lease
    finally:
        running.cancel()
        await asyncio.wait({running})
        await asyncio.to_thread(store.close)


@dataclass(frozen=True, slots=True)
class _Ending:
    desk: LeaseDesk
    call: Call

    async def end(self) -> None:
        await self.desk.change(Change(self.call.id, "released", outcome="Released"))


@contextlib.asynccontextmanager
async def _naive(url: str, size: int) -> AsyncIterator[tuple[Lease, sa.Engine]]:
    """A transaction for each caller, which waits for those before it."""
    store = await asyncio.to_thread(_opened, url, size)
    serial = itertools.count(1)
    query = (
        sa.select(EXTENSIONS.c.number)
        .where(EXTENSIONS.c.site == _SITE, EXTENSIONS.c.tenant == _TENANT, EXTENSIONS.c.call.is_(None))
        .order_by(EXTENSIONS.c.call, EXTENSIONS.c.used, EXTENSIONS.c.position)
        .limit(1)
        .with_for_update()
    )
    number_is = (EXTENSIONS.c.site == _SITE) & (EXTENSIONS.c.number == sa.bindparam("which"))
    update = sa.update(EXTENSIONS).where(number_is)

    def take() -> str | None:
        with store.engine.begin() as connection:
            found: str | None = connection.execute(query).scalar()
            if found is not None:
                mark = next(serial)
                connection.execute(update, {"which": found, "call": mark, "used": mark})
        return found

    def give_back(number: str) -> None:
        with store.engine.begin() as connection:
            connection.execute(update, {"which": number, "call": None})

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        loop = asyncio.get_running_loop()

        async def lease(_: int) -> Release | None:
            number = await loop.run_in_executor(threads, take)
            return None if number is None else lambda: loop.run_in_executor(threads, give_back, number)

        try:
            yield lease, store.engine
        finally:
            await asyncio.to_thread(store.close)


def _bare(engine: sa.Engine, size: int, seconds: float) -> float:
    """Transactions a second that write one row, by as many threads as the store has, each its own rows."""
    update = sa.update(EXTENSIONS).where(EXTENSIONS.c.site == _SITE, EXTENSIONS.c.number == sa.bindparam("which"))
    end = time.perf_counter() + seconds

    def write(thread: int) -> int:
        for done in itertools.count():
            if time.perf_counter() > end:
                return done
            number = f"{1000 + (thread + CONNECTIONS * done) % size}"
            with engine.begin() as connection:
                connection.execute(update, {"which": number, "used": done})
        raise AssertionError

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return sum(threads.map(write, range(CONNECTIONS))) / seconds


def _opened(url: str, size: int) -> Store:
    store = Store.open(url)
    numbers = tuple(f"{1000 + number}" for number in range(size))
    pools.sync(store, _SITE, [PoolWanted(_TENANT, "LeastRecentlyUsed", size, True, numbers)])
    return store
