"""What a request may take of the process: bytes and seconds."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.problems import Refusal, problem
from dialplane.api.tokens import Holder

BODY: Final = 64 * 1024
"""Bytes of a body: the longest text, with every character escaped, has a third of it."""
UPLOAD: Final = 10 * 1024 * 1024
"""Bytes of a list of destinations."""
UPLOADS: Final = 4
"""Bodies larger than `BODY` at a time: they are held in memory."""
UPLOADS_EACH: Final = 2
"""Of one token, so that there is room for others."""
SECONDS: Final = 30.0
"""For the whole of a body to arrive, and for the answer."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one kind of request may take."""

    body: int = BODY
    """Bytes."""
    body_seconds: float = SECONDS
    """Until the whole body is there."""
    seconds: float = SECONDS
    """Until the whole answer is."""
    right: tuple[str, str] | None = None
    """Area and right without which (for any name) no body is read: of those that may be large."""
    streamed: bool = False
    """The path reads the body itself, as it comes, once it has looked at what the request proves."""


USUAL: Final = Allowance()


class Allowances:
    """What each kind of request may take."""

    def __init__(self, declared: Iterable[tuple[str, str, Allowance]]) -> None:
        """Take method, path (`/calls/{id}/events`) and allowance of those that may take other than what is `USUAL`."""
        self._declared = [(method, compile_path(path)[0], allowance) for method, path, allowance in declared]

    def of(self, method: str, path: str) -> Allowance:
        """Return what a request may take."""
        for its_method, its_path, allowance in self._declared:
            if method == its_method and its_path.fullmatch(path):
                return allowance
        return USUAL


class Limited:
    """An application that reads no more of a request, and takes no longer for it, than its kind is allowed."""

    def __init__(
        self, app: ASGIApp, admit: Callable[[Scope], None], allowances: Allowances, uploads: ConcurrencyLimit
    ) -> None:
        """Serve whom `admit` lets in: of others not even the body is read. It raises a Refusal.

        `uploads` counts the bodies that are larger than `BODY`.
        """
        self._app = app
        self._allowances = allowances
        self._admit = admit
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # `admit` knows HTTP; what it cannot look at is refused, by 403 before the upgrade
            await send({"type": f"{scope['type']}.close"})
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        allowed = self._allowances.of(scope["method"], scope["path"])
        try:
            self._admit(scope)
            with self._room(allowed, scope):
                async with asyncio.timeout(allowed.seconds):
                    body = await _body(Headers(scope=scope), receive, allowed)
                    if body is not None:
                        await self._app(scope, body, noted)
        except Refusal as refusal:
            await refusal.response(scope, receive, send)
        except TimeoutError:
            if not begun:
                await problem(HTTPStatus.REQUEST_TIMEOUT, _late(allowed))(scope, receive, send)

    def _room(self, allowed: Allowance, scope: Scope) -> AbstractContextManager[None]:
        if allowed.body <= BODY or allowed.streamed:
            return nullcontext()
        holder: Holder = scope["state"]["holder"]
        self._uploads.check(holder.name)
        return self._uploads.one(holder.name)


def _late(allowed: Allowance) -> str:
    return f"a body may take {allowed.body_seconds:g} s to come, and everything {allowed.seconds:g} s"


def _too_large(most: int) -> Refusal:
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {most:,} bytes")


async def _body(headers: Headers, receive: Receive, allowed: Allowance) -> Receive | None:
    """Where the application reads the body: there already, or as it comes; None where the sender went."""
    length = headers.get("content-length", "0")
    announced = int(length) if length.isdecimal() else allowed.body + 1
    if announced > allowed.body:
        raise _too_large(allowed.body)
    if allowed.streamed:
        return _metered(receive, allowed)
    async with asyncio.timeout(allowed.body_seconds):
        body = await _whole(receive, allowed.body)
    return None if body is None else _given(body, receive)


def _metered(receive: Receive, allowed: Allowance) -> Receive:
    """The body as it comes. Raises a Refusal where it is too large, or comes too slowly."""
    end = asyncio.get_running_loop().time() + allowed.body_seconds
    size, whole = 0, False

    async def next_one() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, _late(allowed)) from None
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > allowed.body:
            raise _too_large(allowed.body)
        return message

    return next_one


async def _whole(receive: Receive, most: int) -> Message | None:
    """The body in one; None where the sender went. Raises a Refusal where it has more than `most` bytes."""
    body = bytearray()  # and no list: a body may come byte by byte
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) <= most and not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}
    raise _too_large(most)


def _given(body: Message, receive: Receive) -> Receive:
    """What was received already, and then what follows."""
    waiting = iter((body,))

    async def next_one() -> Message:
        try:
            return next(waiting)
        except StopIteration:
            pass
        return await receive()

    return next_one
