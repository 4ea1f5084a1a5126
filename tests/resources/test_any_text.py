"""For every text: what is taken cannot harm a line of Asterisk's files, and means there what it says here."""

import unicodedata
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dialplane.resources import fields as f


def taken(field: Any, text: str) -> bool:
    try:
        TypeAdapter(field).validate_python(text)
    except ValidationError:
        return False
    return True


def is_pattern(text: str) -> bool:
    """Asterisk's grammar, read character by character as its own reader does."""
    if not text.startswith("_"):
        return False
    body = text[1:]
    if body[-1:] in (".", "!"):
        body = body[:-1]
    if not body or len(text) > 79:
        return False
    at = 0
    while at < len(body):
        if body[at] == "[":
            end = body.find("]", at)
            if end <= at + 1 or not is_set(body[at + 1 : end]):
                return False
            at = end + 1
        elif body[at] in "0123456789*#+XZN":
            at += 1
        else:
            return False
    return True


def is_set(inside: str) -> bool:
    at = 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-":
            low, high = inside[at], inside[at + 2 : at + 3]
            if not (low.isdecimal() and high.isdecimal() and low.isascii() and high.isascii() and low <= high):
                return False
            at += 3
        elif inside[at] in "0123456789*#+":
            at += 1
        else:
            return False
    return True


PIECES = st.lists(st.sampled_from([*"0159XZN[]-.!*#+xa_ ", "[2-5]", "[13]", "[9-1]", "[]"]), max_size=12).map("".join)


@settings(max_examples=600, deadline=None)
@given(PIECES.map("_".__add__))
@example("_[1-3-5]")
@example("_[*-#]")
@example("_" + "X" * 40 + ".")
def test_a_pattern_is_taken_exactly_when_asterisk_can_read_it(text: str) -> None:
    assert taken(f.DialPattern, text) == is_pattern(text)


TURNING = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


@settings(max_examples=1_000, deadline=None)
@given(
    st.text(max_size=70)
    | st.text(alphabet="Aé 1.'\"<>;\\|,{}$[]%=\n\r\t`\x00\x7f\x85\u2028\u2029\u202e\u2069\u200d", max_size=10)
)
def test_a_display_name_is_any_text_without_control_characters(text: str) -> None:
    controls = any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} or c in TURNING for c in text)
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert taken(f.DisplayName, text) == (1 <= len(text) <= 64 and not controls)


TEXT_TYPES = [
    f.ExtensionNumber, f.DialNumber, f.DialPrefix, f.CallerNumber, f.Did, f.DialPattern, f.Host, f.HostPort,
    f.BindAddress, f.Cidr, f.PeerCidr, f.HttpUrl, f.ObjectName, f.Email, f.SipUser, f.Language,
    f.AbsolutePath, f.TimeZone, f.ClockTime, f.ClosingTime, f.HolidayDate,
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    field=st.sampled_from(TEXT_TYPES),
    text=st.sampled_from(["", "101", "a.b", "192.0.2.1", "/a", "UTC", "08:00", "12-25", "_X.", "a@b.de", "http://a"]),
    bad=st.sampled_from(["\n", "\r", "\0", "\x0b", "\x85", "\u2028", ";", "\\", "]\n[x]", '"', ",", "${A}"]),
    front=st.booleans(),
)
def test_no_text_starts_a_line_a_section_a_comment_or_a_variable(field: Any, text: str, bad: str, front: bool) -> None:
    assert not taken(field, bad + text if front else text + bad)
