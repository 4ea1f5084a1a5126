import pytest

from testbed.audio import _DECODED, RATE, pitch_hz, tone


def heard(hz: int, *, seconds: int = 2) -> list[int]:
    return [_DECODED[code] for code in tone(hz)] * seconds


@pytest.mark.parametrize("hz", [440, 500, 660, 700])
def test_a_tone_is_recognised(hz: int) -> None:
    assert pitch_hz(heard(hz)) == pytest.approx(hz, abs=5)


@pytest.mark.parametrize("gap", [80, 160, 480, 1600])
def test_gaps_in_a_tone_do_not_make_it_deeper(gap: int) -> None:
    samples = heard(700)
    for at in range(1000, len(samples), 4000):
        samples[at : at + gap] = [0] * gap
    assert pitch_hz(samples) == pytest.approx(700, abs=10)


def test_silence_has_no_pitch() -> None:
    assert pitch_hz([0] * RATE) is None
