"""One real call through the whole product: two telephones, a leased extension, a signed record."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from testbed.call_center import CALLBACK
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from testbed.manifests import manifest
from testbed.ports import LOOPBACK, lease
from testbed.sip import Peer
from tests.eventually import eventually
from tests.system.doors import Seen, is_true
from tests.system.world import World, password_of, phones, start

AGENT, OTHER, CUSTOMER = "8001", "8002", "9001"
HZ = {AGENT: 440, OTHER: 550, CUSTOMER: 660}
TOKEN, SECRET, ACCESS = "token-of-the-agents-program", "callback-secret-of-acme", "token-of-the-platform"
PREFIX = "/api/v1/infinity"

pytestmark = pytest.mark.xdist_group("door-standalone")


@dataclass
class Scene:
    world: World
    platform: InfinityPeer
    client: httpx.AsyncClient
    telephones: dict[str, Peer]

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"{PREFIX}/{path}")
        assert answer.is_success, answer.text
        return answer.json()

    async def heard(self, one: str, other: str) -> bool:
        """Whether each hears the tone of the other."""
        tones = [(await self.telephones[who].ask("calls"))["calls"][-1]["heard_hz"] for who in (one, other)]
        return tones == [pytest.approx(HZ[who], abs=15) for who in (other, one)]


def no_server() -> NoReturn:
    raise AssertionError("this is `dialplane run`")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "agents").write_text(f"{TOKEN}\ninfinity:call:acme\ninfinity:read:acme\n")
    async with AsyncExitStack() as stack:
        listen = f"{LOOPBACK}:{stack.enter_context(lease()).take()}"
        options = ("--listen", listen, "--api-tokens", str(tmp_path / "tokens"))
        world = await stack.enter_async_context(start("standalone", tmp_path, no_server, options=options))
        account = Account(
            token=ACCESS, tenant="1", company="4201", url=f"http://{listen}{CALLBACK}", secret=SECRET, progress=True
        )
        platform = await stack.enter_async_context(await InfinityPeer.start(tmp_path, account, asterisk=world.asterisk))
        extensions, secrets = phones(HZ)
        tenant = manifest(
            "InfinityTenant",
            "acme",
            tenantId="1",
            supplierId="4201",
            apiUrl=platform.url,
            tokenSecretRef={"name": "acme", "key": "token"},
            extensionPool={"numbers": [f"{AGENT}-{OTHER}"]},
            callback={"secretRef": {"name": "acme", "key": "callback"}, "progress": True},
        )
        secrets["acme"] = {"token": ACCESS, "callback": SECRET}
        await world.door.apply([world.pbx(), *extensions, tenant], secrets)
        await world.door.wait_ready(limit_seconds=60)
        await world.door.said("API listens", limit_seconds=60)
        telephones = {}
        for number, hz in HZ.items():
            made = Peer.phone(tmp_path / number, user=number, password=password_of(number), server=world.server, hz=hz)
            telephones[number] = await stack.enter_async_context(await made)
            assert await telephones[number].ask("register") == {"code": 200}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        client = httpx.AsyncClient(base_url=f"http://{listen}", headers=headers, trust_env=False, timeout=30)
        yield Scene(world, platform, await stack.enter_async_context(client), telephones)


async def test_agent_and_customer_hear_each_other_and_the_record_frees_the_extension(scene: Scene) -> None:
    def pool(seen: Seen) -> Any:
        status = seen.get("status", {})
        return (status.get("pool") or {}).get("inUse"), status.get("activeCalls")

    await scene.world.door.until("InfinityTenant", "acme", is_true("Reachable"))
    asked = {"tenant": "acme", "agent_id": "ada", "callback_number": AGENT, "customer_number": CUSTOMER}
    placed = await scene.client.post(f"{PREFIX}/make-call", json=asked, headers={"Idempotency-Key": "case-1"})
    assert placed.status_code == 202, placed.text
    call = placed.json()
    assert (call["state"], call["extension_number"]) == ("dialing", AGENT)

    async def active() -> bool:
        return bool((await scene.get(f"calls/{call['id']}"))["state"] == "active")

    await eventually(active)
    await eventually(lambda: scene.heard(AGENT, CUSTOMER))
    await scene.world.door.until("InfinityTenant", "acme", lambda seen: pool(seen) == (1, 1))
    (held,) = (await scene.get("extensions?tenant=acme&state=in_use"))["items"]
    assert (held["number"], held["agent_id"], held["call"]) == (AGENT, "ada", call["id"])

    await scene.telephones[CUSTOMER].ask("hangup")

    async def over() -> bool:
        return bool((await scene.get(f"calls/{call['id']}"))["state"] == "released")

    await eventually(over)
    ended = await scene.get(f"calls/{call['id']}")
    assert (ended["outcome"], ended["customer_rung"], ended["hangup_cause"]) == ("Answered", "yes", 16)
    assert ended["provider_uuid"]
    await scene.world.door.until("InfinityTenant", "acme", lambda seen: pool(seen) == (0, 0))
    assert (await scene.telephones[OTHER].ask("calls"))["calls"] == []
    again = await scene.client.post(f"{PREFIX}/make-call", json=asked, headers={"Idempotency-Key": "case-1"})
    assert (again.status_code, again.json()["id"]) == (200, call["id"])
    assert (await scene.platform.counts())["taken"] == 1
