"""Changes of calls reach those who follow them, and nobody else."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from dialplane.services.infinity.call_events import KEPT_MOST, CallEvents
from dialplane.services.infinity.tables.calls import Call

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALL = Call(
    seq=1,
    id="call-00000000000000000001",
    site="site",
    tenant="acme",
    number="8001",
    agent="ada",
    callback_number="+15550101",
    destination="+15550111",
    caller_number=None,
    case_id=None,
    custom={},
    campaign=None,
    token="local",
    request_key="1",
    state="reserved",
    deadline=None,
    dial_seconds=60,
    call_seconds=7200,
    answer_lost=False,
    rung="no",
    outcome=None,
    reason=None,
    reserved_at=NOW,
    dialing_at=None,
    answered_at=None,
    released_at=None,
    record=None,
    record_at=None,
    provider_uuid=None,
    ring_seconds=None,
    talk_seconds=None,
    hangup_cause=None,
    recording=None,
)


def all_of(queue: asyncio.Queue[Call]) -> list[Call]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def test_every_follower_of_a_call_is_told_each_change_once() -> None:
    hub, dialing = CallEvents(), replace(CALL, state="dialing")
    with hub.follow(CALL.id) as one, hub.follow(CALL.id) as other:
        hub.told(CALL)
        hub.told(dialing)
        assert all_of(one) == all_of(other) == [CALL, dialing]


async def test_nobody_hears_of_other_calls_or_after_leaving() -> None:
    hub = CallEvents()
    with hub.follow(CALL.id) as staying:
        with hub.follow(CALL.id) as leaving:
            hub.told(replace(CALL, id="call-00000000000000000002"))
        hub.told(CALL)
        assert (all_of(leaving), all_of(staying)) == ([], [CALL])


async def test_who_does_not_listen_costs_no_more_than_so_much_memory() -> None:
    hub = CallEvents()
    with hub.follow(CALL.id) as follower:
        for number in range(3 * KEPT_MOST):
            hub.told(replace(CALL, seq=number))
        assert [call.seq for call in all_of(follower)] == [*range(2 * KEPT_MOST, 3 * KEPT_MOST)]
