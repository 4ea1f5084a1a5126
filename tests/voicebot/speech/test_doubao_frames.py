"""The binary frames of Volcengine's realtime dialogue, after its document."""

import gzip

import pytest
from hypothesis import example, given
from hypothesis.strategies import binary

from dialplane.services.voicebot.speech.doubao_frames import (
    DoubaoEvent,
    DoubaoFrame,
    FrameError,
    FrameKind,
    audio_frame,
    event_frame,
    parse_frame,
)

SESSION = "75a6126e-427f-49a1-a2c1-621143cb9db3"


def test_the_document_s_examples_are_written_byte_by_byte() -> None:
    assert list(event_frame(DoubaoEvent.START_CONNECTION, {})) == [17, 20, 16, 0, 0, 0, 0, 1, 0, 0, 0, 2, 123, 125]
    written = event_frame(DoubaoEvent.START_SESSION, {"dialog": {"bot_name": "豆包"}}, SESSION)
    assert list(written[:12]) == [17, 20, 16, 0, 0, 0, 0, 100, 0, 0, 0, 36]
    assert written[12:48].decode() == SESSION
    assert written[52:] == '{"dialog": {"bot_name": "豆包"}}'.encode()
    assert audio_frame(b"\x01\x02", SESSION)[:8] == bytes([17, 36, 0, 0, 0, 0, 0, 200])


def test_the_document_s_audio_is_read() -> None:
    head = bytes([17, 180, 0, 0, 0, 0, 1, 96, 0, 0, 0, 36])
    frame = parse_frame(head + SESSION.encode() + bytes([0, 0, 0, 4]) + b"OggS")
    assert frame == DoubaoFrame(FrameKind.SERVER_AUDIO, DoubaoEvent.TTS_RESPONSE, b"OggS")


@pytest.mark.parametrize("session", [b"", b"\x00\x00\x00\x04conn"], ids=["without an id", "with an id"])
def test_an_event_of_the_connection_may_have_an_id(session: bytes) -> None:
    frame = parse_frame(bytes([17, 148, 16, 0, 0, 0, 0, 50]) + session + b"\x00\x00\x00\x02{}")
    assert (frame.event, frame.values) == (DoubaoEvent.CONNECTION_STARTED, {})


def test_a_packed_payload_is_unpacked_within_bounds() -> None:
    def packed(payload: bytes) -> bytes:
        small = gzip.compress(payload)
        return bytes([17, 148, 17, 0, 0, 0, 1, 194]) + len(small).to_bytes(4, "big") + small

    assert parse_frame(packed(b'{"question_id": "1"}')).values == {"question_id": "1"}
    with pytest.raises(FrameError):
        parse_frame(packed(bytes(64 << 20)))


def test_an_error_is_its_code() -> None:
    words = b'{"error": "x"}'
    frame = parse_frame(bytes([17, 240, 16, 0]) + (55000001).to_bytes(4, "big") + b"\x00\x00\x00\x0e" + words)
    assert (frame.kind, frame.code) == (FrameKind.ERROR, 55000001)


@given(binary(max_size=80))
@example(b"")
@example(bytes([17, 148, 16, 0, 0, 0, 0, 50, 255, 255, 255, 255]))
def test_any_other_bytes_are_an_error_and_nothing_else(data: bytes) -> None:
    try:
        frame = parse_frame(data)
    except FrameError:
        return
    assert isinstance(frame, DoubaoFrame)
