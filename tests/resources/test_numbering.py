"""One number is one number, in every way that people write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.resources.numbering import Numbering, compact, normalise

GERMANY = Numbering(country_code="49")
AMERICA = Numbering(country_code="1")
ITALY = Numbering(country_code="39")
SPAIN = Numbering(country_code="34")
POLAND = Numbering(country_code="48")
HUNGARY = Numbering(country_code="36")
AUSTRALIA = Numbering(country_code="61")


@pytest.mark.parametrize(
    "written",
    [
        "+4930555010", "004930555010", "030555010", "4930555010", "+49 30 555010", "+49 (0)30/555-010",
        "0049-30-555010", "0049 (0) 30 555010".replace("(0) ", "(0)"), "(030) 555 010", "030/555010", "030.555.010",
        "+49030555010", "tel:+49-30-555010", "TEL:030 555010", "(+49) 30 555010", "\u202f+49\u00a030\u2011555010 ",
    ],
)  # fmt: skip
def test_a_number_is_one_number_in_every_spelling(written: str) -> None:
    assert GERMANY.normalise(written) == "+4930555010"


@pytest.mark.parametrize(
    ("numbering", "written", "is_"),
    [
        (AMERICA, "(212) 555-0100", "+12125550100"),
        (AMERICA, "1-212-555-0100", "+12125550100"),
        (AMERICA, "12125550100", "+12125550100"),
        (AMERICA, "011 49 30 555010", "+4930555010"),
        (AMERICA, "0049 30 555010", "+4930555010"),
        (AMERICA, "+1 555 0100", "+15550100"),
        (AMERICA, "555-0100", None),
        (GERMANY, "tel:030555010;phone-context=+49", None),  # never glued together: refused, and said so
        (GERMANY, "+4930555010;ext=12", None),
        (GERMANY, "sip:+4930555010;rn=+49301@example.com", None),
        (ITALY, "06 1234567", "+39061234567"),
        (ITALY, "+39 (0)6 1234567", "+39061234567"),
        (ITALY, "3931234567", None),
        (SPAIN, "912 345 678", "+34912345678"),
        (SPAIN, "34912345678", "+34912345678"),
        (POLAND, "481234567", "+48481234567"),
        (POLAND, "48481234567", "+48481234567"),
        (HUNGARY, "06 1 234 5678", "+3612345678"),
        (AUSTRALIA, "0011 49 30 555010", "+4930555010"),
        (AUSTRALIA, "02 5550 1234", "+61255501234"),
        (GERMANY, "30555010", None),
        (GERMANY, "+0930555010", None),
        (GERMANY, "0", None),
        (GERMANY, "+49305550101234567", None),
        (Numbering(country_code="49", national_prefix=""), "30555010", "+4930555010"),
        (Numbering(country_code="49", international_prefix="010"), "010 1 212 5550100", "+12125550100"),
        (None, "+4930555010", "+4930555010"),
        (None, "0049 30 555010", "+4930555010"),
        (None, "030555010", None),
        (None, "4930555010", None),
    ],
)
def test_what_a_number_is_its_country_decides(numbering: Numbering | None, written: str, is_: str | None) -> None:
    assert normalise(written, numbering) == is_


@pytest.mark.parametrize(
    "written",
    ["", "+", "Ada", "4.93056E+11", "4930555010.0", "+49;30", "++4930", "49+30", "0800-FLOWERS", "1\n2", "\uff11\uff12",
     "+4930555010;ext=5", "sip:+4930555010@example.com", "*31#030555010"],
)  # fmt: skip
def test_what_is_no_number_cannot_be_known(written: str) -> None:
    assert compact(written) is None
    assert normalise(written, GERMANY) is None


@given(
    st.sampled_from((GERMANY, AMERICA, ITALY, SPAIN, POLAND, HUNGARY, AUSTRALIA)),
    st.text("+0123456789 -/().", max_size=24),
)
def test_what_is_known_is_known_as_itself(numbering: Numbering, written: str) -> None:
    found = numbering.normalise(written)
    assert found is None or (numbering.normalise(found), normalise(found, None)) == (found, found)
