"""Terms of leadership, against a real API server: a long pass and a short outage end none, another leader does."""

import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.kube.conftest import Site
from tests.kube.trivial import TrivialSite

Operate = Callable[..., Any]

LEASE_SECONDS = 3.0
"""Of which 2.4 are the deadline of a renewal."""


def lease(site: Site) -> dict[str, Any]:
    spec: dict[str, Any] = site.get("Lease", "dialplane")["spec"]
    return spec


async def test_a_pass_that_never_waits_keeps_the_lease(
    site: Site, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.extension("ann")
    once, seen = TrivialSite.once, list[tuple[bool, dict[str, Any]]]()

    async def long(one: TrivialSite) -> None:
        until = time.monotonic() + LEASE_SECONDS
        while time.monotonic() < until:
            sum(range(1_000))
        seen.append((running.operator._lease.held(), lease(site)))
        await once(one)

    monkeypatch.setattr(TrivialSite, "once", long)
    async with operate(lease=True, lease_seconds=LEASE_SECONDS) as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"), 30)
        await running.quiet()
        now = lease(site)
    ((held, then),) = seen
    assert held
    assert then["renewTime"] > then["acquireTime"]
    assert then["leaseTransitions"] == now["leaseTransitions"] == 1
    assert len(running.sites) == 1


async def test_when_another_has_led_all_begins_anew_and_nothing_is_left_of_the_old_site(
    site: Site, operate: Operate
) -> None:
    async with operate(lease=True, lease_seconds=2.0) as running:
        await running.until(lambda: running.rounds)
        old = weakref.ref(running.sites.pop())
        vars(old())["itself"] = old()  # as a site loop, whose parts know it
        site.patch("Lease", "dialplane", {"spec": {"holderIdentity": "another", "leaseTransitions": 2}})
        await running.until(lambda: running.rounds)  # "another" does not renew
        assert old() is None
        assert lease(site)["leaseTransitions"] == 3
