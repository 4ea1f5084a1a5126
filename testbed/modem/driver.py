"""The driver's own work: its list of devices, which modem is whose, when a change takes effect.

Source: chan_dongle's ``chan_dongle.c`` (``do_discovery``, ``reload_config``, ``pvt_reconfigure``). One thing is quicker
than there: a modem that is plugged in is looked for at once, not at the next interval.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path

from testbed.modem.device import (
    CONVENIENT,
    NOW,
    REMOVED,
    RESTARTED,
    STARTED,
    STOPPED,
    Device,
)
from testbed.modem.names import Names
from testbed.modem.settings import Configuration, DeviceSettings, read
from testbed.modem.stick import Received, Stick

Fields = list[tuple[str, str]]
Emit = Callable[[str, Fields], None]
"""Tell everybody an event: its name without the driver's prefix, and its fields."""


class Driver:
    """The loaded module.

    Args:
        names: which driver it is.
        path: its configuration file; while there is none the module has no devices.
        emit: where events go.

    Attributes:
        devices: by name, in the order of the file.
        sticks: the modems that are plugged in, by IMEI.
        mailboxes: what the network keeps, by IMSI, until a modem with that card can take it.
        came: set whenever a device became ready: what the network kept may go out.
    """

    def __init__(self, names: Names, path: Path, emit: Emit) -> None:
        self.names, self.path, self.emit = names, path, emit
        self.devices: dict[str, Device] = {}
        self.sticks: dict[str, Stick] = {}
        self.mailboxes: defaultdict[str, deque[Received]] = defaultdict(deque)
        self.came = asyncio.Event()
        self.complaints: tuple[str, ...] = ()
        self.reloads = 0
        self._interval = 1.0

    def load(self) -> None:
        """Read the file for the first time."""
        if (configuration := self._read()) is not None:
            self._create(configuration)
        self.discover()

    def reload(self, when: str) -> None:
        """``DongleReload``: all settings hold at once; what needs a new connection, or removal, comes ``when``."""
        configuration = self._read()
        if configuration is None:
            return
        self.reloads += 1
        wanted = {each.id: each for each in configuration.devices if each.initial_state != REMOVED}
        for device in self.devices.values():
            if device.id in wanted:
                self._reconfigure(device, wanted[device.id], when)
            else:
                self._schedule(device, REMOVED, when)
        self._create(configuration)
        self.discover()

    def schedule(self, name: str, desired: str, when: str) -> bool:
        """``DongleStop`` and its like; False if there is no such device."""
        device = self.devices.get(name)
        if device is None:
            return False
        self._schedule(device, desired, when)
        self.discover()
        return True

    def settle(self, device: Device) -> None:
        """After a call or a message: do now what was put off."""
        if device.due:
            device.when = NOW
            self.discover()

    def plug(self, stick: Stick) -> None:
        """Put a modem in; one with the same IMEI is replaced."""
        self.unplug(stick.imei)
        self.sticks[stick.imei] = stick
        self.discover()

    def unplug(self, imei: str) -> None:
        """Take a modem out, if it is in."""
        stick = self.sticks.pop(imei, None)
        for device in self.devices.values():
            if stick is not None and device.stick is stick:
                self._disconnect(device)

    def reset(self, device: Device, seconds: float = 0.2) -> None:
        """``DongleReset``: the modem leaves the bus and comes back, healthy if a reset heals it."""
        stick = device.stick

        def leave() -> None:
            if stick is not None and device.stick is stick:
                self._disconnect(device)
                if stick.reset_heals:
                    stick.working.set()
                asyncio.get_running_loop().call_later(seconds, self.discover)

        asyncio.get_running_loop().call_later(0.01, leave)

    def network(self, stick: Stick) -> None:
        """Bring a changed registration to the device that holds this modem."""
        for device in self.devices.values():
            if device.stick is stick and device.registered != stick.registered:
                device.registered = stick.registered
                self.status(device, "Register" if device.registered else "Unregister")
                self.came.set()

    def holder(self, stick: Stick) -> Device | None:
        """The device that holds this modem."""
        return next((device for device in self.devices.values() if device.stick is stick), None)

    def status(self, device: Device, status: str) -> None:
        """``DongleStatus``."""
        self.emit("Status", [("Device", device.id), ("Status", status)])

    def discover(self) -> None:
        """Bring every device where it shall be, if it may; connect what is there."""
        for device in list(self.devices.values()):
            if device.desired != device.current and device.when == NOW:
                if device.desired != STARTED and device.stick is not None:
                    self._disconnect(device)
                if device.desired == RESTARTED:
                    device.desired = STARTED
                if device.desired == REMOVED:
                    del self.devices[device.id]
            if device.desired == STARTED and device.stick is None and device.id in self.devices:
                self._connect(device)

    async def watch(self) -> None:
        """Look for modems every ``interval`` of the file."""
        while True:
            await asyncio.sleep(self._interval)
            self.discover()

    def _read(self) -> Configuration | None:
        try:
            configuration = read(self.path)
        except OSError as error:
            self.complaints = (str(error),)
            return None
        self.complaints = configuration.complaints
        self._interval = max(float(configuration.interval), 0.1)
        return configuration

    def _create(self, configuration: Configuration) -> None:
        for settings in configuration.devices:
            if settings.initial_state != REMOVED and settings.id not in self.devices:
                self.devices[settings.id] = Device(settings, desired=settings.initial_state)

    def _reconfigure(self, device: Device, settings: DeviceSettings, when: str) -> None:
        restart = device.must_restart_for(settings)
        if device.desired != settings.initial_state:
            self._schedule(device, settings.initial_state, when)
        elif restart:
            self._schedule(device, RESTARTED, when)
        device.settings = settings

    def _schedule(self, device: Device, desired: str, when: str) -> None:
        device.desired, device.when = desired, when
        if device.due:
            device.when = NOW

    def _connect(self, device: Device) -> None:
        held = {other.stick.imei for other in self.devices.values() if other.stick is not None}
        found = next((each for each in self.sticks.values() if each.imei not in held and device.fits(each)), None)
        if found is None:
            if device.settings.audio:
                port = device.settings.data
                self.emit("PortFail", [("Device", port), ("Message", "Open Failed"), ("ErrorCode", "2")])
            return
        device.stick, device.current, device.when = found, STARTED, NOW
        self.status(device, "Connect")
        device.registered = found.registered
        self.status(device, "Register" if found.registered else "Unregister")
        device.initialized = True
        self.status(device, "Initialize")
        self.came.set()

    def _disconnect(self, device: Device) -> None:
        device.calls.clear()
        device.stick, device.current = None, STOPPED
        device.connection += 1
        device.registered = device.initialized = False
        device.tasks = 0
        self.status(device, "Free")
        self.status(device, "Disconnect")


__all__ = ["CONVENIENT", "NOW", "REMOVED", "RESTARTED", "STARTED", "STOPPED", "Driver", "Emit", "Fields"]
