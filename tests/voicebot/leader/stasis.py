"""An application of ARI that takes callers and does nothing with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from testbed.asterisk import AsteriskInstance


@asynccontextmanager
async def application(asterisk: AsteriskInstance, name: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An application that takes callers and does nothing with them."""
    ari = asterisk.settings.ari
    query = {"app": name, "api_key": f"{ari.name}:{ari.secret}"}
    headers = {"Authorization": aiohttp.encode_basic_auth(ari.name, ari.secret)}
    async with (
        aiohttp.ClientSession() as session,
        aiohttp.ClientSession(headers=headers) as asking,
        session.ws_connect(f"{asterisk.ari_url}/ari/events", params=query),
    ):
        yield asking
