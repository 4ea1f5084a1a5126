"""Sounds for tests: made by formula, the same each time. Audio is slin16."""

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
LOUD = 2300.0
"""The level of a voice on the telephone."""

Samples = NDArray[np.float64]


def voice(seconds: float, *, pitch: float = 130.0, level: float = LOUD, seed: int = 1) -> Samples:
    """Return something that is speech to any voice activity detection: vowels that change, four syllables a second."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.08 * np.sin(2 * np.pi * 3 * time + seed))) / RATE
    syllable = (time * 4).astype(int)
    first = rng.uniform(350, 800, syllable.max() + 1)[syllable] if len(time) else time
    second = rng.uniform(1000, 2200, syllable.max() + 1)[syllable] if len(time) else time
    sound = np.zeros_like(time)
    for harmonic in range(1, int(3400 / pitch)):
        frequency = harmonic * pitch
        gain = np.exp(-(((frequency - first) / 150) ** 2)) + 0.6 * np.exp(-(((frequency - second) / 220) ** 2)) + 0.02
        sound += gain * np.sin(harmonic * phase)
    sound *= 0.35 + 0.65 * np.abs(np.sin(np.pi * 4 * time))
    return sound * level / max(float(np.sqrt((sound**2).mean())), 1e-9) if len(time) else sound


def noise(seconds: float, *, level: float = 80.0, seed: int = 1) -> Samples:
    """Return the noise of a line."""
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE)) * level


def silence(seconds: float) -> Samples:
    """Return nothing to be heard."""
    return np.zeros(round(seconds * RATE))


def quieter(sound: Samples, decibels: float) -> Samples:
    """Return the same sound, so much weaker."""
    return sound * 10 ** (-decibels / 20)


def delayed(sound: Samples, seconds: float) -> Samples:
    """Return the same sound, so much later, of the same length."""
    return np.concatenate([silence(seconds), sound])[: len(sound)]


def pcm(sound: Samples) -> bytes:
    """Return samples as audio."""
    return np.clip(np.rint(sound), -32_768, 32_767).astype("<i2").tobytes()


def samples(audio: bytes) -> Samples:
    """Return audio as samples."""
    return np.frombuffer(audio, "<i2").astype(np.float64)


def frames(sound: Samples) -> list[bytes]:
    """Return whole frames of 20 ms."""
    audio = pcm(sound)
    return [audio[at : at + 640] for at in range(0, len(audio) // 640 * 640, 640)]


def loudness(audio: bytes) -> float:
    """Return the effective value of some audio."""
    return float(np.sqrt((samples(audio) ** 2).mean())) if audio else 0.0
