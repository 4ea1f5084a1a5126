"""What a request may take: bytes, seconds, and its place among others."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from dialplane.api import limits
from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.dependencies import PREFIX
from dialplane.api.limits import BODY, SECONDS, UPLOAD, Allowance, Allowances, Limited
from dialplane.api.problems import Refusal
from dialplane.api.scopes import Scopes
from dialplane.api.tokens import Holder
from dialplane.services.infinity.api.limits import CALL_SECONDS, STREAM_SECONDS
from dialplane.services.registry import mounts

LIST = f"{PREFIX}/infinity/campaigns/spring/destinations"
ALLOWANCES = Allowances(
    (method, PREFIX + path, allowed) for each in mounts() for method, path, allowed in each.allowances
)


@pytest.mark.parametrize(
    ("method", "path", "body", "at_least"),
    [
        ("POST", "/sms", BODY, SECONDS),
        ("POST", "/infinity/make-call", BODY, CALL_SECONDS),
        ("POST", "/infinity/make-call/", BODY, SECONDS),
        ("POST", "/infinity/callback/call-record", BODY, SECONDS),
        ("GET", "/infinity/calls/call-00000000000000000000/events", BODY, STREAM_SECONDS),
        ("PUT", "/infinity/campaigns/spring/destinations", UPLOAD, SECONDS),
        ("POST", "/infinity/campaigns/spring/destinations", BODY, SECONDS),
        ("PUT", "/infinity/campaigns/a/b/destinations", BODY, SECONDS),
        ("PUT", "/infinity/extensions/8001", BODY, SECONDS),
    ],
)
def test_only_who_needs_more_is_allowed_more(method: str, path: str, body: int, at_least: float) -> None:
    allowed = ALLOWANCES.of(method, PREFIX + path)
    assert allowed.body == body
    assert allowed.seconds >= at_least
    assert (allowed == Allowance()) == (body == BODY and at_least == SECONDS)


class Request:
    """One request, whose body comes when it is told to."""

    def __init__(self, method: str, path: str, length: int = 1, token: str = "office") -> None:
        headers = [(b"content-length", str(length).encode())]
        self.scope: Scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
        self.scope["state"] = {"holder": Holder(token, Scopes())}
        self.body: asyncio.Queue[bytes] = asyncio.Queue()
        self.asked_for = asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        self.asked_for.set()
        return {"type": "http.request", "body": await self.body.get(), "more_body": False}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def to(self, app: Limited) -> int:
        async with asyncio.timeout(20):
            await app(self.scope, self.receive, self.send)
        return int(self.sent[0]["status"])


def served(admit: Any = lambda _: None) -> Limited:
    return Limited(
        PlainTextResponse("done"),
        admit,
        ALLOWANCES,
        ConcurrencyLimit(limits.UPLOADS_EACH, limits.UPLOADS, "uploads"),
    )


async def test_who_is_not_let_in_has_nothing_read() -> None:
    def nobody(_: Scope) -> None:
        raise Refusal(401, "no")

    request = Request("PUT", LIST, UPLOAD)
    assert await request.to(served(nobody)) == 401
    assert not request.asked_for.is_set()


async def test_a_websocket_is_refused_before_the_application_sees_it() -> None:
    reached: list[Scope] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        reached.append(scope)

    request = Request("GET", "/ws")
    request.scope["type"] = "websocket"
    await Limited(app, lambda _: None, ALLOWANCES, ConcurrencyLimit(1, 1, "uploads"))(
        request.scope, request.receive, request.send
    )
    assert request.sent == [{"type": "websocket.close"}]
    assert reached == []


async def test_what_says_that_it_is_too_large_is_not_read() -> None:
    for path, most in ((f"{PREFIX}/sms", BODY), (LIST, UPLOAD)):
        request = Request("PUT", path, most + 1)
        assert await request.to(served()) == 413
        assert not request.asked_for.is_set()


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "USUAL", Allowance(body_seconds=0.01, seconds=60))
    assert await Request("POST", f"{PREFIX}/sms").to(served()) == 408


async def test_large_bodies_come_a_few_at_a_time() -> None:
    app = served()
    tokens = [f"office-{number // limits.UPLOADS_EACH}" for number in range(limits.UPLOADS)]
    coming = [Request("PUT", LIST, token=token) for token in tokens]
    uploads = [asyncio.create_task(request.to(app)) for request in coming]
    for request in coming:
        await request.asked_for.wait()
    assert await Request("PUT", LIST).to(app) == 429
    for request in coming:
        request.body.put_nowait(b"x")
    assert await asyncio.gather(*uploads) == [200] * limits.UPLOADS
    last = Request("PUT", LIST)
    last.body.put_nowait(b"x")
    assert await last.to(app) == 200
