"""What YAML 1.1 and 1.2 read differently is refused; what they read alike is taken as both read it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dialplane.standalone.document import documents
from dialplane.standalone.scalars import doubt, resolve

REFUSED = (
    *("yes", "Yes", "YES", "no", "on", "off", "Off", "y", "N"),
    *("0101", "-0101", "+07", "09", "0_1", "0o14", "0b101", "-0x1F", "0x1_F"),
    *("1_000", "1_0.5", "12:30", "09:00", "1:30:15", "190:20.15"),
    *("1e3", "1.5e3", "1.5E+3", ".5e1", ".inf", "-.INF", ".NaN", "007.5"),
    *("2026-12-24", "2026-12-24T10:00:00Z", "2026-1-2 10:00:00", "<<", "="),
)

ALIKE = (
    ("101", 101),
    ("-5", -5),
    ("+4930", 4930),
    ("0", 0),
    ("0x1F", 31),
    ("1.5", 1.5),
    (".5", 0.5),
    ("1.", 1.0),
    ("true", True),
    ("False", False),
    ("null", None),
    ("", None),
    ("alice", "alice"),
    ("10.0.0.1", "10.0.0.1"),
    ("127.0.0.1:5060", "127.0.0.1:5060"),
    ("_0X.", "_0X."),
    ("yesterday", "yesterday"),
    ("no-answer", "no-answer"),
    ("+49 30 123", "+49 30 123"),
    ("12-25", "12-25"),
    ("::1", "::1"),
)


@pytest.mark.parametrize("word", REFUSED)
def test_a_word_that_readers_disagree_about_is_refused(word: str) -> None:
    assert doubt(word) is not None
    (document,) = documents(f"a: {word}\n")
    assert [flaw.field for flaw in document.flaws] == ["a"]
    assert document.flaws[0].message.endswith("quote it")


@pytest.mark.parametrize("word", REFUSED)
def test_in_quotes_every_word_is_text(word: str) -> None:
    for quoted in (f'"{word}"', f"'{word}'", f"|-\n  {word}", f"!!str {word}"):
        (document,) = documents(f"a: {quoted}\n")
        assert (document.value, document.flaws) == ({"a": word}, ())


@pytest.mark.parametrize(("word", "value"), ALIKE)
def test_a_word_that_readers_agree_about_is_taken(word: str, value: object) -> None:
    assert doubt(word) is None
    assert resolve(word) == value
    assert type(resolve(word)) is type(value)


@given(st.text(alphabet="0123456789+-._:xobeEyYnNosfrtual~<=TZ ", min_size=1, max_size=10))
def test_no_word_that_a_yaml_1_1_reader_takes_for_something_else_is_let_through(word: str) -> None:
    word = word.strip()
    try:
        theirs = yaml.safe_load(f"a: {word}\n")["a"]
    except (yaml.YAMLError, ValueError, TypeError):
        return  # not one plain word
    if word and doubt(word) is None:
        ours = resolve(word)
        assert (ours, type(ours)) == (theirs, type(theirs))
