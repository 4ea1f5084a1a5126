"""The binary frames of Volcengine's realtime dialogue. Pure.

A frame, all numbers big-endian: version and header size (0x11); kind and flags; serialization and compression; zero;
then, of an error, its code; else the event, the session's id with its length, and the payload with its length. Events
of the connection need not have an id.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

_HEADER: Final = struct.Struct(">BBBB")
_NUMBER: Final = struct.Struct(">I")
_VERSION: Final = 0x11
_WITH_EVENT: Final = 0x4
_JSON: Final = 0x10
_GZIP: Final = 0x1
_PAYLOAD_LIMIT: Final = 4 << 20


class FrameKind(IntEnum):
    """What a frame is."""

    CLIENT_EVENT = 0x1
    CLIENT_AUDIO = 0x2
    SERVER_EVENT = 0x9
    SERVER_AUDIO = 0xB
    ERROR = 0xF


class DoubaoEvent(IntEnum):
    """What a frame says; the names are the protocol's."""

    START_CONNECTION = 1
    FINISH_CONNECTION = 2
    CONNECTION_STARTED = 50
    CONNECTION_FAILED = 51
    START_SESSION = 100
    FINISH_SESSION = 102
    SESSION_STARTED = 150
    SESSION_FINISHED = 152
    SESSION_FAILED = 153
    TASK_REQUEST = 200
    SAY_HELLO = 300
    TTS_SENTENCE_START = 350
    TTS_RESPONSE = 352
    TTS_ENDED = 359
    ASR_INFO = 450
    ASR_RESPONSE = 451
    ASR_ENDED = 459
    CONVERSATION_TRUNCATE = 513
    CHAT_RESPONSE = 550
    CHAT_ENDED = 559
    CONVERSATION_TRUNCATED = 570
    DIALOG_COMMON_ERROR = 599


class FrameError(ValueError):
    """Bytes are no frame."""


@dataclass(frozen=True, slots=True)
class DoubaoFrame:
    """One frame of the server."""

    kind: FrameKind
    event: int
    """0 for an error."""
    payload: bytes
    code: int = 0
    """Of an error."""

    @property
    def values(self) -> dict[str, Any]:
        """The payload's JSON object; without one, it is empty.

        Raises:
            FrameError: the payload is something else.
        """
        try:
            values = json.loads(self.payload or b"{}")
        except (ValueError, RecursionError) as error:
            raise FrameError("no JSON") from error
        if not isinstance(values, dict):
            raise FrameError("no JSON object")
        return values


def event_frame(event: DoubaoEvent, values: dict[str, Any], session: str = "") -> bytes:
    """Return a frame of the client; `session` is the id for events of a session."""
    payload = json.dumps(values, ensure_ascii=False).encode()
    return _frame(FrameKind.CLIENT_EVENT, _JSON, event, session, payload)


def audio_frame(audio: bytes, session: str) -> bytes:
    """Return a frame of what a caller says: 20 ms of 16-bit PCM at 16,000 samples a second."""
    return _frame(FrameKind.CLIENT_AUDIO, 0, DoubaoEvent.TASK_REQUEST, session, audio)


def parse_frame(data: bytes) -> DoubaoFrame:
    """Return a frame of the server.

    Raises:
        FrameError: it is none.
    """
    try:
        version, kind_and_flags, encoding, _ = _HEADER.unpack_from(data)
        kind = FrameKind(kind_and_flags >> 4)
        if version != _VERSION or kind in {FrameKind.CLIENT_EVENT, FrameKind.CLIENT_AUDIO}:
            raise FrameError("another version or direction")
        (number,) = _NUMBER.unpack_from(data, _HEADER.size)
        if kind is FrameKind.ERROR:
            return DoubaoFrame(kind, 0, b"", code=number)
        if not kind_and_flags & _WITH_EVENT:
            raise FrameError("no event")
        payload = _payload(data[_HEADER.size + _NUMBER.size :])
        if encoding & 0xF == _GZIP:
            payload = _unpacked(payload)
        return DoubaoFrame(kind, number, payload)
    except (struct.error, ValueError, zlib.error) as error:
        raise FrameError("no frame of this protocol") from error


def _frame(kind: FrameKind, serialization: int, event: int, session: str, payload: bytes) -> bytes:
    parts = [_HEADER.pack(_VERSION, kind << 4 | _WITH_EVENT, serialization, 0), _NUMBER.pack(event)]
    if session:
        parts += [_NUMBER.pack(len(session)), session.encode()]
    return b"".join([*parts, _NUMBER.pack(len(payload)), payload])


def _payload(rest: bytes) -> bytes:
    """Return what is behind an id, or without one right behind its length: only one of them fits."""
    (size,) = _NUMBER.unpack_from(rest)
    payload = rest[_NUMBER.size :]
    if len(payload) == size:
        return payload
    (payload_size,) = _NUMBER.unpack_from(payload, size)
    payload = payload[size + _NUMBER.size :]
    if len(payload) != payload_size:
        raise FrameError("a length that does not fit")
    return payload


def _unpacked(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    unpacked = unpacker.decompress(payload, _PAYLOAD_LIMIT)
    if unpacker.unconsumed_tail:
        raise FrameError("too much")
    return unpacked
