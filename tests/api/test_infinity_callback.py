"""The platform's callbacks over HTTP: whatever is not proven changes nothing, and what is proven changes one call."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.api.rate_limit import Rate
from dialplane.services.infinity.tables import pools, unmatched_callbacks
from dialplane.services.infinity.tables.calls import Call
from dialplane.store import Store
from tests.api.infinity_site import CALLBACK, SECRETS, SITE, World, of_tenant, record, signed, site, text
from tests.api.test_api import is_problem

FEW = Rate(3, 3600)


@pytest_asyncio.fixture
async def world(store: Store, tmp_path: Path) -> AsyncIterator[World]:
    async with site(store, tmp_path, failure_rate=Rate(1000, 60)) as made:
        yield made


async def tell(world: World, body: Any, *, headers: dict[str, str] | None = None, **sign: Any) -> Any:
    sent = body if isinstance(body, bytes) else text(body)
    at = world.api.now().timestamp()
    return await world.client.post(CALLBACK, content=sent, headers=headers or signed(sent, **{"at": at, **sign}))


async def taken(world: World, body: Any, **how: Any) -> str:
    answer = await tell(world, body, **how)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"])


async def is_held(world: World, call: Call) -> None:
    """Nothing was freed, nothing written."""
    found = await world.state(call)
    assert (found["state"], found["outcome"], found["talk_seconds"]) == ("dialing", None, None)
    extension = pools.extension(world.store, SITE, call.number)
    assert extension is not None
    assert extension.call == call.id


async def test_a_record_ends_its_call_and_frees_the_extension(world: World) -> None:
    call = await world.dial()
    assert await taken(world, record(call)) == "recorded"
    found = await world.state(call)
    assert {name: found[name] for name in ("state", "outcome", "customer_rung", "ring_seconds", "talk_seconds")} == {
        "state": "released",
        "outcome": "Answered",
        "customer_rung": "yes",
        "ring_seconds": 18,
        "talk_seconds": 122,
    }
    assert (found["hangup_cause"], found["recording"]) == (16, "recordings.example.com/4711.wav")
    assert found["caller_number"] == "+15550100"
    assert found["provider_uuid"] == "5b1e0c0e-0000-4000-8000-000000000000"
    extension = pools.extension(world.store, SITE, call.number)
    assert extension is not None
    assert extension.call is None


async def test_a_record_may_come_before_the_platforms_answer(world: World) -> None:
    call = await world.lease()
    assert await taken(world, record(call, answertime="", billsec=0)) == "recorded"
    found = await world.state(call)
    assert (found["state"], found["outcome"], found["customer_rung"]) == ("released", "NotAnswered", "maybe")


async def test_word_of_an_answer_moves_the_call_and_comes_too_late_after_its_end(world: World) -> None:
    call = await world.dial()
    answered = record(call, event="answered", billsec="", endtime="")
    assert await taken(world, answered) == "recorded"
    assert (await world.state(call))["state"] == "active"
    assert await taken(world, answered) == "known"
    assert await taken(world, record(call)) == "recorded"
    ended = await world.state(call)
    assert await taken(world, answered) == "known"
    assert await world.state(call) == ended


async def test_a_record_that_comes_twice_changes_nothing_the_second_time(world: World) -> None:
    call = await world.dial()
    body = text(record(call))
    headers = signed(body, world.api.now().timestamp())
    assert await taken(world, body, headers=headers) == "recorded"
    first = await world.state(call)
    again = await world.dial(agent="bob")
    others = [await world.dial("globex"), await world.dial("globex")]
    replayed = await asyncio.gather(*[taken(world, body, headers=headers) for _ in range(5)])
    assert replayed == ["known"] * 5
    assert await taken(world, record(call, billsec=1)) == "known"
    assert await world.state(call) == first
    for other in (again, *others):
        await is_held(world, other)


async def test_a_late_record_is_written_and_frees_nobody_elses_extension(world: World) -> None:
    call = await world.dial()
    answer = await world.ask("everything", "POST", f"/extensions/{call.number}/release")
    assert answer.json()["state"] == "available"
    holders = [await world.dial(), await world.dial()]
    assert await taken(world, record(call)) == "recorded"
    found = await world.state(call)
    assert (found["outcome"], found["talk_seconds"]) == ("Answered", 122)
    for holder in holders:
        await is_held(world, holder)


FORGED: tuple[dict[str, str], ...] = (
    {},
    {"X-Timestamp": "now"},
    {"X-Signature": "sha256="},
    {"X-Signature": "sha256=" + "0" * 64},
    {"X-Callback-Secret": SECRETS["acme"]},
    {"X-Callback-Secret": SECRETS["globex"][:-1]},
    {"X-Callback-Secret": "\xff"},
    {"Authorization": "Bearer the-token-of-everything-for-tests"},
)


async def test_a_forged_callback_is_refused_and_frees_nothing(world: World) -> None:
    call = await world.dial()
    body = text(record(call))
    stamp = signed(body, world.api.now().timestamp())["X-Timestamp"]
    for forged in FORGED:
        sent = {"X-Timestamp": stamp, **forged}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        answer = await world.client.post(CALLBACK, content=body, headers=encoded)
        assert "secret" in is_problem(answer, 401), forged
    await is_held(world, call)


async def test_another_body_under_the_same_signature_is_refused(world: World) -> None:
    call = await world.dial()
    headers = signed(text(record(call)), world.api.now().timestamp())
    is_problem(await tell(world, record(call, billsec=9), headers=headers), 401)
    is_problem(await tell(world, record(call), secret="a-secret-of-somebody-else"), 401)
    await is_held(world, call)


async def test_what_was_signed_at_another_time_is_refused(world: World) -> None:
    call = await world.dial()
    for seconds in (-302, -86_400, 302, 10**10):
        at = world.api.now().timestamp() + seconds
        assert "check the clock" in is_problem(await tell(world, record(call), at=at), 401), seconds
    await is_held(world, call)


async def test_a_callback_from_the_wrong_network_is_refused(store: Store, tmp_path: Path) -> None:
    told = {"secretRef": {"name": "acme", "key": "callback"}, "allowedNetworks": ["192.0.2.0/24", "2001:db8::/32"]}
    async with site(store, tmp_path, of_tenant("acme", callback=told), of_tenant("globex")) as world:
        call = await world.dial()
        assert "other networks" in is_problem(await tell(world, record(call)), 403)
        is_problem(await tell(world, record(call), headers={"X-Forwarded-For": "192.0.2.7"}), 401)
        await is_held(world, call)


async def test_nothing_is_read_from_where_no_tenant_is_called_from(store: Store, tmp_path: Path) -> None:
    told = {"secretRef": {"name": "acme", "key": "callback"}, "allowedNetworks": ["192.0.2.0/24"]}
    async with site(store, tmp_path, of_tenant("acme", callback=told), failure_rate=FEW) as world:
        is_problem(await tell(world, b"x" * 1_000_000), 403)
        is_problem(await tell(world, b"{", headers={"X-Forwarded-For": "192.0.2.7"}), 403)


async def test_a_trusted_proxy_says_where_a_callback_comes_from(store: Store, tmp_path: Path) -> None:
    told = {"secretRef": {"name": "acme", "key": "callback"}, "allowedNetworks": ["192.0.2.0/24"]}
    async with site(store, tmp_path, of_tenant("acme", callback=told), trusted_proxies=("127.0.0.1",)) as world:
        call = await world.dial()
        body = text(record(call))
        headers = signed(body, world.api.now().timestamp())
        for wrong in ("198.51.100.1", "192.0.2.7, 198.51.100.1", "nonsense", ""):
            is_problem(await tell(world, body, headers={**headers, "X-Forwarded-For": wrong}), 403)
        await is_held(world, call)
        right = {**headers, "X-Forwarded-For": "198.51.100.1, 192.0.2.7"}
        assert await taken(world, body, headers=right) == "recorded"


async def test_who_keeps_guessing_waits_and_the_platform_at_the_same_address_does_not(
    store: Store, tmp_path: Path
) -> None:
    async with site(store, tmp_path, failure_rate=FEW) as world:
        call = await world.dial()
        for number in range(2 * FEW.requests):  # no guesses: a wrong token, and what the right secret signed
            is_problem(await world.client.get("/api/v1/sms"), 401 if number < FEW.requests else 429)
            is_problem(await tell(world, record(call), at=number), 401)
            is_problem(await tell(world, record(call, tenant_id="2")), 403)
        for number in range(FEW.requests):
            is_problem(await tell(world, record(call), secret=f"guess-number-{number:08}"), 401)
        answer = await tell(world, record(call), secret="guess-number-99999999")
        is_problem(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= FEW.seconds
        await is_held(world, call)
        assert await taken(world, record(call)) == "recorded"


async def test_who_knocks_from_elsewhere_is_slowed_down(store: Store, tmp_path: Path) -> None:
    told = {"secretRef": {"name": "acme", "key": "callback"}, "allowedNetworks": ["192.0.2.0/24"]}
    async with site(store, tmp_path, of_tenant("acme", callback=told), failure_rate=FEW) as world:
        answers = [(await tell(world, b"{")).status_code for _ in range(FEW.requests + 1)]
        assert answers == [403] * FEW.requests + [429]


async def test_a_callback_that_names_another_tenant_is_refused(world: World) -> None:
    call = await world.dial()
    for changes in ({"tenant_id": "2"}, {"companycode": "1002"}, {"companycode": ""}, {"companycode": None}):
        assert "another tenant" in is_problem(await tell(world, record(call, **changes)), 403), changes
    await is_held(world, call)


async def test_what_is_nested_too_deep_is_refused_and_hides_nothing(world: World) -> None:
    nobody = record(await world.dial(), memberid="call-00000000000000000000")
    assert await taken(world, nobody) == "kept aside"
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        for depth, status in ((31, 200), (32, 422), (400, 422), (30_000 // len(opened), 422)):
            body = text(nobody)[:-1] + b',"odd":' + opened * depth + b"1" + closed * depth + b"}"
            assert (await tell(world, body)).status_code == status, depth
    answer = await world.ask("everything", "GET", "/callbacks/aside")
    assert (answer.status_code, len(answer.json()["items"])) == (200, 3)


async def test_an_extension_of_zeros_is_not_one_that_is_missing(store: Store, tmp_path: Path) -> None:
    async with site(store, tmp_path, of_tenant("acme", extensionPool={"numbers": ["00"]})) as world:
        call = await world.dial()
        assert await taken(world, record(call, extnumber="")) == "kept aside"
        await is_held(world, call)
        assert await taken(world, record(call, extnumber=0)) == "recorded"


STRANGE: tuple[dict[str, Any], ...] = (
    {"memberid": "call-00000000000000000000"},
    {"memberid": ""},
    {"memberid": 4711},
    {"extnumber": "8002"},
    {"extnumber": None},
    {"destnumber": "+15550112"},
    {"destnumber": ""},
)


async def test_what_belongs_to_no_call_is_kept_aside_and_frees_nothing(world: World) -> None:
    call = await world.dial()
    for changes in STRANGE:
        body = record(call, **changes, odd="NUL \0 \ud800")
        assert [await taken(world, body) for _ in range(2)] == ["kept aside"] * 2, changes
        kept = (await world.ask("reader", "GET", "/callbacks/aside", params={"limit": 1})).json()["items"][0]
        assert (kept["tenant"], kept["body"]) == ("acme", body | {"odd": "NUL \0 ?"})
    await is_held(world, call)
    assert len((await world.ask("reader", "GET", "/callbacks/aside")).json()["items"]) == len(STRANGE)
    assert (await world.ask("other", "GET", "/callbacks/aside")).json()["items"] == []


async def test_a_callback_of_one_tenant_ends_no_call_of_another(world: World) -> None:
    call = await world.dial("globex")
    assert await taken(world, record(call, companycode=1001)) == "kept aside"
    await is_held(world, call)
    aside = (await world.ask("everything", "GET", "/callbacks/aside")).json()["items"]
    assert [(kept["tenant"], kept["reason"]) for kept in aside] == [
        ("acme", "no call of this tenant has the id in memberid")
    ]
    headers = {"X-Callback-Secret": SECRETS["globex"]}
    assert await taken(world, record(call), headers=headers) == "recorded"


async def test_what_is_kept_aside_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmatched_callbacks, "KEPT_MOST", 2)
    call = await world.dial()
    for number in range(4):
        assert await taken(world, record(call, memberid="", id=number)) == "kept aside"
    page = (await world.ask("manager", "GET", "/callbacks/aside", params={"limit": 1})).json()
    assert [kept["body"]["id"] for kept in page["items"]] == [3]
    page = (await world.ask("manager", "GET", "/callbacks/aside", params={"cursor": page["next"]})).json()
    assert ([kept["body"]["id"] for kept in page["items"]], page["next"]) == ([2], None)


NO_RECORD: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 422),
    "cut": (b"{", 422),
    "null": (b"null", 422),
    "list": (b"[]", 422),
    "text": (b'"x"', 422),
    "no UTF-8": (b"\xff\xfe{}", 422),
    "NaN": (b'{"odd": NaN}', 422),
    "infinite": (b'{"odd": 1e999}', 422),
    "digits": (b'{"odd": ' + b"9" * 5000 + b"}", 422),
    "deep": (b'{"a":' * 12_000, 422),
    "deeper": (b"[" * 60_000, 422),
    "1 MB": (b"x" * 1_000_000, 413),
    "64 KB": (b'{"x": "' + b"y" * 65_536 + b'"}', 413),
}


async def test_what_is_no_record_is_refused(world: World) -> None:
    call = await world.dial()
    for name, (body, status) in NO_RECORD.items():
        assert is_problem(await tell(world, body), status), name
    await is_held(world, call)


WRONG: tuple[tuple[str, Any], ...] = (
    ("memberid", ["x"]),
    ("memberid", "x" * 65),
    ("memberid", True),
    ("extnumber", {"a": 1}),
    ("uuid", "x\0y"),
    ("billsec", "soon"),
    ("billsec", -1),
    ("billsec", 2**31),
    ("billsec", 1.5),
    ("duration", True),
    ("hangupcause", "--1"),
    ("answertime", "yesterday"),
    ("answertime", 5),
    ("event", "ringing"),
    ("recordurl", "x" * 1025),
)


async def test_a_field_that_is_something_else_is_named_and_frees_nothing(world: World) -> None:
    call = await world.dial()
    for field, value in WRONG:
        answer = await tell(world, record(call, **{field: value}))
        is_problem(answer, 422)
        assert [error["field"] for error in answer.json()["errors"]] == [f"body.{field}"]
    await is_held(world, call)


async def test_callbacks_are_posted(world: World) -> None:
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        assert (await world.client.request(method, CALLBACK)).status_code == 405
