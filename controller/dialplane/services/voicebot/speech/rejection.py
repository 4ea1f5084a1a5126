"""Whether what a decoder understood is what was said: a decoder with a graph of answers finds one in any speech.

The same audio is decoded once more by a loop of all phones, which fits any speech. An answer that was said fits about
as well as the loop; the nearest answer to something else fits worse, its worst word above all, and is longer and begins
with a filler more often. `bench/recognition.py` shows what it is worth. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

ACCEPTED: Final = 0.5
"""Confidence from which an answer counts."""

# A logistic regression over answers and other sentences of three synthetic voices; scores are thousandths for a frame.
_MEAN_BEHIND: Final = 0.407
_WORST_BEHIND: Final = 0.535
_MEAN: Final = 2.235
_WORDS: Final = -0.467
_FILLER: Final = -1.864
_BIAS: Final = 18.447
_LOWEST: Final = -50.0
_FILLERS: Final = frozenset({"uh", "um", "well", "the", "it's", "to", "that"})


@dataclass(frozen=True, slots=True)
class Segment:
    """A word or a phone, and how well it fits."""

    name: str
    begin: int
    end: int
    """Frames of 10 ms; the end is the last one."""
    score: float
    """The logarithm of its acoustic likelihood, over that of the best sound in each frame: 0 at most."""

    @property
    def frames(self) -> int:
        """How many it has."""
        return self.end - self.begin + 1

    @property
    def is_speech(self) -> bool:
        """Whether it is no silence and no noise."""
        return self.name[:1] not in "<[+(" and self.name != "SIL"


def confidence_of(answer: Sequence[Segment], loop: Iterable[Segment]) -> float:
    """Return how sure it is that an answer was said, 0 to 1.

    Args:
        answer: the words of the answer, and the silence around them.
        loop: the phones of the same audio.
    """
    words = [segment for segment in answer if segment.is_speech]
    if not words:
        return 0.0
    best = {frame: phone.score / phone.frames for phone in loop for frame in range(phone.begin, phone.end + 1)}
    frames = sum(word.frames for word in words)
    behind = [word.score - sum(best.get(frame, 0.0) for frame in range(word.begin, word.end + 1)) for word in words]
    worst = min(each / word.frames for each, word in zip(behind, words, strict=True))
    evidence = (
        _BIAS
        + _MEAN_BEHIND * 1000 * sum(behind) / frames
        + _WORST_BEHIND * max(1000 * worst, _LOWEST)
        + _MEAN * 1000 * sum(word.score for word in words) / frames
        + _WORDS * len(words)
        + _FILLER * (words[0].name in _FILLERS)
    )
    return 1 / (1 + exp(-max(evidence, _LOWEST)))
