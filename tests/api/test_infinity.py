"""Outbound calls over HTTP, as the software of a call centre meets them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import pytest_asyncio

from dialplane.api import server
from dialplane.api.application import application
from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.limits import UPLOADS_EACH
from dialplane.api.rate_limit import Rate
from dialplane.services.infinity.api import events
from dialplane.services.infinity.api.limits import PLACING, STREAMS
from dialplane.services.infinity.tables import leases
from dialplane.services.infinity.tables.leases import Change
from dialplane.store import Store
from testbed.infinity.peer import InfinityPeer
from tests.api.infinity_site import CALLBACK, INFINITY, SITE, World, of_tenant, record, signed, site, text
from tests.api.test_api import is_problem
from tests.databases import NOW

ASKED = {
    "tenant": "acme",
    "agent_id": "ada",
    "callback_number": "+15550101",
    "customer_number": "+15550111",
    "case_id": "case-1",
    "custom_params": {"note": "Grüße"},
}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: Store, tmp_path: Path) -> AsyncIterator[World]:
    async with site(store, tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def refusing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for all requests that change nothing, because each is refused."""
    folder = tmp_path_factory.mktemp("refusing")
    with closing(Store.open(f"sqlite:///{folder}/store.db")) as store:
        async with site(store, folder) as made:
            yield made


@pytest_asyncio.fixture(loop_scope="module")
async def platform(store: Store, tmp_path: Path, peer: InfinityPeer) -> AsyncIterator[World]:
    """A site whose platform answers."""
    async with site(store, tmp_path, of_tenant("acme", apiUrl=peer.url), of_tenant("globex")) as made:
        yield made


async def call(world: World, token: str = "caller", key: str | None = None, **changes: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await world.ask(token, "POST", "/make-call", json={**ASKED, **changes}, headers=headers)


async def test_a_call_is_placed_and_can_be_found(platform: World, peer: InfinityPeer) -> None:
    answer = await call(platform)
    assert answer.status_code == 202, answer.text
    placed = answer.json()
    assert {name: placed[name] for name in ASKED} == ASKED
    assert (placed["state"], placed["customer_rung"], placed["extension_number"]) == ("dialing", "maybe", "8001")
    assert (placed["caller_number"], placed["outcome"], placed["answer_lost"]) == ("+15550100", None, False)
    found = await platform.client.get(answer.headers["location"], headers=platform.headers("reader"))
    assert found.json() == placed
    asked = (await peer.requests())[0]["fields"]
    assert (asked["memberid"], asked["extnumber"], asked["destnumber"]) == (placed["id"], "8001", "+15550111")
    listed = (await platform.ask("reader", "GET", "/call-records", params={"agent": "ada", "case": "case-1"})).json()
    assert (listed["items"], listed["next"]) == ([placed], None)


async def test_an_idempotency_key_rings_once(platform: World, peer: InfinityPeer) -> None:
    answers = await asyncio.gather(*[call(platform, key="4711") for _ in range(6)])
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    for changes in ({"agent_id": "bob"}, {"custom_params": {}}, {"case_id": None}, {"tenant": "globex"}):
        other = await call(platform, key="4711", **changes)
        is_problem(other, 403 if "tenant" in changes else 409)
    assert len(await peer.requests()) == 1
    assert (await call(platform, "everything", key="4711")).status_code == 202


@pytest.mark.parametrize(
    ("behaviour", "status", "rung"),
    [
        ({"answer": "refuse", "code": 401}, 502, "no"),
        ({"answer": "status", "code": 7}, 502, "no"),
        ({"answer": "cut"}, 504, "maybe"),
        ({"answer": "garbage"}, 504, "maybe"),
        ({"answer": "error", "code": 500}, 504, "maybe"),
    ],
    ids=["refused", "status", "cut", "garbage", "error"],
)
async def test_where_there_is_no_call_it_says_whether_the_customer_was_rung(
    platform: World, peer: InfinityPeer, behaviour: dict[str, Any], status: int, rung: str
) -> None:
    await peer.behave(**behaviour)
    answer = await call(platform, key="once")
    is_problem(answer, status)
    assert answer.json()["customer_rung"] == rung
    found = (await platform.ask("reader", "GET", f"/calls/{answer.json()['call_id']}")).json()
    assert found["state"] == ("released" if rung == "no" else "dialing")
    again = await call(platform, key="once")
    assert (again.status_code, again.json()) == (200, found)
    assert len(await peer.requests()) == 1


async def test_a_platform_that_is_down_was_not_asked(world: World) -> None:
    answer = await call(world)
    is_problem(answer, 503)
    assert answer.json()["customer_rung"] == "no"
    assert answer.headers["retry-after"]


async def test_where_no_extension_is_free_it_says_what_is_in_use(world: World) -> None:
    await world.dial()
    await world.dial()
    answer = await call(world)
    assert "as many calls as it may" in is_problem(answer, 429)
    said = answer.json()
    assert (said["in_use"], said["maximum"], said["available"], said["customer_rung"]) == (2, 2, 1, "no")
    assert answer.headers["retry-after"]


async def test_who_waits_gets_the_extension_that_is_freed(platform: World, peer: InfinityPeer) -> None:
    first, _ = await platform.dial(), await platform.dial()
    waiting = asyncio.create_task(call(platform, wait_seconds=60))
    release = await platform.ask("manager", "POST", f"/extensions/{first.number}/release")
    assert release.status_code == 200
    answer = await asyncio.wait_for(waiting, 20)
    assert answer.status_code == 202, answer.text
    assert (await platform.state(first))["outcome"] == "Released"
    assert len(await peer.requests()) == 1


async def test_those_who_wait_take_no_connection_from_the_platforms_word(platform: World) -> None:
    platform.app.state.concurrency["placing"] = ConcurrencyLimit(2, 3, "calls are being placed")
    first, _ = await platform.dial(), await platform.dial()
    waiting = [asyncio.create_task(call(platform, wait_seconds=60)) for _ in range(2)]
    async with asyncio.timeout(20):
        while PLACING.of(platform.app).open < len(waiting):
            await asyncio.sleep(0.01)
    assert "too many" in is_problem(await call(platform, wait_seconds=60), 429)
    is_problem(await call(platform, "other", tenant="globex"), 503)  # of another token, asked and not sent
    body = text(record(first))
    told = await platform.client.post(CALLBACK, content=body, headers=signed(body, platform.api.now().timestamp()))
    assert told.json()["result"] == "recorded"
    for each in waiting:
        each.cancel()
    async with asyncio.timeout(20):
        while PLACING.of(platform.app).open:
            await asyncio.sleep(0.01)


async def test_long_requests_leave_connections_for_others() -> None:
    assert PLACING.total + STREAMS.total < server.CONNECTIONS


async def test_nobody_is_rung_for_a_caller_who_went(platform: World, peer: InfinityPeer) -> None:
    first, _ = await platform.dial(), await platform.dial()
    waiting = asyncio.create_task(call(platform, wait_seconds=60))
    async with asyncio.timeout(20):
        while not platform.waiting:
            await asyncio.sleep(0.01)
    waiting.cancel()
    async with asyncio.timeout(20):
        while platform.waiting:
            await asyncio.sleep(0.01)
    await platform.ask("manager", "POST", f"/extensions/{first.number}/release")
    assert (await call(platform)).status_code == 202
    assert len(await peer.requests()) == 1


async def test_a_tenant_that_is_disabled_or_unknown_takes_no_call(world: World) -> None:
    world.refuse("acme")
    is_problem(await call(world), 409)
    is_problem(await call(world, "everything", tenant="nobody"), 404)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": "a b"}, "agent_id"),
        ({"agent_id": "x" * 65}, "agent_id"),
        ({"callback_number": "mum"}, "callback_number"),
        ({"callback_number": None}, "callback_number"),
        ({"customer_number": "+1 555"}, "customer_number"),
        ({"customer_number": 15550111}, "customer_number"),
        ({"case_id": "x\0"}, "case_id"),
        ({"custom_params": {f"k{n}": "" for n in range(21)}}, "custom_params"),
        ({"custom_params": {"k" * 65: ""}}, "custom_params"),
        ({"custom_params": {"k": "x" * 257}}, "custom_params"),
        ({"custom_params": {"k": "a\nb"}}, "custom_params"),
        ({"custom_params": {"k": 1}}, "custom_params"),
        ({"caller_number": "+15550199"}, "caller_number"),
        ({"wait_seconds": -1}, "wait_seconds"),
        ({"wait_seconds": 61}, "wait_seconds"),
        ({"tenant": "No Such"}, "tenant"),
        ({"agent": "ada"}, "agent"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_request_is_named(refusing: World, changes: dict[str, Any], field: str) -> None:
    answer = await call(refusing, "everything", **changes)
    is_problem(answer, 422)
    assert all(error["field"].startswith(f"body.{field}") for error in answer.json()["errors"]), answer.text
    assert answer.json()["errors"]
    assert (await refusing.ask("everything", "GET", "/call-records")).json()["items"] == []


GONE = "call-" + "0" * 20
READS = [
    ("GET", "/call-records?tenant=acme"), ("GET", "/configs/acme"), ("GET", "/extensions?tenant=acme"),
    ("GET", "/extensions/statistics?tenant=acme"), ("GET", "/callbacks/aside?tenant=acme"),
    ("GET", "/campaigns?tenant=acme"),
]  # fmt: skip
MANAGES = [
    ("POST", "/extensions/8003/release", None), ("PUT", "/extensions/8003", {"state": "available"}),
    ("POST", "/extensions/force-release/nobody?tenant=acme", None), ("POST", "/configs/acme/test-connection", None),
]  # fmt: skip


async def test_a_token_reads_what_its_scopes_name(world: World) -> None:
    mine, theirs = await world.dial(), await world.dial("globex")
    for method, path in READS:
        for name in ("everything", "reader", "caller", "manager"):
            assert (await world.ask(name, method, path)).status_code == 200, (name, path)
        for name in ("other", "texts"):
            is_problem(await world.ask(name, method, path), 403)
        nobody = path.replace("acme", "nobody")
        is_problem(await world.ask("reader", method, nobody), 403)
    for name, found in (("everything", [theirs, mine]), ("reader", [mine]), ("other", [theirs]), ("texts", [])):
        listed = (await world.ask(name, "GET", "/call-records")).json()["items"]
        assert [each["id"] for each in listed] == [each.id for each in found], name
        own = {each.tenant for each in found}
        for path, what in (("/configs", "tenant"), ("/extensions", "tenant"), ("/extensions/statistics", "tenant")):
            shown = (await world.ask(name, "GET", path)).json()["items"]
            assert {each[what] for each in shown} == own, (name, path)
        shown = (await world.ask(name, "GET", "/campaigns")).json()["items"]
        assert {each["tenant"] for each in shown} == own


async def test_pages_of_calls_tell_nothing_of_other_tenants(world: World) -> None:
    mine = [await world.dial(), await world.dial()]
    theirs = await world.dial("globex")
    page = (await world.ask("reader", "GET", "/call-records", params={"limit": 1})).json()
    assert ([each["id"] for each in page["items"]], page["next"]) == ([mine[1].id], mine[1].id)
    rest = (await world.ask("reader", "GET", "/call-records", params={"cursor": page["next"]})).json()
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([mine[0].id], None)
    for foreign in (theirs.id, GONE):
        nothing = (await world.ask("reader", "GET", "/call-records", params={"cursor": foreign})).json()
        assert nothing == {"items": [], "next": None}


async def test_of_what_a_token_may_not_know_there_is_none(world: World) -> None:
    theirs = await world.dial("globex")
    for path, unknown in (
        (f"/calls/{theirs.id}", f"/calls/{GONE}"),
        (f"/calls/{theirs.id}/events", f"/calls/{GONE}/events"),
        ("/campaigns/winter", "/campaigns/nothing"),
        ("/campaigns/winter/destinations", "/campaigns/nothing/destinations"),
    ):
        said = [is_problem(await world.ask("reader", "GET", each), 404) for each in (path, unknown)]
        assert said[0].split()[:-1] == said[1].split()[:-1], path
    for method, path, unknown, body in (
        ("POST", f"/extensions/{theirs.number}/release", "/extensions/7777/release", None),
        ("PUT", f"/extensions/{theirs.number}", "/extensions/7777", {"state": "offline"}),
    ):
        said = [is_problem(await world.ask("manager", method, each, json=body), 404) for each in (path, unknown)]
        assert said[0].split()[:-1] == said[1].split()[:-1], path
    assert (await world.state(theirs))["state"] == "dialing"


async def test_a_token_does_what_its_scopes_name(world: World) -> None:
    for name in ("reader", "manager", "other", "texts"):
        is_problem(await call(world, name), 403)
    is_problem(await call(world, "other", tenant="nobody"), 403)
    for method, path, body in MANAGES:
        for name in ("reader", "caller"):
            is_problem(await world.ask(name, method, path, json=body), 403)
        assert (await world.ask("manager", method, path, json=body)).status_code == 200, path
    for path in ("/api/v1/sms", "/api/v1/sms/outgoing", "/api/v1/notifications"):
        for name, status in (("everything", 200), ("manager", 403), ("texts", 200 if "sms" in path else 403)):
            assert (await world.client.get(path, headers=world.headers(name))).status_code == status, (name, path)
    sent = await world.client.post("/api/v1/sms", json={"to": 1}, headers=world.headers("manager"))
    is_problem(sent, 403)


async def test_an_extension_is_taken_out_of_service_and_put_back(world: World) -> None:
    busy = await world.dial()
    held = (await world.ask("reader", "GET", "/extensions", params={"state": "in_use"})).json()["items"]
    assert [(each["number"], each["call"], each["agent_id"]) for each in held] == [(busy.number, busy.id, "ada")]
    for number, then in (("8003", "offline"), (busy.number, "in_use")):
        put = await world.ask("manager", "PUT", f"/extensions/{number}", json={"state": "offline"})
        assert put.json()["state"] == then
    (figures,) = (await world.ask("reader", "GET", "/extensions/statistics")).json()["items"]
    assert figures == {
        "tenant": "acme", "total": 3, "available": 1, "in_use": 1, "offline": 1, "draining": 0, "active_calls": 1,
        "maximum": 2, "utilization": 0.3333,
    }  # fmt: skip
    assert (await world.ask("manager", "POST", f"/extensions/{busy.number}/release")).json()["state"] == "offline"
    put = await world.ask("manager", "PUT", "/extensions/8003", json={"state": "available"})
    assert put.json()["state"] == "available"
    page = (await world.ask("reader", "GET", "/extensions", params={"limit": 2})).json()
    rest = (await world.ask("reader", "GET", "/extensions", params={"cursor": page["next"]})).json()
    assert [each["number"] for each in (*page["items"], *rest["items"])] == ["8001", "8002", "8003"]
    assert rest["next"] is None


async def test_an_agents_extensions_are_released_and_nobody_elses(world: World) -> None:
    mine, other, theirs = await world.dial(), await world.dial(agent="bob"), await world.dial("globex")
    released = (await world.ask("manager", "POST", "/extensions/force-release/ada")).json()["items"]
    assert [(each["id"], each["outcome"]) for each in released] == [(mine.id, "Released")]
    assert [(await world.state(each))["state"] for each in (mine, other, theirs)] == ["released", "dialing", "dialing"]
    assert (await world.ask("manager", "POST", "/extensions/force-release/ada")).json()["items"] == []


async def test_a_config_has_no_secret(world: World) -> None:
    answer = await world.ask("reader", "GET", "/configs/acme")
    assert answer.json()["callback"] == {"authentication": "Hmac", "allowed_networks": [], "progress": False}
    assert (answer.json()["extensions"], answer.json()["is_active"]) == (["8001-8003"], True)
    for secret in ("acme-secret", "access-token", "ecretRef"):
        assert secret not in answer.text


async def test_a_connection_is_tested(platform: World) -> None:
    assert (await platform.ask("manager", "POST", "/configs/acme/test-connection")).json()["reachable"] is True
    assert (await platform.ask("other", "POST", "/configs/globex/test-connection")).json()["reachable"] is False


async def test_a_list_is_uploaded(world: World) -> None:
    path, csv = "/campaigns/spring/destinations", "\ufeffnumber\n+15550111\n"
    answer = await world.ask("manager", "PUT", path, content=csv.encode())
    assert (answer.status_code, answer.json()["total"]) == (200, 1)
    listed = (await world.ask("reader", "GET", path)).json()
    assert [(each["number"], each["state"]) for each in listed["items"]] == [("+15550111", "waiting")]
    for content, status in ((b"\xff", 422), (b"nothing", 422), (b"", 422), (b"x" * (10 * 1024 * 1024 + 1), 413)):
        is_problem(await world.ask("manager", "PUT", path, content=content), status)
    large = b"number,note\n" + b"".join(b"+1555%04d,%s\n" % (n, b"x" * 256) for n in range(1000))
    assert (await world.ask("manager", "PUT", path, content=large)).json() == {
        "total": 1000, "added": 999, "removed": 0, "repeated": 0, "skipped": 0,
    }  # fmt: skip
    page = (await world.ask("reader", "GET", path, params={"limit": 200})).json()
    assert len(page["items"]) == 200
    assert (await world.ask("reader", "GET", path, params={"cursor": page["next"], "limit": 1})).json()["items"]
    for name in ("reader", "caller", "texts"):
        is_problem(await world.ask(name, "PUT", path, content=large), 403)
    is_problem(await world.ask("other", "PUT", path, content=csv.encode()), 404)
    is_problem(await world.ask("other", "PUT", "/campaigns/winter/destinations", content=csv.encode()), 409)
    is_problem(await world.ask("manager", "POST", "/make-call", content=b"x" * 70_000), 413)


async def test_a_slow_upload_leaves_room_for_others(world: World) -> None:
    end, csv = asyncio.Event(), b"number\n+15550111\n"
    path = "/campaigns/spring/destinations"

    async def slowly() -> AsyncIterator[bytes]:
        yield csv
        await end.wait()

    slow = [asyncio.create_task(world.ask("manager", "PUT", path, content=slowly())) for _ in range(UPLOADS_EACH)]
    async with asyncio.timeout(20):
        while world.app.state.uploads.open < len(slow):
            await asyncio.sleep(0.01)
    is_problem(await world.ask("manager", "PUT", path, content=csv), 429)
    assert (await world.ask("everything", "PUT", path, content=csv)).status_code == 200
    end.set()
    assert [answer.status_code for answer in await asyncio.gather(*slow)] == [200] * UPLOADS_EACH


async def test_who_asks_too_often_waits_and_others_do_not(store: Store, tmp_path: Path) -> None:
    async with site(store, tmp_path, rate=Rate(3, 3600)) as world:
        answers = [await world.ask("reader", "GET", "/configs") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        is_problem(answers[-1], 429)
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600
        assert (await world.ask("manager", "GET", "/configs")).status_code == 200
        assert (await world.client.get("/api/v1/health")).status_code == 200


async def test_guesses_are_counted_by_address(store: Store, tmp_path: Path) -> None:
    async with site(store, tmp_path, failure_rate=Rate(2, 3600), trusted_proxies=("127.0.0.1",)) as world:

        async def guess(address: str) -> int:
            headers = {"Authorization": "Bearer guess", "X-Forwarded-For": address}
            return (await world.client.get("/api/v1/sms", headers=headers)).status_code

        guessed = [await guess("192.0.2.1") for _ in range(3)]
        assert guessed == [401, 401, 429]
        assert [await guess(f"2001:db8::{n}") for n in range(3)] == [401, 401, 429]
        assert await guess("2001:db8:0:1::1") == 401
        valid = {**world.headers("everything"), "X-Forwarded-For": "192.0.2.1"}
        assert (await world.client.get("/api/v1/sms", headers=valid)).status_code == 200


class Follower:
    """Reads a call's events."""

    def __init__(self, world: World, call_id: str, token: str = "reader", **headers: str) -> None:
        self._stream = world.client.stream(
            "GET", f"{INFINITY}/calls/{call_id}/events", headers={**world.headers(token), **headers}
        )

    async def __aenter__(self) -> Self:
        self.answer = await self._stream.__aenter__()
        self._lines = self.answer.aiter_lines()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stream.__aexit__(*error)

    async def next(self) -> dict[str, Any] | None:
        """The next event; None at the end."""
        found: dict[str, Any] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                if not line and found:
                    assert (found["event"], found["id"]) == ("state", json.loads(found["data"])["state"])
                    return dict(json.loads(found["data"]))
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    found[name] = value
        return None


async def test_a_calls_life_is_followed_to_its_end(world: World) -> None:
    call = await world.lease()
    async with Follower(world, call.id) as follower:
        assert follower.answer.headers["content-type"].startswith("text/event-stream")
        first = await follower.next()
        assert first is not None
        assert first == await world.state(call)
        for to in ("dialing", "active", "released"):
            await world.port.desk.change(Change(call.id, to))
            seen = await follower.next()
            assert seen is not None
            assert seen["state"] == to
        assert await follower.next() is None
    assert await quiet(world)


async def test_what_another_process_does_is_seen(world: World) -> None:
    call = await world.dial()
    async with Follower(world, call.id) as follower:
        assert (await follower.next() or {})["state"] == "dialing"
        leases.change(world.store, SITE, [Change(call.id, "released", outcome="Released")], now=NOW)
        assert (await follower.next() or {})["state"] == "released"
        assert await follower.next() is None


async def test_who_comes_back_is_told_what_is_new(world: World) -> None:
    call = await world.dial()
    headers = {"Last-Event-ID": "dialing"}
    async with Follower(world, call.id, **headers) as follower:
        await world.port.desk.change(Change(call.id, "active"))
        assert (await follower.next() or {})["state"] == "active"
    async with Follower(world, call.id, **{"Last-Event-ID": "nonsense"}) as follower:
        assert (await follower.next() or {})["state"] == "active"
    await world.port.desk.change(Change(call.id, "released", outcome="Released"))
    async with Follower(world, call.id, **headers) as follower:
        assert (await follower.next() or {})["state"] == "released"
        assert await follower.next() is None
    async with Follower(world, call.id, **{"Last-Event-ID": "released"}) as follower:
        assert follower.answer.status_code == 204


async def test_a_stream_that_is_left_leaves_nothing_behind_and_too_many_are_refused(world: World) -> None:
    world.app.state.concurrency["streams"] = ConcurrencyLimit(1, 10, "event streams are open")
    call = await world.dial()
    async with Follower(world, call.id) as follower:
        assert await follower.next()
        is_problem(await world.ask("reader", "GET", f"/calls/{call.id}/events"), 429)
        async with Follower(world, call.id, "manager") as other:
            assert await other.next()
    assert await quiet(world)
    async with Follower(world, call.id) as follower:
        assert await follower.next()


async def test_a_stream_ends_after_its_time_in_good_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAM_SECONDS", 0.1)
    call = await world.dial()
    async with Follower(world, call.id) as follower:
        assert (await follower.next() or {})["state"] == "dialing"
        assert await follower.next() is None
    assert await quiet(world)


async def quiet(world: World) -> bool:
    """Nobody follows any more, and no stream counts."""
    async with asyncio.timeout(20):
        while world.followed or world.streams:
            await asyncio.sleep(0.01)
    return True


async def test_without_outbound_calls_it_says_so(world: World) -> None:
    app = application(replace(world.api, services={}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        is_problem(await client.get(f"{INFINITY}/configs", headers=world.headers("reader")), 503)
