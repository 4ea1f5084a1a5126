"""What a modem's driver shows, against what was rendered: every option, and what only waits for a call to end."""

import pytest

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import PermissionMissing
from dialplane.asterisk.message import Event
from dialplane.asterisk.modem_readback import modem_differences, modems_left, read_back_modems
from dialplane.plan.dongles import dongle
from dialplane.plan.objects import Dongle
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key
from tests.asterisk.odd_peer import Fields, OddPeer, odd_peer

KEY = Key("Dongle", "gsm-1")
FIELDS = {
    "Device": "gsm-1",
    "AudioSetting": "",
    "DataSetting": "",
    "IMEISetting": "354000000000119",
    "IMSISetting": "",
    "ChannelLanguage": "en",
    "Context": "dp-dongle-gsm-1",
    "Exten": "s",
    "Group": "0",
    "RXGain": "-3",
    "TXGain": "0",
    "U2DIAG": "-1",
    "AutoDeleteSMS": "Yes",
    "DisableSMS": "No",
    "ResetDongle": "Yes",
    "State": "Free",
    "CurrentDeviceState": "start",
    "DesiredDeviceState": "start",
    "CallsChannels": "0",
}
"""As chan_dongle's `manager_show_devices` writes them, those that are looked at and some that are not."""
OTHERWISE = {
    "AudioSetting": "/dev/ttyUSB1", "DataSetting": "/dev/ttyUSB2", "IMEISetting": "354000000000226",
    "IMSISetting": "262000000000011", "ChannelLanguage": "de", "Context": "default", "Exten": "", "RXGain": "3",
    "TXGain": "1", "U2DIAG": "0", "AutoDeleteSMS": "No", "DisableSMS": "Yes", "ResetDongle": "No",
}  # fmt: skip


PORTS = {"audioPort": "/dev/ttyUSB1", "dataPort": "/dev/ttyUSB2"}
SHOWN_PORTS = {"AudioSetting": "/dev/ttyUSB1", "DataSetting": "/dev/ttyUSB2"}


def modem(**spec: object) -> Dongle:
    return dongle(KEY, DongleSpec.model_validate({"imei": "354000000000119", "rxGain": -3} | spec))


def shown(**otherwise: str) -> Event:
    return Event({name.lower(): value for name, value in (FIELDS | otherwise).items()})


def test_a_modem_that_runs_as_rendered_has_no_difference() -> None:
    assert modem_differences(modem(), shown()) == []


@pytest.mark.parametrize(("field", "value"), OTHERWISE.items())
def test_every_setting_is_compared(field: str, value: str) -> None:
    (found,) = modem_differences(modem(), shown(**{field: value}))
    assert (found.owner, found.object, found.waits) == (KEY, "dongle gsm-1", False)
    assert repr(value) in found.message


@pytest.mark.parametrize("state", ["start", "stop"])
def test_one_that_somebody_stopped_or_started_by_hand_runs_as_rendered(state: str) -> None:
    assert modem_differences(modem(), shown(DesiredDeviceState=state)) == []


def test_one_that_is_not_plugged_in_runs_as_rendered() -> None:
    assert modem_differences(modem(), shown(State="Not connected", CurrentDeviceState="stop")) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"DesiredDeviceState": "restart", "CallsChannels": "1"}, "when its call has ended"),
        ({"DesiredDeviceState": "restart"}, "when its driver gets to it"),
        ({"IMEIState": "354000000000226", "CallsChannels": "1"}, "the modem that it had before"),
        ({"CallsChannels": "1", "RXGain": "0"}, "rendered '-3'"),
        ({"DesiredDeviceState": "remove", "RXGain": "0"}, "rendered '-3'"),
    ],
)
def test_what_a_call_holds_up_waits(seen: dict[str, str], words: str) -> None:
    (found,) = modem_differences(modem(), shown(**seen))
    assert found.waits
    assert words in found.message


@pytest.mark.parametrize(
    ("settings", "state", "another"),
    [
        ({}, {"IMEIState": "354000000000119", "IMSIState": "262000000000011"}, False),
        ({}, {"IMEIState": "354000000000226"}, True),
        ({}, {"IMEIState": "354000000000226", "CurrentDeviceState": "stop"}, False),
        ({}, {"IMEIState": "", "DataState": "/dev/ttyUSB9"}, False),
        ({"imsi": "262000000000011"}, {"IMSISetting": "262000000000011", "IMSIState": "262000000000022"}, True),
        (PORTS, SHOWN_PORTS | {"DataState": "/dev/ttyUSB2", "IMEIState": "354000000000226"}, False),
        (PORTS, SHOWN_PORTS | {"DataState": "/dev/ttyUSB9"}, True),
    ],
)
def test_a_modem_is_the_one_of_its_settings(settings: dict[str, str], state: dict[str, str], *, another: bool) -> None:
    found = modem_differences(modem(**settings), shown(**state))
    assert [m.message for m in found] == ["is still on the modem that it had before"] * another


def test_one_that_is_not_there_was_skipped() -> None:
    (found,) = modem_differences(modem(), None)
    assert (found.missing, found.waits) == (True, False)


def test_one_that_is_not_to_be_opened_must_not_be_there() -> None:
    closed = modem(initialState="remove")
    assert modem_differences(closed, None) == []
    assert [m.waits for m in modem_differences(closed, shown())] == [False]
    assert [m.waits for m in modem_differences(closed, shown(DesiredDeviceState="remove"))] == [True]


async def test_a_driver_that_may_not_be_asked_is_no_driver_that_is_missing() -> None:
    async def refuse(peer: OddPeer, action: Fields) -> None:
        await peer.answer(action, "Message: Permission denied", kind="Response: Error")

    async with odd_peer(refuse) as (address, _), Ami.connect(address) as ami:
        for ask in (read_back_modems, modems_left):
            with pytest.raises(PermissionMissing):
                await ask(ami, [modem()])


async def test_a_driver_is_asked_once_for_all_its_modems() -> None:
    async def unknown(peer: OddPeer, action: Fields) -> None:
        message = f"Message: Invalid/unknown command: {action['Action']}. Use Action: ListCommands to show available"
        await peer.answer(action, message, kind="Response: Error")

    many = [dongle(Key("Dongle", f"gsm-{n}"), DongleSpec(imei="354000000000119")) for n in range(9)]
    async with odd_peer(unknown) as (address, seen), Ami.connect(address) as ami:
        assert {m.module for m in await read_back_modems(ami, many)} == {"chan_dongle.so"}
        assert await modems_left(ami, many) == []
    assert [action["Action"] for action in seen] == ["DongleShowDevices"] * 2
