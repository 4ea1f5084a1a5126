"""Events: folded, paced, and never in anybody's way."""

import asyncio
import contextlib
from typing import Any

import pytest

from dialplane.kube import events
from dialplane.kube.access import REFUSED_FOR
from dialplane.kube.errors import ForbiddenError, NotFoundError
from dialplane.kube.events import Events
from dialplane.resources.conditions import Condition, ConditionType, Truth
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.services.contract import Notice
from tests.kube.fakes import Clock, FakeApi, Request
from tests.kube.trivial import ACCEPTED, READY, UNREADY

ANN = Key("Extension", "ann")
GONE = Condition(ConditionType.REGISTERED, Truth.FALSE, Reason.NO_CONTACT, "no phone")


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate: float = 1000.0) -> None:
        monkeypatch.setattr(events, "RATE", rate)
        self.api, self.clock, self.may_write = FakeApi(), Clock(), True
        self.events = Events(self.api, "site", "pod-1", self.clock, lambda: self.may_write)

    async def run(self, seconds: float = 5) -> None:
        """Until all is posted, or for so long."""
        posting = asyncio.create_task(self.events.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.events._waiting.is_set() and not posting.done():
                    await asyncio.sleep(0.001)
        posting.cancel()
        await asyncio.wait({posting})

    @property
    def methods(self) -> list[str]:
        return [r.method for r in self.api.requests]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


async def test_the_same_news_is_one_event_whose_count_grows(bench: Bench) -> None:
    bench.events.tell(ANN, "u", GONE)
    await bench.run()
    for _ in range(3):
        bench.events.tell(ANN, "u", GONE)
    await bench.run()
    assert bench.methods == ["POST", "PATCH"]
    assert bench.api.requests[0].body["count"] == 1
    assert bench.api.requests[1].body["count"] == 4


async def test_after_the_window_it_is_an_event_of_its_own(bench: Bench) -> None:
    bench.events.tell(ANN, "u", GONE)
    await bench.run()
    bench.clock.now += events.WINDOW + 1
    bench.events.tell(ANN, "u", GONE)
    await bench.run()
    assert bench.methods == ["POST", "POST"]


async def test_an_event_that_expired_on_the_server_is_posted_anew(bench: Bench) -> None:
    bench.events.tell(ANN, "u", GONE)
    await bench.run()

    def expired(request: Request) -> Any:
        if request.method == "PATCH":
            raise NotFoundError(404, "expired")
        return {}

    bench.api.answer = expired
    bench.events.tell(ANN, "u", GONE)
    await bench.run()
    assert bench.methods == ["POST", "PATCH", "POST"]


async def test_at_most_so_many_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, rate=10.0)
    for number in range(50):
        bench.events.tell(Key("Extension", f"e{number}"), "u", GONE)
    await bench.run(0.55)
    assert 4 <= len(bench.methods) <= 6


async def test_a_full_queue_drops_and_never_waits(bench: Bench) -> None:
    for number in range(events.QUEUE + 500):
        bench.events.tell(Key("Extension", f"e{number}"), "u", GONE)
    assert len(bench.events._queue) == events.QUEUE


async def test_a_warning_overtakes_good_news_and_is_never_dropped_for_it(bench: Bench) -> None:
    for number in range(events.QUEUE):
        bench.events.tell(Key("Extension", f"e{number}"), "u", READY)
    bench.events.tell(ANN, "u", GONE)
    await bench.run()
    assert bench.api.requests[0].body["involvedObject"]["name"] == "ann"


async def test_accepted_alone_is_not_worth_an_event(bench: Bench) -> None:
    bench.events.tell(ANN, "u", ACCEPTED)
    bench.events.tell(ANN, "u", READY)
    await bench.run()
    assert [r.body["reason"] for r in bench.api.requests] == ["Verified"]


@pytest.mark.parametrize(
    ("condition", "type_"),
    [
        (READY, "Normal"),
        (UNREADY, "Warning"),
        (Condition(ConditionType.READY, Truth.FALSE, Reason.DISABLED), "Normal"),
    ],
)
def test_a_warning_is_what_somebody_should_look_at(condition: Condition, type_: str) -> None:
    assert events.event_type(condition) == type_


async def test_a_missing_right_silences_events_and_nothing_else(bench: Bench) -> None:
    def forbidden(_: Request) -> Any:
        raise ForbiddenError(403, "no")

    bench.api.answer = forbidden
    bench.events.tell(Key("Extension", "first"), "u", GONE)
    await bench.run()
    bench.clock.now += REFUSED_FOR
    for number in range(5):
        bench.events.tell(Key("Extension", f"e{number}"), "u", GONE)
    await bench.run()
    bench.events.tell(ANN, "u", GONE)
    assert len(bench.methods) == 2


async def test_a_server_that_refuses_everything_for_a_moment_silences_nothing(bench: Bench) -> None:
    def forbidden(_: Request) -> Any:
        raise ForbiddenError(403, "no")

    answer, bench.api.answer = bench.api.answer, forbidden
    bench.events.tell(Key("Extension", "first"), "u", GONE)
    await bench.run()
    bench.api.answer = answer
    bench.clock.now += REFUSED_FOR
    bench.events.tell(ANN, "u", GONE)
    await bench.run()
    assert len(bench.methods) == 2


async def test_a_deposed_one_posts_nothing(bench: Bench) -> None:
    bench.may_write = False
    bench.events.tell(ANN, "u", GONE)
    await bench.run()
    assert bench.methods == []


async def test_a_notice_is_a_warning_that_counts_what_it_folds(bench: Bench) -> None:
    bench.events.notice(ANN, "u", Notice("AuthenticationFailed", "refused: wrong password (3)", 3))
    await bench.run()
    bench.events.notice(ANN, "u", Notice("AuthenticationFailed", "refused: wrong password (900)", 900))
    await bench.run()
    posted, patched = bench.api.requests
    assert (posted.method, patched.method) == ("POST", "PATCH")
    said = {name: posted.body[name] for name in ("type", "reason", "message", "count")}
    assert said == {
        "type": "Warning",
        "reason": "AuthenticationFailed",
        "message": "refused: wrong password (3)",
        "count": 3,
    }
    assert patched.body["count"] == 903
    assert patched.body["message"] == "refused: wrong password (900)"
