"""A site with two tenants, as the API serves it: real store, leases and calling, over real sockets."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from dialplane import http_server
from dialplane.infinity.calling import Calling
from dialplane.infinity.campaign.campaigns import NotUploadedError
from dialplane.infinity.campaign.destination_list import BadLine, BadListError
from dialplane.infinity.campaign.progress import Progress
from dialplane.infinity.hub import Hub
from dialplane.infinity.lease import LeaseDesk
from dialplane.infinity.provider import Probe, Provider
from dialplane.infinity.tenant import Tenant
from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.pool_numbers import numbers_of
from dialplane.sms.outbox import enqueue
from dialplane.store import Store, destinations, pools
from dialplane.store.calls import Call, NewCall
from dialplane.store.destinations import DestinationState, Page, Synced
from dialplane.store.leases import Change
from dialplane.store.pools import PoolWanted
from dialplane.web import Api, Tokens, application

SITE = "office"
INFINITY = "/api/v1/infinity"
CALLBACK = f"{INFINITY}/callback/call-record"
NOBODY = "http://127.0.0.1:1/api"
SECRETS = {"acme": "acme-secret-of-callbacks", "globex": "globex-secret-of-callbacks"}
SCOPES = {
    "everything": "",
    "reader": "infinity:read:acme",
    "caller": "infinity:call:acme",
    "manager": "infinity:manage:acme",
    "other": "infinity:manage:globex\ninfinity:call:globex",
    "texts": "sms",
}


def tenant(name: str, **changes: Any) -> Tenant:
    """`acme` signs its callbacks, `globex` shows a secret from loopback."""
    told: dict[str, Any] = {"secretRef": {"name": name, "key": "callback"}}
    if name == "globex":
        told |= {"authentication": "SharedSecret", "allowedNetworks": ["127.0.0.0/8"]}
    spec = InfinityTenantSpec.model_validate_json(
        json.dumps(
            {
                "tenantId": {"acme": "1", "globex": "2"}[name],
                "supplierId": {"acme": "1001", "globex": "1002"}[name],
                "apiUrl": NOBODY,
                "tokenSecretRef": {"name": name, "key": "token"},
                "callerNumbers": ["+15550100"],
                "maxConcurrentCalls": 2,
                "extensionPool": {"numbers": [{"acme": "8001-8003", "globex": "9001-9002"}[name]]},
                "callback": told,
            }
            | changes
        )
    )
    return Tenant(
        Key("InfinityTenant", name), f"uid-{name}", spec, True, SecretStr("access-token"), SecretStr(SECRETS[name])
    )


class Lists:
    """Campaigns of which one is uploaded."""

    def __init__(self) -> None:
        self.uploaded = ""

    async def progress(self, name: str) -> Progress | None:
        return next((found for found in await self.all_progress() if found.name == name), None)

    async def all_progress(self) -> tuple[Progress, ...]:
        figures = {"total": 1, "dialed": 0, "answered": 0, "failed": 0, "skipped": 0, "remaining": 1, "active_calls": 0}
        nothing = {"answer_percent": None, "next_call_at": None, "completed_at": None}
        return tuple(
            Progress(name=name, tenant=of, phase="Running", why="", **figures, **nothing)
            for name, of in (("spring", "acme"), ("winter", "globex"))
        )

    async def destinations(
        self, name: str, *, limit: int, after: int | None = None, state: DestinationState | None = None
    ) -> Page | None:
        del name, limit, after, state
        return destinations.Page((), None)

    async def upload(self, name: str, text: str) -> Synced:
        if name != "spring":
            raise NotUploadedError
        if not text.startswith("number"):
            raise BadListError((BadLine(1, "", "the first line names the columns"),))
        self.uploaded = text
        return Synced(text.count("\n") - 1, 1, 0, 0, 0)


class Port:
    """What the API needs of the service, of its real parts."""

    def __init__(self, store: Store, *tenants: Tenant) -> None:
        self._tenants = {each.name: each for each in tenants}
        self._hub = Hub()
        self._provider = Provider()
        self.desk = LeaseDesk(store, SITE, told=self._hub.told)
        self.calling = Calling(self.desk, self._provider)
        self.campaigns = Lists()

    def tenants(self) -> Mapping[str, Tenant]:
        return self._tenants

    def change(self, name: str, **changes: Any) -> None:
        self._tenants = {**self._tenants, name: replace(self._tenants[name], **changes)}

    def follow(self, call: str) -> AbstractContextManager[asyncio.Queue[Call]]:
        return self._hub.follow(call)

    @property
    def followed(self) -> int:
        """Calls that somebody follows."""
        return len(self._hub._followers)

    def waiting(self) -> int:
        """Callers who wait for an extension."""
        return sum(len(queue) for queue in self.desk._queues.values())

    async def test_connection(self, tenant: Tenant) -> Probe:
        return await self._provider.probe(tenant)

    async def close(self) -> None:
        await self.calling.close()
        await self._provider.close()


@dataclass
class World:
    """The site, and what tests do with it."""

    store: Store
    port: Port
    api: Api
    app: FastAPI
    client: httpx.AsyncClient
    made: list[Call] = field(default_factory=list)

    @property
    def streams(self) -> int:
        """Event streams that are open."""
        return int(self.app.state.streams.open)

    def headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {word(name)}"}

    async def ask(self, name: str, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {**self.headers(name), **request.pop("headers", {})}
        return await self.client.request(method, f"{INFINITY}{path}", headers=headers, **request)

    async def lease(self, of: str = "acme", agent: str = "ada", **more: Any) -> Call:
        """A call that holds an extension, as `reserved`."""
        key = f"key-{len(self.made)}"
        new = NewCall(of, agent, "+15550101", "+15550111", "tests", key, reserve_seconds=600, **more)
        leased = await self.port.desk.lease(new)
        assert leased.call is not None
        self.made.append(leased.call)
        return leased.call

    async def dial(self, of: str = "acme", **more: Any) -> Call:
        """A call that the platform took."""
        call = await self.lease(of, **more)
        changed = await self.port.desk.change(Change(call.id, "dialing", rung="maybe"))
        assert changed is not None
        return changed

    async def state(self, call: Call) -> dict[str, Any]:
        answer = await self.ask("everything", "GET", f"/calls/{call.id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def word(name: str) -> str:
    """The token of this name."""
    return f"the-token-of-{name}-for-tests"


def record(call: Call, **changes: Any) -> dict[str, Any]:
    """What the platform tells of a call that was answered."""
    return {
        "callmethod": "api",
        "starttime": "2018-03-14 12:18:21",
        "answertime": "2018-03-14 12:18:39",
        "endtime": "2018-03-14 12:20:41",
        "duration": 18,
        "billsec": "122",
        "crmid": call.agent,
        "hangupdirection": "customer",
        "hangupcause": 16,
        "memberid": call.id,
        "disnumber": "+15550100",
        "destnumber": call.destination,
        "downloadip": "recordings.example.com",
        "recordfilename": "4711.wav",
        "companycode": {"acme": 1001, "globex": "1002"}[call.tenant],
        "type": "callout",
        "id": 4711,
        "extnumber": call.number,
        "uuid": "5b1e0c0e-0000-4000-8000-000000000000",
        "userkey": "",
        "customuuid": "",
        "chengshudu": "",
    } | changes


def signed(body: bytes, at: float, secret: str = SECRETS["acme"]) -> dict[str, str]:
    """The headers that prove a secret."""
    stamp = str(int(at))
    proof = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Timestamp": stamp, "X-Signature": f"sha256={proof}", "Content-Type": "application/json"}


def text(body: Any) -> bytes:
    """JSON."""
    return json.dumps(body).encode()


@asynccontextmanager
async def site(store: Store, folder: Path, *tenants: Tenant, **api: Any) -> AsyncIterator[World]:
    """A site that serves."""
    tokens = folder / "tokens"
    tokens.mkdir()
    for name, scopes in SCOPES.items():
        (tokens / name).write_text(f"{word(name)}\n{scopes}\n")
    port = Port(store, *(tenants or (tenant("acme"), tenant("globex"))))
    wanted = [
        PoolWanted(
            each.name, "RoundRobin", each.spec.max_concurrent_calls, True, numbers_of(each.spec.extension_pool.numbers)
        )
        for each in port.tenants().values()
    ]
    pools.sync(store, SITE, wanted)
    made = Api(
        store, SITE, Tokens(tokens), enqueue, lambda: {"gsm1": "all"}, forward_to=lambda _: (), infinity=port, **api
    )
    app = application(made)
    sock = http_server.listen("127.0.0.1:0")
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    tasks = [asyncio.create_task(port.desk.run()), asyncio.create_task(http_server.serve(app, sock))]
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield World(store, port, made, app, client)
    finally:
        await port.close()
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait([task], timeout=5)
