"""What the drivers say of a modem."""

import pytest

from dialplane.asterisk.errors import ActionRefused
from dialplane.asterisk.message import Event
from dialplane.asterisk.modem import dbm, devices, entry, maybe_taken, not_now, words
from dialplane.resources.dongle import DongleStatus, Driver
from dialplane.resources.problem import Reason
from dialplane.services.sms.modems import fields as shown_by_status


def _event(name: str = "DongleDeviceEntry", **fields: str) -> Event:
    return Event({"event": name, **{field.lower(): value for field, value in fields.items()}})


@pytest.mark.parametrize(
    ("shown", "strength"),
    [
        ("0, <= -113 dBm", -113),
        ("17, -79 dBm", -79),
        ("31, >= -51 dBm", -51),
        ("99, unknown or unmeasurable", None),
        ("12", -89),
        ("", None),
        ("-1, unknown", None),
    ],
)
def test_the_signal_is_read_in_dbm(shown: str, strength: int | None) -> None:
    assert dbm(shown) == strength


@pytest.mark.parametrize(
    ("state", "reason", "plugged"),
    [
        ("Free", None, True),
        ("SMS", None, True),
        ("Ring", None, True),
        ("Stopped", Reason.STOPPED, False),
        ("Not connected", Reason.NOT_CONNECTED, False),
        ("Not initialized", Reason.NOT_INITIALIZED, True),
        ("GSM not registered", Reason.NOT_REGISTERED, True),
    ],
)
def test_the_drivers_word_says_why_a_modem_is_out_of_service(state: str, reason: Reason | None, plugged: bool) -> None:
    modem = entry("chan_dongle", _event(Device="one", State=state))
    assert (modem.fault, modem.plugged_in) == (reason, plugged)


@pytest.mark.parametrize(("state", "strength"), [("Free", -113), ("Not connected", None), ("Stopped", None)])
def test_a_modem_that_is_not_there_has_no_signal(state: str, strength: int | None) -> None:
    assert entry("chan_dongle", _event(Device="one", State=state, RSSI="0, <= -113 dBm")).signal_dbm == strength


def test_what_the_driver_does_not_know_is_nothing() -> None:
    modem = entry("chan_dongle", _event(Device="one", ProviderName="NONE", SubscriberNumber="Unknown", IMEIState=""))
    assert (modem.provider, modem.number, modem.imei) == (None, None, None)


def test_whatever_a_modem_says_of_itself_a_status_can_hold() -> None:
    odd = "Netz\x1b[2J\udcff" + "x" * 200
    names = ("State", "IMEIState", "IMSIState", "ProviderName", "SubscriberNumber", "GSMRegistrationStatus")
    found = shown_by_status(entry("chan_dongle", _event(Device="one", RSSI="0", **dict.fromkeys(names, odd))))
    DongleStatus.model_validate(found)
    assert str(found["provider"]).startswith("Netz\ufffd[2J\ufffdxxx")


@pytest.mark.parametrize(("driver", "name"), [("chan_dongle", "Dongle"), ("chan_quectel", "Quectel")])
def test_each_driver_has_names_of_its_own(driver: Driver, name: str) -> None:
    items = (_event(f"{name}DeviceEntry", Device="one"), _event("OtherDeviceEntry", Device="two"))
    assert [modem.name for modem in devices(driver, items)] == ["one"]


@pytest.mark.parametrize(
    ("said", "its_words", "later", "perhaps"),
    [
        ("[one] Device disconnected", "Device disconnected", True, False),
        ("[one] Queue error", "Queue error", False, True),
        ("[one] Invalid phone number", "Invalid phone number", False, False),
        ("Number not specified", "Number not specified", False, False),
    ],
)
def test_a_refusal_says_whether_to_try_later(said: str, its_words: str, later: bool, perhaps: bool) -> None:
    refusal = ActionRefused("DongleSendSMS", said)
    assert (words(refusal), not_now(refusal), maybe_taken(refusal)) == (its_words, later, perhaps)
