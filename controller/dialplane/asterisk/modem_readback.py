"""Modems as their driver shows them: read-back, and a reload that drops no call.

Both drivers speak the same protocol, each action and event with its own name in front (`manager.c` of chan_dongle and
of chan_quectel). What they do on a reload (`pvt_reconfigure` in `chan_dongle.c`) decides what can be asked:

- new settings are shown at once. Where they take a restart of the modem (another port, IMEI or IMSI), a modem in a call
  waits for its end: until then its `DesiredDeviceState` is `restart`;
- a modem that is no longer in the file goes when its call has ended, and is shown with `remove` until then;
- a second reload forgets a restart that waits: the new settings are shown, the old modem stays in use. So what is on
  another modem than its settings say is restarted after each reload, when its call has ended.

`DesiredDeviceState` is `stop` or `start` by `initstate`, until somebody stops or starts the modem by hand: so that is
not compared.
"""

from collections.abc import Iterable, Mapping

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, ActionUnknown, PermissionMissing
from dialplane.asterisk.message import Event
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.normalise import same_truth
from dialplane.plan.objects import Dongle, Driver

_IDENTITY = {"audio": "AudioSetting", "data": "DataSetting", "imei": "IMEISetting", "imsi": "IMSISetting"}
"""Options that may be left out, and are shown empty then."""
_SHOWN: Mapping[str, str] = {
    "context": "Context",
    "exten": "Exten",
    "language": "ChannelLanguage",
    "rxgain": "RXGain",
    "txgain": "TXGain",
    "autodeletesms": "AutoDeleteSMS",
    "disablesms": "DisableSMS",
    "resetdongle": "ResetDongle",
    "resetquectel": "ResetQuectel",
    "u2diag": "U2DIAG",
}
"""An option, and the field that shows it. Nothing shows `initstate`; a modem with `remove` must not be there at all."""


async def reload_modems(ami: Ami, driver: Driver, timeout: float) -> None:
    """Have a driver read its file; modems in a call take what is new when it ends.

    Raises:
        ActionUnknown: the driver does not run.
        ActionRefused, ActionTimeout, ConnectionLost: as `Ami.action`.
    """
    await ami.action(f"{driver.prefix}Reload", timeout=timeout, When="gracefully")
    for name, shown in (await _devices(ami, driver)).items():
        if _wants(shown) == "start" and _on_another(shown):
            await ami.action(f"{driver.prefix}Restart", timeout=timeout, Device=name, When="gracefully")


async def read_back_modems(ami: Ami, dongles: Iterable[Dongle]) -> list[Mismatch]:
    """Compare each modem with what its driver shows; what waits for the end of a call is marked so."""
    found: list[Mismatch] = []
    for driver, mine in _by_driver(dongles).items():
        try:
            shown = await _devices(ami, driver)
        except ActionUnknown:
            message = f"needs {driver.module}, which is not running"
            found += [_mismatch(item, "", message, module=driver.module) for item in mine]
        else:
            for item in mine:
                found += modem_differences(item, shown.get(item.id))
    return found


async def modems_left(ami: Ami, deleted: Iterable[Dongle]) -> list[Mismatch]:
    """Those of the deleted modems that their driver still has; a driver that does not run has none."""
    found: list[Mismatch] = []
    for driver, mine in _by_driver(deleted).items():
        try:
            shown = await _devices(ami, driver)
        except PermissionMissing:
            raise
        except ActionRefused:
            continue
        found += [_still_there(item, shown[item.id]) for item in mine if item.id in shown]
    return found


def modem_differences(item: Dongle, shown: Event | None) -> list[Mismatch]:
    """Compare one modem with its DeviceEntry, if there is one. Pure."""
    options = dict(item.options)
    if options.get("initstate") == "remove":
        return [_still_there(item, shown)] if shown is not None else []
    if shown is None:
        return [_mismatch(item, "", "not in Asterisk, which skipped the section", missing=True)]
    busy = _calls(shown) > 0 or _wants(shown) in {"restart", "remove"}
    found = []
    for name, field in {**_IDENTITY, **_SHOWN}.items():
        wanted, runs = options.get(name, ""), shown.get(field, "").strip()
        if (name in options or name in _IDENTITY) and wanted != runs and not same_truth(wanted, runs):
            message = f"rendered {wanted!r}, Asterisk runs {runs!r}"
            found.append(_mismatch(item, name, message, waits=busy))
    if not found and _wants(shown) == "restart":
        found.append(_mismatch(item, "", f"takes its new settings when {_end_of_calls(shown)}", waits=True))
    elif not found and _on_another(shown):
        found.append(_mismatch(item, "", "is still on the modem that it had before", waits=busy))
    return found


def _by_driver(dongles: Iterable[Dongle]) -> Mapping[Driver, list[Dongle]]:
    found: dict[Driver, list[Dongle]] = {}
    for item in dongles:
        found.setdefault(item.driver, []).append(item)
    return found


async def _devices(ami: Ami, driver: Driver) -> Mapping[str, Event]:
    events = await ami.list(f"{driver.prefix}ShowDevices")
    return {event["device"]: event for event in events if "device" in event}


def _still_there(item: Dongle, shown: Event) -> Mismatch:
    if _wants(shown) == "remove":
        return _mismatch(item, "", f"deleted, and goes when {_end_of_calls(shown)}", waits=True)
    return _mismatch(item, "", "deleted, but still in Asterisk")


def _end_of_calls(shown: Event) -> str:
    return "its call has ended" if _calls(shown) else "its driver gets to it"


def _on_another(shown: Event) -> bool:
    """Whether a modem is in use that is not the one of the settings; where ports are given, they alone decide."""
    if shown.get("CurrentDeviceState", "").strip().lower() != "start":
        return False
    pairs = [("AudioSetting", "AudioState"), ("DataSetting", "DataState")]
    if not shown.get("DataSetting", "").strip():
        pairs = [("IMEISetting", "IMEIState"), ("IMSISetting", "IMSIState")]
    wanted = [(shown.get(setting, "").strip(), shown.get(state, "").strip()) for setting, state in pairs]
    return any(one and other and one != other for one, other in wanted)


def _wants(shown: Event) -> str:
    return shown.get("DesiredDeviceState", "").strip().lower()


def _calls(shown: Event) -> int:
    calls = shown.get("CallsChannels", "").strip()
    return int(calls) if calls.isdecimal() else 0


def _mismatch(
    item: Dongle, field: str, message: str, *, missing: bool = False, waits: bool = False, module: str = ""
) -> Mismatch:
    name = f"{item.driver} {item.id}"
    return Mismatch(item.owner, name, field, message, missing=missing, waits=waits, module=module)
