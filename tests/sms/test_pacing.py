"""No more messages in any minute than a Dongle's `perMinute`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.services.sms.token_bucket import Pace


def times(per_minute: int, seconds: int, wanted: set[int] | None = None) -> list[int]:
    """Tenths of seconds at which one went out; one is wanted always, or at these."""
    pace, sent = Pace.start(per_minute, 0.0), []
    for tick in range(seconds * 10):
        pace = pace.allowed(per_minute, tick / 10)
        if pace.ready and (wanted is None or tick in wanted):
            pace = pace.taken()
            sent.append(tick)
    return sent


@pytest.mark.parametrize("per_minute", [1, 3, 4, 20, 120])
def test_a_full_queue_goes_out_at_that_rate(per_minute: int) -> None:
    sent = times(per_minute, 600)
    assert 0.7 * per_minute * 10 <= len(sent) <= per_minute * 10
    assert sent[0] == 0


@given(st.integers(1, 120), st.sets(st.integers(0, 1_799)))
def test_no_minute_has_more(per_minute: int, wanted: set[int]) -> None:
    sent = times(per_minute, 180, wanted)
    assert all(sum(at <= other < at + 600 for other in sent) <= per_minute for at in sent)


def test_some_may_follow_each_other_after_a_pause() -> None:
    wanted = set(range(1_000, 1_020))
    assert len(times(20, 180, wanted)) == 5
