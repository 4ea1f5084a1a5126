"""What a caller said as a list of plain words, and phrases in it. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from dialplane.services.voicebot.dialogue.lexicon import lexicon

LONGEST: Final = 2000
"""Characters of an answer that are looked at."""

_APOSTROPHES: Final = dict.fromkeys((0x2019, 0x2BC, 0x60, 0xB4), "'")
_WORD: Final = re.compile(r"\w+(?:'\w+)*")
_CLOSE: Final = 0.85
"""How alike a misheard phrase and the answer are at least."""
_SHORTEST_MISHEARD: Final = 5
"""Letters; shorter words are too often alike."""


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in small letters, without punctuation. Chinese and Japanese signs are a word each."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).translate(_APOSTROPHES).casefold()
    found: list[str] = []
    for word in _WORD.findall(plain.replace("_", " ")):
        found += list(word) if any("\u3040" <= sign <= "\u9fff" for sign in word) else [word]
    return tuple(found)


@lru_cache(maxsize=8192)
def words_of_phrase(phrase: str, language: str) -> tuple[str, ...]:
    """Return the words of a manifest's phrase, and remember them; what callers say is remembered nowhere."""
    return with_figures(words_of(phrase), language)


def with_figures(words: Sequence[str], language: str) -> tuple[str, ...]:
    """Return words with each digit as a figure: some recognisers write `101` for `one oh one`."""
    digits = lexicon(language).digits
    found: list[str] = []
    for word in words:
        found += word if word.isdecimal() else [str(digits[word]) if word in digits else word]
    return tuple(found)


def places(phrase: Sequence[str], words: Sequence[str]) -> Iterable[range]:
    """Yield where all words of a phrase follow each other."""
    length = len(phrase)
    if length:
        for start in range(len(words) - length + 1):
            if tuple(words[start : start + length]) == tuple(phrase):
                yield range(start, start + length)


def best_value(text: str, phrases: Mapping[str, Sequence[str]], language: str, *, misheard: bool = True) -> str | None:
    """Return the value whose phrases fit an answer best; None where none does, or several do.

    The whole answer comes first, then phrases in it, of which a longer one hides those inside it, then a phrase that
    was `misheard` in a letter or two.
    """
    words = with_figures(words_of(text), language)
    if not words:
        return None
    split = [(value, words_of_phrase(phrase, language)) for value, each in phrases.items() for phrase in each]
    whole = {value for value, phrase in split if phrase == words}
    if whole:
        return whole.pop() if len(whole) == 1 else None
    within = [(value, set(place)) for value, phrase in split if phrase[0] in words for place in places(phrase, words)]
    longest = {value for value, place in within if not any(place < other for _, other in within)}
    if longest:
        return longest.pop() if len(longest) == 1 else None
    return _misheard(" ".join(words), split) if misheard else None


def _misheard(said: str, split: Iterable[tuple[str, tuple[str, ...]]]) -> str | None:
    if len(said) < _SHORTEST_MISHEARD or any(sign.isdecimal() for sign in said):
        return None  # another number is another number
    alike: dict[str, float] = {}
    close = SequenceMatcher(None, "", said, autojunk=False)
    for value, phrase in split:
        close.set_seq1(" ".join(phrase))
        if close.real_quick_ratio() >= _CLOSE and close.quick_ratio() >= _CLOSE:
            alike[value] = max(alike.get(value, 0.0), close.ratio())
    best = sorted(alike, key=lambda value: alike[value], reverse=True)[:1]
    rest = [value for value, ratio in alike.items() if ratio >= _CLOSE and value not in best]
    return best[0] if best and alike[best[0]] >= _CLOSE and not rest else None
