"""Digits as they are spoken: one by one, doubled, in groups (`twenty three`), or as a number (`one hundred and one`).

Pure. What stands around them may be fillers of the language alone: "I have two dogs" is no number.
"""

import re
from collections.abc import Sequence
from typing import Final

from dialplane.services.voicebot.dialogue.lexicon import Lexicon
from dialplane.services.voicebot.dialogue.wording import words_of

MOST: Final = 64
"""Digits; more are none."""
_HUNDRED: Final = 100
_THOUSAND: Final = 1000
_FIGURES: Final = re.compile(r"[0-9]+\Z")
_BETWEEN_FIGURES: Final = re.compile(r"(?<=[0-9])[\s.,/()-]+(?=[0-9])")


def digits_of(text: str, words: Lexicon) -> str | None:
    """Return the digits of an answer; None where it is none."""
    said = [part for word in words_of(_BETWEEN_FIGURES.sub(" ", text)) for part in _parts(word, words)]
    found, at, asked = "", 0, 1
    while at < len(said):
        word = said[at]
        if word in words.repeats and at + 1 < len(said):
            asked, at = words.repeats[word], at + 1
            continue
        read = _read(said, at, words)
        if read is None:
            if word not in words.fillers and word not in words.joining:
                return None
            at += 1
            continue
        group, at = read
        found += group * asked
        asked = 1
        if len(found) > MOST:
            return None
    return found or None


def _parts(word: str, words: Lexicon) -> list[str]:
    """Split `zweihundertdrei` into its three words."""
    for large in words.hundred | words.thousand:
        if large in word and word != large:
            before, _, after = word.partition(large)
            return [part for part in (*_parts(before, words), large, *_parts(after, words)) if part]
    return [word]


def _read(said: Sequence[str], at: int, words: Lexicon) -> tuple[str, int] | None:
    """Read one group: figures, a digit, or a number of several words. Returns it, and where it ends."""
    if _FIGURES.match(said[at]):
        return said[at], at + 1
    small = _below_hundred(said, at, words)
    if small is None:
        if said[at] not in words.hundred | words.thousand:
            return None
        small = (1, "", at)  # a hundred
    number, group, at = small
    if at < len(said) and said[at] in words.hundred and 0 < number < _HUNDRED:
        number, at = _rest(said, at + 1, number * _HUNDRED, words)
        group = str(number)
    if at < len(said) and said[at] in words.thousand and 0 < number < _THOUSAND:
        number, at = _rest(said, at + 1, number * _THOUSAND, words)
        group = str(number)
    return group, at


def _rest(said: Sequence[str], at: int, number: int, words: Lexicon) -> tuple[int, int]:
    """Add what follows `hundred` or `thousand`, such as `and one`."""
    after = at + 1 if at < len(said) and said[at] in words.joining else at
    small = _below_hundred(said, after, words)
    if small is None or small[1].startswith("0"):
        return number, at
    rest, _, after = small
    hundreds = number >= _THOUSAND and after < len(said) and said[after] in words.hundred
    if hundreds and 0 < rest * _HUNDRED < _THOUSAND:
        rest, after = _rest(said, after + 1, rest * _HUNDRED, words)
    return number + rest, after


def _below_hundred(said: Sequence[str], at: int, words: Lexicon) -> tuple[int, str, int] | None:
    """Read a number below 100. Returns it, its digits, and where it ends."""
    if at >= len(said):
        return None
    word = said[at]
    if word in words.digits:
        return words.digits[word], str(words.digits[word]), at + 1
    if word in words.teens:
        return words.teens[word], str(words.teens[word]), at + 1
    if word in words.tens:
        number, at = words.tens[word], at + 1
        if at < len(said) and words.digits.get(said[at], 0) > 0:
            number, at = number + words.digits[said[at]], at + 1
        return number, str(number), at
    return None
