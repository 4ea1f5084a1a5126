"""From words and keys to values."""

import pytest

from dialplane.resources.dialog import Collect
from dialplane.services.voicebot.dialogue import grammar
from dialplane.services.voicebot.dialogue.steps import ExpectedKeys
from tests.voicebot.dialogue.dialogs import TODAY

DIGITS = Collect(grammar="digits")
DATE = Collect(grammar="date")
YES_NO = Collect(grammar="yesNo")
DEPARTMENTS = Collect.model_validate(
    {
        "grammar": "choices",
        "choices": (
            {"value": "sales", "phrases": ("sales", "buy something")},
            {"value": "support", "phrases": ("support", "my phone is broken")},
            {"value": "technical", "phrases": ("technical support",)},
            {"value": "ada", "phrases": ("one oh one", "ada", "five five five zero one")},
        ),
    }
)


@pytest.mark.parametrize(
    ("language", "text", "digits"),
    [
        ("en", "one oh one", "101"),
        ("en", "Double seven, three.", "773"),
        ("en", "triple zero one", "0001"),
        ("en", "one hundred and one", "101"),
        ("en", "a hundred", "100"),
        ("en", "one thousand two hundred and thirty four", "1234"),
        ("en", "my number is twenty three four", "234"),
        ("en-GB", "555-0100", "5550100"),
        ("en", "extension 101, please", "101"),
        ("en", "I have two dogs", None),
        ("en", "double", None),
        ("en", "", None),
        ("en", "1" * 40, None),
        ("de", "eins null eins", "101"),
        ("de", "zweihundertdreiundzwanzig", "223"),
        ("de", "hunderteins", "101"),
        ("fr", "un zéro un", "101"),
        ("pl", "101", "101"),
        ("pl", "jeden", None),
    ],
)
def test_digits(language: str, text: str, digits: str | None) -> None:
    assert grammar.understood(DIGITS, text, language, TODAY) == digits


@pytest.mark.parametrize(
    ("language", "text", "day"),
    [
        ("en", "today", "2026-11-30"),
        ("en", "The day after tomorrow, please.", "2026-12-02"),
        ("en", "monday", "2026-12-07"),
        ("en", "next friday", "2026-12-04"),
        ("en", "friday next week", None),
        ("en", "in two weeks", "2026-12-14"),
        ("en", "in a week", "2026-12-07"),
        ("en", "the third of may", "2027-05-03"),
        ("en", "Monday, the third of May", "2027-05-03"),
        ("en", "december twenty fifth", "2026-12-25"),
        ("en", "may twenty three twenty thirty", "2030-05-23"),
        ("en", "May 3rd, 1984", "1984-05-03"),
        ("en", "the twenty first of december two thousand and twenty seven", "2027-12-21"),
        ("en", "february 29", "2028-02-29"),
        ("en", "february thirtieth", None),
        ("en", "the thirty first", "2026-12-31"),
        ("en", "thursday the thirty first, please", "2026-12-31"),
        ("en", "the first floor", None),
        ("en", "i'd like december the ten twenty thirty please", "2030-12-10"),
        ("en", "2026-12-31", "2026-12-31"),
        ("en", "3/5/2027", "2027-03-05"),
        ("en-GB", "3/5/2027", "2027-05-03"),
        ("en", "3/5/84", "1984-03-05"),
        ("en", "march two thousand twenty seven", None),
        ("en", "whenever you like", None),
        ("de", "übermorgen", "2026-12-02"),
        ("de", "am nächsten Montag", "2026-12-07"),
        ("de", "am dritten Mai", "2027-05-03"),
        ("de", "3. Mai 2027", "2027-05-03"),
        ("de", "3.5.2027", "2027-05-03"),
        ("de", "in zwei Wochen", "2026-12-14"),
        ("fr", "2026-12-31", "2026-12-31"),
    ],
)
def test_dates(language: str, text: str, day: str | None) -> None:
    assert grammar.understood(DATE, text, language, TODAY) == day


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "Yes, please.", "yes"),
        ("en", "yeah that's right", "yes"),
        ("en", "no thank you", "no"),
        ("en", "No, that's not right", "no"),
        ("en", "of course not", "no"),
        ("en", "that\u2019s wrong", "no"),
        ("en", "no, that's right", None),  # who knows
        ("en", "maybe", None),
        ("de", "Ja, gerne!", "yes"),
        ("de", "das stimmt nicht", "no"),
        ("es", "Sí", "yes"),
        ("ja", "hai", None),
    ],
)
def test_yes_and_no(language: str, text: str, value: str | None) -> None:
    assert grammar.understood(YES_NO, text, language, TODAY) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sales", "sales"),
        ("I want to BUY something!", "sales"),
        ("technical support", "technical"),  # the longer phrase hides the shorter one in it
        ("support, not technical support", None),
        ("sales or support", None),
        ("my phone is brocken", "support"),  # misheard in a letter
        ("One-oh-one, please.", "ada"),
        ("101", "ada"),
        ("1 0 1", "ada"),
        ("102", None),
        ("five five five zero two", None),  # never misheard for another number
        ("salsa", None),
        ("salesman", None),
        ("...", None),
    ],
)
def test_choices(text: str, value: str | None) -> None:
    assert grammar.understood(DEPARTMENTS, text, "en", TODAY) == value


def test_signs_without_blanks_are_words_of_their_own() -> None:
    assert grammar.has_words("我要买东西", "买东西")
    assert not grammar.has_words("我要东西", "买东西")


@pytest.mark.parametrize(
    ("collect", "keys", "value"),
    [
        (YES_NO, "1", "yes"),
        (YES_NO, "2#", "no"),
        (YES_NO, "3", None),
        (DIGITS, "101#", "101"),
        (DIGITS, "101", "101"),
        (DIGITS, "1*1", None),
        (DIGITS, "#", None),
        (DATE, "311226", None),
        (DEPARTMENTS, "1", None),
    ],
)
def test_keys(collect: Collect, keys: str, value: str | None) -> None:
    assert grammar.pressed(collect, keys) == value


@pytest.mark.parametrize(
    ("expected", "pressed", "done"),
    [
        (ExpectedKeys(frozenset({"1", "12"})), "1", False),
        (ExpectedKeys(frozenset({"1", "12"})), "12", True),
        (ExpectedKeys(frozenset({"1", "12"})), "3", True),
        (ExpectedKeys(frozenset({"1"})), "1", True),
        (ExpectedKeys(max_digits=3), "10", False),
        (ExpectedKeys(max_digits=3), "101", True),
        (ExpectedKeys(max_digits=3), "10#", True),
        (ExpectedKeys(frozenset({"*"}), max_digits=3), "*", True),
        (ExpectedKeys(frozenset({"**"}), max_digits=3), "*", False),
        (ExpectedKeys(), "1", True),
    ],
)
def test_it_is_known_when_no_key_can_follow(expected: ExpectedKeys, pressed: str, done: bool) -> None:
    assert expected.are_done(pressed) is done
