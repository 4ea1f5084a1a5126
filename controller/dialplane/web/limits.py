"""What a request may take of the process: bytes and seconds."""

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialplane.web.problems import Refusal, problem

BODY: Final = 64 * 1024
"""Bytes of a body: the longest text, with every character escaped, has a third of it."""
SECONDS: Final = 30.0
"""For the whole of a body to arrive, and for the answer."""


class Limited:
    """An application that reads no more than `BODY` bytes of a request, and takes no longer than `SECONDS`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > BODY:
                raise _too_large()
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY:
            await _too_large().response(scope, receive, send)
            return
        try:
            async with asyncio.timeout(SECONDS):
                await self._app(scope, counted, noted)
        except TimeoutError:
            if not begun:
                await problem(HTTPStatus.REQUEST_TIMEOUT, f"it took more than {SECONDS:g} s")(scope, receive, send)


def _too_large() -> Refusal:
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {BODY:,} bytes")
