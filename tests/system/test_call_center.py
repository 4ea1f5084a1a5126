"""The example call center through both doors: tenants, calls on leased extensions, a campaign, and a platform that fails."""

import asyncio
import copy
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from testbed.asterisk import AsteriskInstance
from testbed.call_center import CallCenter, call_center
from testbed.infinity.peer import InfinityPeer
from testbed.kube.namespace import Namespace
from testbed.kube.server import ApiServer
from testbed.manifests import Manifest, condition
from testbed.ports import LOOPBACK
from tests.eventually import eventually
from tests.system.conftest import DOORS
from tests.system.doors import ROOT, Door, Kube, Seen, Standalone, is_false, is_true
from tests.system.world import example

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLE = ROOT / "examples/call-center"
TOKEN = "token-of-the-agents-program"
PREFIX = "/api/v1/infinity"
SETTLE_WITHIN = 20.0


@dataclass
class Site:
    door: Door
    around: CallCenter
    client: httpx.AsyncClient
    manifests: dict[str, Manifest]
    """The tenants, by name, as they are applied."""
    secrets: dict[str, dict[str, str]]
    asked: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def platform(self) -> InfinityPeer:
        return self.around.platform

    async def call(
        self, tenant: str = "acme", agent: str = "eve", to: str = "+15550121", **more: Any
    ) -> httpx.Response:
        """Ask for a call."""
        body = {"tenant": tenant, "agent_id": agent, "callback_number": "8003", "customer_number": to, **more}
        key = {"Idempotency-Key": f"call-{next(self.asked)}"}
        return await self.client.post(f"{PREFIX}/make-call", json=body, headers=key)

    async def placed(self, **asked: Any) -> dict[str, Any]:
        """A call that the platform took."""
        answer = await self.call(**asked)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def asked_for(self) -> list[dict[str, str]]:
        """The fields of every request that the platform got."""
        return [each["fields"] for each in await self.platform.requests()]

    async def until(self, call: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The call, once it passes `done`."""

        async def look() -> dict[str, Any]:
            return dict((await self.client.get(f"{PREFIX}/calls/{call}")).json())

        return await eventually(look, SETTLE_WITHIN, holds=done)

    async def change(self, tenant: str, **pool: Any) -> None:
        """Apply the tenant with another pool."""
        self.manifests[tenant]["spec"]["extensionPool"] |= pool
        await self.door.apply([copy.deepcopy(self.manifests[tenant])])

    async def until_pool(self, tenant: str, **wanted: int) -> dict[str, Any]:
        """The tenant's status, once its pool says this."""

        def done(seen: Seen) -> bool:
            pool = seen.get("status", {}).get("pool") or {}
            return wanted.items() <= pool.items()

        return await self.door.until("InfinityTenant", tenant, done)

    async def until_campaign_is_done(self) -> dict[str, Any]:
        """The campaign's status, once it has called everybody and holds no extension."""

        def completed(seen: Seen) -> bool:
            return bool(seen.get("status", {}).get("phase") == "Completed")

        return await self.door.until("Campaign", "reminders", completed, limit_seconds=60)


def released(call: dict[str, Any]) -> bool:
    return bool(call["state"] == "released")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(
    door_kind: str, tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer]
) -> AsyncIterator[Site]:
    directory: Path = tmp_path_factory.mktemp(door_kind)
    tokens = directory / "tokens"
    tokens.mkdir()
    (tokens / "agents").write_text(TOKEN)
    async with (
        AsteriskInstance(directory / "asterisk") as asterisk,
        call_center(EXAMPLE, directory) as around,
        httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=30) as client,
    ):
        assert around is not None
        client.base_url = httpx.URL(around.api)
        options = ("--listen", around.listen, "--api-tokens", str(tokens), "--trusted-proxy", LOOPBACK)
        door: Door = (
            Kube(directory / "door", asterisk, Namespace(api_server(), "call-center"), options=options)
            if door_kind == "kube"
            else Standalone(directory / "door", asterisk, options=options)
        )
        manifests, secrets = example(EXAMPLE, asterisk)
        tenants = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "InfinityTenant"}
        for each in tenants.values():
            each["spec"]["apiUrl"] = around.platform.url
        try:
            await door.start()
            await door.apply(copy.deepcopy(manifests), secrets)
            await door.wait_ready(limit_seconds=60)
            await door.said("API listens", limit_seconds=60)
            yield Site(door, around, client, tenants, secrets)
        finally:
            await door.close()


async def test_every_resource_is_ready_and_the_platform_reachable(site: Site) -> None:
    assert set(await site.door.seen()) == set(site.door.specs)
    for name in ("acme", "globex"):
        await site.door.until("InfinityTenant", name, is_true("Reachable"))
    await site.until_pool("globex", total=3, available=3)


async def test_the_campaign_of_the_example_calls_everybody_once_but_who_must_not_be(site: Site) -> None:
    status = await site.until_campaign_is_done()
    assert (status["answered"], status["skipped"], status["remaining"]) == (3, 1, 0)
    asked = [fields["destnumber"] for fields in await site.asked_for()]
    assert sorted(asked) == ["+15550111", "+15550112", "+15550113"]


async def test_a_call_is_rung_ends_with_its_record_and_frees_its_extension(site: Site) -> None:
    call = await site.placed(case_id="A-7", custom_params={"language": "en"})
    ended = await site.until(call["id"], released)
    assert (ended["outcome"], ended["customer_rung"], ended["extension_number"]) == (
        "Answered",
        "yes",
        call["extension_number"],
    )
    (asked,) = [fields for fields in await site.asked_for() if fields["memberid"] == call["id"]]
    assert (asked["extnumber"], asked["destnumber"], asked["customuuid"]) == (
        call["extension_number"],
        "+15550121",
        "A-7",
    )
    status = await site.until_pool("acme", available=8, inUse=0)
    assert status["activeCalls"] == 0


async def test_numbers_that_are_added_are_usable_at_once_and_those_removed_drain(site: Site) -> None:
    await site.platform.behave(destination="77", talk_seconds=None)
    one = await site.placed(tenant="globex", to="+15550177")
    two = await site.placed(tenant="globex", to="+15550177")
    refused = await site.call("globex", to="+15550177")
    assert (refused.status_code, refused.json()["maximum"]) == (429, 2)
    site.manifests["globex"]["spec"]["maxConcurrentCalls"] = 10
    await site.platform.account("2", numbers=["8101-8110"])
    await site.change("globex", numbers=["8106", "8110"])
    await site.until_pool("globex", draining=len({one["extension_number"], two["extension_number"]} - {"8106"}))
    numbers = set()
    while (answer := await site.call("globex", to="+15550177")).status_code == 202:
        numbers.add(answer.json()["extension_number"])
    assert answer.status_code == 429
    assert "8110" in numbers
    assert numbers <= {"8106", "8110"} - {one["extension_number"], two["extension_number"]}
    for call in (one, two):
        assert (await site.until(call["id"], lambda _: True))["state"] in {"dialing", "active"}, "it goes on in peace"
    for held in await site.platform.calls():
        if held["state"] != "ended":
            await site.platform.hang_up(held["memberid"])
    assert (await site.until(one["id"], released))["outcome"] == "Answered"
    await site.until_pool("globex", total=2, available=2, draining=0)


async def test_a_pool_may_change_while_many_call(site: Site) -> None:
    in_force: set[str] = set()
    judged, refused, strange = 0, [], []
    done = asyncio.Event()

    async def agent(name: str) -> None:
        nonlocal judged
        while not done.is_set():
            before = in_force
            answer = await site.call(agent=name, wait_seconds=10)
            if answer.status_code != 202:
                refused.append(answer.text)
            elif before and before is in_force:  # asked for and answered while the pool was known
                judged += 1
                strange.extend({answer.json()["extension_number"]} - in_force)

    async with asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(agent(f"agent-{number}"))
        for first, last in ((8005, 8006), (8003, 8008), (8001, 8008)):
            in_force, judged = set(), 0
            await site.change("acme", numbers=[f"{first}-{last}"])
            await site.until_pool("acme", total=last - first + 1, draining=0)
            in_force = {str(n) for n in range(first, last + 1)}
            async with asyncio.timeout(SETTLE_WITHIN):
                while judged < 6:
                    await asyncio.sleep(0.02)
        done.set()
    assert (refused, strange) == ([], [])
    await site.until_pool("acme", total=8, available=8)


async def test_a_record_from_elsewhere_frees_nothing_whatever_it_knows(site: Site) -> None:
    await site.platform.behave(destination="79", talk_seconds=None)
    call = await site.placed(to="+15550179")
    number = call["extension_number"]
    record = {"memberid": call["id"], "extnumber": number, "destnumber": "+15550179", "companycode": 4201, "billsec": 9}
    body, at = json.dumps(record).encode(), str(int(time.time()))
    key = site.secrets["acme"]["callback"].encode()
    signature = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Timestamp": at, "X-Signature": f"sha256={signature}", "Content-Type": "application/json"}
    elsewhere = headers | {"X-Forwarded-For": "203.0.113.9"}
    answer = await site.client.post(f"{PREFIX}/callback/call-record", content=body, headers=elsewhere)
    assert answer.status_code == 403, answer.text
    assert not released(await site.until(call["id"], lambda _: True))
    answer = await site.client.post(f"{PREFIX}/callback/call-record", content=body, headers=headers)
    assert answer.is_success, answer.text
    assert released(await site.until(call["id"], released))
    await site.platform.hang_up(call["id"])


async def test_a_platform_that_is_away_is_said_and_found_again(site: Site) -> None:
    await site.platform.ask("listening", on=False)
    answer = await site.call()
    assert (answer.status_code, answer.json()["customer_rung"]) == (503, "no")
    status = await site.door.until("InfinityTenant", "acme", is_false("Reachable"))
    assert condition({"status": status}, "Ready")["status"] == "True"
    assert status["lastError"]
    await site.platform.ask("listening", on=True)
    assert released(await site.until((await site.placed())["id"], released))
    await site.door.until("InfinityTenant", "acme", is_true("Reachable"))
    await site.door.until("InfinityTenant", "acme", lambda seen: "lastError" not in seen["status"])


@pytest.mark.parametrize("door_kind", DOORS[:1], indirect=True, scope="module")  # the operator waits for the lease
async def test_a_call_outlives_the_controller_that_placed_it(site: Site) -> None:
    await site.until_campaign_is_done()  # what is being asked at the kill stays held, as nobody knows its fate
    await site.platform.behave(destination="78", talk_seconds=None)
    call = await site.placed(to="+15550178")
    await site.door.kill()
    await site.door.start()
    await site.door.said("API listens", limit_seconds=90)  # the lease of the killed one runs out first
    held = await site.until(call["id"], lambda _: True)
    assert held["state"] in {"dialing", "active"}
    await site.platform.hang_up(call["id"])
    assert (await site.until(call["id"], released))["outcome"] == "Answered"
    await site.until_pool("acme", available=8)


async def test_no_extension_ever_had_two_calls_and_nobody_was_asked_twice(site: Site) -> None:
    counts = await site.platform.counts()
    assert (counts["collisions"], counts["asked_twice"]) == (0, 0)
    assert "example-token" not in site.door.log
    assert "example-callback" not in site.door.log
