"""When a platform is asked whether it answers, and what is said of it."""

from collections.abc import Callable
from itertools import pairwise
from math import inf

import pytest

from dialplane.resources.problem import Reason
from dialplane.services.infinity.reachability import DOUBT_SECONDS, FINE_SECONDS, LONGEST_SECONDS, Reachable
from dialplane.services.infinity.tenant import Tenant
from tests.infinity.site import tenant

ACME = tenant()


def looking(*tenants: Tenant) -> Reachable:
    made = Reachable()
    made.want(tenants or [ACME])
    return made


def reason(reachable: Reachable, of: Tenant = ACME) -> Reason:
    standing = reachable.of(of.name)
    assert standing
    return standing.condition.reason


def asked_at(reachable: Reachable, until: float, answer: Callable[[float], bool]) -> list[float]:
    """When it asks, for a platform that answers so."""
    found, now = [], 0.0
    while now <= until:
        for each in reachable.due(now):
            found.append(now)
            reachable.asked(each, now, answers=answer(now), detail="no connection")
        now = max(reachable.next_at(), now)
    return found


def test_a_platform_is_asked_at_once_and_nothing_is_claimed_before() -> None:
    reachable = looking()
    assert reason(reachable) == Reason.NOT_QUALIFIED
    assert reachable.due(0.0) == [ACME]
    assert reachable.due(0.0) == []  # it is being asked


def test_one_that_answers_is_asked_every_half_a_minute() -> None:
    assert asked_at(looking(), 100, lambda _: True) == [0.0, FINE_SECONDS, 2 * FINE_SECONDS, 3 * FINE_SECONDS]


def test_one_that_does_not_is_asked_ever_less_often_but_for_ever() -> None:
    found = asked_at(looking(), 2000, lambda _: False)
    waits = [later - sooner for sooner, later in pairwise(found)]
    assert waits == [30, 60, 120, 240, 300, 300, 300, 300, 300]
    assert waits[-1] == LONGEST_SECONDS


def test_what_was_found_is_said_and_a_change_is_told_once() -> None:
    reachable = looking()
    assert reachable.asked(ACME, 0, answers=False, detail="no connection")
    assert reachable.asked(ACME, 30, answers=False, detail="no connection") is None
    standing = reachable.of(ACME.name)
    assert standing
    assert (standing.condition.reason, standing.condition.message) == (Reason.UNREACHABLE, "no connection")
    changed = reachable.asked(ACME, 90, answers=True)
    assert changed
    assert (changed.before, reason(reachable)) == ("unreachable", Reason.REACHABLE)
    assert reachable.due(90 + FINE_SECONDS) == [ACME]


@pytest.mark.parametrize(
    "other", [tenant(apiUrl="http://192.0.2.1/api"), tenant(token="another")], ids=["url", "token"]
)
def test_a_changed_manifest_or_secret_is_tried_at_once(other: Tenant) -> None:
    reachable = looking()
    for now in (0, 30, 90):
        reachable.asked(ACME, now, answers=False)
    assert reachable.due(91) == []
    reachable.want([other])
    assert reachable.due(91) == [other]
    assert reachable.asked(ACME, 92, answers=True) is None, "of the platform before"
    assert reason(reachable) == Reason.UNREACHABLE


def test_a_change_of_the_pool_asks_nobody() -> None:
    reachable = looking()
    reachable.asked(ACME, 0, answers=True)
    reachable.want([tenant("acme", "8001-8050")])
    assert reachable.due(1) == []
    assert reason(reachable) == Reason.REACHABLE


def test_one_that_came_anew_under_the_same_name_is_another() -> None:
    reachable = looking()
    reachable.asked(ACME, 0, answers=True)
    reachable.want([tenant(uid="another")])
    assert reason(reachable) == Reason.NOT_QUALIFIED


def test_a_call_that_is_answered_counts_as_a_probe() -> None:
    reachable = looking()
    reachable.asked(ACME, 0, answers=False)
    assert reachable.answered(ACME, 20)
    assert reason(reachable) == Reason.REACHABLE
    assert reachable.due(30) == []
    assert reachable.due(20 + FINE_SECONDS) == [ACME]


def test_a_call_that_fails_has_it_asked_soon_but_not_for_each_call() -> None:
    reachable = looking()
    reachable.asked(ACME, 0, answers=True)
    reachable.doubted(ACME, 1)
    assert reachable.due(1) == []
    assert reachable.due(DOUBT_SECONDS) == [ACME]
    reachable.asked(ACME, 10, answers=False)
    reachable.doubted(ACME, 11)
    assert reachable.due(11 + DOUBT_SECONDS) == [], "it is known to be away"


def test_nobody_to_ask_waits_for_ever() -> None:
    reachable = looking()
    reachable.want([])
    assert reachable.next_at() == inf
    assert reachable.of("acme") is None


def test_a_probe_that_is_broken_off_is_made_again() -> None:
    reachable = looking()
    assert reachable.due(0.0) == [ACME]
    reachable.left(ACME)
    assert reachable.due(0.0) == [ACME]
