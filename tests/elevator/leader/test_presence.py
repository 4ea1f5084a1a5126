"""Online is "heard within the timeout"; what nobody can know is left as it was."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplane.services.elevator.leader.presence import STALE, judge
from dialplane.services.elevator.tables.sessions import Session
from tests.databases import NOW
from tests.properties import tries

TIMEOUT = timedelta(seconds=30)
LONG_AGO = NOW - timedelta(hours=1)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def session(seen: float, closed: float | None = None) -> Session:
    """Last seen, and closed, so many seconds ago."""
    closed_at = None if closed is None else ago(closed)
    return Session("lift-1", 1, "g1", "192.0.2.7", None, (), LONG_AGO, ago(seen), closed_at, ago(closed or seen))


CASES = {
    "open, its replica lives, written a minute ago": (session(60), None, LONG_AGO, True),
    "open, its replica lives, and forgot it": (session(30 + STALE.total_seconds()), None, LONG_AGO, False),
    "open, and the store was away until now": (session(600), None, NOW, True),
    "closed within the timeout": (session(29, closed=5), None, LONG_AGO, True),
    "closed when it was silent for the timeout": (session(30, closed=0), None, LONG_AGO, False),
    "closed long ago": (session(3000, closed=2900), None, LONG_AGO, False),
    "closed long ago, the leader has just started": (session(3000, closed=2900), None, ago(10), None),
    "closed within the timeout, the leader has just started": (session(10, closed=5), None, ago(1), True),
    "its replica is gone, it may have been heard until then": (session(60), ago(29), LONG_AGO, None),
    "its replica is gone for the timeout": (session(60), ago(30), LONG_AGO, False),
    "its replica is gone, but it was heard within the timeout": (session(20), ago(25), LONG_AGO, True),
    "closed by somebody else, and heard after that": (session(10, closed=40), None, LONG_AGO, True),
}


@pytest.mark.parametrize(("of", "gone_at", "watched_since", "online"), CASES.values(), ids=CASES.keys())
def test_a_session_is_judged(
    of: Session, gone_at: datetime | None, watched_since: datetime, online: bool | None
) -> None:
    assert judge(of, timeout=TIMEOUT, gone_at=gone_at, watched_since=watched_since, now=NOW) is online


@dataclass
class World:
    """A plain model: a device, its gateways and the leader, second by second."""

    now: int = 0
    heard: int = 0
    written: int = 0
    closed: int | None = None
    alive: bool = True
    gone_at: int | None = None
    watched_since: int = 0

    def step(self, what: str) -> None:
        self.now += 1
        connected = self.alive and self.closed is None
        match what:
            case "heartbeat" if connected:
                self.heard = self.now
            case "flush" if connected:
                self.written = self.heard
            case "stop the gateway" if connected:
                self.written, self.closed, self.alive, self.gone_at = self.heard, self.now, False, None
            case "kill the gateway" if connected:
                self.alive, self.gone_at = False, self.now
            case "connect" if not connected:
                self.heard = self.written = self.now
                self.closed, self.alive, self.gone_at = None, True, None
            case "restart the leader":
                self.watched_since = self.now
                self.gone_at = self.now if not self.alive and self.closed is None else None
            case _:
                pass
        if connected and self.now - self.written > 60:
            self.written = self.heard
        if connected and self.now - self.heard >= TIMEOUT.total_seconds():  # the gateway closes what is silent
            self.written, self.closed = self.heard, self.now

    def judged(self) -> bool | None:
        start = NOW

        def at(second: int | None) -> datetime | None:
            return None if second is None else start + timedelta(seconds=second)

        row = replace(session(0), seen_at=at(self.written) or NOW, closed_at=at(self.closed))
        since, now = at(self.watched_since), at(self.now)
        assert since is not None
        assert now is not None
        return judge(row, timeout=TIMEOUT, gone_at=at(self.gone_at), watched_since=since, now=now)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["heartbeat", "flush", "stop the gateway", "kill the gateway", "connect", "restart the leader", "nothing"]
        ),
        st.integers(1, 40),
    ),
    max_size=20,
)


@settings(max_examples=tries(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_device_that_was_heard_within_its_timeout_is_never_offline_and_a_silent_one_is_in_the_end(
    steps: list[tuple[str, int]],
) -> None:
    world = World()
    for what, pause in steps:
        for second in range(pause):
            world.step(what if second == 0 else "nothing")
            silent = world.now - world.heard
            if silent < TIMEOUT.total_seconds():
                assert world.judged() is not False, (world, what)
    for _ in range(int(2 * TIMEOUT.total_seconds()) + 1):  # nobody speaks any more
        world.step("nothing")
    assert world.judged() is False, world
