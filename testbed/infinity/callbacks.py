"""How the platform tells of calls: signed, and again where it is not taken."""

import asyncio
import hashlib
import hmac
import json
import time
from typing import Any, Final

import httpx

from testbed.control import emit
from testbed.infinity.account import Account
from testbed.infinity.call import Call
from testbed.infinity.script import Wrong

ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 10.0
LONG_AGO: Final = 3600.0
_OTHERS: Final[dict[Wrong, tuple[str, str]]] = {
    "company": ("companycode", "9999"),
    "extension": ("extnumber", "9999"),
    "destination": ("destnumber", "+15550199"),
    "memberid": ("memberid", "call-00000000000000000000"),
}


class Callbacks:
    """Tells, and keeps what it told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self._client = httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False)

    async def close(self) -> None:
        """Cut every line."""
        await self._client.aclose()

    async def tell(self, call: Call, account: Account, tells: str, wrong: Wrong = "", **changes: Any) -> int:
        """Tell until it is taken, so often; the last answer's code, 0 where there was none."""
        code = 0
        others = dict([_OTHERS[wrong]]) if wrong in _OTHERS else {}
        body = {**call.record(tells), **others, **changes}
        for attempt in range(1, ATTEMPTS + 1):
            code = await self._post(account, body, wrong)
            said = {"memberid": call.id, "tells": tells, "code": code, "attempt": attempt}
            self.told.append({**said, "body": body, "at": time.time()})
            emit({"event": "callback", **said})
            if httpx.codes.is_success(code):
                break
            await asyncio.sleep(PAUSE_SECONDS * attempt)
        return code

    async def _post(self, account: Account, fields: dict[str, Any], wrong: Wrong) -> int:
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json", **proof(account, body, wrong)}
        try:
            answer = await self._client.post(account.url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return 0
        return answer.status_code


def proof(account: Account, body: bytes, wrong: Wrong = "") -> dict[str, str]:
    """The headers that prove who tells."""
    secret = "not the secret at all" if wrong == "secret" else account.secret
    if account.authentication == "SharedSecret":
        return {"X-Callback-Secret": secret}
    at = str(round(time.time() - (LONG_AGO if wrong == "timestamp" else 0)))
    signature = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Timestamp": at, "X-Signature": f"sha256={signature}"}
