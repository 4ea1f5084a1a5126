"""One device of the driver: its settings, its state, and the entry that ``DongleShowDevices`` tells of it.

Source: chan_dongle's ``chan_dongle.c`` (states) and ``manager.c`` (fields and their order).
"""

from dataclasses import dataclass, field

from testbed.modem.names import Names
from testbed.modem.settings import DeviceSettings
from testbed.modem.stick import Stick

STOPPED, RESTARTED, REMOVED, STARTED = "stop", "restart", "remove", "start"
NOW, GRACEFULLY, CONVENIENT = "now", "gracefully", "when convenient"
SCHEDULED = {
    STOPPED: "Stop scheduled",
    RESTARTED: "Restart scheduled",
    REMOVED: "Removal scheduled",
    STARTED: "Start scheduled",
}
_REGISTRATIONS = (
    "Not registered, not searching",
    "Registered, home network",
    "Not registered, but searching",
    "Registration denied",
    "Unknown",
    "Registered, roaming",
)
_WEAKEST, _STRONGEST = 0, 31
# A change of one of these restarts the device; all others hold from the next use on.
_RESTARTING = ("audio", "data", "imei", "imsi", "u2diag", "reset", "callwaiting")


@dataclass(eq=False)
class Device:
    """What the driver knows of one section of its file.

    Attributes:
        current: ``start`` while a modem is connected, else ``stop``.
        desired: what it was last told to become.
        when: how urgent that is.
        stick: the modem that it holds open.
        connection: how often it lost its modem; what was queued before that is gone.
        tasks: messages that the modem has not sent yet.
        calls: call index -> state, such as ``incoming`` or ``active``.
    """

    settings: DeviceSettings
    desired: str = STARTED
    current: str = STOPPED
    when: str = NOW
    stick: Stick | None = None
    registered: bool = False
    initialized: bool = False
    connection: int = 0
    tasks: int = 0
    calls: dict[int, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The section's name."""
        return self.settings.id

    @property
    def enabled(self) -> bool:
        """Whether it takes work: it runs, and nothing is scheduled except when convenient."""
        return self.current == STARTED and (self.desired == self.current or self.when == CONVENIENT)

    @property
    def ready(self) -> bool:
        """Whether messages pass."""
        return self.enabled and self.initialized and self.registered

    @property
    def due(self) -> bool:
        """Whether a scheduled change may happen now."""
        idle = not self.calls and not self.tasks
        return self.desired != self.current and (self.when == NOW or idle)

    @property
    def state(self) -> str:
        """The field ``State``."""
        obstacles = {
            "Stopped": self.current == self.desired == STOPPED,
            "Not connected": self.stick is None,
            "Not initialized": not self.initialized,
            "GSM not registered": not self.registered,
            "Ring": "incoming" in self.calls.values(),
            "Incoming": "active" in self.calls.values(),
            "SMS": self.stick is not None and self.tasks > 0 and self.stick.working.is_set(),
        }
        return next((name for name, holds in obstacles.items() if holds), "Free")

    def fits(self, stick: Stick) -> bool:
        """Whether this modem is the one that the settings mean: by ports if given, else by IMEI and IMSI."""
        wanted = self.settings
        if wanted.audio:
            return (wanted.audio, wanted.data) == (stick.audio, stick.data)
        return wanted.imei in {"", stick.imei} and wanted.imsi in {"", stick.imsi}

    def must_restart_for(self, settings: DeviceSettings) -> bool:
        """Whether the driver reconnects to bring these settings into force."""
        return any(getattr(settings, name) != getattr(self.settings, name) for name in _RESTARTING)

    def entry(self, names: Names) -> list[tuple[str, str]]:
        """Every field of ``DongleDeviceEntry`` after ``Event`` and ``ActionID``, in the driver's order."""
        return [*self._configured(names), *self._seen(), *self._counted()]

    def _configured(self, names: Names) -> list[tuple[str, str]]:
        here = self.settings
        return [
            ("Device", here.id),
            ("AudioSetting", here.audio),
            ("DataSetting", here.data),
            ("IMEISetting", here.imei),
            ("IMSISetting", here.imsi),
            ("ChannelLanguage", here.language),
            ("Context", here.context),
            ("Exten", here.exten),
            ("Group", str(here.group)),
            ("RXGain", str(here.rxgain)),
            ("TXGain", str(here.txgain)),
            ("U2DIAG", str(here.u2diag)),
            ("UseCallingPres", _yes(here.usecallingpres)),
            ("DefaultCallingPres", here.callingpres),
            ("AutoDeleteSMS", _yes(here.autodeletesms)),
            ("DisableSMS", _yes(here.disablesms)),
            (f"Reset{names.prefix}", _yes(here.reset)),
            ("CallWaitingSetting", here.callwaiting),
            ("DTMF", here.dtmf),
            ("MinimalDTMFGap", str(here.mindtmfgap)),
            ("MinimalDTMFDuration", str(here.mindtmfduration)),
            ("MinimalDTMFInterval", str(here.mindtmfinterval)),
        ]

    def _seen(self) -> list[tuple[str, str]]:
        here, stick = self.settings, self.stick
        rssi = stick.rssi if stick else 0
        on_air = stick is not None and self.registered
        return [
            ("State", self.state),
            ("AudioState", stick.audio if stick else here.audio),
            ("DataState", stick.data if stick else here.data),
            ("Voice", _yes(self.initialized)),
            ("SMS", _yes(self.initialized)),
            ("Manufacturer", stick.manufacturer if stick else ""),
            ("Model", stick.model if stick else ""),
            ("Firmware", stick.firmware if stick else ""),
            ("IMEIState", stick.imei if stick else ""),
            ("IMSIState", stick.imsi if stick else ""),
            ("GSMRegistrationStatus", _REGISTRATIONS[stick.registration] if stick else "Unknown"),
            ("RSSI", f"{rssi}, {_dbm(rssi)}"),
            ("Mode", "WCDMA" if on_air else "No Service"),
            ("Submode", "WCDMA" if on_air else "No service"),
            ("ProviderName", stick.provider if stick and on_air else "NONE"),
            ("LocationAreaCode", "2A1" if on_air else ""),
            ("CellID", "8C1F" if on_air else ""),
            ("SubscriberNumber", (stick.number if stick else "") or "Unknown"),
            ("SMSServiceCenter", "+490000000" if stick else ""),
            ("UseUCS2Encoding", _yes(self.initialized)),
        ]

    def _counted(self) -> list[tuple[str, str]]:
        states = list(self.calls.values())
        return [
            ("TasksInQueue", str(self.tasks)),
            ("CommandsInQueue", str(2 * self.tasks)),
            ("CallWaitingState", "Disabled"),
            ("CurrentDeviceState", self.current),
            ("DesiredDeviceState", self.desired),
            ("CallsChannels", str(len(states))),
            ("Active", str(states.count("active"))),
            ("Held", "0"),
            ("Dialing", "0"),
            ("Alerting", "0"),
            ("Incoming", str(states.count("incoming"))),
            ("Waiting", "0"),
            ("Releasing", "0"),
            ("Initializing", "0"),
        ]


def _yes(value: bool) -> str:
    return "Yes" if value else "No"


def _dbm(rssi: int) -> str:
    if rssi <= _WEAKEST:
        return "<= -113 dBm"
    if rssi < _STRONGEST:
        return f"{2 * rssi - 113} dBm"
    return ">= -51 dBm" if rssi == _STRONGEST else "unknown or unmeasurable"
