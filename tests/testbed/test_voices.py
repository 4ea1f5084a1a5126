import numpy as np
import pytest

from testbed.voices import RATE, over_the_telephone, spoken

WORDS = "Good morning, my number is five seven two."


@pytest.mark.parametrize("voice", ["slt", "rms", "awb", "kal16", "de"])
def test_a_voice_says_words_for_some_seconds(voice: str) -> None:
    assert 2 < len(spoken(WORDS, voice)) / RATE / 2 < 4


def test_a_telephone_carries_only_its_band_and_adds_noise() -> None:
    clear = spoken(WORDS)
    heard = over_the_telephone(clear, snr_db=25)
    assert len(heard) == pytest.approx(len(clear), abs=64)

    def power(audio: bytes, lowest: float, highest: float) -> float:
        spectrum = np.abs(np.fft.rfft(np.frombuffer(audio, dtype="<i2").astype(float))) ** 2
        hertz = np.fft.rfftfreq(len(audio) // 2, 1 / RATE)
        return float(spectrum[(hertz >= lowest) & (hertz < highest)].sum())

    assert power(heard, 4_000, 8_000) < power(clear, 4_000, 8_000) / 100
    assert power(heard, 500, 3_000) == pytest.approx(power(clear, 500, 3_000), rel=0.1)
    assert over_the_telephone(clear, seed=2) != heard == over_the_telephone(clear)
