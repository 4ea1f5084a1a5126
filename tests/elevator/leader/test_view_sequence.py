"""Views are numbered: later ones are larger, what did not change keeps its number, over restarts of the leader, too."""

import json

from dialplane.services.elevator.desired import DesiredDevices, from_json, to_json
from dialplane.services.elevator.leader.roster import served
from dialplane.services.elevator.leader.view_sequence import ViewSequence
from tests.elevator.leader.lifts import lift, lifts


def test_a_device_has_the_number_of_the_view_that_changed_it() -> None:
    views = ViewSequence(DesiredDevices())
    assert views.change(served(lifts(lift("a"), lift("b"))), 1000) == {"a", "b"}
    assert views.change(served(lifts(lift("a"), lift("b", heartbeat={"timeoutSeconds": 60}))), 2000) == {"b"}
    assert (views.desired.number, views.since("a"), views.since("b")) == (2000, 1000, 2000)


def test_a_view_that_is_the_same_has_no_new_number() -> None:
    views = ViewSequence(DesiredDevices())
    views.change(served(lifts(lift("a"))), 1000)
    assert views.change(served(lifts(lift("a"))), 2000) == frozenset()
    assert views.desired.number == 1000


def test_a_clock_that_was_set_back_makes_no_smaller_number() -> None:
    views = ViewSequence(DesiredDevices())
    views.change(served(lifts(lift("a"))), 1000)
    views.change({}, 10)
    assert views.desired.number == 1001


def test_a_leader_that_starts_goes_on_from_the_last_view() -> None:
    before = ViewSequence(DesiredDevices())
    before.change(served(lifts(lift("a"), lift("b"))), 1000)
    published = json.loads(json.dumps(to_json(before.desired)))
    after = ViewSequence(from_json(published))
    assert after.change(served(lifts(lift("a"), lift("b"))), 5000) == frozenset()
    assert after.change(served(lifts(lift("a"), lift("c"))), 6000) == {"c"}
    assert (after.since("a"), after.since("c")) == (1000, 6000)
