"""Text messages through the whole product: how long one takes to whoever is told of it, and what the store takes."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp

from bench.inbox_writes import measure as inbox_writes
from bench.message_site import PLACE, MessageSite, message_site
from bench.results import Messages
from bench.usage import usage
from dialplane.plan.dialplan.modems import MESSAGES
from testbed.ports import LOOPBACK

MODEMS: Final = 4
PER_SECOND: Final = 50
SECONDS: Final = 30.0
WRITE_SECONDS: Final = 3.0
_BARE_SHARE: Final = 3
"""The bare loop is measured for a third of the time."""
_SETTLE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.005
_LAST: Final = 3
"""Where the text stands in a line of the spool."""


async def measure(directory: Path, *, per_second: int, seconds: float, write_seconds: float) -> Messages:
    """Deliver messages at an even pace, to the controller and then to the bare loop; then write rows."""
    async with message_site(directory, MODEMS) as site:
        await site.start()
        await site.until_ready()
        await _delivered(site, "warm {}", per_second, 1)
        before = usage(site.running.pid)
        began = time.monotonic()
        samples = await _delivered(site, "message {}", per_second, seconds)
        taken, after = time.monotonic() - began, usage(site.running.pid)
        await site.running.stop()
        async with _bare(site):
            bare = await _delivered(site, "bare {}", per_second, seconds / _BARE_SHARE)
    return Messages(
        per_second=per_second,
        seconds=taken,
        samples=samples,
        bare=bare,
        cpu_seconds=after.cpu_seconds - before.cpu_seconds,
        peak_rss=after.peak_rss,
        writes=await inbox_writes(directory / "writes", seconds=write_seconds),
    )


async def _delivered(site: MessageSite, text: str, per_second: int, seconds: float) -> list[float]:
    """Deliver so many; the seconds from each delivery to its arrival at the receiver, in the order of deliveries."""
    sent: dict[str, float] = {}
    begin = time.monotonic()
    async with asyncio.TaskGroup() as deliveries:
        for number in range(round(per_second * seconds)):
            await asyncio.sleep(begin + number / per_second - time.monotonic())
            words = text.format(number)
            sent[words] = time.time()
            deliveries.create_task(site.deliver(number % MODEMS, words))
    async with asyncio.timeout(_SETTLE_SECONDS):
        while True:
            arrived = _first(site)
            if sent.keys() <= arrived.keys():
                break
            await asyncio.sleep(0.1)
    return [arrived[words] - at for words, at in sent.items()]


def _first(site: MessageSite) -> dict[str, float]:
    """When each text was told first."""
    seen: dict[str, float] = {}
    for told in site.told:
        seen.setdefault(told.text, told.at)
    return seen


@contextlib.asynccontextmanager
async def _bare(site: MessageSite) -> AsyncIterator[None]:
    """Yardstick: look into the spool again and again, tell what is new by a bare POST, delete it; keep nothing."""
    url = f"http://{LOOPBACK}:{site.receiver.address[1]}/{PLACE}"
    async with (
        await site.asterisk.ami(events=False) as ami,
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as posts,
    ):
        seen: set[str] = set()

        async def tell(key: str, line: str) -> None:
            text = base64.b64decode(line.split("|")[_LAST]).decode()
            fields = {"version": "1.0", "title": "", "message": text, "type": "info"}
            async with session.post(url, json=fields) as answer:
                answer.raise_for_status()
            await ami.action("DBDel", Family=MESSAGES, Key=key.rpartition("/")[2])

        async def look() -> None:
            while True:
                for entry in await ami.listed("DBGetTree", "DBGetTreeComplete", Family=MESSAGES):
                    if entry["Key"] not in seen:
                        seen.add(entry["Key"])
                        posts.create_task(tell(entry["Key"], entry["Val"]))
                await asyncio.sleep(_POLL_SECONDS)

        looking = posts.create_task(look())
        try:
            yield
        finally:
            looking.cancel()
