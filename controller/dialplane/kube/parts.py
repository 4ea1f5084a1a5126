"""The parts of the operator run side by side and end together, each by its own error."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from dialplane.kube.errors import UnavailableError

log = structlog.get_logger(__name__)

STOP_LIMIT = 3.0
"""Seconds for all parts to end; usually 0.4."""


async def patiently(step: Callable[[], Awaitable[None]]) -> None:
    """Take a step of the start; while the API server does not answer, try again."""
    delay = 0.5
    while True:
        try:
            await step()
        except UnavailableError as error:
            log.warning("api_unavailable", error=str(error), retry_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 10.0)
        else:
            return


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all until one fails or all end; the first error is raised as itself."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:  # once each: a second cancellation would interrupt how they clean up
            task.cancel()
        await asyncio.wait(tasks)


async def until(stop: asyncio.Event, parts: list[Coroutine[Any, Any, None]]) -> None:
    """Run all until `stop` is set or one fails."""
    work, stopped = asyncio.create_task(together(*parts)), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        work.cancel()
        stopped.cancel()
        _, late = await asyncio.wait({work, stopped}, timeout=STOP_LIMIT)
        if late:  # the lease is given up all the same: whatever goes on may not write any more
            log.warning("stop_incomplete", seconds=STOP_LIMIT)
