"""What a media socket brings from Asterisk. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaFrame:
    """20 ms of what the caller says: 640 bytes of slin16."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class MediaKey:
    """The caller has pressed a key: one of `0-9*#A-D`."""

    digit: str


@dataclass(frozen=True, slots=True)
class MediaMark:
    """What was played before a mark has been heard."""

    id: str


@dataclass(frozen=True, slots=True)
class MediaDrained:
    """Nothing is left to be played."""


MediaEvent = MediaFrame | MediaKey | MediaMark | MediaDrained
