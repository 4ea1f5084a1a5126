"""Calls through the whole product over HTTP: what it adds to the platform's own time, to lease, write and answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import httpx

from bench.call_site import TENANT, CallSite, call_site
from bench.results import Calls
from bench.usage import usage
from testbed.postgres import Postgres

SQLITE: Final = "SQLite"
POSTGRESQL: Final = "PostgreSQL"
DATABASES: Final = (SQLITE, POSTGRESQL)
PER_SECOND: Final = 20
SECONDS: Final = 6.0
AFTER: Final = (0.0, 0.05)
"""How long the platform takes to answer, in seconds."""
_BARE_SHARE: Final = 2
"""The bare client is measured for half of the time."""
_WARM_SECONDS: Final = 1.0
_LIMIT_SECONDS: Final = 30.0

Ask = Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]


class RefusedError(RuntimeError):
    """A call was not placed: there is nothing to measure then."""


async def measure(
    directory: Path, *, per_second: int, seconds: float, databases: Sequence[str] = DATABASES
) -> list[Calls]:
    """Place calls at an even pace, on each database."""
    results = []
    if SQLITE in databases:
        results += await _on(SQLITE, directory / "sqlite", "", per_second, seconds)
    if POSTGRESQL in databases:
        async with Postgres(directory / "server") as server:
            url = await server.database()
            results += await _on(POSTGRESQL, directory / "postgresql", url, per_second, seconds)
    return results


async def _on(database: str, directory: Path, store: str, per_second: int, seconds: float) -> list[Calls]:
    results = []
    async with call_site(directory, store) as site:
        for after in AFTER:
            await site.peer.forget()
            await site.peer.behave(after=after)
            await _placed(_through(site), per_second, min(_WARM_SECONDS, seconds))
            before, began = usage(site.child.pid), time.monotonic()
            samples = await _placed(_through(site), per_second, seconds)
            taken, used = time.monotonic() - began, usage(site.child.pid)
            await site.peer.forget()
            await site.peer.account(url="")
            await site.peer.behave(after=after)
            bare = await _placed(_bare(site), per_second, seconds / _BARE_SHARE)
            await site.callbacks()
            results.append(
                Calls(
                    database=database,
                    per_second=per_second,
                    after=after,
                    samples=samples,
                    bare=bare,
                    seconds=taken,
                    cpu_seconds=used.cpu_seconds - before.cpu_seconds,
                    peak_rss=used.peak_rss,
                )
            )
    return results


async def _placed(ask: Ask, per_second: int, seconds: float) -> list[float]:
    """The seconds that each call took to be placed, in the order of asking."""

    async def one(number: int) -> float:
        began = time.perf_counter()
        answer = await ask(client, number)
        taken = time.perf_counter() - began
        if answer.is_error or answer.json().get("ret", 200) != httpx.codes.OK:
            raise RefusedError(f"a call was not placed: HTTP {answer.status_code} {answer.text[:300]}")
        return taken

    async with httpx.AsyncClient(timeout=_LIMIT_SECONDS, trust_env=False) as client, asyncio.TaskGroup() as asking:
        begin, tasks = time.monotonic(), []
        for number in range(round(per_second * seconds)):
            await asyncio.sleep(begin + number / per_second - time.monotonic())
            tasks.append(asking.create_task(one(number)))
    return [task.result() for task in tasks]


def _through(site: CallSite) -> Ask:
    headers = {"Authorization": f"Bearer {site.token}"}

    async def ask(client: httpx.AsyncClient, number: int) -> httpx.Response:
        asked = {
            "tenant": TENANT,
            "agent_id": f"agent-{number % 50}",
            "callback_number": "+15550110",
            "customer_number": f"+1555{number % 10_000:04}",
            "case_id": f"case-{number}",
        }
        return await client.post(f"{site.url}/api/v1/infinity/make-call", json=asked, headers=headers)

    return ask


def _bare(site: CallSite) -> Ask:
    """Yardstick: the platform asked by nothing but a client, which keeps nothing and hears of no end."""

    async def ask(client: httpx.AsyncClient, number: int) -> httpx.Response:
        asked = {
            "service": "App.Sip_Call.MakeCall",
            "token": site.account.token,
            "extnumber": "8001",
            "destnumber": f"+1555{number % 10_000:04}",
            "userid": f"agent-{number % 50}",
            "customuuid": f"case-{number}",
            "memberid": f"bare-{number}",
        }
        return await client.post(site.peer.url, data=asked)

    return ask
