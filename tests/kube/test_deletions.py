"""A CRD or the namespace goes and takes everything with it: the site loop is never shown what is left."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dialplane.kube.errors import KindNotServedError, NamespaceEndsError, RightMissingError
from dialplane.resources.key import Key
from testbed.kube.namespace import crds_gone
from tests.kube.conftest import LIMITED, Site, install, rules

Operate = Callable[..., Any]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PHONES = 30


@pytest.fixture
def phones(site: Site) -> set[Key]:
    for number in range(101, 101 + PHONES):
        site.secret(f"ext-{number}-sip", username=str(number), password="p")
        site.extension(f"ext-{number}", str(number))
    return {Key("Extension", f"ext-{number}") for number in range(101, 101 + PHONES)}


@pytest.fixture
def crd_again(site: Site) -> Iterator[None]:
    yield
    crds_gone(site.server, "extensions")
    install(site.server, "Extension")


@pytest.mark.usefixtures("crd_again")
async def test_a_crd_that_is_deleted_ends_the_process_and_takes_nothing_along(
    site: Site, operate: Operate, phones: set[Key]
) -> None:
    async with operate() as running:
        await running.until(lambda: running.rounds)
        assert site.server.request("DELETE", f"{CRDS}/extensions.dialplane.io").ok
        site.create("Schedule", "hours", SCHEDULE)  # a reason to look at the site just now
        with pytest.raises(KindNotServedError, match=r"extensions\.dialplane\.io.*install the CRDs"):
            await asyncio.wait_for(running.task, 20)
        assert all(phones <= set(seen) for seen in running.sites[0].rounds)


@pytest.mark.parametrize("first", ["Secret", "Extension", "Role"])
async def test_a_namespace_that_is_deleted_ends_the_process_and_takes_nothing_along(
    site: Site, operate: Operate, phones: set[Key], first: str
) -> None:
    """No controller manager runs here: we delete what is in it, as that would, in one order or another."""
    site.grant(LIMITED, rules())
    seen: list[int] = []
    async with operate(LIMITED, lease=True) as running:
        await running.until(lambda: running.rounds)
        source = running.sites[0].source
        original = source.snapshot
        source.snapshot = lambda: (snapshot := original(), seen.append(len(snapshot.secrets)))[0]
        assert site.server.request("DELETE", f"/api/v1/namespaces/{site.namespace}").ok
        if first == "Role":
            site.revoke(LIMITED)
        for kind in ("Secret", "Extension") if first == "Secret" else ("Extension", "Secret"):
            assert site.server.request("DELETE", site.path(kind)).ok
        with pytest.raises(RightMissingError if first == "Role" else NamespaceEndsError):
            await asyncio.wait_for(running.task, 30)
        assert all(phones <= set(keys) for keys in running.sites[0].rounds)
        assert set(seen) <= {PHONES}


async def test_what_is_deleted_one_by_one_is_gone_and_nothing_else(
    site: Site, operate: Operate, phones: set[Key]
) -> None:
    async with operate(lease=True) as running:
        await running.until(lambda: running.rounds)
        for key in sorted(phones)[:10]:
            site.delete("Extension", key.name)
        site.delete("Secret", "ext-130-sip")
        await running.until(lambda: set(running.sites[0].rounds[-1]) == set(sorted(phones)[10:]))
        await running.until(lambda: "ext-130-sip" not in running.sites[0].source.snapshot().secrets)
        assert site.server.request("DELETE", site.path("Extension")).ok
        await running.until(lambda: running.sites[0].rounds[-1] == ())


async def test_an_extension_that_another_has_replaced_is_not_waited_for(site: Site, operate: Operate) -> None:
    site.extension("ann")
    async with operate(lease=True) as running:
        await running.until(lambda: running.rounds)
        site.delete("Extension", "ann")
        site.extension("bob")
        await running.until(lambda: running.sites[0].rounds[-1] == (Key("Extension", "bob"),))


SCHEDULE = {
    "open": [{"days": ["mon"], "from": "09:00", "to": "17:00"}],
    "whenOpen": {"hangup": True},
    "whenClosed": {"hangup": True},
}
