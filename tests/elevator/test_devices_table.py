"""Tokens that Dialplane made, and devices that registered themselves, in the store."""

from dataclasses import replace

import pytest

from dialplane.services.elevator.tables import devices
from dialplane.services.elevator.tables.devices import Registered
from dialplane.store import Store
from tests.databases import NOW

SITE = "office"
NEW = Registered("dev_0123456789ab", "上海中心01号", "town-hall-1", devices.digest("a token"), "manager", NOW)


@pytest.mark.databases
def test_a_device_keeps_what_it_registered_with_when_its_token_changes(store: Store) -> None:
    assert devices.register(store, SITE, NEW, most=1)
    assert not devices.register(store, SITE, replace(NEW, device="dev_another"), most=1)
    assert devices.listed(store, SITE) == (NEW,)
    assert devices.listed(store, "another-site") == ()
    devices.set_token(store, SITE, NEW.device, devices.digest("another"), by="janitor", now=NOW)
    changed = replace(NEW, token_digest=devices.digest("another"), made_by="janitor")
    assert devices.listed(store, SITE) == (changed,)
    assert devices.remove(store, SITE, NEW.device)
    assert devices.listed(store, SITE) == ()


@pytest.mark.databases
def test_a_declared_device_has_a_token_and_is_no_registered_one(store: Store) -> None:
    for text in ("first", "second"):
        devices.set_token(store, SITE, "town-hall-1", devices.digest(text), by="manager", now=NOW)
    declared = Registered("town-hall-1", None, None, devices.digest("second"), "manager", NOW)
    assert devices.listed(store, SITE) == (declared,)
    assert devices.register(store, SITE, NEW, most=1)
    assert not devices.remove(store, SITE, "town-hall-1")


def test_ids_and_tokens_are_never_the_same_twice() -> None:
    assert len({devices.new_id() for _ in range(100)} | {devices.new_token() for _ in range(100)}) == 200
    assert all(len(devices.new_id()) == 16 for _ in range(10))
