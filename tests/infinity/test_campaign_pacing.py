"""How many calls may begin: never more than any of the limits lets through."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.resources.campaign import CampaignAgent, Pacing
from dialplane.services.infinity.campaign.backoff import TenantBackoff
from dialplane.services.infinity.campaign.pacing import Load, PoolRoom, allowed, answer_percent
from dialplane.services.infinity.campaign.state import Busy, CampaignState, in_turn
from dialplane.services.infinity.campaign.state import CampaignState as Remembered
from dialplane.services.infinity.tables.campaign_calls import Recent
from tests.databases import NOW

AMPLE = PoolRoom(available=100, in_use=0, active_calls=0, max_calls=100)
FREE = Load(free_agents=50, active=0, begun=0, answered=())


def pacing(**fields: int) -> Pacing:
    return Pacing(**{"max_concurrent_calls": 1000, "calls_per_minute": 6000, "pool_percent": 100, **fields})


@pytest.mark.parametrize(
    ("spec", "now", "pool", "calls"),
    [
        (pacing(), FREE, AMPLE, 50),
        (pacing(max_concurrent_calls=10), Load(50, 4, 0, ()), AMPLE, 6),
        (pacing(calls_per_minute=30), Load(50, 0, 28, ()), AMPLE, 2),
        (pacing(), FREE, PoolRoom(3, 7, 7, 50), 3),
        (pacing(), FREE, PoolRoom(30, 7, 7, 10), 3),
        (pacing(pool_percent=80), FREE, PoolRoom(10, 0, 0, 50), 8),
        (pacing(pool_percent=80), FREE, PoolRoom(4, 6, 6, 50), 2),
        (pacing(pool_percent=80), FREE, PoolRoom(1, 9, 9, 50), 0),
        (pacing(pool_percent=50), FREE, PoolRoom(100, 0, 0, 10), 5),
        (pacing(pool_percent=50), FREE, PoolRoom(1, 0, 0, 50), 1),
        (pacing(), FREE, PoolRoom(0, 0, 0, 50), 0),
        (pacing(min_answer_percent=30), Load(50, 0, 0, (False,) * 15 + (True,) * 5), AMPLE, 1),
        (pacing(min_answer_percent=30), Load(50, 1, 0, (False,) * 20), AMPLE, 0),
        (pacing(min_answer_percent=25), Load(50, 0, 0, (False,) * 15 + (True,) * 5), AMPLE, 50),
        (pacing(min_answer_percent=30), Load(50, 0, 0, (False,) * 19), AMPLE, 50),
        (pacing(max_concurrent_calls=1), Load(50, 3, 0, ()), AMPLE, 0),
    ],
    ids=[
        "agents", "concurrent", "a-minute", "free-extensions", "the-tenants-maximum", "percent", "percent-others", "rest-is-kept",
        "percent-of-the-maximum", "one-extension", "no-extension", "few-answer", "few-answer-one-goes-on", "enough-answer",
        "too-few-to-judge", "more-than-now-allowed",
    ],
)  # fmt: skip
def test_the_least_of_all_limits_counts(spec: Pacing, now: Load, pool: PoolRoom, calls: int) -> None:
    assert allowed(spec, now, pool).calls == calls


@given(
    spec=st.builds(
        pacing,
        max_concurrent_calls=st.integers(1, 50),
        calls_per_minute=st.integers(1, 100),
        pool_percent=st.integers(1, 100),
        min_answer_percent=st.integers(0, 100),
    ),
    now=st.builds(
        Load,
        free_agents=st.integers(0, 30),
        active=st.integers(0, 30),
        begun=st.integers(0, 120),
        answered=st.lists(st.booleans(), max_size=20).map(tuple),
    ),
    pool=st.builds(PoolRoom, st.integers(-2, 60), st.integers(0, 60), st.integers(0, 70), st.integers(1, 60)),
)
def test_no_limit_is_exceeded_and_who_may_call_none_hears_why(spec: Pacing, now: Load, pool: PoolRoom) -> None:
    found = allowed(spec, now, pool)
    assert found.calls >= 0
    if found.calls:
        after = pool.active_calls + found.calls
        assert found.calls <= min(now.free_agents, pool.available)
        assert now.active + found.calls <= spec.max_concurrent_calls
        assert now.begun + found.calls <= spec.calls_per_minute
        assert after <= pool.max_calls
        assert after <= max(1, pool.capacity * spec.pool_percent / 100)
        assert found.why == ""


def test_the_answer_rate_is_of_the_last_twenty_calls() -> None:
    assert answer_percent(()) is None
    assert answer_percent((True, False, False)) == 33
    assert answer_percent((False,) * 20 + (True,) * 9) == 0


def test_calls_of_the_last_minute_count_also_those_of_another_process() -> None:
    course = CampaignState.start(Recent((NOW - timedelta(seconds=5), NOW - timedelta(seconds=50)), (True, False)), NOW)
    assert course.begun_lately(NOW) == 2
    assert course.begun_lately(NOW + timedelta(seconds=10)) == 1
    assert course.begun_lately(NOW + timedelta(seconds=55)) == 0
    assert [*course.answered] == [True, False]


def test_somebody_due_is_remembered_until_it_is_looked() -> None:
    course = Remembered()
    course.due_by(NOW)
    course.due_by(NOW + timedelta(hours=1))
    assert course.due == NOW


def agent(name: str, number: str) -> CampaignAgent:
    return CampaignAgent(id=name, callback_number=number)


AGENTS = (agent("a", "101"), agent("b", "102"), agent("c", "103"))


def test_agents_take_turns() -> None:
    assert [each.id for each in in_turn(AGENTS, 1)] == ["b", "c", "a"]
    assert [each.id for each in in_turn(AGENTS, 3)] == ["a", "b", "c"]


def test_who_is_in_a_call_of_the_tenant_or_on_the_same_telephone_is_not_free() -> None:
    busy = Busy()
    busy.add("acme", "a", "999")
    busy.add("other", "b", "102")
    busy.add("other", "c", "998")
    assert [each.id for each in busy.free("acme", AGENTS)] == ["c"]


def test_one_telephone_and_one_agent_get_one_call() -> None:
    twice = (agent("a", "101"), agent("b", "101"), agent("a", "103"))
    assert [each.id for each in Busy().free("acme", twice)] == ["a"]


def test_a_tenant_that_takes_no_call_is_left_alone_for_longer_each_time() -> None:
    hold = TenantBackoff.after(None, "why", NOW)
    assert hold.until == NOW + timedelta(seconds=1)
    assert TenantBackoff.after(hold, "another", NOW) is hold
    for wait in (2, 4, 8, 16, 32, 60, 60):
        now, hold = hold.until, TenantBackoff.after(hold, "why", hold.until)
        assert hold.until == now + timedelta(seconds=wait)
