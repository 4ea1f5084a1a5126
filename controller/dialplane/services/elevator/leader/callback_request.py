"""One callback over HTTP: a body as old programs expect it, all of ours in headers; bounded in time and size."""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Final

import httpx
from pydantic import SecretStr

from dialplane.services.elevator.tables.callbacks import WaitingCallback
from dialplane.signature import signed

for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)  # they tell URLs and headers

ANSWER_SECONDS: Final = 10.0
"""For one request as a whole."""
ANSWER_LIMIT: Final = 16 << 10
"""Bytes of an answer that are read; nobody looks at them."""


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """Where a callback goes."""

    url: str
    secret: SecretStr | None = None
    """What it is signed with."""
    is_complete: bool = True
    """Whether its secret is there, if it has one; until then nothing is sent."""

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.url.split("/", 3)[:3])


def callback_client(connections: int) -> httpx.AsyncClient:
    """Return a client with so many connections, which follows no redirect and keeps no cookie."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=5.0)
    headers = {"User-Agent": "dialplane", "Accept-Encoding": "identity"}
    client = httpx.AsyncClient(limits=limits, timeout=ANSWER_SECONDS, follow_redirects=False, headers=headers)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client


async def ask(
    client: httpx.AsyncClient, callback: WaitingCallback, target: CallbackTarget, name: str, now: datetime
) -> tuple[int | None, str]:
    """Send one request.

    Args:
        client: of `callback_client`.
        callback: what to tell.
        target: where.
        name: the callback's own, the same for each attempt.
        now: the time.

    Returns:
        The status of the answer, None without one; and that in words, without anything that was sent.
    """
    body = json.dumps(callback.body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "X-Callback-Id": name, **signed(body, target.secret, now)}
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            async with client.stream("POST", target.url, content=body, headers=headers) as answer:
                size = 0
                async for chunk in answer.aiter_raw():  # one that was read to its end leaves its connection free
                    size += len(chunk)
                    if size > ANSWER_LIMIT:
                        break
                return answer.status_code, f"HTTP {answer.status_code}"
    except TimeoutError:
        return None, f"no answer within {ANSWER_SECONDS:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return None, type(error).__name__  # its own words may repeat what was sent
