"""How English callers say the answers that a state expects: a graph of words for the offline recogniser. Pure.

The words of numbers, dates, yes and no are those of `dialogue.lexicon`, which turns what was said into values; here
stand the ways in which they follow each other, and what people say around an answer.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dialplane.services.voicebot.dialogue.lexicon import ENGLISH
from dialplane.services.voicebot.dialogue.wording import words_of
from dialplane.services.voicebot.speech.contract import Expected, Grammar
from dialplane.services.voicebot.speech.word_graph import (
    Pattern,
    WordGraph,
    any_of,
    graph_of,
    in_turn,
    perhaps,
    phrases,
    repeated,
    seldom,
)

_HESITATION: Final = ("uh", "um", "well")
_THANKS: Final = ("please", "thank you", "thanks", "please thank you")
_WISHES: Final = (
    *("i would like", "i would like to", "i'd like", "i'd like to", "i want", "i want to", "i need", "i need to"),
    *("i would like to speak to", "i'd like to speak to", "i want to speak to", "i need to speak to"),
    *("could i speak to", "can i speak to", "can i talk to", "can i have", "put me through to", "connect me to"),
)
_ARTICLES: Final = ("the", "it's", "it is", "to", "that would be")
_BEFORE_DIGITS: Final = ("it's", "it is", "my number is", "the number is", "number", "extension", "that's")
_BEFORE_DATES: Final = ("on", "for", "it's", "it is", "that would be", "i would like", "i'd like")
_YEARS: Final = (
    *(f"twenty twenty {unit}" for unit in ("four", "five", "six", "seven", "eight", "nine")),
    *(f"two thousand twenty {unit}" for unit in ("four", "five", "six", "seven", "eight", "nine")),
    *(f"two thousand and twenty {unit}" for unit in ("four", "five", "six", "seven", "eight", "nine")),
    *("twenty thirty", "twenty thirty one"),
)
_UNUSUAL: Final = frozenset({"nought", "naught", "niner"})
_LETTER: Final = "o"
"""Said as its name, which is `oh`."""
_ABBREVIATIONS: Final = frozenset({"jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"})


def english_answers(expected: Expected) -> WordGraph:
    """Return what a caller may say.

    Raises:
        ValueError: the grammar takes any words, or has more answers than can be searched.
    """
    match expected.grammar:
        case Grammar.CHOICES:
            return graph_of(_choices(expected.phrases))
        case Grammar.YES_NO:
            return graph_of(_yes_or_no(expected.phrases))
        case Grammar.DIGITS:
            return graph_of(_digits(expected.min_digits, expected.max_digits))
        case Grammar.DATE:
            return graph_of(_dates())
        case Grammar.WORDS:
            raise ValueError("free speech is no graph of words")


def spoken_words(text: str) -> str:
    """Return a phrase as the words of the dictionary: small letters without accents, split at dashes."""
    plain = unicodedata.normalize("NFKD", text).replace("ß", "ss")
    return " ".join(words_of("".join(sign for sign in plain if not unicodedata.combining(sign))))


def _choices(said: Mapping[str, Sequence[str]]) -> Pattern:
    before = any_of(
        phrases(*_HESITATION, *_ARTICLES), in_turn(perhaps(seldom(phrases(*_HESITATION))), phrases(*_WISHES))
    )
    return in_turn(perhaps(seldom(before)), _any_phrase(said.values()), perhaps(seldom(phrases(*_THANKS))))


def _yes_or_no(said: Mapping[str, Sequence[str]]) -> Pattern:
    return in_turn(
        perhaps(seldom(phrases(*_HESITATION))), _any_phrase(said.values()), perhaps(seldom(phrases(*_THANKS)))
    )


def _any_phrase(said: Iterable[Sequence[str]]) -> Pattern:
    return phrases(*dict.fromkeys(words for each in said for text in each if (words := spoken_words(text))))


def _digits(least: int, most: int) -> Pattern:
    """Digits one by one, doubled, in pairs (`forty two`), and whole numbers below a thousand where they are short."""
    common = (word for word in ENGLISH.digits if word not in _UNUSUAL and word != _LETTER)
    digit = any_of(phrases(*common), seldom(phrases(*sorted(_UNUSUAL))))
    doubled = in_turn(phrases(*ENGLISH.repeats), digit)
    group = any_of(digit, seldom(doubled), seldom(_below_hundred()))
    # A group has up to three digits, so that the least number of groups is a third of that of digits.
    groups = repeated(group, max(1, (least + 2) // 3), most)
    units = tuple(word for word, value in ENGLISH.digits.items() if value)
    rest = perhaps(in_turn(perhaps(phrases(*sorted(ENGLISH.joining))), any_of(digit, _below_hundred())))
    hundreds = in_turn(phrases("a", *units), phrases(*sorted(ENGLISH.hundred)), rest)
    before = perhaps(
        any_of(
            seldom(phrases(*_HESITATION)),
            in_turn(perhaps(seldom(phrases(*_HESITATION))), seldom(phrases(*_BEFORE_DIGITS))),
        )
    )
    return in_turn(before, any_of(groups, seldom(hundreds, 0.1)), perhaps(seldom(phrases(*_THANKS))))


def _below_hundred() -> Pattern:
    units = tuple(word for word, value in ENGLISH.digits.items() if value)
    return any_of(phrases(*ENGLISH.teens), in_turn(phrases(*ENGLISH.tens), perhaps(phrases(*units))))


def _dates() -> Pattern:
    the = perhaps(phrases("the"))
    months = phrases(*(word for word in ENGLISH.months if word not in _ABBREVIATIONS))
    ordinals = phrases(*ENGLISH.ordinals)
    day_first = in_turn(the, ordinals, perhaps(in_turn(perhaps(phrases("of")), months, perhaps(phrases(*_YEARS)))))
    month_first = in_turn(months, the, any_of(ordinals, _below_hundred()), perhaps(phrases(*_YEARS)))
    day = any_of(day_first, month_first)
    weekdays = in_turn(perhaps(phrases(*sorted(ENGLISH.coming))), phrases(*ENGLISH.weekdays), perhaps(day))
    units = (word for word, value in ENGLISH.digits.items() if value)
    ahead = in_turn(phrases(*sorted(ENGLISH.ahead)), phrases("a", *units, "ten"), phrases(*ENGLISH.spans))
    days = in_turn(the, phrases(*ENGLISH.days))
    before = perhaps(any_of(phrases(*_HESITATION), seldom(phrases(*_BEFORE_DATES))))
    return in_turn(before, any_of(days, day, weekdays, ahead), perhaps(seldom(phrases(*_THANKS))))
