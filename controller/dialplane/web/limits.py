"""What a request may take of the process: bytes and seconds."""

import asyncio
from collections.abc import Callable
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

    def __init__(self, app: ASGIApp, admit: Callable[[Scope], None]) -> None:
        """Serve whom `admit` lets in: of others not even the body is read. It raises a Refusal."""
        self._app = app
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            self._admit(scope)
            async with asyncio.timeout(SECONDS):
                body = await _whole(Headers(scope=scope), receive)
                await self._app(scope, _given(body, receive), noted)
        except Refusal as refusal:
            await refusal.response(scope, receive, send)
        except TimeoutError:
            if not begun:
                late = problem(HTTPStatus.REQUEST_TIMEOUT, f"it took more than {SECONDS:g} s")
                await late(scope, receive, send)


async def _whole(headers: Headers, receive: Receive) -> list[Message]:
    """The body; raises a Refusal where it is too large."""
    length = headers.get("content-length", "0")
    messages: list[Message] = []
    came = 0
    size = int(length) if length.isdecimal() else BODY + 1
    while size <= BODY:
        messages.append(message := await receive())
        if not message.get("more_body", False):
            return messages
        came += len(message.get("body", b""))
        size = max(size, came)
    raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {BODY:,} bytes")


def _given(body: list[Message], receive: Receive) -> Receive:
    """What was received already, and then what follows."""
    waiting = iter(body)

    async def next_one() -> Message:
        try:
            return next(waiting)
        except StopIteration:
            pass
        return await receive()

    return next_one
