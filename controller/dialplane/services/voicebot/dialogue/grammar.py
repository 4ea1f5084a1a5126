"""From what a caller says or presses to the value of an answer, by the grammar of its state. Pure."""

from datetime import date
from typing import Final

from dialplane.resources.dialog import Collect
from dialplane.services.voicebot.dialogue.lexicon import Lexicon, lexicon, month_first
from dialplane.services.voicebot.dialogue.spoken_dates import date_of
from dialplane.services.voicebot.dialogue.spoken_numbers import digits_of
from dialplane.services.voicebot.dialogue.steps import ExpectedKeys
from dialplane.services.voicebot.dialogue.wording import best_value, places, with_figures, words_of, words_of_phrase
from dialplane.services.voicebot.speech.contract import Expected, Grammar

YES: Final = "yes"
NO: Final = "no"
YES_KEY: Final = "1"
NO_KEY: Final = "2"


def expected(collect: Collect, language: str) -> Expected:
    """Return what a recogniser is to listen for."""
    words = lexicon(language)
    phrases = {choice.value: choice.phrases for choice in collect.choices}
    if Grammar(collect.grammar) is Grammar.YES_NO:
        phrases = {YES: words.yes, NO: words.no}
    return Expected(Grammar(collect.grammar), phrases, collect.min_digits, collect.max_digits)


def expected_keys(collect: Collect) -> ExpectedKeys:
    """Return the keys that answer by the grammar alone."""
    match Grammar(collect.grammar):
        case Grammar.YES_NO:
            return ExpectedKeys(frozenset({YES_KEY, NO_KEY}))
        case Grammar.DIGITS:
            return ExpectedKeys(max_digits=collect.max_digits)
        case _:
            return ExpectedKeys(frozenset(choice.dtmf for choice in collect.choices if choice.dtmf))


def understood(collect: Collect, text: str, language: str, today: date) -> str | None:
    """Return the value of what was said; None where it is no answer."""
    words = lexicon(language)
    match Grammar(collect.grammar):
        case Grammar.WORDS:
            return text.strip() or None
        case Grammar.DIGITS:
            digits = digits_of(text, words)
            return digits if digits and collect.min_digits <= len(digits) <= collect.max_digits else None
        case Grammar.DATE:
            day = date_of(text, words, today, month_first=month_first(language))
            return day.isoformat() if day else None
        case Grammar.YES_NO | Grammar.CHOICES:
            return best_value(text, expected(collect, language).phrases, language)


def pressed(collect: Collect, keys: str) -> str | None:
    """Return the value of keys; None where they are no answer."""
    match Grammar(collect.grammar):
        case Grammar.YES_NO:
            return {YES_KEY: YES, NO_KEY: NO}.get(keys.rstrip("#"))
        case Grammar.DIGITS:
            digits = keys.removesuffix("#")
            fits = digits.isdigit() and collect.min_digits <= len(digits) <= collect.max_digits
            return digits if fits else None
        case Grammar.CHOICES:
            return next((each.value for each in collect.choices if each.dtmf in {keys, keys.rstrip("#")}), None)
        case _:
            return None


def is_complete(collect: Collect, text: str, language: str, today: date) -> bool:
    """Return whether an answer is complete though the caller may not have ended: nothing sensible can follow it."""
    match Grammar(collect.grammar):
        case Grammar.WORDS:
            return False
        case Grammar.DIGITS:
            return len(understood(collect, text, language, today) or "") == collect.max_digits
        case Grammar.DATE:
            value = understood(collect, text, language, today)
            return value is not None and _ends_date(words_of(text), lexicon(language))
        case Grammar.YES_NO | Grammar.CHOICES:
            phrases, said = expected(collect, language).phrases, with_figures(words_of(text), language)
            value = best_value(text, phrases, language, misheard=False)
            others = (some for other, some in phrases.items() if other != value)
            longer = any(_begins(said, words_of_phrase(each, language)) for some in others for each in some)
            return value is not None and not longer


def _ends_date(said: tuple[str, ...], words: Lexicon) -> bool:
    """Whether a date hardly goes on: `tomorrow`, `friday`, `the third of may`; not `the third`, nor `may twenty`."""
    last = said[-1:]
    if any(not known.isdisjoint(last) for known in (words.fillers, words.digits.keys(), words.tens.keys())):
        return False
    relative = (words.weekdays, words.spans, {word.split()[-1]: 0 for word in words.days})
    return any(word in words.months for word in said) or any(last[0] in known for known in relative)


def has_words(text: str, phrase: str) -> bool:
    """Return whether the words of a phrase are in an answer, in their order."""
    return any(places(words_of(phrase), words_of(text)))


def _begins(said: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return len(phrase) > len(said) and phrase[: len(said)] == said
