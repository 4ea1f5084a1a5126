"""A call center as a whole: ``dialplane run`` with one tenant, and a platform that takes every call.

Each call is answered and ends a moment later, and the platform tells the controller, so that extensions come back.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.site import pbx
from bench.standalone import Folder, StatusFile
from dialplane.api.tokens import LOCAL
from dialplane.cli.state import API_TOKENS, API_URL
from testbed.asterisk import AsteriskInstance
from testbed.controller import start_controller
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from testbed.manifests import condition, manifest, secret
from testbed.ports import lease
from testbed.process import Child

TENANT: Final = "sales"
NUMBERS: Final = "8001-8200"
CALLS: Final = 200
"""At a time; none shall wait for another."""
_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_SECRETS: Final = "infinity"


@dataclass(frozen=True)
class CallSite:
    """One that serves."""

    child: Child
    peer: InfinityPeer
    url: str
    """Where the controller's API is."""
    token: str
    """Everything may be done with it."""
    account: Account
    """At the platform."""

    async def callbacks(self) -> None:
        """Lead the platform's callbacks here."""
        await self.peer.account(url=f"{self.url}/api/v1/infinity/callback/call-record")


@asynccontextmanager
async def call_site(directory: Path, store: str = "") -> AsyncIterator[CallSite]:
    """All of it in an empty directory; ``store`` is the URL of a database, by default the controller's own file."""
    account = Account(token=secrets.token_hex(16), secret=secrets.token_hex(16), numbers=(NUMBERS,))
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(AsteriskInstance(directory / "asterisk"))
        peer = await stack.enter_async_context(await InfinityPeer.start(directory, account))
        _write(directory / "site", asterisk, peer, account)
        metrics = stack.enter_context(lease(1)).take()
        child = await _started(directory, asterisk, metrics, store)
        stack.push_async_callback(child.stop)
        try:
            await _until_ready(directory / "state", child)
            url = (directory / "state" / API_URL).read_text().strip()
            token = (directory / "state" / API_TOKENS / LOCAL).read_text().strip()
            site = CallSite(child, peer, url, token, account)
            await site.callbacks()
            yield site
        except BaseException as error:
            error.add_note(f"the controller said:\n{child.tail(30)}")
            raise


async def _started(directory: Path, asterisk: AsteriskInstance, metrics: int, store: str) -> Child:
    options = ["--state-dir", str(directory / "state"), "--plain"]
    if store:
        file = directory / "store-url"
        file.touch(mode=0o600)
        file.write_text(store)
        options += ["--store-url-file", str(file)]
    arguments = ["run", "-f", str(directory / "site"), *options]
    return await start_controller(arguments, asterisk, output=directory / "run.log", metrics_port=metrics)


async def _until_ready(state: Path, child: Child) -> None:
    """Wait until the tenant is served, its platform answers, and the API is there.

    Raises:
        TimeoutError: not in time.
    """
    status = StatusFile(state / "status.json", child)
    async with asyncio.timeout(_START_SECONDS):
        while not _is_ready(state, status):
            child.check()
            await asyncio.sleep(_LOOK_SECONDS)


def _is_ready(state: Path, status: StatusFile) -> bool:
    if not (state / API_URL).exists() or not status.path.exists():
        return False
    entry = status.of("InfinityTenant").get(TENANT, {})
    return all(condition(entry, kind).get("status") == "True" for kind in ("Ready", "Reachable"))


def _write(path: Path, asterisk: AsteriskInstance, peer: InfinityPeer, account: Account) -> None:
    path.mkdir(parents=True)
    folder = Folder(path)
    folder.write("pbx", pbx(asterisk))
    folder.write("secrets", secret(_SECRETS, token=account.token, callback=account.secret))
    spec = {
        "tenantId": account.tenant,
        "supplierId": account.company,
        "apiUrl": peer.url,
        "tokenSecretRef": {"name": _SECRETS, "key": "token"},
        "maxConcurrentCalls": CALLS,
        "extensionPool": {"numbers": [NUMBERS]},
        "callback": {"secretRef": {"name": _SECRETS, "key": "callback"}},
    }
    folder.write("tenant", manifest("InfinityTenant", TENANT, **spec))
