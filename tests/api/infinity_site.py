"""A site with two tenants, as the API serves it: the real service on a real store, over real sockets."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from dialplane.api import server
from dialplane.api.application import application
from dialplane.api.dependencies import Api
from dialplane.api.tokens import Tokens
from dialplane.services.contract import Service, SiteView
from dialplane.services.infinity.api.limits import STREAMS
from dialplane.services.infinity.service import InfinityService
from dialplane.services.infinity.tables import pools
from dialplane.services.infinity.tables.calls import Call, NewCall
from dialplane.services.infinity.tables.leases import Change
from dialplane.services.infinity.tenant import Tenant, tenants
from dialplane.services.registry import mounts, scopes
from dialplane.store import Store
from testbed.manifests import Manifest, manifest
from tests.api.texts import Texts
from tests.infinity.site import SITE, tenant_manifest, view

INFINITY = "/api/v1/infinity"
CALLBACK = f"{INFINITY}/callback/call-record"
NOBODY = "http://127.0.0.1:1/api"
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak plain HTTP: to read the list of authorities takes longer than a test."""
SECRETS = {"acme": "acme-secret-of-callbacks", "globex": "globex-secret-of-callbacks"}
SCOPES = {
    "everything": "",
    "reader": "infinity:read:acme",
    "caller": "infinity:call:acme",
    "manager": "infinity:manage:acme",
    "other": "infinity:manage:globex\ninfinity:call:globex",
    "texts": "sms",
}


def of_tenant(name: str, **changes: Any) -> Manifest:
    """`acme` signs its callbacks, `globex` shows a secret from loopback."""
    told: dict[str, Any] = {"secretRef": {"name": name, "key": "callback"}}
    if name == "globex":
        told |= {"authentication": "SharedSecret", "allowedNetworks": ["127.0.0.0/8"]}
    fields: dict[str, Any] = {
        "tenantId": {"acme": "1", "globex": "2"}[name],
        "supplierId": {"acme": "1001", "globex": "1002"}[name],
        "tokenSecretRef": {"name": name, "key": "token"},
        "callerNumbers": ["+15550100"],
        "maxConcurrentCalls": 2,
        "extensionPool": {"numbers": [{"acme": "8001-8003", "globex": "9001-9002"}[name]], "strategy": "RoundRobin"},
        "callback": told,
        "apiUrl": NOBODY,
    }
    return tenant_manifest(name, **(fields | changes))


def tenant(name: str, **changes: Any) -> Tenant:
    """The same, as services see it."""
    return tenants(_view([of_tenant(name, **changes)]))[name]


def of_campaign(name: str, of: str, **destinations: Any) -> Manifest:
    """One that calls nobody yet."""
    agents = [{"id": "ada", "callbackNumber": "+15550101"}]
    made = manifest("Campaign", name, tenant=of, paused=True, agents=agents, destinations=destinations)
    made["metadata"]["uid"] = f"uid-of-{name}"
    return made


def _view(manifests: Sequence[Manifest], *refused: str) -> SiteView:
    secrets = {name: {"token": "access-token", "callback": secret} for name, secret in SECRETS.items()}
    return view(manifests, refused=refused, secrets=secrets)


@dataclass
class World:
    """The site, and what tests do with it."""

    store: Store
    port: InfinityService
    manifests: Sequence[Manifest]
    api: Api
    app: FastAPI
    client: httpx.AsyncClient
    made: list[Call] = field(default_factory=list)

    @property
    def streams(self) -> int:
        """Event streams that are open."""
        return int(STREAMS.of(self.app).open)

    @property
    def followed(self) -> int:
        """Calls that somebody follows."""
        return len(self.port._hub._followers)

    @property
    def waiting(self) -> int:
        """Callers who wait for an extension."""
        return sum(len(queue) for queue in self.port.desk._queues.values())

    def refuse(self, *names: str) -> None:
        """Have the plan not accept these."""
        self.port.observe(_view(self.manifests, *names))

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
async def site(
    store: Store, folder: Path, *tenants: Manifest, also: Mapping[str, Service] | None = None, **api: Any
) -> AsyncIterator[World]:
    """A site that serves; `also` are further services of it."""
    tokens = folder / "tokens"
    tokens.mkdir()
    for name, lines in SCOPES.items():
        (tokens / name).write_text(f"{word(name)}\n{lines}\n")
    manifests = [*(tenants or (of_tenant("acme"), of_tenant("globex")))]
    for name, of, whom in (
        ("spring", "acme", {"upload": True}),
        ("winter", "globex", {"inline": [{"number": "+15550112"}]}),
    ):
        if any(each["metadata"]["name"] == of for each in manifests):
            manifests.append(of_campaign(name, of, **whom))
    port = InfinityService(store, SITE, tell=lambda *_: None)
    port.observe(_view(manifests))
    services = {"sms": Texts(store, SITE, {"gsm1": "all"}), "infinity": port, **(also or {})}
    made = Api(store, SITE, Tokens(tokens, scopes()), mounts(), services, **api)
    app = application(made)
    sock = server.listen("127.0.0.1:0")
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    running = (port, *(also or {}).values())
    tasks = [asyncio.create_task(each.run(lambda: None)) for each in running]
    tasks.append(asyncio.create_task(server.serve(app, sock)))
    try:
        async with asyncio.timeout(30):
            while not (served := await store.call(pools.standings, SITE)) or not all(s.total for s in served.values()):
                await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=url, timeout=30, verify=PLAIN) as client:
            yield World(store, port, manifests, made, app, client)
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait([task], timeout=10)
