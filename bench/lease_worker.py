"""One process of the leases' soak: callers who lease, hold and release, and write down what they hold.

Each line goes out by one write(2), so that it is there even if the process is killed right after: `got` once an
extension was given, `end` before it is given back.
"""

import asyncio
import contextlib
import json
import os
import random
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.tables.calls import Call, NewCall
from dialplane.services.infinity.tables.leases import CallRecord, Change
from dialplane.store import Store

CALLERS: Final = 60
AGENTS: Final = 40
STATE_SECONDS: Final = 3
"""How long a call may stay in each state: whoever forgets it, or is killed, has it for so long."""
_PAUSE_SECONDS: Final = 0.02
"""After there was none to be had."""
_FORGETS: Final = 0.001
_GOES: Final = 0.01
_DIALS: Final = 0.25
_WAITS: Final = 0.3
_OVER: Final = CallRecord({"billsec": 1}, answered=True, talk_seconds=1)


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does."""

    url: str
    site: str
    tenants: tuple[str, ...]
    leases: int
    """How many it is to get in the end."""
    log: str
    seed: int


class _Caller:
    def __init__(self, task: Task, desk: LeaseDesk, log: int) -> None:
        self._task = task
        self._desk = desk
        self._log = log
        self._left = task.leases
        self._chance = random.Random(task.seed)  # noqa: S311 -- to be had again, not to be guessed

    async def run(self) -> None:
        while self._left > 0:
            if (call := await self._lease()) is None:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._left -= 1
            self._write("got", call)
            if self._chance.random() < _FORGETS:
                continue
            if self._chance.random() < _DIALS:
                await self._desk.change(Change(call.id, "dialing", rung="maybe"))
            self._write("end", call)
            await self._desk.change(Change(call.id, "released", record=_OVER))

    async def _lease(self) -> Call | None:
        chance = self._chance
        new = NewCall(
            tenant=chance.choice(self._task.tenants),
            agent=f"agent-{chance.randrange(AGENTS)}",
            callback_number="+15550100",
            destination="+15550101",
            token="soak",  # noqa: S106 -- its name
            request_key=secrets.token_hex(10),
            reserve_seconds=STATE_SECONDS,
            dial_seconds=STATE_SECONDS,
            call_seconds=STATE_SECONDS,
        )
        wait_seconds = 0.2 if chance.random() < _WAITS else 0.0
        leasing = asyncio.ensure_future(self._desk.lease(new, wait_seconds=wait_seconds))
        if chance.random() < _GOES:  # this caller does not stay
            await asyncio.wait({leasing}, timeout=0.001 * chance.randrange(3))
            leasing.cancel()
        try:
            return (await leasing).call
        except asyncio.CancelledError:
            return None

    def _write(self, what: str, call: Call) -> None:
        # Nobody may rely on an extension after the deadline; none is lost before.
        until = call.deadline.timestamp() if call.deadline else 0.0
        os.write(self._log, f"{what} {call.number} {call.seq} {time.time():.6f} {until:.6f}\n".encode())


async def _work(task: Task) -> None:
    store = Store.open(task.url)
    log = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    desk = LeaseDesk(store, task.site)
    serving = asyncio.create_task(desk.run())
    caller = _Caller(task, desk, log)
    async with asyncio.TaskGroup() as callers:
        for _ in range(min(CALLERS, task.leases)):
            callers.create_task(caller.run())
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    store.close()


def main(arguments: Sequence[str]) -> None:
    """Read the task from the file that is named: its URL has a password, which no command line may show."""
    given = json.loads(Path(arguments[0]).read_text())
    asyncio.run(_work(Task(**{**given, "tenants": tuple(given["tenants"])})))


if __name__ == "__main__":
    main(sys.argv[1:])
