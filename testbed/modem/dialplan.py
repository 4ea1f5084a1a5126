"""Runs the real dialplan where the driver would start a Local channel.

It goes over ARI, because AMI's lines end at 1,022 bytes and a message of 10 KB in two forms has 24: a POST carries
every variable whole, to 40,960 bytes together, and an odd sender as it is. What differs from the driver: the
dialplan runs on the second half of the Local channel (``;2``) instead of the first, and ``CALLERID(ani)`` is empty.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import aiohttp

_LIMIT = aiohttp.ClientTimeout(total=10)
_RETRY_SECONDS = 0.2
BODY_LIMIT = 40_000
"""Bytes of one request; Asterisk refuses more than 40,960."""
_REFUSED = 400
_NOT_BOOTED = {404, 503}  # 404: the HTTP server is there before ARI is


class DialplanError(RuntimeError):
    """Asterisk did not start the channel; the message is its own."""


class Dialplan:
    """The way into the dialplan of one Asterisk; open one with :meth:`connect`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, application: str) -> None:
        self._session, self._url, self._application = session, url, application
        self._calls: dict[str, asyncio.Queue[str]] = {}
        self._numbers = itertools.count(1)
        self._listening = asyncio.Event()
        self._booted = False

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, user: str, password: str, application: str) -> AsyncIterator["Dialplan"]:
        """ARI at ``url`` (no slash at its end); ``application`` must be this peer's own."""
        headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
        async with aiohttp.ClientSession(headers=headers, timeout=_LIMIT) as session:
            dialplan = cls(session, url, application)
            listener = asyncio.create_task(dialplan._listen())
            try:
                yield dialplan
            finally:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)

    async def run(self, exten: str, context: str, variables: Mapping[str, str]) -> None:
        """Start ``Local/EXTEN@CONTEXT`` with these variables and return; it runs on by itself.

        Raises:
            OSError: no Asterisk there: nothing ran.
            DialplanError: it refused.
        """
        await self._start({"endpoint": f"Local/{exten}@{context}", "extension": "none", "context": "none"}, variables)

    async def call(self, exten: str, context: str, variables: Mapping[str, str]) -> tuple[str, AsyncIterator[str]]:
        """Call ``EXTEN@CONTEXT``; the channel's id, and ``active`` and ``released`` as they happen.

        Raises:
            OSError, DialplanError: as :meth:`run`.
            TimeoutError: ARI's events do not come.
        """
        async with asyncio.timeout(5):
            await self._listening.wait()
        channel = f"{self._application}-{next(self._numbers)}"
        self._calls[channel] = asyncio.Queue()
        place = {"endpoint": f"Local/{exten}@{context}/n", "app": self._application, "channelId": channel}
        try:
            await self._start(place, variables)
        except (OSError, DialplanError):
            del self._calls[channel]
            raise
        return channel, self._states(channel)

    async def hang_up(self, channel: str) -> None:
        """End a call; no error if it has ended."""
        async with self._session.delete(f"{self._url}/ari/channels/{channel}"):
            pass

    async def _start(self, place: Mapping[str, str], variables: Mapping[str, str]) -> None:
        # A C string ends at NUL, and JSON for Asterisk must not carry one.
        clean = {name: value.partition("\0")[0] for name, value in variables.items()}
        body = json.dumps({**place, "variables": clean}, ensure_ascii=False).encode()
        if len(body) > BODY_LIMIT:
            raise DialplanError(f"{len(body)} bytes are more than ARI takes ({BODY_LIMIT})")
        await self._until_booted()
        try:
            async with self._session.post(
                f"{self._url}/ari/channels", data=body, headers={"Content-Type": "application/json"}
            ) as response:
                if response.status in _NOT_BOOTED:
                    raise ConnectionError(f"Asterisk at {self._url} is not booted")
                if response.status >= _REFUSED:
                    raise DialplanError(f"{response.status}: {await response.text()}")
        except aiohttp.ClientConnectionError as error:
            raise ConnectionError(f"no Asterisk at {self._url}: {error}") from error

    async def _until_booted(self) -> None:
        """After an outage: ARI may be there before the dialplan.

        Raises:
            ConnectionError: not yet.
        """
        if self._booted:
            return
        place = f"{self._url}/ari/asterisk/modules/pbx_config.so"
        try:
            async with self._session.get(place) as response:
                self._booted = response.ok and (await response.json())["status"] == "Running"
        except aiohttp.ClientError as error:
            raise ConnectionError(f"no Asterisk at {self._url}: {error}") from error
        if not self._booted:
            raise ConnectionError(f"Asterisk at {self._url} is not booted")

    async def _states(self, channel: str) -> AsyncIterator[str]:
        queue = self._calls[channel]
        try:
            while (state := await queue.get()) != "released":
                yield state
            yield "released"
        finally:
            del self._calls[channel]

    async def _listen(self) -> None:
        """Follow our calls for ever; Asterisk may come and go."""
        address = f"{self._url}/ari/events"
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._session.ws_connect(address, params={"app": self._application}) as events:
                    self._listening.set()
                    async for message in events:
                        if message.type == aiohttp.WSMsgType.TEXT:
                            self._hear(message.json())
            self._listening.clear()
            self._booted = False
            for queue in self._calls.values():
                queue.put_nowait("released")
            await asyncio.sleep(_RETRY_SECONDS)

    def _hear(self, event: Mapping[str, object]) -> None:
        channel = event.get("channel")
        if not isinstance(channel, dict):
            return
        state = {"StasisStart": "active", "ChannelDestroyed": "released"}.get(str(event.get("type")))
        queue = self._calls.get(str(channel["id"]))
        if state and queue:
            queue.put_nowait(state)
