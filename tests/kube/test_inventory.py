"""The inventory alone: when there is a snapshot, what marks it dirty, and that ghosts go."""

import pytest

from dialplane.kube.inventory import CONFIG_MAP, DELETED, REFERRED, SECRET, Inventory
from dialplane.kube.shelf import is_older
from dialplane.resources.key import Key
from tests.kube.world import EXTENSION, KINDS, TRUNK, Server, list_all, new_inventory, read_values

ANN = Key(EXTENSION, "ann")


def ready(server: Server) -> Inventory:
    inventory = new_inventory()
    list_all(inventory, server)
    assert inventory.passed
    return inventory


@pytest.mark.parametrize("missing", [*KINDS, *REFERRED])
def test_there_is_no_snapshot_until_every_kind_was_listed(missing: str) -> None:
    inventory = new_inventory()
    for kind in {*KINDS, *REFERRED} - {missing}:
        inventory.listed(kind, [])
    assert not inventory.passed
    assert inventory.waiting_for == (missing,)
    with pytest.raises(RuntimeError):
        inventory.snapshot()
    inventory.listed(missing, [])
    assert inventory.passed


def test_an_empty_namespace_is_an_empty_snapshot() -> None:
    assert dict(ready(Server()).snapshot().resources) == {}


def test_a_listed_object_is_waited_for() -> None:
    server, inventory = Server(), new_inventory()
    ann = server.put(EXTENSION, "ann")
    list_all(inventory, server, settle=False)
    assert not inventory.passed
    inventory.event(EXTENSION, None, ann)
    assert inventory.passed
    assert set(inventory.snapshot().resources) == {ANN}


def test_a_listed_object_is_waited_for_in_the_version_that_was_listed() -> None:
    server, inventory = Server(), new_inventory()
    old = server.put(EXTENSION, "ann", 1)
    new = server.put(EXTENSION, "ann", 2)
    list_all(inventory, server, settle=False)
    inventory.event(EXTENSION, None, old)
    assert not inventory.passed
    inventory.event(EXTENSION, "MODIFIED", new)
    assert inventory.passed


def test_a_listed_object_that_was_deleted_before_it_was_seen_is_not_waited_for() -> None:
    server, inventory = Server(), new_inventory()
    server.put(EXTENSION, "ann")
    list_all(inventory, server, settle=False)
    suspects = inventory.listed(EXTENSION, server.lines(EXTENSION))
    assert not inventory.passed
    server.delete(EXTENSION, "ann")
    inventory.reread(EXTENSION, suspects, server.of(EXTENSION))
    assert inventory.passed


def test_what_marks_the_site_dirty_and_what_does_not() -> None:
    server = Server()
    server.put(SECRET, "used", 1)
    server.put(SECRET, "unused", 1)
    server.put(EXTENSION, "ann", 1, "used")
    inventory = ready(server)

    def bumps(kind: str, type_: str | None, obj: dict[str, object]) -> bool:
        before = inventory.revision
        inventory.event(kind, type_, obj)
        return inventory.revision != before

    assert not bumps(EXTENSION, None, server.objects[EXTENSION, "ann"])  # a relist
    assert not bumps(EXTENSION, "MODIFIED", server.set_status(EXTENSION, "ann", {"x": 1}))  # our own patch
    assert not bumps(EXTENSION, "MODIFIED", server.annotate(EXTENSION, "ann", "kubectl.kubernetes.io/x", "1"))
    assert not bumps(SECRET, "MODIFIED", server.put(SECRET, "unused", 2))
    assert not bumps(SECRET, "ADDED", server.put(SECRET, "other", 2))
    assert not bumps(SECRET, "MODIFIED", server.put(SECRET, "used", 1))  # the same value again
    assert bumps(SECRET, "MODIFIED", server.put(SECRET, "used", 2))
    assert bumps(EXTENSION, "MODIFIED", server.annotate(EXTENSION, "ann", "dialplane.io/restartedAt", "now"))
    assert bumps(EXTENSION, "MODIFIED", server.put(EXTENSION, "ann", 2, "used"))
    assert bumps(TRUNK, "ADDED", server.put(TRUNK, "carrier"))
    assert bumps(SECRET, DELETED, server.delete(SECRET, "used"))
    assert not bumps(SECRET, DELETED, server.delete(SECRET, "unused"))
    assert bumps(EXTENSION, DELETED, server.delete(EXTENSION, "ann"))


def test_the_status_writer_sees_the_newest_status_and_version() -> None:
    server = Server()
    server.put(EXTENSION, "ann")
    inventory = ready(server)
    patched = server.set_status(EXTENSION, "ann", {"x": 1})
    inventory.event(EXTENSION, "MODIFIED", patched)
    held = inventory.held(ANN)
    assert held is not None
    assert (held.status, held.version) == ({"x": 1}, patched["metadata"]["resourceVersion"])


def test_a_snapshot_stays_as_it_was_and_is_built_once_a_revision() -> None:
    server = Server()
    ann = server.put(EXTENSION, "ann", 1)
    inventory = ready(server)
    first = inventory.snapshot()
    inventory.event(EXTENSION, None, ann)
    assert inventory.snapshot() is first
    inventory.event(EXTENSION, DELETED, server.delete(EXTENSION, "ann"))
    assert set(first.resources) == {ANN}
    assert set(inventory.snapshot().resources) == set()


def test_a_recreated_object_survives_the_late_end_of_its_namesake() -> None:
    server = Server()
    old = server.put(EXTENSION, "ann", 1)
    inventory = ready(server)
    ended = server.delete(EXTENSION, "ann")
    new = server.put(EXTENSION, "ann", 1)
    before = inventory.revision
    inventory.event(EXTENSION, "ADDED", new)
    assert inventory.revision > before  # a new uid, though the spec is the same
    inventory.event(EXTENSION, DELETED, ended)
    inventory.event(EXTENSION, "MODIFIED", old)
    held = inventory.held(ANN)
    assert held is not None
    assert held.uid == new["metadata"]["uid"]


def test_late_news_of_an_ended_object_does_not_bring_it_back() -> None:
    server = Server()
    ann = server.put(EXTENSION, "ann", 1)
    inventory = ready(server)
    inventory.event(EXTENSION, DELETED, server.delete(EXTENSION, "ann"))
    inventory.event(EXTENSION, "MODIFIED", ann)
    assert inventory.held(ANN) is None


def test_a_ghost_is_doubted_by_a_list_and_removed_by_a_consistent_read() -> None:
    server = Server()
    server.put(EXTENSION, "ann")
    inventory = ready(server)
    server.delete(EXTENSION, "ann")  # and nobody tells us
    suspects = inventory.listed(EXTENSION, server.lines(EXTENSION))
    assert [s.name for s in suspects] == ["ann"]
    assert inventory.held(ANN) is not None
    inventory.reread(EXTENSION, suspects, server.of(EXTENSION))
    assert inventory.held(ANN) is None


def test_an_outdated_list_removes_nothing() -> None:
    server = Server()
    inventory = ready(server)
    outdated = server.lines(EXTENSION)
    inventory.event(EXTENSION, "ADDED", server.put(EXTENSION, "ann"))
    inventory.reread(EXTENSION, inventory.listed(EXTENSION, outdated), server.of(EXTENSION))
    assert inventory.held(ANN) is not None


def test_a_confirmed_end_does_not_take_the_namesake_born_meanwhile() -> None:
    server = Server()
    server.put(EXTENSION, "ann")
    inventory = ready(server)
    server.delete(EXTENSION, "ann")
    suspects = inventory.listed(EXTENSION, server.lines(EXTENSION))
    read: dict[str, dict[str, object]] = {}  # the consistent read: nothing there
    inventory.event(EXTENSION, "ADDED", server.put(EXTENSION, "ann"))
    inventory.reread(EXTENSION, suspects, read)
    assert inventory.held(ANN) is not None


def test_secret_values_are_kept_only_where_referred_to() -> None:
    server = Server()
    server.put(SECRET, "used", 1)
    server.put(SECRET, "unused", 1)
    server.put(EXTENSION, "ann", 1, "used")
    inventory = ready(server)
    secrets = inventory.snapshot().secrets
    assert {n: {k: v.get_secret_value() for k, v in s.items()} for n, s in secrets.items()} == {"used": {"v": "1"}}
    assert "unused" not in str(inventory.snapshot().secrets)
    entry = inventory._secrets.shelf.get("unused")
    assert entry is not None
    assert entry.payload is None


def test_a_secret_referred_to_later_is_asked_for_and_then_kept() -> None:
    server = Server()
    server.put(SECRET, "late", 7)
    server.put(EXTENSION, "ann", 1)
    inventory = ready(server)
    inventory.event(EXTENSION, "MODIFIED", server.put(EXTENSION, "ann", 1, "late"))
    assert [s.name for s in inventory.unread(SECRET)] == ["late"]
    before = inventory.revision
    inventory.reread(SECRET, inventory.unread(SECRET), server.of(SECRET))
    assert inventory.revision > before
    assert inventory.unread(SECRET) == ()
    assert inventory.snapshot().secrets["late"]["v"].get_secret_value() == "7"


def test_a_secret_no_longer_referred_to_is_forgotten() -> None:
    server = Server()
    server.put(SECRET, "used", 1)
    server.put(EXTENSION, "ann", 1, "used")
    inventory = ready(server)
    inventory.event(EXTENSION, "MODIFIED", server.put(EXTENSION, "ann", 1))
    assert dict(inventory.snapshot().secrets) == {}
    entry = inventory._secrets.shelf.get("used")
    assert entry is not None
    assert entry.payload is None


def test_bytes_that_are_not_text_survive_as_surrogates() -> None:
    server = Server()
    server.put(EXTENSION, "ann", 1, "raw")
    secret = server.put(SECRET, "raw")
    secret["data"]["v"] = "/w=="  # one byte, 0xff
    inventory = ready(server)
    assert inventory.snapshot().secrets["raw"]["v"].get_secret_value() == "\udcff"


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("9", "10", True), ("10", "9", False), ("10", "10", False), ("", "10", False), ("a9", "b1", False)],
)
def test_versions_compare_as_numbers_and_unknown_ones_not_at_all(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older


def test_a_config_map_is_read_only_where_it_is_referred_to() -> None:
    server = Server()
    server.put(CONFIG_MAP, "people", 1)
    server.put(CONFIG_MAP, "kube-root-ca.crt", 2)
    inventory = ready(server)
    assert not inventory.awaits_values
    inventory.event(EXTENSION, "ADDED", server.put(EXTENSION, "ann", 1, None, "people"))
    assert [s.name for s in inventory.unread(CONFIG_MAP)] == ["people"]
    read_values(inventory, server)
    assert dict(inventory.snapshot().config_maps) == {"people": {"v": "1"}}
    inventory.event(EXTENSION, DELETED, server.delete(EXTENSION, "ann"))
    assert dict(inventory.snapshot().config_maps) == {}
    assert not _held(inventory, "people")
    assert not _held(inventory, "kube-root-ca.crt")


def _held(inventory: Inventory, name: str) -> bool:
    entry = inventory._config_maps.shelf.get(name)
    assert entry is not None
    return entry.payload is not None


def test_a_changed_config_map_stays_as_it_was_until_it_is_read_and_one_that_says_the_same_is_the_same_object() -> None:
    server = Server()
    server.put(CONFIG_MAP, "people", 1)
    server.put(EXTENSION, "ann", 1, None, "people")
    inventory = ready(server)
    before, values = inventory.revision, inventory.snapshot().config_maps["people"]
    inventory.event(CONFIG_MAP, "MODIFIED", server.put(CONFIG_MAP, "people", 1))  # a label, say
    read_values(inventory, server)
    assert inventory.revision == before
    inventory.event(CONFIG_MAP, "MODIFIED", server.put(CONFIG_MAP, "people", 2))
    assert inventory.revision == before
    assert inventory.awaits_values
    assert inventory.snapshot().config_maps["people"] is values
    read_values(inventory, server)
    assert inventory.revision > before
    assert inventory.snapshot().config_maps["people"] == {"v": "2"}
    inventory.event(CONFIG_MAP, DELETED, server.delete(CONFIG_MAP, "people"))
    assert dict(inventory.snapshot().config_maps) == {}
    assert inventory.removals == 1
