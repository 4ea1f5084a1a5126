"""docs/conditions.md tells of every condition type and every reason, and of no others."""

import re
from enum import StrEnum

import pytest

from dialplane.resources.conditions import ConditionType
from dialplane.resources.problem import MANIFEST_MUST_CHANGE, Reason
from tests.docs.pages import ROOT

MESSAGE_OVER = (Reason.FAILED, Reason.EXPIRED, Reason.OUTCOME_UNKNOWN)
"""A message that did not arrive stays so."""

TEXT = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")


def table(title: str) -> dict[str, list[str]]:
    """The rows below a heading: first cell -> the others."""
    part = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


@pytest.mark.parametrize(("title", "words"), [("Types", ConditionType), ("Reasons", Reason)])
def test_each_has_its_row(title: str, words: type[StrEnum]) -> None:
    assert table(title).keys() == set(words)


def test_those_that_stall_are_said_to() -> None:
    stalled = {reason for reason, cells in table("Reasons").items() if "Stalled" in cells[0]}
    assert stalled == {*MANIFEST_MUST_CHANGE, *MESSAGE_OVER}


def test_a_reserved_reason_is_one_that_no_code_gives() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "controller").rglob("*.py"))
    unused = {reason for reason in Reason if not re.search(rf"Reason\.{reason.name}\b", code)}
    assert {reason for reason, cells in table("Reasons").items() if "Reserved" in cells[1]} == unused
