"""What the gateways report: which view is served, since when none is, who has a twin."""

from typing import Any

from dialplane.services.contract import ReplicaState
from dialplane.services.elevator import reported
from dialplane.services.elevator.leader.gateways import GRACE_SECONDS, Gateways
from tests.databases import NOW


def states(*serves: int, twins: tuple[str, ...] = ()) -> dict[str, list[ReplicaState]]:
    gateways = [ReplicaState(f"g{n}", reported.gateway_state(number, "x"), NOW) for n, number in enumerate(serves)]
    found = {reported.twin(name): [ReplicaState("g0", reported.twin_state(["192.0.2.7"]), NOW)] for name in twins}
    return {**found, **({reported.GATEWAY: gateways} if gateways else {})}


def test_one_gateway_that_serves_a_device_is_enough() -> None:
    gateways = Gateways()
    assert gateways.look({}, 0) is None
    assert gateways.look(states(3, 5), 0) is not None
    assert gateways.serves == 5
    assert gateways.look(states(5, 3), 0) is None


def test_a_gateway_that_is_started_again_in_time_is_no_news() -> None:
    gateways = Gateways()
    gateways.look(states(5), 0)
    assert gateways.look({}, 1) is None
    assert gateways.look({}, GRACE_SECONDS) is None
    assert gateways.look(states(5), GRACE_SECONDS + 0.5) is None
    assert gateways.look({}, 100) is None
    assert gateways.look({}, 100 + GRACE_SECONDS) is not None
    assert gateways.serves is None


def test_a_later_view_concerns_only_the_devices_that_it_changed() -> None:
    gateways = Gateways()
    gateways.look(states(5), 0)
    news = gateways.look(states(7), 0)
    assert news is not None
    assert [gateways.concerns(news, "a", since) for since in (5, 6, 7, 8)] == [False, True, True, False]


def test_that_there_is_no_gateway_any_more_concerns_all() -> None:
    gateways = Gateways()
    gateways.look(states(5), 0)
    gateways.look({}, 0)
    news = gateways.look({}, GRACE_SECONDS)
    assert news is not None
    assert all(gateways.concerns(news, "a", since) for since in (5, 9))


def test_a_twin_concerns_the_device_that_has_one() -> None:
    gateways = Gateways()
    gateways.look(states(5), 0)
    news = gateways.look(states(5, twins=("a",)), 0)
    assert news is not None
    assert (gateways.concerns(news, "a", 5), gateways.concerns(news, "b", 5)) == (True, False)
    assert gateways.twins == {"a"}


def test_what_is_no_report_of_a_gateway_says_nothing() -> None:
    states: tuple[Any, ...] = (None, [], {"serves": "5"}, "x")
    odd = {reported.GATEWAY: [ReplicaState("g0", state, NOW) for state in states]}
    assert Gateways().look(odd, 0) is None
