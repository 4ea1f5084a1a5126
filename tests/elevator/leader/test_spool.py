"""Lines of the telephones' spool: whatever is in one, it says something or is damaged; nothing raises."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.services.elevator.leader.spool import CabinEvent, DamagedLine, cabin_event
from tests.databases import NOW
from tests.properties import tries

EPOCH = int(NOW.timestamp())
KEY = "1775205000.7-alarm"


def test_a_line_says_what_the_telephone_did() -> None:
    found = cabin_event(KEY, f"{EPOCH}|lift-1|alarm|112", NOW)
    assert isinstance(found, CabinEvent)
    assert (found.at, found.device, found.type, found.detail) == (NOW, "lift-1", "alarm", "112")


def test_the_same_line_has_the_same_id_and_another_one_another() -> None:
    lines = [
        (KEY, f"{EPOCH}|lift-1|alarm|112"),
        (KEY, f"{EPOCH + 1}|lift-1|alarm|112"),
        ("x", f"{EPOCH}|lift-1|alarm|112"),
    ]
    ids = {found.id for key, value in lines * 2 if isinstance(found := cabin_event(key, value, NOW), CabinEvent)}
    assert len(ids) == 3


def test_a_clock_that_is_ahead_makes_nothing_later_than_now() -> None:
    found = cabin_event(KEY, f"{EPOCH + 10**8}|lift-1|test|770", NOW)
    assert isinstance(found, CabinEvent)
    assert found.at == NOW


def test_what_a_phone_chose_steers_no_terminal() -> None:
    found = cabin_event(KEY, f"{EPOCH}|lift-1|answered|\x1b[31m\u202e{'x' * 200}", NOW)
    assert isinstance(found, CabinEvent)
    assert found.detail.isprintable()
    assert len(found.detail) == 80


@pytest.mark.parametrize(
    "value", ["", "x", "|||", "12|lift-1|alarm", "-1|lift-1|alarm|1", f"{EPOCH}|lift-1|party|1", f"{EPOCH}||test|1",
              f"{10**18}|lift-1|test|1", f"{'0' * 19}1{'9' * 30}|lift-1|test|1", "٣|lift-1|test|1"],
)  # fmt: skip
def test_a_damaged_line_says_why(value: str) -> None:
    found = cabin_event(KEY, value, NOW)
    assert isinstance(found, DamagedLine)
    assert found.why


LINES = st.lists(st.sampled_from(["12", "99999999999", "lift-1", "test", "", "x\x00", "\ud800", "²"]), max_size=6)


@settings(max_examples=tries(50))
@given(LINES)
def test_nothing_raises(parts: list[str]) -> None:
    found = cabin_event(KEY, "|".join(parts), NOW)
    if isinstance(found, CabinEvent):
        assert datetime(1970, 1, 1, tzinfo=UTC) < found.at <= NOW
