"""What passes between the loop and a worker process: frames of length, job, kind, and bytes. Pure."""

import json
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

HEADER: Final = struct.Struct("!IIB")
"""Bytes of the payload, number of the job, kind."""
LONGEST: Final = 1 << 20
"""Bytes of a payload."""


class WorkerFrame(IntEnum):
    """Kinds of frames."""

    OPEN = 1
    """To the worker: a job; JSON with `work` and what it needs."""
    AUDIO = 2
    """Either way: PCM."""
    FINISH = 3
    """To the worker: no more audio comes."""
    CLOSE = 4
    """To the worker: drop the job, without an answer."""
    OPENED = 5
    """From the worker: the job can begin; JSON."""
    PARTIAL = 6
    """From the worker: what was understood so far; JSON."""
    DONE = 7
    """From the worker: the job is over; JSON."""
    FAULT = 8
    """From the worker: the job is over without a result; JSON with `fault` and `message`."""


def packed(job: int, kind: WorkerFrame, payload: bytes = b"") -> bytes:
    """Return a frame of bytes."""
    return HEADER.pack(len(payload), job, kind) + payload


def packed_json(job: int, kind: WorkerFrame, values: Mapping[str, Any]) -> bytes:
    """Return a frame of JSON."""
    return packed(job, kind, json.dumps(values).encode())
