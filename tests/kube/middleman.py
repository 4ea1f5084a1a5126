"""A reverse proxy before the API server, as slow or as moody as a test wants: a webhook, a gateway, a busy server."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

from testbed.kube.server import ApiServer
from tests.kube.proxy import redirected

HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "host", "content-encoding", "accept-encoding"}
Mood = Callable[[str, str], Awaitable[int]]
"""Method and path of a request; may wait. The HTTP status to refuse it with, or 0 to pass it on."""


async def willing(method: str, path: str) -> int:  # noqa: ARG001 -- a mood
    return 0


class Middleman:
    """An async context manager; `before` is asked before a request is passed on, `after` before it is answered."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.before: Mood = willing
        self.after: Mood = willing
        self.requests: list[tuple[str, str]] = []
        """Method and path (without the query) of everything asked."""
        self.port = 0

    async def __aenter__(self) -> Self:
        keys = self._server.certificates
        trust = ssl.create_default_context(cafile=str(keys.authority))
        self._session = aiohttp.ClientSession(
            self._server.url, connector=aiohttp.TCPConnector(ssl=trust, limit=0), auto_decompress=False
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(keys.server_certificate, keys.server_key)
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def kubeconfig(self, original: Path) -> Path:
        """The same, for clients that shall come this way."""
        return redirected(original, self.port)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if refusal := await self.before(request.method, request.path):
            return _refusal(refusal)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        body = await request.read()
        forever = aiohttp.ClientTimeout(total=None)
        async with self._session.request(
            request.method, request.rel_url, headers=headers, data=body or None, timeout=forever
        ) as answer:
            if refusal := await self.after(request.method, request.path):
                return _refusal(refusal)
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        await response.write_eof()
        return response


def _refusal(status: int) -> web.Response:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": "not in the mood"}
    return web.json_response(said, status=status, headers={"Retry-After": "1"})


def delaying(seconds: float, *, method: str, ending: str) -> Mood:
    """A mood that takes its time with these requests."""

    async def mood(asked: str, path: str) -> int:
        if asked == method and path.endswith(ending):
            await asyncio.sleep(seconds)
        return 0

    return mood
