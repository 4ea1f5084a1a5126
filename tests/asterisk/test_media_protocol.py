"""What goes over a media socket, by the limits that were measured on Asterisk 22.10.1."""

import pytest

from dialplane.asterisk import media_protocol as protocol
from dialplane.asterisk.media_events import MediaDrained, MediaEvent, MediaKey, MediaMark
from dialplane.asterisk.media_protocol import FRAME_BYTES, FRAME_SECONDS, Freshness, PlayQueue


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        pytest.param(0, [], id="nothing"),
        pytest.param(1, [640], id="less than a frame"),
        pytest.param(640, [640], id="a frame"),
        pytest.param(700, [1280], id="a rest"),
        pytest.param(60_000, [59_520, 640], id="more than a message"),
        pytest.param(200_000, [59_520, 59_520, 59_520, 21_760], id="several messages"),
    ],
)
def test_audio_goes_in_messages_of_whole_frames_that_asterisk_takes(length: int, expected: list[int]) -> None:
    audio = bytes([7]) * length
    pieces = list(protocol.pieces(audio))
    assert [len(piece) for piece in pieces] == expected
    assert b"".join(pieces) == audio + bytes(sum(expected) - length)


def test_every_command_is_short_enough() -> None:
    commands = [protocol.FLUSH, protocol.HANG_UP, protocol.REPORT_DRAINED, protocol.mark("x" * 60)]
    assert all(len(command) <= protocol.LONGEST_COMMAND for command in commands)


@pytest.mark.parametrize("name", ["", "x" * 61, 'a"b', "a b", "a\nb", "\u00e4"])
def test_a_mark_that_asterisk_would_ignore_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 60 characters"):
        protocol.mark(name)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        pytest.param('{"event":"DTMF_END","digit":"5","channel_id":"a"}', MediaKey("5"), id="key"),
        pytest.param('{"event":"MEDIA_MARK_PROCESSED","correlation_id":"m1"}', MediaMark("m1"), id="mark"),
        pytest.param('{"event":"QUEUE_DRAINED","channel_id":"a"}', MediaDrained(), id="drained"),
        pytest.param('{"event":"MEDIA_START"}', None, id="start"),
        pytest.param('{"event":"DTMF_END","digit":5}', None, id="another type"),
        pytest.param("[1]", None, id="a list"),
        pytest.param("MEDIA_START", None, id="no JSON"),
    ],
)
def test_an_event_is_what_it_means_to_a_call(text: str, event: MediaEvent | None) -> None:
    assert protocol.event_of(protocol.decode(text)) == event


class Clock:
    """Frames at moments, in seconds."""

    def __init__(self) -> None:
        self.freshness = Freshness()
        self.now = 0.0

    def frames(self, count: int, every: float = FRAME_SECONDS) -> int:
        """Let so many come, and return how many are kept."""
        kept = 0
        for _ in range(count):
            self.now += every
            kept += self.freshness.keeps(self.now)
        return kept


def test_frames_at_their_pace_are_kept() -> None:
    assert Clock().frames(500) == 500


def test_frames_that_a_busy_loop_takes_a_little_late_are_kept() -> None:
    clock = Clock()
    kept = 0
    for _ in range(20):
        clock.now += 0.2
        kept += clock.frames(10, every=0.0001)
    assert kept == 200


def test_what_waited_while_the_process_was_held_up_is_dropped_but_for_the_newest() -> None:
    clock = Clock()
    clock.frames(50)
    clock.now += 5
    kept = clock.frames(250, every=0.0001)
    assert 10 <= kept <= 17
    assert clock.frames(50) == 50


def test_it_is_dropped_also_where_it_comes_in_two_parts() -> None:
    clock = Clock()
    clock.frames(50)
    clock.now += 5
    assert clock.frames(120, every=0.0001) == 1
    clock.now += 0.05
    assert clock.frames(120, every=0.0001) <= 17


def test_frames_after_a_silence_of_the_caller_are_kept() -> None:
    clock = Clock()
    clock.frames(50)
    clock.now += 5  # Asterisk sends nothing while it gets nothing
    assert clock.frames(50) == 50


def test_what_is_queued_is_played_by_the_clock() -> None:
    queue = PlayQueue()
    queue.add(bytes(FRAME_BYTES * 50), 10.0)
    queue.add(bytes(FRAME_BYTES * 50), 10.5)
    assert queue.seconds(10.5) == pytest.approx(1.5)
    assert queue.seconds(20.0) == 0


def test_never_more_is_queued_than_asterisk_keeps() -> None:
    queue, sent = PlayQueue(), 0
    while queue.wait(0.0) == 0:
        queue.add(bytes(protocol.LONGEST_MESSAGE), 0.0)
        sent += 1
    assert queue.seconds(0.0) <= protocol.AHEAD
    assert queue.seconds(0.0) > protocol.AHEAD - 2
    wait = queue.wait(0.0)
    assert wait is not None
    assert queue.wait(wait + 1e-6) == 0


def test_asterisks_own_word_that_it_is_full_counts_until_a_flush() -> None:
    queue = PlayQueue()
    queue.full = True
    assert queue.wait(0.0) is None
    queue.clear()
    assert queue.wait(0.0) == 0
