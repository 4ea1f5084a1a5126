"""Whom nobody calls, over HTTP: who may change the list, what is kept of it, and that it holds for every call."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialplane.store import Store
from testbed.infinity.peer import InfinityPeer
from tests.api.infinity_site import World, of_tenant, site
from tests.api.test_infinity import call

GERMANY = {"countryCode": "49"}
WHY = "asked on the telephone"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: Store, tmp_path: Path, peer: InfinityPeer) -> AsyncIterator[World]:
    async with german(store, tmp_path, peer.url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, started: InfinityPeer) -> AsyncIterator[World]:
    """One for tests of which each has a number of its own."""
    folder = tmp_path_factory.mktemp("shared")
    with closing(Store.open(f"sqlite:///{folder}/store.db")) as store:
        async with german(store, folder, started.url) as made:
            yield made


def german(store: Store, folder: Path, url: str) -> AbstractAsyncContextManager[World]:
    """A site whose tenant `acme` is in Germany, and calls over the platform at this URL."""
    acme = of_tenant("acme", apiUrl=url, numbering=GERMANY, doNotCall={"numbers": ["030555099"]})
    return site(store, folder, acme, of_tenant("globex"))


async def add(world: World, number: str, token: str = "everything", **more: Any) -> httpx.Response:
    return await world.ask(token, "POST", "/do-not-call", json={"number": number, "reason": WHY, **more})


@pytest.mark.parametrize("listed", ["+4930555110", "030 555 111", "0049-30/555112"])
async def test_a_call_to_a_barred_number_is_refused_however_either_is_written(
    shared: World, peer: InfinityPeer, listed: str
) -> None:
    assert (await add(shared, listed, tenant="acme")).status_code == 201
    for country in ("+49", "0", "0049"):
        answer = await call(shared, customer_number=f"{country}30555{listed[-3:]}")
        assert answer.status_code == 409, answer.text
        told = answer.json()
        assert (told["code"], told["customer_rung"]) == ("do-not-call", "no")
        assert "do-not-call list" in told["detail"]
    assert await peer.requests() == []


async def test_the_list_of_the_tenants_manifest_holds_as_well(shared: World, peer: InfinityPeer) -> None:
    answer = await call(shared, customer_number="+4930555099")
    assert (answer.status_code, answer.json()["code"]) == (409, "do-not-call")
    assert await peer.requests() == []


async def test_a_number_that_cannot_be_compared_is_refused_with_the_cure(shared: World) -> None:
    answer = await call(shared, customer_number="30555010")
    told = answer.json()
    assert (answer.status_code, told["code"]) == (422, "number-unknown")
    assert told["errors"][0]["field"] == "body.customer_number"
    assert "numbering.countryCode" in told["errors"][0]["message"]


async def test_a_call_that_was_placed_before_is_found_by_its_key(world: World) -> None:
    placed = await call(world, key="k", customer_number="+4930555010")
    await add(world, "+4930555010")
    again = await call(world, key="k", customer_number="+4930555010")
    assert (again.status_code, again.json()["id"]) == (200, placed.json()["id"])


async def test_a_number_that_is_taken_off_the_list_is_called(world: World) -> None:
    await add(world, "+4930555010")
    gone = await world.ask("everything", "DELETE", "/do-not-call/0049 30 555010", params={"reason": "a new owner"})
    assert (gone.status_code, gone.json()["number"]) == (200, "+4930555010")
    assert (await call(world, customer_number="+4930555010")).status_code == 202
    again = await world.ask("everything", "DELETE", "/do-not-call/%2B4930555010", params={"reason": "a new owner"})
    assert again.status_code == 404


async def test_who_changed_what_when_and_why_is_kept(world: World) -> None:
    assert (await add(world, "030555010", "manager", tenant="acme")).status_code == 201
    assert (await add(world, "+4930555010", "everything", tenant="acme")).status_code == 200
    params = {"reason": "a new owner", "tenant": "acme"}
    await world.ask("everything", "DELETE", "/do-not-call/%2B4930555010", params=params)
    found = (await world.ask("reader", "GET", "/do-not-call/changes")).json()["items"]
    assert [(each["change"], each["by"], each["reason"], each["number"], each["tenant"]) for each in found] == [
        ("removed", "everything", "a new owner", "+4930555010", "acme"),
        ("added", "manager", WHY, "+4930555010", "acme"),
    ]
    assert all(each["at"] for each in found)


@pytest.mark.parametrize(
    ("token", "tenant", "status"),
    [
        ("manager", "acme", 201),
        ("manager", None, 403),
        ("manager", "globex", 403),
        ("caller", "acme", 403),
        ("reader", "acme", 403),
        ("texts", "acme", 403),
        ("everything", None, 201),
    ],
)
async def test_a_token_changes_what_its_scopes_name(shared: World, token: str, tenant: str | None, status: int) -> None:
    more = {} if tenant is None else {"tenant": tenant}
    assert (await add(shared, "+4930555010", token, **more)).status_code == status
    if status == 403:
        gone = await shared.ask(token, "DELETE", "/do-not-call/%2B4930555010", params={"reason": WHY, **more})
        assert gone.status_code == 403


async def test_a_token_sees_the_entries_of_its_tenants(world: World) -> None:
    for number, more in (
        ("+4930555010", {}),
        ("+4930555011", {"tenant": "acme"}),
        ("+4930555012", {"tenant": "globex"}),
    ):
        await add(world, number, **more)

    async def seen(token: str, **params: str) -> list[str]:
        answer = await world.ask(token, "GET", "/do-not-call", params=params)
        return [each["number"] for each in answer.json()["items"]]

    assert await seen("everything") == ["+4930555012", "+4930555011", "+4930555010"]
    assert await seen("everything", tenant="acme") == ["+4930555011", "+4930555010"]
    assert await seen("reader") == ["+4930555011"]
    assert await seen("everything", number="0049 30 555010") == ["+4930555010"]
    assert (await world.ask("reader", "GET", "/do-not-call", params={"tenant": "globex"})).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"number": "030555010"}, "body.number"),
        ({"number": "Ada"}, "body.number"),
        ({"number": "+4930555010", "reason": ""}, "body.reason"),
        ({"number": "+4930555010", "reason": "a\nb"}, "body.reason"),
        ({"number": "+4930555010", "tenant": "Acme"}, "body.tenant"),
    ],
)
async def test_what_cannot_be_added_is_refused_by_its_field(shared: World, body: dict[str, str], field: str) -> None:
    answer = await shared.ask("everything", "POST", "/do-not-call", json={"reason": WHY, **body})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]
