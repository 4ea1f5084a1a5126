"""Views that only the last leader writes, and states that end with their replica."""

import time
from datetime import timedelta

from dialplane.store import Store, site_views
from dialplane.store.site_views import Publication

SITE = "office"
LONG = timedelta(seconds=60)
NONE = {"lamps": 0}


def states(store: Store, site: str = SITE) -> dict[tuple[str, str], object]:
    """What is reported, by replica and subject."""
    found = site_views.replicas(store, site, {}, ["lamps"])
    return {(name, each.subject): each.state for name, reported in found.states.items() for each in reported}


def test_a_view_is_written_once_and_read_where_it_is_new(store: Store) -> None:
    term = site_views.begin_term(store, SITE, "lamps")
    assert site_views.changed_views(store, SITE, NONE) == ()
    body = {"lamps": ["hall\x00", "stairs é"], "none": None}
    assert site_views.publish(store, SITE, "lamps", term, body) is Publication.WRITTEN
    assert site_views.publish(store, SITE, "lamps", term, dict(reversed(body.items()))) is Publication.UNCHANGED
    (view,) = site_views.changed_views(store, SITE, NONE)
    assert view.body == body
    assert site_views.changed_views(store, SITE, {"lamps": view.revision}) == ()
    assert site_views.changed_views(store, "other", NONE) == ()
    assert site_views.changed_views(store, SITE, {"sirens": 0}) == ()


def test_a_view_of_nothing_is_one(store: Store) -> None:
    term = site_views.begin_term(store, SITE, "lamps")
    assert site_views.publish(store, SITE, "lamps", term, None) is Publication.WRITTEN
    assert [view.body for view in site_views.changed_views(store, SITE, NONE)] == [None]


def test_an_earlier_leader_overwrites_nothing(store: Store) -> None:
    first = site_views.begin_term(store, SITE, "lamps")
    assert site_views.publish(store, SITE, "lamps", first, ["hall"]) is Publication.WRITTEN
    second = site_views.begin_term(store, SITE, "lamps")
    assert site_views.publish(store, SITE, "lamps", second, ["hall"]) is Publication.UNCHANGED
    assert site_views.publish(store, SITE, "lamps", first, ["stairs"]) is Publication.DEPOSED
    (view,) = site_views.changed_views(store, SITE, NONE)
    assert (view.body, view.revision) == (["hall"], 1)
    assert site_views.publish(store, "other", "lamps", first, []) is Publication.DEPOSED


def test_states_are_written_changed_and_removed(store: Store) -> None:
    for name in ("a", "b"):
        site_views.join(store, SITE, name, LONG)
    assert site_views.report(store, SITE, "a", LONG, {("lamps", "hall"): "on", ("lamps", "\x00"): {"deep": [1]}})
    assert site_views.report(store, SITE, "b", LONG, {("lamps", "hall"): "off", ("sirens", "roof"): "on"})
    assert states(store) == {("a", "hall"): "on", ("a", "\x00"): {"deep": [1]}, ("b", "hall"): "off"}
    known = site_views.replicas(store, SITE, {}, ["lamps"]).revisions
    assert site_views.report(store, SITE, "a", LONG, {})
    assert site_views.report(store, SITE, "b", LONG, {("lamps", "hall"): None, ("lamps", "attic"): "on"})
    found = site_views.replicas(store, SITE, known, ["lamps"])
    assert {name: [each.subject for each in reported] for name, reported in found.states.items()} == {"b": ["attic"]}
    site_views.leave(store, SITE, "b")
    assert states(store) == {("a", "hall"): "on", ("a", "\x00"): {"deep": [1]}}
    assert states(store, "other") == {}


def test_a_replica_that_expires_is_gone_with_its_states_and_has_to_join_again(store: Store) -> None:
    site_views.join(store, SITE, "a", LONG)
    site_views.join(store, SITE, "b", LONG)
    assert site_views.report(store, SITE, "a", timedelta(seconds=0.05), {("lamps", "hall"): "on"})
    assert site_views.report(store, SITE, "b", LONG, {("lamps", "hall"): "off"})
    time.sleep(0.06)
    assert states(store) == {("b", "hall"): "off"}
    assert not site_views.report(store, SITE, "a", LONG, {("lamps", "stairs"): "on"})
    site_views.join(store, SITE, "a", LONG)
    assert site_views.report(store, SITE, "a", LONG, {("lamps", "stairs"): "on"})
    assert states(store) == {("a", "stairs"): "on", ("b", "hall"): "off"}
