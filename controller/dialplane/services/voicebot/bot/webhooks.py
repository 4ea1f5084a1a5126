"""Asks the programs of dialogues: one `POST` each, signed, bounded in time and size, to public addresses alone.

What a program answers is data: an outcome that the manifest knows or not, and values of variables. What callers said
is in the request and nowhere else: no log has it, and no message of an error.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from dialplane.resources.dialog import Webhook
from dialplane.services.voicebot.dialogue.steps import ActionEnded
from dialplane.services.voicebot.public_addresses import PrivateAddressRefused, connector
from dialplane.signature import signed

ANSWER_LIMIT: Final = 64 << 10
"""Bytes of an answer; a longer one is none."""
VARIABLES_LIMIT: Final = 64
_OUTCOME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_HEADERS: Final = {"User-Agent": "dialplane", "Accept": "application/json", "Accept-Encoding": "identity"}


class WebhookFailed(Exception):
    """A program gave no answer that can be used. Its text is for the operator, without anything of the call."""


class Webhooks:
    """Connections to the programs of a replica's bots: one pool for each address."""

    def __init__(self) -> None:
        """Connect when first asked."""
        self._sessions: dict[tuple[str, bool], aiohttp.ClientSession] = {}

    async def ask(
        self, webhook: Webhook, secret: SecretStr | None, body: Mapping[str, Any], now: datetime
    ) -> ActionEnded:
        """Ask a program.

        Args:
            webhook: as the manifest has it.
            secret: what the request is signed with.
            body: JSON.
            now: the time.

        Raises:
            WebhookFailed: there is no answer in time, or none that can be used.
        """
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json", **signed(data, secret, now)}
        try:
            session = self._session(webhook)
            async with asyncio.timeout(webhook.timeout_seconds):
                async with session.post(webhook.url, data=data, headers=headers, allow_redirects=False) as answer:
                    if answer.status != 200:  # noqa: PLR2004 -- HTTP's own
                        raise WebhookFailed(f"it answered HTTP {answer.status}")
                    return parsed(await _body(answer))
        except TimeoutError:
            raise WebhookFailed(f"no answer within {webhook.timeout_seconds} s") from None
        except PrivateAddressRefused as error:
            raise WebhookFailed(str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, PrivateAddressRefused):
                raise WebhookFailed(str(cause)) from None
            raise WebhookFailed(type(error).__name__) from None  # its own words may repeat what was sent

    async def close(self) -> None:
        """Close all connections. Never raises."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            with suppress(aiohttp.ClientError, OSError):
                await session.close()

    def _session(self, webhook: Webhook) -> aiohttp.ClientSession:
        parts = urlsplit(webhook.url)
        key = f"{parts.scheme}://{parts.netloc}", webhook.allow_private_address
        if key not in self._sessions:
            self._sessions[key] = aiohttp.ClientSession(
                connector=connector(webhook.url, allow_private=webhook.allow_private_address),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None),  # the manifest's holds for each request
                auto_decompress=False,
            )
        return self._sessions[key]


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > ANSWER_LIMIT:
            raise WebhookFailed(f"it answered more than {ANSWER_LIMIT // 1024} KB")
    return bytes(body)


def parsed(body: bytes) -> ActionEnded:
    """Return what a program answered.

    Raises:
        WebhookFailed: it is not what it must be.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookFailed("its answer is no JSON") from None
    if not isinstance(answer, dict):
        raise WebhookFailed("its answer is no object of JSON")
    outcome, variables = answer.get("outcome"), answer.get("variables", {})
    if not isinstance(outcome, str) or not _OUTCOME.match(outcome):
        raise WebhookFailed("its answer has no `outcome` that is a name")
    if not isinstance(variables, dict) or len(variables) > VARIABLES_LIMIT:
        raise WebhookFailed(f"its `variables` are no object of up to {VARIABLES_LIMIT} texts")
    if not all(isinstance(value, str) for value in variables.values()):
        raise WebhookFailed("its `variables` are not all texts")
    return ActionEnded(outcome, variables)
