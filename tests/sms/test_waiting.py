"""What a text message waits for, in one sentence."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dialplane.resources.dongle import DongleSpec
from dialplane.services.sms.modems import Fleet
from dialplane.services.sms.waiting import why_waiting
from tests.sms.test_status import QUEUED

DONGLES = {
    name: DongleSpec.model_validate({"imei": "354000000000010", "group": group})
    for name, group in (("one", "out"), ("two", "out"), ("three", "in"))
}
NOBODY = Fleet(datetime(2026, 3, 1, tzinfo=UTC))
GONE = "the driver has no device of this name"


@pytest.mark.parametrize(
    ("changes", "fleet", "waits"),
    [
        ({}, NOBODY, f"waits for the Dongle one: {GONE}"),
        ({}, None, "waits for the Dongle one: Asterisk does not say what its modems do"),
        ({"error": "one: not now"}, NOBODY, f"waits for the Dongle one: {GONE} (one: not now)"),
        ({"dongle_asked": "four"}, NOBODY, "waits for the Dongle four, and there is none in service"),
        (
            {"dongle_asked": None, "group_asked": "out"},
            NOBODY,
            f"waits for a Dongle of the group out: one: {GONE}; two: {GONE}",
        ),
        ({"dongle": "one"}, NOBODY, "the modem one has it and has not said more"),
        ({"phase": "Sent"}, NOBODY, ""),
        ({"phase": "Failed", "error": "x"}, NOBODY, ""),
    ],
)
def test_it_is_said_in_one_sentence(changes: dict[str, Any], fleet: Fleet | None, waits: str) -> None:
    assert why_waiting(replace(QUEUED, **changes), DONGLES, fleet) == waits
