"""Callers that are in an application of ARI, by a few requests: this opens no application, and needs no aioari."""

import json
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from dialplane.asterisk.errors import AuthenticationRefused, Unreachable

for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)  # they tell URLs and headers

ANSWER_SECONDS: Final = 3.0
"""For one request as a whole."""
_GONE: Final = (404, 409)
"""What Asterisk answers of a channel that has ended, or has left its application, meanwhile."""


class AriCallers:
    """A client of one Asterisk's; `async with` closes it."""

    def __init__(self, url: str, username: str, password: SecretStr) -> None:
        """Name the Asterisk: the base address without `/ari`, and an account that is not read-only."""
        self._url = url
        account = httpx.BasicAuth(username, password.get_secret_value())
        self._client = httpx.AsyncClient(auth=account, timeout=ANSWER_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def applications(self) -> Mapping[str, frozenset[str]]:
        """Return the ids of the channels in each application that Asterisk has, or had until all of them have left.

        Raises:
            Unreachable: ARI does not answer, or not as it should.
        """
        found = await self._ask("GET", "applications") or []
        try:
            return {each["name"]: frozenset(each["channel_ids"]) for each in found}
        except (KeyError, TypeError):
            raise Unreachable(f"{self._url}: what answers is not ARI") from None

    async def channel_name(self, channel: str) -> str | None:
        """Return the name of a channel, such as `PJSIP/carrier-00000001`; None where it has ended.

        Raises:
            Unreachable: ARI does not answer, or not as it should.
        """
        found = await self._ask("GET", f"channels/{quote(channel, safe='')}")
        return None if found is None else str(found.get("name", ""))

    async def go_on(self, channel: str) -> bool:
        """Have a channel leave its application and go on in the dialplan; return False where it has left by itself.

        Raises:
            Unreachable: ARI does not answer, or not as it should.
        """
        return await self._ask("POST", f"channels/{quote(channel, safe='')}/continue") is not None

    async def _ask(self, method: str, path: str) -> Any:
        """Return the JSON that is answered, `{}` where it is empty; None where there is no such channel."""
        try:
            answer = await self._client.request(method, f"{self._url}/ari/{path}")
            code = answer.status_code
            if code in _GONE and path != "applications":
                return None
            found = json.loads(answer.content or b"{}") if answer.is_success else None
        except httpx.HTTPError as error:
            raise Unreachable(f"{self._url}: ARI does not answer ({type(error).__name__})") from None
        except ValueError:
            raise Unreachable(f"{self._url}: what answers is not ARI") from None
        if code in {401, 403}:
            raise AuthenticationRefused(f"{self._url}: ARI refuses the account of spec.ari ({code}): see its Secret")
        if found is None:
            raise Unreachable(f"{self._url}: ARI answers {code}")
        return found
