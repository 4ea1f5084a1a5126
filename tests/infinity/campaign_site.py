"""Campaigns on a site with tenants: the real desk and client, and the provider peer as the platform."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from dialplane.resources.conditions import ConditionType
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import SiteView
from dialplane.services.infinity import pool
from dialplane.services.infinity.campaign.campaigns import Campaigns, Timing
from dialplane.services.infinity.campaign.progress import Progress
from dialplane.services.infinity.dialer import Dialer
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.provider import Provider
from dialplane.services.infinity.tables import pools
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.leases import CallRecord, Change
from dialplane.services.infinity.tenant import tenants
from dialplane.store import Store
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from tests.eventually import eventually

SITE = "office"
TOKEN = "token-of-the-tests"
SECRET = "secret-of-the-callbacks"
FAST = Timing(round=0.1, rest=0.3, pause=0.02, refresh=0.1, learn=0.2, given_up=timedelta(seconds=1))


def number(index: int) -> str:
    return f"+1555{index:07}"


def manifest(kind: str, name: str, uid: str = "", **spec: Any) -> Resource:
    metadata = {"name": name, "uid": uid or f"uid-{name}", "generation": 1}
    found = parse({"apiVersion": "dialplane.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    assert not found.problems, found.problems
    return found


def tenant(url: str, numbers: Sequence[str] = ("8001-8020",), **spec: Any) -> Resource:
    fields = {
        "tenantId": "1",
        "apiUrl": url,
        "tokenSecretRef": {"name": "acme", "key": "token"},
        "extensionPool": {"numbers": [*numbers]},
        "callback": {"secretRef": {"name": "acme", "key": "callback"}, "progress": True},
        "requestTimeoutSeconds": 2,
        "callTimeoutSeconds": 10,
    }
    return manifest("InfinityTenant", "acme", **fields | spec)


def campaign(name: str = "dunning", *, agents: int = 4, people: int = 0, uid: str = "", **spec: Any) -> Resource:
    listed = {"inline": [{"number": number(index), "caseId": f"case-{index}"} for index in range(people)]}
    fields = {
        "tenant": "acme",
        "agents": [{"id": f"a{index}", "callbackNumber": f"+1555020{index:04}"} for index in range(agents)],
        "destinations": listed if people else {"upload": True},
        "attempts": {"max": 2, "spacingSeconds": 0},
        "pacing": {"callsPerMinute": 6000, "poolPercent": 100, "maxConcurrentCalls": 100},
    }
    if "voiceBot" in spec:
        del fields["agents"]
    return manifest("Campaign", name, uid, **fields | spec)


def view(
    *resources: Resource,
    leads: Callable[[], bool] = lambda: True,
    config_maps: Mapping[str, Mapping[str, str]] | None = None,
) -> SiteView:
    keyed = {resource.key: resource for resource in resources}
    secrets = {"acme": {"token": SecretStr(TOKEN), "callback": SecretStr(SECRET)}}
    snapshot = Snapshot(SITE, keyed, secrets, config_maps or {})
    accepted = frozenset(key for key, found in keyed.items() if getattr(found.spec, "enabled", True))
    return SiteView(snapshot, accepted, leads=leads)


class CampaignSite:
    """A process that serves campaigns; `running` starts it."""

    def __init__(self, store: Store, timing: Timing = FAST) -> None:
        self.store = store
        self.desk = LeaseDesk(store, SITE, told=self._told)
        self.provider = Provider()
        self.calling = Dialer(self.desk, self.provider)
        self.campaigns = Campaigns(store, SITE, self.calling, timing=timing)
        self.leads = True
        self.changes = 0

    def _told(self, call: Call) -> None:
        self.campaigns.told(call)

    def _changed(self) -> None:
        self.changes += 1

    async def show(self, *resources: Resource, config_maps: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Serve these."""
        seen = view(*resources, leads=lambda: self.leads, config_maps=config_maps)
        found = tenants(seen)
        wanted = pool.wanted(found, seen.snapshot)
        await self.store.call(pools.sync, SITE, wanted.pools, keep=wanted.keep)
        self.campaigns.observe(seen, found)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CampaignSite"]:
        desk = asyncio.create_task(self.desk.run())
        serving = asyncio.create_task(self.campaigns.run(self._changed))
        try:
            yield self
        finally:
            assert not serving.done(), serving.result()
            await ended(serving)
            await self.calling.close()
            await ended(desk)
            await self.provider.close()

    async def progress(self, name: str = "dunning") -> Progress:
        found = await self.campaigns.progress(name)
        assert found is not None
        return found

    async def until(self, holds: Callable[[Progress], bool], name: str = "dunning", *, within: float = 30) -> Progress:
        return await eventually(lambda: self.progress(name), within, holds=holds)

    def fields(self, name: str = "dunning") -> Mapping[str, Any]:
        return self.campaigns.reports()[Key("Campaign", name)].fields

    def ready(self, name: str = "dunning") -> tuple[str, str, str] | None:
        conditions = self.campaigns.reports()[Key("Campaign", name)].conditions
        found = next((c for c in conditions if c.type == ConditionType.READY), None)
        return (str(found.status), str(found.reason), found.message) if found else None

    async def until_said(self, holds: Callable[["CampaignSite"], bool], *, within: float = 30) -> None:
        await eventually(lambda: holds(self), within, why=self.campaigns.reports)


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class Callbacks:
    """Takes the platform's callbacks, as another replica would, and writes them into the calls."""

    def __init__(self, change: Callable[[Change], Any]) -> None:
        self._change = change
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Callbacks"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split("\r\n")[0])
                told = json.loads(await reader.readexactly(length))
                await self._change(change_of(told))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        writer.close()


def change_of(told: Mapping[str, Any]) -> Change:
    if told.get("event") == "answered":
        return Change(told["memberid"], "active", rung="yes")
    answered = bool(told["answertime"])
    record = CallRecord(dict(told), answered=answered, talk_seconds=int(told["billsec"]))
    return Change(told["memberid"], "released", record=record)


@asynccontextmanager
async def platform(directory: Path, callbacks: str, **account: Any) -> AsyncIterator[InfinityPeer]:
    made = Account(token=TOKEN, secret=SECRET, url=callbacks, progress=True, **account)
    async with await InfinityPeer.start(directory, made) as peer:
        yield peer


@asynccontextmanager
async def served(
    store: Store, peer: InfinityPeer, timing: Timing = FAST
) -> AsyncIterator[tuple[CampaignSite, InfinityPeer]]:
    """A running site and its platform, which has forgotten what was before."""
    site = CampaignSite(store, timing)
    async with Callbacks(site.desk.change).listening() as callbacks:
        await peer.ask("listening", on=True)
        await peer.forget()
        await peer.account(url=callbacks.url)
        async with site.running():
            yield site, peer
        await peer.forget()


async def called(peer: InfinityPeer) -> Counter[str]:
    """How often each number was asked for."""
    return Counter(request["fields"]["destnumber"] for request in await peer.requests())


def most_live(peer: InfinityPeer, since: int = 0) -> int:
    """How many calls went on at a time, at most, by the platform's own events from number `since` on."""
    live: set[str] = set()
    most = 0
    for event in peer.events[since:]:
        if event["event"] == "call":
            (live.discard if event["state"] == "ended" else live.add)(event["memberid"])
            most = max(most, len(live))
    return most
