"""Audio that can be told apart: tones in G.711 µ-law, and how to hear which tone arrived.

Counting packets proves that something arrived; hearing the other side's own tone proves that it was the
other side. Coding after ITU-T G.711 (µ-law), RTP payload type 0 (RFC 3551): 8,000 samples a second,
160 bytes in a packet of 20 ms.
"""

import math
import wave
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

RATE = 8_000
PACKET_SAMPLES = 160
_BIAS = 0x84
_CLIP = 32_635
_QUIET = 500  # amplitude of 32,767; comfort noise and silence stay below
_LEAST_SAMPLES = RATE // 5


def _encode(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def _decode(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


_DECODED = [_decode(code) for code in range(256)]


@cache
def tone(hz: int, amplitude: int = 8_000) -> bytes:
    """One second of a sine of ``hz`` (a whole number, so that it repeats without a click), µ-law."""
    return bytes(_encode(round(amplitude * math.sin(2 * math.pi * hz * n / RATE))) for n in range(RATE))


@cache
def slin16(hz: int, amplitude: int = 8_000) -> bytes:
    """One second of the same sine as Asterisk's slin16: 16,000 samples of 16 bit, little-endian."""
    samples = (round(amplitude * math.sin(2 * math.pi * hz * n / (2 * RATE))) for n in range(2 * RATE))
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def slin16_hz(pcm: bytes) -> int | None:
    """The pitch of a single tone in slin16, in Hz; None for silence or less than 0.2 s."""
    return pitch_hz(memoryview(pcm).cast("h")[::2].tolist())


def ulaw_of(pcm: bytes) -> bytes:
    """PCM of 16 bit, little-endian, in µ-law."""
    return bytes(map(_encode, memoryview(pcm).cast("h").tolist()))


def heard_hz(ulaw: bytes) -> int | None:
    """The pitch of a single tone in ``ulaw``, in Hz; None for silence or less than 0.2 s."""
    return pitch_hz([_DECODED[code] for code in ulaw])


def pitch_hz(samples: Sequence[int]) -> int | None:
    """The pitch of a single tone in 16-bit samples at 8 kHz, good to a few Hz on one second.

    From the periods between rising zero crossings, with a dead band against noise. A period far from the usual one
    spans a gap (a packet that came late or never) and does not count.
    """
    if len(samples) < _LEAST_SAMPLES:
        return None
    crossings, above = [], False
    for position, sample in enumerate(samples):
        if not above and sample > _QUIET:
            above = True
            crossings.append(position)
        elif above and sample < -_QUIET:
            above = False
    periods = [after - before for before, after in pairwise(crossings)]
    if len(periods) < 2:  # noqa: PLR2004 -- two periods at least
        return None
    usual = median(periods)
    whole = [period for period in periods if abs(period - usual) <= max(1, usual / 4)]
    return round(len(whole) * RATE / sum(whole))


def write_wav(path: Path, hz: int, *, seconds: int) -> None:
    """A tone as a mono 16-bit WAV file."""
    with wave.open(str(path), "wb") as recording:
        recording.setparams((1, 2, RATE, 0, "NONE", ""))
        recording.writeframes(array("h", [_DECODED[code] for code in tone(hz)]).tobytes() * seconds)


def read_wav(path: Path) -> Sequence[int]:
    """The samples of a mono 16-bit WAV file; empty if there is none, or no audio in it."""
    try:
        with wave.open(str(path)) as recording:
            return array("h", recording.readframes(recording.getnframes()))
    except (FileNotFoundError, EOFError, wave.Error):
        return ()


def write_tone(path: Path, hz: int) -> None:
    """One second of tone as a raw µ-law file, which sipp plays in a loop."""
    path.write_bytes(tone(hz))
