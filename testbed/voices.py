"""Voices that speak without a network: flite and espeak-ng, and what their words sound like over a telephone.

Both come from PATH, else from Debian, unpacked into the cache with a small script each, so that they are programs like
others: :func:`environment` lets a process of the product find them. What was spoken once is kept in the cache too.
"""

import hashlib
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr

from testbed import cache, debian

RATE: Final = 16_000
_TELEPHONE_RATE: Final = 8_000
_PACKAGES: Final = ("espeak-ng", "flite")
_LIMIT_SECONDS: Final = 30
_SCRIPT = """#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/../{tree}
loader=$(ls "$root"/usr/lib64/ld-linux*.so* "$root"/usr/lib/*-linux-gnu*/ld-linux*.so* 2>/dev/null | head -n 1)
libraries=$(echo "$root"/usr/lib/*-linux-gnu* | tr ' ' ':')
ESPEAK_DATA_PATH=$(echo "$root"/usr/lib/*-linux-gnu*/espeak-ng-data)
export ESPEAK_DATA_PATH
exec "$loader" --inhibit-cache --library-path "$libraries:$(echo "$root"/usr/lib/*/pulseaudio)" \\
    "$root/usr/bin/{program}" "$@"
"""


@dataclass(frozen=True)
class SpeechPrograms:
    """Where they are."""

    flite: Path
    espeak_ng: Path


@once
def locate_voices() -> SpeechPrograms:
    """Find both on PATH, and fetch them when this machine lacks one.

    Raises:
        BuildError: they could not be fetched.
    """
    flite, espeak_ng = (shutil.which(name) for name in ("flite", "espeak-ng"))
    if flite and espeak_ng:
        return SpeechPrograms(Path(flite), Path(espeak_ng))
    tree = debian.tree("voices", "forky", _PACKAGES)

    def build(target: Path) -> None:
        for program in ("flite", "espeak-ng"):
            script = target / program
            script.write_text(_SCRIPT.format(tree=tree.name, program=program))
            script.chmod(0o755)

    digest = hashlib.sha256(_SCRIPT.encode()).hexdigest()[:10]
    programs = cache.artefact(f"debian/trees/{tree.name}-programs-{digest}", build)
    return SpeechPrograms(programs / "flite", programs / "espeak-ng")


def environment() -> dict[str, str]:
    """The variables by which the product finds them."""
    programs = locate_voices()
    return {"DIALPLANE_FLITE": str(programs.flite), "DIALPLANE_ESPEAK_NG": str(programs.espeak_ng)}


def spoken(text: str, voice: str = "slt") -> bytes:
    """A text as PCM of 16 bit, one channel, 16,000 samples a second.

    Args:
        text: what is said.
        voice: of flite `slt` (a woman), `rms`, `awb` and `kal16` (men); any other is one of espeak-ng's, such as `de`.

    Raises:
        BuildError: the program failed.
    """
    programs = locate_voices()
    key = hashlib.sha256(repr((text, voice, str(programs.flite))).encode()).hexdigest()
    path = cache.root() / "spoken" / f"{key}.pcm"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder, "made.pcm")
            made.write_bytes(_speak(programs, text, voice, Path(folder, "made.wav")))
            made.rename(path)
    return path.read_bytes()


def over_the_telephone(audio: bytes, *, snr_db: float = 25, seed: int = 1) -> bytes:
    """What arrives of some audio over a telephone line, at the same rate.

    Sampled at 8 kHz, limited to 300-3400 Hz, with noise, coded as G.711 µ-law and back.

    Args:
        audio: as :func:`spoken` returns it.
        snr_db: the power of the speech over that of the noise, in the band of the telephone.
        seed: of the noise.
    """
    samples = soxr.resample(np.frombuffer(audio, dtype="<i2").astype(np.float32), RATE, _TELEPHONE_RATE)
    noise = np.random.default_rng(seed).standard_normal(len(samples))
    speech, noise = _telephone_band(samples), _telephone_band(noise)
    loud = speech[np.abs(speech) > np.abs(speech).max() / 20]
    gain = np.sqrt(np.mean(loud**2) / np.mean(noise**2)) / 10 ** (snr_db / 20)
    line = _through_ulaw(np.clip(speech + gain * noise, -32_635, 32_635))
    wide = soxr.resample(line.astype(np.float32), _TELEPHONE_RATE, RATE)
    return bytes(np.clip(np.rint(wide), -32_768, 32_767).astype("<i2").tobytes())


def _speak(programs: SpeechPrograms, text: str, voice: str, output: Path) -> bytes:
    if voice in {"slt", "rms", "awb", "kal16"}:
        argv = [str(programs.flite), "-voice", voice, "-o", str(output)]
    else:
        argv = [str(programs.espeak_ng), "-v", voice, "--stdin", "-w", str(output)]
    ended = subprocess.run(argv, input=text.encode(), capture_output=True, timeout=_LIMIT_SECONDS, check=False)
    if ended.returncode != 0 or not output.exists():
        raise cache.BuildError(f"{Path(argv[0]).name} did not speak: {ended.stderr.decode().strip()}")
    with wave.open(str(output), "rb") as recording:
        rate = recording.getframerate()
        samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
    wide = soxr.resample(samples.astype(np.float32), rate, RATE)
    return bytes(np.clip(np.rint(wide), -32_768, 32_767).astype("<i2").tobytes())


def _telephone_band(samples: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / _TELEPHONE_RATE)
    # Steeper than what ITU-T G.712 asks of a line: 24 dB an octave below 300 Hz, 48 above 3,400 Hz.
    low = 1 / np.sqrt(1 + (300 / np.maximum(hertz, 1)) ** 8)
    high = 1 / np.sqrt(1 + (hertz / 3_400) ** 16)
    return np.fft.irfft(spectrum * low * high, len(samples))


def _through_ulaw(samples: np.ndarray) -> np.ndarray:
    magnitude = np.abs(samples).astype(np.int64) + 0x84
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    mantissa = magnitude >> (exponent + 3) & 0x0F
    coded: np.ndarray[Any, Any] = np.copysign((((mantissa << 3) + 0x84) << exponent) - 0x84, samples)
    return coded
