"""A text goes through the driver's field unaltered, in as few lines as AMI allows."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialplane.asterisk.decoder import LONGEST_LINE, check_lines
from dialplane.asterisk.errors import LineRefused
from dialplane.asterisk.sms_text import ROOM, escape, pieces

_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=2000)
_NAMED = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


def unescaped(line: str) -> str:
    """What reaches the modem: AMI skips leading blanks, then the driver reads C's escapes, byte by byte."""
    data = line.encode()
    while data and data[0] <= 32:
        data = data[1:]
    out, source = bytearray(), iter(data)
    for byte in source:
        if byte != 0x5C:
            out.append(byte)
            continue
        following = next(source, None)
        if following is None:
            out.append(0x5C)
        else:
            out.append(_NAMED.get(chr(following), following))
    return out.decode()


@given(_TEXTS)
@example(" \t leading blanks")
@example("\x01\x02")
@example("C:\\new\\table \\")
@example("quotes \" ' and ${EXTEN} ; \r\n\r\nAction: Logoff")
def test_the_driver_reads_back_what_was_escaped(text: str) -> None:
    assert unescaped(escape(text)) == text


@given(_TEXTS)
def test_an_escaped_text_never_leaves_its_line(text: str) -> None:
    assert not set(escape(text)) & set("\r\n\0")


@given(_TEXTS, st.integers(min_value=8, max_value=200))
def test_the_pieces_are_the_text_and_each_fits(text: str, room: int) -> None:
    cut = pieces(text, room)
    assert "".join(unescaped(escape(piece)) for piece in cut) == text
    assert all(len(escape(piece).encode()) <= room for piece in cut)


def test_a_piece_fills_the_line_that_ami_carries() -> None:
    first, second = pieces("я" * 500)
    check_lines([("Message", escape(first))])
    assert len(f"Message: {escape(first)}я".encode()) > LONGEST_LINE
    assert first + second == "я" * 500


def test_a_text_that_fits_is_one_piece() -> None:
    assert pieces("x" * ROOM) == ["x" * ROOM]


@pytest.mark.parametrize(
    "whole",
    ["👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "e\u0301", "\r\n", "🏴\U000e0067\U000e0062\U000e007f"],
    ids=["family", "skin", "flag", "accent", "line", "tags"],
)
def test_what_a_reader_sees_as_one_is_not_cut(whole: str) -> None:
    for before in range(ROOM - 30, ROOM + 1):
        cut = pieces("x" * before + whole + "y")
        assert any(whole in piece for piece in cut)


def test_flags_in_a_row_are_cut_between_flags() -> None:
    assert all(len(piece) % 2 == 0 for piece in pieces("🇩🇪" * 400))


@pytest.mark.parametrize("text", ["a\0b", "a\ud83d"], ids=["nul", "half a character"])
def test_what_cannot_be_sent_is_refused(text: str) -> None:
    with pytest.raises(LineRefused):
        escape(text)
