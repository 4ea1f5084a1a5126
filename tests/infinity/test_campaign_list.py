"""Lists as CSV: what is taken, and what is said of each bad line."""

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.services.infinity.campaign import destination_list
from dialplane.services.infinity.campaign.destination_list import BadLine, BadListError, destinations, numbers
from dialplane.services.infinity.tables.destinations import NewDestination
from tests.docs.pages import ROOT, blocks


@pytest.mark.parametrize(
    "text",
    [
        "number,caseId,name\n+15550100,c-1,Ada\n",
        "name,caseId,number\r\nAda,c-1,+15550100\r\n",
        "\ufeffnumber;caseId;name\r\n+15550100;c-1;Ada",
        'number,caseId,name\n"+15550100", c-1 ,"Ada"\n\n  \n',
    ],
    ids=["commas", "any-order-and-crlf", "a-spreadsheet's", "quotes-spaces-empty-lines"],
)
def test_ways_to_write_one_list(text: str) -> None:
    assert destinations(text) == (NewDestination("+15550100", "c-1", {"name": "Ada"}),)


def test_a_number_alone_is_enough_and_is_taken_as_it_is_written() -> None:
    assert destinations("number\n0049301\n+49302\n") == (NewDestination("0049301"), NewDestination("+49302"))


def test_the_list_that_the_documents_show_is_one() -> None:
    [shown] = [block.text for block in blocks(ROOT / "docs/kinds/campaign.md") if block.words == ("csv",)]
    assert destinations(shown)[0] == NewDestination("+15550110", "case-4711", {"name": "Ada", "amount": "12,50"})


def test_what_is_empty_is_not_there() -> None:
    assert destinations("number,caseId,name\n101,,\n") == (NewDestination("101", None, {}),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the list is empty: the first line names the columns, one of them `number`"),
        ("Phone\n101\n", "line 1: the first line names the columns, one of them `number`: write `number` for 'Phone'"),
        ("+15550100\n+15550101\n", "line 1: the first line names the columns, one of them `number`: put a line with their names above this one"),
        ("number,case_id,Case ID\n", "line 1, caseId: is there twice: rename one of them"),
        ("number,,x\n", "line 1, column 2: has no name: give it one, or take the column out"),
        ("number,x,x\n", "line 1, x: is there twice: rename one of them"),
        (f"number,{'x' * 65}\n", "line 1, column 2: a name has up to 64 characters that can be printed"),
        ("number\n+1+555\n", "line 2, number: not a telephone number: 2 to 20 digits, with at most one + in front"),
        ("number\n101\n\nAda\n", "line 4, number: not a telephone number: 2 to 20 digits, with at most one + in front"),
        ("number\n112\n", "line 2, number: an emergency number: a campaign calls none; take the line out"),
        ("number\n 9-1-1\n", "line 2, number: an emergency number: a campaign calls none; take the line out"),
        (f"number,x\n101,{'y' * 131_073}\n", "line 2: a value has 131072 characters at most: look for a quote that is never closed"),
        ("number,caseId\n101,a b\n", "line 2, caseId: not a case id: up to 64 letters, digits and . _ : -"),
        ("number,x\n101\n", "line 2: 1 values for 2 columns: put a value with a separator in quotes"),
        ("number,x\n101,a,b\n", "line 2: 3 values for 2 columns: put a value with a separator in quotes"),
        (f"number,x\n101,{'y' * 257}\n", "line 2, x: has 257 characters: 256 at most"),
        ('number,x\n101,"a\nb"\n', "line 2, x: has a line break or a control character: take it out"),
        ('number,x\n101,"a\n', "line 2: unexpected end of data: quotes enclose a whole value, and a quote in it is two"),
        (f"number,{','.join(f'x{n}' for n in range(21))}\n", "line 1: 20 columns at most besides `number` and `caseId`: take some out"),
    ],
)  # fmt: skip
def test_a_bad_line_is_one_sentence_with_its_cure(text: str, said: str) -> None:
    with pytest.raises(BadListError) as raised:
        destinations(text)
    assert str(raised.value) == said


def test_every_bad_line_is_told_of_and_nothing_is_taken() -> None:
    with pytest.raises(BadListError) as raised:
        destinations("number\n101\n" + "x\n" * 150)
    assert raised.value.lines[0] == BadLine(3, "number", raised.value.lines[0].message)
    assert (len(raised.value.lines), raised.value.more) == (100, 50)
    assert str(raised.value).endswith("; and 147 more")


def test_lines_are_counted_as_an_editor_does_also_after_a_value_of_several_lines() -> None:
    with pytest.raises(BadListError) as raised:
        destinations('number,x\n101,"a\nb"\nAda,c\n')
    assert [line.line for line in raised.value.lines] == [2, 4]


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination_list, "LINES", 3)
    assert len(destinations("number\n101\n102\n103\n")) == 3
    with pytest.raises(BadListError, match="a list has 3 destinations at most"):
        destinations("number\n101\n102\n103\n104\n")
    with pytest.raises(BadListError, match="a list has 3 destinations at most"):
        destinations("number\n" + "x\n" * 4)


def test_a_header_of_any_length_is_read_in_one_go() -> None:
    with pytest.raises(BadListError, match="20 columns at most"):
        destinations(",".join(f"x{n}" for n in range(100_000)))


def test_what_is_wrong_repeats_nothing_of_the_list() -> None:
    for read, text in (
        (destinations, "number,caseId\n+1555x0111,Ada Lovelace\n"),
        (numbers, "+1555x0111\n"),
        (numbers, "Ada Lovelace\n"),
    ):
        with pytest.raises(BadListError) as raised:
            read(text)
        assert "0111" not in str(raised.value)
        assert "Ada" not in str(raised.value)


def test_of_a_bad_do_not_call_list_as_many_lines_are_told() -> None:
    with pytest.raises(BadListError) as raised:
        numbers("101\n" + "x\n" * 150)
    assert (len(raised.value.lines), raised.value.more) == (100, 50)


def test_a_do_not_call_list_has_a_number_on_each_line() -> None:
    assert numbers("\ufeff# since May\r\n+15550100\r\n\r\n 101 \n") == ("+15550100", "101")
    with pytest.raises(BadListError, match="line 2: not a telephone number"):
        numbers("101\nAda\n")


PRINTABLE = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)


@given(
    rows=st.lists(st.tuples(st.from_regex(r"\A\+?[0-9]{2,20}\Z"), PRINTABLE, PRINTABLE), max_size=8),
    separator=st.sampled_from([",", ";"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_spreadsheet_writes_is_read_as_it_was(
    rows: list[tuple[str, str, str]], separator: str, end: str
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator=end)
    writer.writerows([("one", "number", "two"), *[(one, number, two) for number, one, two in rows]])
    expected = [
        NewDestination(number, None, {name: value for name, value in (("one", one), ("two", two)) if value})
        for number, one, two in rows
    ]
    assert [*destinations(written.getvalue())] == expected


@given(st.text())
def test_any_text_is_a_list_or_a_sentence(text: str) -> None:
    with suppress(BadListError):
        destinations(text)
