"""`dialplane campaign export`: CSV that programs read back as it was, and spreadsheets calculate nothing of."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.cli.campaign_export import as_csv, safe
from dialplane.services.infinity.campaign import destination_list
from dialplane.services.infinity.campaign.spreadsheet import value


def destination(number: str, **more: Any) -> dict[str, Any]:
    own: dict[str, Any] = {
        "number": number,
        "case_id": None,
        "custom_params": {},
        "state": "answered",
        "attempts": 1,
        "outcome": "Answered",
        "finished_at": "2026-04-03T08:30:00Z",
        "call": "call-1",
        "bot_call": None,
        "bot_outcome": None,
        "collected": {},
    }
    return own | more


def test_every_destination_is_a_line_with_what_the_list_and_the_bot_have_of_it() -> None:
    found = [
        destination("+15550111", case_id="case-1", custom_params={"name": 'Ada "the first", Countess'}),
        destination("0305550112", bot_call="c-1", bot_outcome="completed", collected={"consent": "yes"}),
    ]
    text = as_csv(found)
    assert text.splitlines(keepends=True) == [
        "number,caseId,state,attempts,outcome,finishedAt,call,botCall,botOutcome,collected.consent,name\r\n",
        '+15550111,case-1,answered,1,Answered,2026-04-03T08:30:00Z,call-1,,,,"Ada ""the first"", Countess"\r\n',
        "0305550112,,answered,1,Answered,2026-04-03T08:30:00Z,call-1,c-1,completed,yes,\r\n",
    ]


def test_an_export_can_be_the_list_of_another_campaign() -> None:
    found = [destination("+15550111"), destination("0305550112", case_id="case-2")]
    again = destination_list.destinations(as_csv(found))
    assert [(each.number, each.case_id) for each in again] == [("+15550111", None), ("0305550112", "case-2")]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", " =1", '=HYPERLINK("x")', "+49 30=1"]
)
def test_what_a_spreadsheet_would_calculate_is_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["+15550111", "-12,50", "12.5", "", "yes", "case-1", "a=b", "'quoted"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert safe(cell) == cell


@given(st.text(max_size=40))
def test_no_text_becomes_a_formula_and_none_is_lost(text: str) -> None:
    whole = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    written = as_csv([destination("+15550111", collected={"said": whole})])
    (_, row) = csv.reader(io.StringIO(written, newline=""), strict=True)
    cell = row[9]
    assert cell.removeprefix("'") == whole.removeprefix("'")
    assert cell.lstrip("\t\r\n ")[:1] not in set("=@") or not cell
    assert value("+15550111") == row[0]
