"""The soak of leases: processes that lease and release on one database, and are killed at it.

In the end others than the allocator say whether it was right: triggers in the database, and what callers wrote down.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bench.lease_audit import Audit, entries, install, written
from bench.lease_worker import STATE_SECONDS, Task
from bench.soak import Say, SoakFailedError
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.tables import pools
from dialplane.services.infinity.tables.pools import PoolWanted
from dialplane.store import Store
from testbed import fork
from testbed.postgres import Postgres
from testbed.process import Child

SITE: Final = "soak"
MAXIMUM: Final = {"acme": 45, "bolt": 60, "coil": 150}
"""Calls at a time: acme's is less than its numbers, coil's is more."""
STRATEGIES: Final = {"acme": "LeastRecentlyUsed", "bolt": "RoundRobin", "coil": "AgentAffinity"}
NUMBERS: Final = tuple(f"{8000 + n}" for n in range(240))
PROCESSES: Final = {"SQLite": 2, "PostgreSQL": 4}
_LOOK_SECONDS: Final = 0.2
_SYNC_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 30.0
"""After a deadline: the reapers look each second, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything, on each database."""

    operations: int
    """Leases and releases."""
    kills: int
    databases: tuple[str, ...] = ("SQLite", "PostgreSQL")
    seed: int = 1
    within: float = 3600.0
    """Seconds that one database may take."""


def full(operations: int) -> Plan:
    """The whole soak."""
    return Plan(operations, kills=max(operations // 20_000, 4))


async def soak(plan: Plan, directory: Path, say: Say) -> None:
    """Run it on each database.

    Raises:
        SoakFailedError: with every finding.
    """
    findings = []
    for database in plan.databases:
        place = directory / database
        await asyncio.to_thread(place.mkdir, parents=True)
        async with _url(database, place) as url, asyncio.timeout(plan.within):
            findings += [f"{database}: {each}" for each in await _Soak(plan, database, url, place, say).run()]
    if findings:
        raise SoakFailedError("\n".join(["leases:", *findings]))


@contextlib.asynccontextmanager
async def _url(database: str, place: Path) -> AsyncIterator[str]:
    if database == "SQLite":
        yield f"sqlite:///{place}/store.db"
        return
    async with Postgres(place / "postgres") as server:
        yield await server.database()


@dataclass
class _Worker:
    """One place of a process, whoever is in it."""

    name: str
    leases: int
    """What it is to have got in the end."""
    logs: list[Path] = field(default_factory=list)
    died: list[float | None] = field(default_factory=list)
    child: Child | None = None
    got: int = 0
    _read: int = 0

    def look(self) -> None:
        """Count what its process wrote since the last look."""
        if not self.logs or not self.logs[-1].exists():
            return
        with self.logs[-1].open("rb") as log:
            log.seek(self._read)
            new = log.read()
        self._read += len(new)
        self.got += new.count(b"got ")

    def new_log(self, place: Path) -> Path:
        self.logs.append(place / f"{self.name}-{len(self.logs)}.log")
        self.died.append(None)
        self._read = 0
        return self.logs[-1]


class _Soak:
    def __init__(self, plan: Plan, database: str, url: str, place: Path, say: Say) -> None:
        self._plan = plan
        self._database = database
        self._url = url
        self._place = place
        self._say = say
        self._chance = random.Random(plan.seed)  # noqa: S311 -- to be had again, not to be guessed
        count = PROCESSES[database]
        share = -(-plan.operations // 2 // count)
        self._workers = [_Worker(f"worker-{number}", share) for number in range(count)]
        self._kills = 0

    async def run(self) -> list[str]:
        began = time.monotonic()
        store = await asyncio.to_thread(Store.open, self._url)
        try:
            await asyncio.to_thread(install, store.engine)
            self._sync(store, ["acme"] * 80 + ["bolt"] * 80 + ["coil"] * 80)
            changing = asyncio.create_task(self._change_pools(store))
            try:
                await self._work()
            finally:
                changing.cancel()
                await asyncio.wait({changing})
                for worker in self._workers:
                    if worker.child is not None:
                        await worker.child.stop(limit_seconds=0)
            took = time.monotonic() - began
            await self._drain(store)
            audit = await asyncio.to_thread(self._audit, store)
        finally:
            store.close()
        operations = audit.leases + audit.released
        peaks = ", ".join(f"{tenant} {audit.peak[tenant]} of {most}" for tenant, most in MAXIMUM.items())
        self._say(
            f"leases, {self._database}: {operations:,} operations by {len(self._workers)} processes in {took:.0f} s"
            f" ({operations / took:,.0f}/s) with {self._kills} kills; {audit.reaped:,} leases ended by their deadline,"
            f" at most {max(audit.latest, 0):.1f} s after it; calls at a time: {peaks}"
        )
        if audit.leases < self._plan.operations // 2:
            audit.findings.append(f"{audit.leases} leases, of {self._plan.operations // 2} that the callers wrote down")
        return audit.findings

    def _sync(self, store: Store, owners: list[str]) -> None:
        wanted = [
            PoolWanted(
                tenant,
                STRATEGIES[tenant],
                maximum,
                enabled=True,
                numbers=tuple(number for number, owner in zip(NUMBERS, owners, strict=True) if owner == tenant),
            )
            for tenant, maximum in MAXIMUM.items()
        ]
        pools.sync(store, SITE, wanted)

    async def _change_pools(self, store: Store) -> None:
        """Numbers go, come back and move to other tenants, all the time."""
        tenants = ["acme"] * 4 + ["bolt"] * 3 + ["coil"] * 4 + [""]
        while True:
            await asyncio.sleep(_SYNC_SECONDS)
            await asyncio.to_thread(self._sync, store, self._chance.choices(tenants, k=len(NUMBERS)))

    async def _work(self) -> None:
        for worker in self._workers:
            await self._start(worker)
        total = sum(worker.leases for worker in self._workers)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for worker in self._workers:
                worker.look()
                await self._mind(worker)
            running = [worker for worker in self._workers if worker.child is not None]
            if not running:
                return
            due = (self._kills + 1) * total / (self._plan.kills + 1)
            if self._kills < self._plan.kills and sum(worker.got for worker in self._workers) >= due:
                await self._kill(self._chance.choice(running))

    async def _mind(self, worker: _Worker) -> None:
        child = worker.child
        if child is not None and not child.running:
            if child.process.returncode:
                child.check()
            worker.look()
            worker.child = None

    async def _kill(self, worker: _Worker) -> None:
        if worker.child is None:
            return
        await worker.child.stop(limit_seconds=0)
        worker.died[-1] = time.time()
        self._kills += 1
        worker.look()
        worker.child = None
        if worker.got < worker.leases:
            await self._start(worker)

    async def _start(self, worker: _Worker) -> None:
        seed = self._chance.randrange(1 << 30)
        log = worker.new_log(self._place)
        task = Task(self._url, SITE, tuple(MAXIMUM), worker.leases - worker.got, str(log), seed)
        told = self._place / f"{worker.name}.json"
        told.touch(mode=0o600)
        told.write_text(json.dumps(asdict(task)))
        output, root = self._place / f"{worker.name}.out", Path(__file__).parents[1]
        worker.child = await fork.program(worker.name, "bench.lease_worker", [str(told)], output=output, cwd=root)

    async def _drain(self, store: Store) -> None:
        """What the killed ones left ends by itself, wherever a desk is."""
        desk = LeaseDesk(store, SITE)
        serving = asyncio.create_task(desk.run())
        try:
            async with asyncio.timeout(3 * STATE_SECONDS + _GRACE_SECONDS):
                while True:
                    standings = await store.call(pools.standings, SITE)
                    if not any(each.active_calls for each in standings.values()):
                        return
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            self._say(f"leases, {self._database}: some do not end")  # the audit says which
        finally:
            serving.cancel()
            await asyncio.wait({serving})

    def _audit(self, store: Store) -> Audit:
        audit = Audit(MAXIMUM, _GRACE_SECONDS)
        audit.replay(entries(store.engine))
        audit.ended()
        audit.compare(
            held
            for worker in self._workers
            for log, died in zip(worker.logs, worker.died, strict=True)
            if log.exists()
            for held in written(log, died)
        )
        return audit
