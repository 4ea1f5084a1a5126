"""Keeps a family of Asterisk's database empty: when an event says that something was spooled, and every few seconds."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from dialplane.asterisk.ami import Ami
from dialplane.store import StoreUnavailable

RESYNC_SECONDS: Final = 5.0
"""How often to look without having been woken."""
AGAIN_SECONDS: Final = (0.0, 0.03, 0.1, 0.3, 1.0)
"""When to look after having been woken: the driver tells of a message before the dialplan has spooled it."""
STORE_WAIT_SECONDS: Final = 2.0

_LOG = structlog.get_logger("dialplane.services.sms")


async def attend(ami: Ami, wake: tuple[str, ...], empty: Callable[[Ami], Awaitable[Any]]) -> None:
    """Call `empty` at once, after each of these events, and again and again; return when the connection has ended.

    Where the store is away, the spool keeps what it has, and `empty` is called again soon. Raises what else it raises.
    """
    with ami.events(*wake) as news:
        waking = asyncio.ensure_future(news.batch())
        try:
            waits = iter(AGAIN_SECONDS)
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(next(waits, RESYNC_SECONDS)):
                        if not await asyncio.shield(waking):
                            return
                    waking, waits = asyncio.ensure_future(news.batch()), iter(AGAIN_SECONDS)
                    continue
                try:
                    await empty(ami)
                except StoreUnavailable as error:
                    _LOG.warning("the spool waits for the store", reason=str(error))
                    waits = iter((STORE_WAIT_SECONDS,))
        finally:
            waking.cancel()
