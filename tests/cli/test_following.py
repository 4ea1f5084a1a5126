"""Following calls and campaigns: events in whatever pieces, streams that break off, an API that is away, the pace."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent

from dialplane.cli.campaign_pace import Pace
from dialplane.cli.client import call_follow
from dialplane.cli.client.call_follow import life
from dialplane.cli.client.event_stream import LONGEST, BadStream, events
from dialplane.cli.errors import NoAnswer, OutcomeUnknown

STREAM = (
    ': a comment\r\nevent: state\r\nid: dialing\r\ndata: {"a":\r\ndata: "\u2028ü"}\r\n\r\n'
    ": still there\n\nretry: 3000\n\ndata:no blank\rid\r\revent: lost\n\ndata: half"
)  # fmt: skip
EVENTS = [("state", '{"a":\n"\u2028ü"}', "dialing"), ("message", "no blank", "")]


def streamed(*parts: bytes, media_type: str = "text/event-stream") -> list[tuple[str, str, str]]:
    """The events of an answer whose body comes in these parts."""
    answer = httpx.Response(200, headers={"Content-Type": media_type}, stream=Body(parts))
    return [(event.event, event.data, event.id) for event in events(answer)]


class Body(httpx.SyncByteStream):
    """A body that comes in parts."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)


def test_events_are_the_same_wherever_they_are_cut() -> None:
    data = STREAM.encode()
    for cut in range(len(data)):
        assert streamed(data[:cut], data[cut:]) == EVENTS, cut
    assert streamed(*(data[at : at + 1] for at in range(len(data)))) == EVENTS


def test_an_event_without_an_end_is_not_kept() -> None:
    with pytest.raises(BadStream, match="without an end"):
        streamed(b"data: 1\n\n", *[b"data: " + b"x" * 1000 + b"\n"] * (LONGEST // 1000))


def test_many_events_are_no_event_without_an_end() -> None:
    event = b"data: " + b"x" * 1000 + b"\n\n"
    assert len(streamed(*[event] * (LONGEST // 500))) == LONGEST // 500


def test_an_answer_of_another_media_type_is_no_stream() -> None:
    with pytest.raises(BadStream, match="no stream of events"):
        streamed(b"data: 1\n\n", media_type="text/html")


class Script:
    """An API that plays what it is told: of each stream and each look, states or an error."""

    def __init__(self, streams: list[list[Any]], looks: list[Any]) -> None:
        self.streams, self.looks = streams, looks
        self.since: list[str] = []

    def events(self, path: str, last: str) -> Iterator[ServerSentEvent]:
        assert path == "/infinity/calls/call-1/events"
        self.since.append(last)
        for state in self.streams.pop(0) if self.streams else [NoAnswer("no stream")]:
            if isinstance(state, Exception):
                raise state
            yield ServerSentEvent("state", json.dumps(call(state)), state)

    def get(self, _: str) -> dict[str, Any]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return call(look)


def call(state: str) -> dict[str, Any]:
    return {"id": "call-1", "state": state}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_follow, "LOOK_SECONDS", 0.0)


def states(script: Script, begun: str = "reserved") -> list[str]:
    return [found["state"] for found in life(script, call(begun))]  # type: ignore[arg-type]


def test_a_stream_tells_the_whole_life() -> None:
    script = Script([["reserved", "dialing", "active", "released"]], ["released"])
    assert states(script) == ["reserved", "dialing", "active", "released"]


def test_a_stream_that_breaks_off_goes_on_after_the_last_event() -> None:
    broken = NoAnswer("reset")
    script = Script([["dialing", broken], [broken], ["active", "released"]], ["dialing"])
    assert states(script) == ["reserved", "dialing", "active", "released"]
    assert script.since == ["reserved", "dialing", "dialing"]


def test_where_no_stream_comes_it_is_looked_at() -> None:
    script = Script([], ["reserved", "dialing", "dialing", "reserved", "active", "active", "active", "released"])
    assert states(script) == ["reserved", "dialing", "active", "released"]
    assert len(script.since) < 7


def test_a_call_that_is_over_is_told_once() -> None:
    assert states(Script([], ["released"]), "released") == ["released"]


def test_an_api_that_is_away_is_waited_for_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    away = NoAnswer("http://192.0.2.1: no answer")
    assert states(Script([], [away, away, "released"])) == ["reserved", "released"]
    monkeypatch.setattr(call_follow, "PATIENCE", 0.0)
    with pytest.raises(OutcomeUnknown, match="the call goes on: `dialplane call show call-1` tells later"):
        states(Script([], [away]))


def test_a_stream_of_nonsense_is_no_stream() -> None:
    class Odd(Script):
        def events(self, path: str, last: str) -> Iterator[ServerSentEvent]:
            del path
            self.since.append(last)
            yield ServerSentEvent("state", "{", "")

    assert states(Odd([], ["released"])) == ["reserved", "released"]


def test_the_pace_is_that_of_lately() -> None:
    pace = Pace()
    pace.look(0, {"dialed": 0, "remaining": 100})
    assert (pace.calls_a_minute, pace.seconds_left) == (None, None)
    pace.look(60, {"dialed": 30, "remaining": 80})
    assert (pace.calls_a_minute, pace.seconds_left) == (30.0, 240.0)
    for second in range(120, 600, 60):
        pace.look(second, {"dialed": 30, "remaining": 80})
    assert (pace.calls_a_minute, pace.seconds_left) == (0.0, None)
