"""A yardstick: a bare echo over Asterisk's media sockets, as short as it can be with aiohttp alone."""

import asyncio
import json
import sys
from typing import Any

import aiohttp

_MEDIA = "WebSocket/INCOMING/c(slin16)f(json)"


async def serve(url: str, user: str, password: str, application: str, context: str) -> None:
    """Take every call of an application, and echo it."""
    account = {"Authorization": aiohttp.encode_basic_auth(user, password)}
    tasks = set()
    async with (
        aiohttp.ClientSession(headers=account) as web,
        web.ws_connect(f"{url}/ari/events", params={"app": application}) as events,
    ):
        sys.stdout.write("open\n")
        sys.stdout.flush()
        async for message in events:
            event = json.loads(message.data)
            if event["type"] == "StasisStart":
                task = asyncio.create_task(_call(web, url, event["channel"]["id"], event["args"][-1], context))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


async def _call(web: aiohttp.ClientSession, url: str, caller: str, media: str, context: str) -> None:
    where = {"context": context, "extension": "s", "priority": "1"}
    made = {"endpoint": _MEDIA, "formats": "slin16", "channelId": media, **where}
    async with web.post(f"{url}/ari/channels", params=made):
        pass
    name = {"variable": "MEDIA_WEBSOCKET_CONNECTION_ID"}
    key = (await _asked(web, f"{url}/ari/channels/{media}/variable", name))["value"]
    async with web.ws_connect(f"{url}/media/{key}", compress=0, max_msg_size=0) as socket:
        channel = f"{url}/ari/channels/{media}"
        while (await _asked(web, channel, {}))["dialplan"]["app_name"] != "Wait":  # noqa: ASYNC110 -- no event says so
            await asyncio.sleep(0.005)
        async with web.post(f"{url}/ari/channels/{caller}/continue"):
            pass
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)


async def _asked(web: aiohttp.ClientSession, url: str, query: dict[str, str]) -> Any:
    async with web.get(url, params=query) as answer:
        return await answer.json()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:6]))
