"""Bytes to messages: for every way to cut the stream."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.asterisk.decoder import LONGEST_MESSAGE, Decoder, check_lines, decode
from dialplane.asterisk.errors import ConnectionLost, LineRefused
from dialplane.asterisk.message import Event, Message, Response

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
STREAM = (
    GREETING
    + (
        "Response: Success\r\nMessage: ä€😀\r\n\r\n"
        "Event: TestEvent\r\nState: x\r\n\r\n"
        "Event: Registry\r\nUsername: sip:a@b\r\nEmpty: \r\nBare:\r\nValue: a: b\r\nValue:  spaced \r\n\r\n"
        "Note: neither\r\n\r\n"
    ).encode()
)


def messages(chunks: list[bytes]) -> list[Message]:
    decoder = Decoder()
    return [message for chunk in chunks for message in decoder.feed(chunk)]


WHOLE = messages([STREAM])


def test_what_a_message_holds() -> None:
    response, event = WHOLE
    assert isinstance(response, Response)
    assert (response.succeeded, response.message) == (True, "ä€😀")
    assert isinstance(event, Event)
    assert event.name == "Registry"
    assert (event["Empty"], event["bare"]) == ("", "")
    assert event.values_of("VALUE") == ("a: b", " spaced ")
    assert "nothing" not in event
    assert event.values_of("nothing") == ()


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_any_cut_gives_the_same_messages(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert messages([STREAM[a:b] for a, b in pairwise(edges)]) == WHOLE


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    for message in messages([GREETING, data, b"\r\n\r\n"]):
        assert repr(message)


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=40))
def test_every_value_survives(value: str) -> None:
    message = decode(f"Event: X\r\nValue: {value}".encode())
    assert message is not None
    assert message["Value"] == value


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"A", GREETING + b"x" * (LONGEST_MESSAGE + 1)])
def test_what_is_no_asterisk(data: bytes) -> None:
    if data == b"A":  # may still become one
        assert messages([data]) == []
        return
    with pytest.raises(ConnectionLost):
        messages([data])


def test_a_secret_field_is_masked_in_a_repr() -> None:
    event = Event({"event": "AuthDetail", "password": "hunter2", "md5cred": "hunter2", "username": "u"})
    assert repr(event) == "Event(event='AuthDetail', password=***, md5cred=***, username='u')"


@pytest.mark.parametrize("field", [("A\r\nAction", "x"), ("A", "x\ny"), ("A", "\0"), ("A: B", "x"), ("A", "x" * 997)])
def test_what_would_leave_its_line_is_refused(field: tuple[str, str]) -> None:
    with pytest.raises(LineRefused):
        check_lines([field])


def test_the_longest_line() -> None:
    check_lines([("A", "x" * 996)])


@pytest.mark.parametrize("event", ["ChallengeResponseFailed", "OriginateResponse"])
def test_an_event_may_have_a_field_named_response(event: str) -> None:
    message = decode(f"Event: {event}\r\nResponse: 0123\r\nActionID: 7".encode())
    assert isinstance(message, Event)
    assert (message.name, message["response"]) == (event, "0123")
