"""What wakes the site loop, and what does not make it spin."""

import asyncio

import pytest

from dialplane.kube import source as module
from dialplane.kube.source import KubeSource
from tests.kube.world import EXTENSION, SECRET, Server, list_all, new_inventory


async def returns(source: KubeSource, seconds: float = 0.05) -> bool:
    try:
        await asyncio.wait_for(source.changed(), seconds)
    except TimeoutError:
        return False
    return True


def ready(server: Server) -> KubeSource:
    source = KubeSource(new_inventory())
    list_all(source.inventory, server)
    return source


async def test_nothing_is_told_before_the_barrier() -> None:
    assert not await returns(KubeSource(new_inventory()))


async def test_the_first_view_is_told_at_once_even_if_empty() -> None:
    assert await returns(ready(Server()))


async def test_a_site_that_was_looked_at_is_quiet_until_it_changes() -> None:
    server = Server()
    source = ready(server)
    source.snapshot()
    assert not await returns(source)
    source.inventory.event(EXTENSION, "ADDED", server.put(EXTENSION, "ann"))
    source.fed()
    assert await returns(source)


async def test_a_caller_that_waits_for_quiet_does_not_spin_but_is_reminded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMINDER", 0.1)
    server = Server()
    source = ready(server)
    assert await returns(source)
    assert not await returns(source)
    assert await returns(source, 0.2)
    source.inventory.event(EXTENSION, "ADDED", server.put(EXTENSION, "ann"))
    assert await returns(source)


async def test_a_touch_is_told_though_the_site_is_the_same() -> None:
    source = ready(Server())
    source.snapshot()
    source.touch()
    assert await returns(source)
    source.snapshot()
    assert not await returns(source)


async def test_a_change_waits_for_the_secrets_it_newly_refers_to_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "VALUES_GRACE", 0.15)
    server = Server()
    server.put(SECRET, "late", 1)
    source = ready(server)
    source.snapshot()
    source.inventory.event(EXTENSION, "ADDED", server.put(EXTENSION, "ann", 1, "late"))
    assert not await returns(source)
    assert await returns(source, 0.3)


async def test_a_new_term_begins_with_a_look() -> None:
    source = ready(Server())
    source.snapshot()
    source.restart()
    assert await returns(source)
