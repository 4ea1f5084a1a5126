"""Another program that speaks in a bot's place, as `engine: external` has it: it echoes, and heeds two keys."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from testbed.ports import LOOPBACK, lease

TOKEN = "program's-own-token"


@dataclass
class Program:
    """It listens at `url`."""

    url: str
    calls: list[dict[str, str]] = field(default_factory=list)
    """The headers of each connection."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Echo one call: `9` ends it, `8` makes the program go without a word."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        self.calls.append(dict(request.headers))
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
                continue
            match json.loads(message.data):
                case {"event": "DTMF_END", "digit": "9"}:
                    await socket.send_str('{"command":"SHELL","data":"id"}')  # what Asterisk does not know
                    await socket.send_str('{"command":"HANGUP"}')
                case {"event": "DTMF_END", "digit": "8"}:
                    break
        await socket.close()
        return socket


@asynccontextmanager
async def program() -> AsyncIterator[Program]:
    """Run it."""
    with lease(1) as ports:
        port = ports.take()
        made = Program(f"http://{LOOPBACK}:{port}/call")
        app = web.Application()
        app.router.add_get("/call", made.serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, port).start()
        try:
            yield made
        finally:
            await runner.cleanup()
