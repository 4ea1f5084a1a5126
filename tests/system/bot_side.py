"""A bot's end of its calls, over Asterisk's REST interface and its media sockets, as plain as can be."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

from dialplane.plan.voice_bots import next_code
from testbed.asterisk import AsteriskInstance

MEDIA = {
    "external_host": "INCOMING",
    "connection_type": "server",
    "transport": "websocket",
    "encapsulation": "none",
    "format": "slin16",
    "transport_data": "f(json)",
}
Answer = tuple[int, Any]
"""Status and body of an answer."""


@dataclass(frozen=True)
class WaitingCall:
    """A caller in an application."""

    caller: str
    """The id of the channel."""
    bot: str
    media: str
    """The id that the media channel is to have."""


@dataclass
class BotSide:
    """`async with` opens the application."""

    asterisk: AsteriskInstance
    application: str
    waiting: "asyncio.Queue[WaitingCall]" = field(default_factory=asyncio.Queue)
    media: dict[str, aiohttp.ClientWebSocketResponse] = field(default_factory=dict)
    """By the id of the channel; one that nobody has any more would be closed."""

    async def __aenter__(self) -> Self:
        account = self.asterisk.settings.ari
        authorization = {"Authorization": aiohttp.encode_basic_auth(account.name, account.secret)}
        self._web = aiohttp.ClientSession(headers=authorization, timeout=aiohttp.ClientTimeout(10))
        query = {"app": self.application, "api_key": f"{account.name}:{account.secret}"}
        self._events = await self._web.ws_connect(f"{self.asterisk.ari_url}/ari/events", params=query)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        await self._events.close()
        await self._web.close()

    async def ask(self, method: str, path: str, **query: str) -> Answer:
        """What Asterisk's REST interface answers."""
        async with self._web.request(method, f"{self.asterisk.ari_url}/ari/{path}", params=query) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def call(self) -> WaitingCall:
        """The next call that comes."""
        async with asyncio.timeout(10):
            return await self.waiting.get()

    async def refuse(self, call: WaitingCall) -> None:
        assert await self.ask("POST", f"channels/{call.caller}/continue") == (204, None)

    async def take(self, call: WaitingCall) -> None:
        """Open the media, and let the caller continue: this time with somebody to speak with."""
        status, media = await self.ask(
            "POST", "channels/externalMedia", app=self.application, channelId=call.media, **MEDIA
        )
        assert status == 200, media
        connection = media["channelvars"]["MEDIA_WEBSOCKET_CONNECTION_ID"]
        url = f"{self.asterisk.ari_url}/media/{connection}"
        self.media[call.media] = await self._web.ws_connect(url, protocols=("media",))
        await self.refuse(call)

    async def end(self, call: WaitingCall, then: str = "", **reason: str) -> Answer:
        """End the call, so that this transfer, `hangup` or the fallback follows."""
        reason = {"reason_code": str(next_code(then))} if then else reason
        return await self.ask("DELETE", f"channels/{call.media}", **reason)

    async def _read(self) -> None:
        async for message in self._events:
            event = json.loads(message.data)
            match event:
                case {"type": "StasisStart", "args": [bot, *_, media], "channel": {"id": caller}}:
                    self.waiting.put_nowait(WaitingCall(caller, bot, media))


async def left(asterisk: AsteriskInstance) -> list[str]:
    """The channels and bridges that are there."""
    bridges = (await asterisk.console("bridge show all")).splitlines()
    channels = ["!".join(fields) for fields in await asterisk.channels()]
    return [*channels, *(line for line in bridges if line.strip() and not line.startswith("Bridge-ID"))]
