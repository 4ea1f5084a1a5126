"""A line of the spool, and what it says."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialplane.services.sms import spool
from dialplane.services.sms.spool import CUT, Damaged, Message, Report

AT = datetime(2026, 4, 3, 8, 30, tzinfo=UTC)
EPOCH = int(AT.timestamp())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def line(text: str | bytes = "Hallo", sender: str = "+15550100") -> str:
    return f"{EPOCH}|gsm1|{encoded(sender)}|{encoded(text)}"


def read(value: str) -> Message:
    found = spool.message("1.2", value)
    assert isinstance(found, Message), found
    return found


@given(text=TEXT, sender=TEXT)
@example(text="😀 Привет 你好 \0 | \r\n ${X};'\"\\", sender="Привет|+1")
@example(text="", sender="")
def test_a_line_says_what_was_received_and_when(text: str, sender: str) -> None:
    value = line(text, sender)
    assert read(value) == Message("1.2", value, "gsm1", sender, text, AT, truncated=False)


@pytest.mark.parametrize("character", ["x", "ä", "你", "😀"])
@pytest.mark.parametrize("before", range(4))
def test_a_text_that_asterisk_cut_is_its_beginning_in_whole_characters(character: str, before: int) -> None:
    text = "." * before + character * 4000
    cut = f"{EPOCH}|gsm1|{encoded('+1')}|{encoded(text)[:CUT]}"
    found = read(cut)
    assert found.truncated
    assert text.startswith(found.text)
    assert len(found.text.encode()) > 3071 - len(character.encode())


def test_the_longest_text_that_fits_is_not_taken_for_a_cut_one() -> None:
    longest = "x" * 3069
    assert len(encoded(longest)) == CUT - 3
    assert read(line(longest)).text == longest
    assert not read(line(longest)).truncated


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert read(line(b"a\xff\xc3z")).text == "a\ufffd\ufffdz"
    assert read(line(b"\xed\xa0\xbd")).text == "\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "|||",
        "Hallo",
        f"{EPOCH}|gsm1|{encoded('+1')}",
        f"{EPOCH}|gsm1|{encoded('+1')}|{encoded('x')}|",
        f"|gsm1|{encoded('+1')}|{encoded('x')}",
        f"-1|gsm1|{encoded('+1')}|{encoded('x')}",
        f"{'9' * 12}|gsm1|{encoded('+1')}|{encoded('x')}",
        f"\u0661|gsm1|{encoded('+1')}|{encoded('x')}",
        f"{EPOCH}||{encoded('+1')}|{encoded('x')}",
        f"{EPOCH}|GSM 1|{encoded('+1')}|{encoded('x')}",
        f"{EPOCH}|{'a' * 64}|{encoded('+1')}|{encoded('x')}",
        f"{EPOCH}|gsm1|+1|{encoded('x')}",
        f"{EPOCH}|gsm1|{encoded('+1')}|not Base64",
        f"{EPOCH}|gsm1|{encoded('+1')}|{encoded('xx')[:-1]}",
        f"{EPOCH}|gsm1|{encoded('+1')}|ä",
        f"{EPOCH}|gsm1|{encoded('+1')}|\udcff",
    ],
    ids=range(17),
)
def test_a_line_that_cannot_be_read_is_damaged_and_says_why(value: str) -> None:
    found = spool.message("1.2", value)
    assert isinstance(found, Damaged)
    assert (found.spool_id, found.value) == ("1.2", value)
    assert found.why


@given(value=st.text(max_size=200))
def test_no_line_raises(value: str) -> None:
    spool.message("1.2", value)
    spool.report("1.2", value)


def test_a_report_says_which_message_and_what_became_of_it() -> None:
    parts = ("+15550100", "0123abcd", "1", "e", "26/04/03,08:30:00+08", "26/04/03,08:30:02+08", "0,0")
    value = "|".join([str(EPOCH), "gsm1", *map(encoded, parts)])
    assert spool.report("1.2", value) == Report(
        "1.2",
        "gsm1",
        "+15550100",
        "0123abcd",
        True,
        "e",
        AT,
        parts[4],
        parts[5],
        "0,0",
    )
    assert isinstance(spool.report("1.2", line()), Damaged)
