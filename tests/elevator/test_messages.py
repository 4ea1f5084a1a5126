"""The protocol as devices speak it: both readings of what is ambiguous, and nothing but BadMessage for the rest."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplane.services.elevator import messages
from dialplane.services.elevator.messages import (
    Acknowledgement,
    AlarmEnded,
    AlarmRaised,
    BadMessage,
    Body,
    CommandResult,
    Heartbeat,
    Hello,
    LogLine,
    LogLines,
    SentPicture,
    StateReport,
    UnknownMessage,
    parse,
)
from tests.properties import tries


def log(*lines: tuple[str, str]) -> LogLines:
    return LogLines(tuple(LogLine(level, text) for level, text in lines))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{"type":"heartbeat"}', Heartbeat()),
        ('{"type":"heartbeat","device_id":"lift-1","payload":"alive"}', Heartbeat()),
        ('{"type":"heartbeat","device_id":"lift-1","payload":{"uptime":7}}', Heartbeat()),
        ('{"type":"log","payload":"door open"}', log(("info", "door open"))),
        ('{"type":"log","level":"warn","message":"door open"}', log(("warn", "door open"))),
        ('{"type":"log","payload":{"level":"error","text":"motor"}}', log(("error", "motor"))),
        ('{"type":"log","payload":["a",{"msg":"b"}]}', log(("info", "a"), ("info", "b"))),
        ('{"type":"log","payload":{"code":17}}', log(("info", '{"code": 17}'))),
        ('{"type":"snapshot","payload":"aGk="}', SentPicture("aGk=", None)),
        ('{"type":"snapshot","payload":{"image":"aGk=","command_id":"cmd-1"}}', SentPicture("aGk=", "cmd-1")),
        ('{"type":"snapshot","payload":"aGk=","id":"cmd-1"}', SentPicture("aGk=", "cmd-1")),
        ('{"type":"hello","firmware":"3.1","capabilities":["ack","ack",1]}', Hello("3.1", ("ack",))),
        ('{"type":"hello","payload":{"firmware":"3.1"}}', Hello("3.1", ())),
        ('{"type":"command_ack","id":"cmd-1"}', Acknowledgement("cmd-1")),
        ('{"type":"command_ack","command_id":"cmd-1"}', Acknowledgement("cmd-1")),
        ('{"type":"command_ack","payload":{"id":"cmd-1"}}', Acknowledgement("cmd-1")),
        ('{"type":"command_ack","payload":"cmd-1"}', Acknowledgement("cmd-1")),
        (
            '{"type":"command_result","id":"cmd-1","state":"succeeded","result":{"floor":3}}',
            CommandResult("cmd-1", "succeeded", None, {"floor": 3}),
        ),
        (
            '{"type":"command_result","payload":{"id":"cmd-1","status":"error","error":"jammed"}}',
            CommandResult("cmd-1", "failed", "jammed", None),
        ),
        ('{"type":"alarm"}', AlarmRaised("")),
        ('{"type":"alarm","payload":{"detail":"button"}}', AlarmRaised("button")),
        ('{"type":"alarm_end","payload":"reset key"}', AlarmEnded("reset key")),
        ('{"type":"state","carPosition":3}', StateReport({"carPosition": 3})),
        ('{"type":"state","payload":{"carPosition":3}}', StateReport({"carPosition": 3})),
        ('{"type":"weather"}', UnknownMessage()),
        ('{"type":7}', UnknownMessage()),
        ("{}", UnknownMessage()),
    ],
)
def test_both_readings_of_a_message_are_the_same(text: str, body: Body) -> None:
    assert parse(text).body == body
    assert parse(text.encode()).body == body


@pytest.mark.parametrize(
    ("text", "device"),
    [('{"type":"heartbeat"}', ""), ('{"device_id":"lift-1"}', "lift-1"), ('{"device_id":17}', "17")],
)
def test_a_message_may_say_whom_it_is_from(text: str, device: str) -> None:
    assert parse(text).device == device


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("ping", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        ("[" * 30_000, "no JSON"),
        ('{"a":' * 30_000, "no JSON"),
        ('{"a":NaN}', "no JSON"),
        ('["heartbeat"]', "no JSON object"),
        ('{"type":"command_ack"}', "a command_ack without id"),
        ('{"type":"command_ack","id":"x\\u0000"}', "a command_ack without id"),
        ('{"type":"command_result","id":"cmd-1"}', "a command_result without state"),
        ('{"type":"snapshot"}', "a snapshot without a picture"),
        (json.dumps({"type": "log", "payload": "x" * 65_536}), "too large"),
        (json.dumps({"type": "state", "payload": {"x": "y" * 5000}}), "a state of more than 4 KB"),
        ('{"type":"state","x":' + "9" * 4000 + "}", None),
    ],
)
def test_what_is_no_message_is_refused_with_one_of_a_few_reasons(text: str | bytes, reason: str | None) -> None:
    if reason is None:
        assert isinstance(parse(text).body, StateReport)
        return
    with pytest.raises(BadMessage) as refused:
        parse(text)
    assert str(refused.value) == reason


@settings(max_examples=tries(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(), st.text(), st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["type", "payload", "id", "state", "level", "capabilities", "device_id"]) | st.text(), inner
    ),
).map(json.dumps)), st.sampled_from(messages.TYPES))  # fmt: skip
def test_whatever_comes_is_a_message_or_a_bad_one(data: str | bytes, kind: str) -> None:
    for text in (data, json.dumps({"type": kind, "payload": data if isinstance(data, str) else None})):
        try:
            body = parse(text).body
        except BadMessage:
            continue
        json.dumps(str(body))


def test_a_long_text_is_cut_and_a_long_result_left_out() -> None:
    found = parse(json.dumps({"type": "log", "payload": "x" * 10_000})).body
    assert isinstance(found, LogLines)
    assert len(found.lines[0].text) == messages.TEXT_LONGEST
    wide = parse(json.dumps({"type": "log", "payload": "\u7535" * 6000})).body
    assert wide == log(("info", "\u7535" * (messages.TEXT_LONGEST // 3)))
    ended = parse(json.dumps({"type": "command_result", "id": "cmd-1", "state": "ok", "result": "x" * 5000})).body
    assert ended == CommandResult("cmd-1", "succeeded", "its result has more than 4096 bytes", None)


def test_a_command_is_what_old_devices_read_with_an_id_and_a_deadline() -> None:
    text = messages.command("cmd-1", "REBOOT", {"delay": 1}, datetime(2026, 4, 3, 8, 30, tzinfo=UTC))
    assert json.loads(text) == {
        "type": "command",
        "id": "cmd-1",
        "payload": "REBOOT",
        "data": {"delay": 1},
        "deadline": "2026-04-03T08:30:00.000Z",
    }
