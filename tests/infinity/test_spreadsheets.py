"""Lists as spreadsheets write them: each is read, or refused in one sentence with its cure."""

import pytest

from dialplane.resources.numbering import Numbering
from dialplane.services.infinity.campaign.destination_list import BadListError, destinations, numbers
from dialplane.services.infinity.campaign.spreadsheet import decoded
from dialplane.services.infinity.tables.destinations import NewDestination

GERMANY = Numbering(country_code="49")
ANNA = NewDestination("+4930555020", None, {"name": "Anna"})
A1 = NewDestination("+4930555020", "A1")
MULLER = NewDestination("+4930555020", "A1", {"name": "Müller; Anna"})
TEXT = "number;name\r\n+4930555020;Anna\r\n"
UMLAUT = "number;name\r\n+4930555020;Müller\r\n"

READ = {
    "an apostrophe that keeps text": (b"number,caseId\n'+4930555020,A1\n", (A1,)),
    "a mark, semicolons, quotes": (b'\xef\xbb\xbfnumber;caseId;name\r\n+4930555020;A1;"M\xc3\xbcller; Anna"\r\n', (MULLER,)),
    "capitals": (b"Number,Name\n+4930555020,Anna\n", (NewDestination("+4930555020", None, {"Name": "Anna"}),)),
    "a case id in words": (b"NUMBER,Case ID\n+4930555020,A1\n", (A1,)),
    "somebody twice": (b"number,caseId\n+4930555020,A1\n030555020,A2\n", (A1, NewDestination("030555020", "A2"))),
    "rows that were emptied": (b"number,name\n+4930555020,Anna\n,\n,\n\n", (ANNA,)),
    "a formula that keeps text": (b'number,caseId\n="+4930555020",A1\n', (A1,)),
    "the same, exported": (b'number,caseId\n"=""+4930555020""",A1\n', (A1,)),
    "Windows-1252": ("number;name\n+4930555020;Müller\n".encode("cp1252"), (NewDestination("+4930555020", None, {"name": "Müller"}),)),
    "sep=": (b"sep=;\r\n" + TEXT.encode(), (ANNA,)),
    "sep= in quotes, and a mark": (b'\xef\xbb\xbf"sep=;"\n' + TEXT.encode(), (ANNA,)),
    "sep= and a tab": (b"SEP=\t\nnumber\tname\n+4930555020\tAnna\n", (ANNA,)),
    "spaces, brackets, slashes": (
        "number;name\n+49 30 555020;Anna\n+49 (0)30/555-021;Bob\n030 555 022;C\n\u202a+49\u00a030\u2011555023\u202c;D\n".encode(),
        (
            ANNA,
            NewDestination("+4930555021", None, {"name": "Bob"}),
            NewDestination("030555022", None, {"name": "C"}),
            NewDestination("+4930555023", None, {"name": "D"}),
        ),
    ),
    "tabs": (b"number\tcaseId\n+4930555020\tA1\n", (A1,)),
    "tabs, and a comma in a name": (b"name, given\tnumber\nAnna\t+4930555020\n", (NewDestination("+4930555020", None, {"name, given": "Anna"}),)),
    "UTF-16 as Excel's Unicode text": (b"\xff\xfe" + "number\tcaseId\n+4930555020\tA1\n".encode("utf-16-le"), (A1,)),
    "UTF-16, the other way round": (b"\xfe\xff" + TEXT.encode("utf-16-be"), (ANNA,)),
    "UTF-16 without its mark": (TEXT.encode("utf-16-le"), (ANNA,)),
    "line ends of old": (b"number;name\r+4930555020;Anna\r", (ANNA,)),
    "one column, and quotes": (b'"number"\n"+4930555020"\n', (NewDestination("+4930555020"),)),
}  # fmt: skip

AS_TEXT = "format the column as text, and enter the numbers again"
REFUSED = {
    "a scientific figure": (b"number,caseId\n4.93056E+11,A1\n", f"line 2, number: a spreadsheet has made a calculated value of it, and its last digits are lost: {AS_TEXT}"),
    "a scientific figure with a comma": (b"number;caseId\n4,93056E+11;A1\n", f"line 2, number: a spreadsheet has made a calculated value of it, and its last digits are lost: {AS_TEXT}"),
    "a fraction": (b"number\n+4930555020.0\n", f"line 2, number: a spreadsheet has made a calculated value of it: {AS_TEXT}"),
    "a lost zero": (b"number,caseId\n30555020,A1\n", f"line 2, number: whose number it is cannot be known: write it with + and the country code, or with the national prefix 0; where a spreadsheet has taken a 0 or + away, {AS_TEXT}"),
    "no header": (b"+4930555020\n+4930555021\n", "line 1: the first line names the columns, one of them `number`: put a line with their names above this one"),
    "another header": (b"Telefon;Name\n+4930555020;Anna\n", "line 1: the first line names the columns, one of them `number`: write `number` for 'Telefon'"),
    "a note of two lines": (b'number,note\n+4930555020,"line1\nline2"\n', "line 2, note: has a line break or a control character: take it out"),
    "nothing": (b"", "line 1: the list is empty: the first line names the columns, one of them `number`"),
    "a workbook": (b"PK\x03\x04\x14\x00", "the list is a workbook, and not a table as text: save it as `CSV UTF-8`"),
    "UTF-16 that breaks off": ("\ufeff".encode("utf-16-le") + TEXT.encode("utf-16-le")[:-1], "the list is UTF-16 and breaks off: save it as `CSV UTF-8`"),
    "neither one nor the other": (b"number\n\x81\x8d\n", "the list is neither UTF-8 nor Windows-1252: save it as `CSV UTF-8`"),
    "two encodings": (UMLAUT.encode() + UMLAUT.encode("cp1252"), "line 4: is not UTF-8, as the lines above it are: save it as `CSV UTF-8`"),
    "sep= and a bad number": (b"sep=;\nnumber;name\nAda;Anna\n", "line 3, number: not a telephone number: 2 to 20 digits, with at most one + in front"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "listed"), READ.values(), ids=READ)
def test_a_list_as_a_spreadsheet_writes_it_is_read(data: bytes, listed: tuple[NewDestination, ...]) -> None:
    assert destinations(decoded(data), GERMANY) == listed


@pytest.mark.parametrize(("data", "said"), REFUSED.values(), ids=REFUSED)
def test_a_list_that_a_spreadsheet_has_spoilt_is_refused_in_one_sentence_with_the_cure(data: bytes, said: str) -> None:
    with pytest.raises(BadListError) as raised:
        destinations(decoded(data), GERMANY)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    "text",
    [
        "+4930555010\n+49 (0)30 555016\n",
        "# since May\n\n\"+4930555010\"\n='x'\n".replace("='x'", "'0049-30-555016"),
        "number\n+4930555010\n030555016\n",
        "sep=;\nName;Number\nAnna;+4930555010\n# gone\nBob;030/555016\n",
        "+4930555010;;\n030555016;;\n",
        '="+4930555010"\n="030555016"\n',
        "+4930555010\r030555016\r",
    ],
)
def test_a_do_not_call_list_is_read_as_it_comes(text: str) -> None:
    found = [GERMANY.normalise(number) for number in numbers(text, GERMANY)]
    assert found == ["+4930555010", "+4930555016"]


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("Phone;Name\n+4930555010;Anna\n", "write `number` for 'Phone'"),
        ("+4930555010,Anna\n", "put a line with their names above this one"),
        ("number|name\n+4930555010|Anna\n", "separate them by commas, semicolons or tabs"),
    ],
)
def test_a_do_not_call_list_that_is_a_table_needs_the_name_of_the_column(text: str, cure: str) -> None:
    with pytest.raises(BadListError) as raised:
        numbers(text, GERMANY)
    assert str(raised.value) == f"line 1: a table: the first line names the columns, one of them `number`: {cure}"


def test_a_number_of_a_do_not_call_list_that_cannot_be_known_is_refused() -> None:
    with pytest.raises(BadListError, match=r"^line 2: whose number it is cannot be known"):
        numbers("+4930555010\n30555016\n", GERMANY)


def test_nothing_that_is_refused_repeats_a_number() -> None:
    for text in ("number\n4.93056E+11\n", "number\n30555020\n", "number\n+4930555020.0\n", "number\nx30555020\n"):
        with pytest.raises(BadListError) as raised:
            destinations(text, GERMANY)
        assert not any(part in str(raised.value) for part in ("4.93", "30555020"))
