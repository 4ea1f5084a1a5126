"""The actions that the driver brings to AMI, answered in its own words.

Source: chan_dongle's ``manager.c``, ``helpers.c`` and ``error.h``; chan_quectel's differ in names alone. Whether a
user may run an action is not decided here: a question of the same class goes to Asterisk in its place, and if that
is refused, the refusal is the answer (:data:`QUESTIONS`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from testbed.modem.device import CONVENIENT, GRACEFULLY, NOW, REMOVED, RESTARTED, SCHEDULED, STARTED, STOPPED, Device
from testbed.modem.driver import Driver
from testbed.modem.message import Action, answer, encode
from testbed.modem.texts import Sent, Texts, validity_of

_DISCONNECTED = "Device disconnected"
_WHEN = (NOW, GRACEFULLY, CONVENIENT)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_TRUE = {"yes", "true", "y", "t", "1", "on"}


@dataclass(frozen=True)
class Question:
    """An action of Asterisk's own that does nothing, and whose right is the one that is to be proven."""

    fields: tuple[tuple[str, str], ...]
    granted: str = ""
    """What Asterisk complains of when the user has the right; empty: it answers Success."""


CALL = Question((("Action", "Redirect"),), "Channel not specified")
SYSTEM_OR_CONFIG = Question((("Action", "GetConfig"),), "Filename not specified")
SYSTEM_OR_REPORTING = Question((("Action", "CoreSettings"),))
CONFIG = Question((("Action", "ListCategories"),), "Filename not specified")
SYSTEM = Question((("Action", "ModuleCheck"), ("Module", "pbx_config.so")))

Handler = Callable[[Action, str], bytes]
"""Carries out an action of a user, and returns the answer."""


@dataclass
class Mischief:
    """What a test wants to go wrong with the answers.

    Attributes:
        refuse: error texts for the next sends, used up one by one.
        lose: of so many next accepted sends the answer is lost, and the line with it.
        slow: seconds that each of the next ``slow_answers`` answers takes.
    """

    refuse: list[str] = field(default_factory=list)
    lose: int = 0
    slow: float = 0.0
    slow_answers: int = 0


class Lost(Exception):
    """The action was carried out, its answer must never arrive."""


class Actions:
    """Every intercepted action -> the question to Asterisk, and its handler.

    Attributes:
        loaded: False as long as Asterisk shall have no such module.
    """

    def __init__(self, driver: Driver, texts: Texts, mischief: Mischief) -> None:
        self._driver, self._texts, self._mischief = driver, texts, mischief
        self.loaded = True
        p = driver.names.prefix
        changes = {"Restart": RESTARTED, "Stop": STOPPED, "Start": STARTED, "Remove": REMOVED}
        table: dict[str, tuple[Question, Handler]] = {
            f"{p}ShowDevices": (SYSTEM_OR_REPORTING, self._show),
            f"{p}SendUSSD": (CALL, self._send_ussd),
            f"{p}SendSMS": (CALL, self._send_sms),
            f"{p}SetCCWA": (CONFIG, self._set_ccwa),
            f"{p}Reset": (SYSTEM_OR_CONFIG, self._reset),
            f"{p}Reload": (SYSTEM_OR_CONFIG, self._reload),
            **{f"{p}{name}": (SYSTEM_OR_CONFIG, self._change(to)) for name, to in changes.items()},
        }
        self._table = {name.lower(): entry for name, entry in table.items()}

    def find(self, action: Action) -> tuple[Question, Handler] | None:
        """Who answers this action; None: Asterisk itself."""
        if not (self.loaded and action.whole):
            return None
        name = action.get("Action").lower()
        if name == "modulecheck" and action.get("Module") == self._driver.names.module:
            return SYSTEM, self._module_check
        return self._table.get(name)

    def _module_check(self, action: Action, _: str) -> bytes:
        number = action.get("ActionID")
        return encode([("Response", "Success"), *([("ActionID", number)] if number else []), ("Version", "")])

    def _show(self, action: Action, _: str) -> bytes:
        prefix, number = self._driver.names.prefix, action.get("ActionID")
        mark = [("ActionID", number)] if number else []
        wanted = action.get("Device")
        shown = [each for each in self._driver.devices.values() if wanted in {"", each.id}]
        entry = ("Event", f"{prefix}DeviceEntry")
        entries = [encode([entry, *mark, *each.entry(self._driver.names)]) for each in shown]
        complete = [("Event", f"{prefix}ShowDevicesComplete"), *mark, ("EventList", "Complete")]
        begin = answer(action, "Device status list will follow", ok=True, follows=True)
        return b"".join([begin, *entries, encode([*complete, ("ListItems", str(len(shown)))])])

    def _send_sms(self, action: Action, user: str) -> bytes:
        name, number = action.get("Device"), action.get("Number")
        for field_name, value in (("Device", name), ("Number", number), ("Message", action.get("Message"))):
            if not value:
                return answer(action, f"{field_name} not specified", ok=False)
        device = self._ready(name)
        problem = "" if re.fullmatch(r"\+?[0-9]*", number) else "Invalid phone number"
        problem = problem or ("" if device else _DISCONNECTED)
        text = unescape(action.get("Message"))
        if not problem and not _is_utf8(text):
            problem = "Cannot parse UTF-8"
        if not problem and self._mischief.refuse:
            problem = self._mischief.refuse.pop(0)
        if problem or device is None:
            return answer(action, f"[{name}] {problem}", ok=False)
        report = action.get("Report").lower() in _TRUE
        validity = validity_of(action.get("Validity"))
        self._texts.accept(device, Sent(name, number, text, action.get("Payload"), report, validity, user))
        if self._mischief.lose:
            self._mischief.lose -= 1
            raise Lost
        return answer(action, f"[{name}] SMS queued for send", ok=True)

    def _send_ussd(self, action: Action, _: str) -> bytes:
        name, code = action.get("Device"), action.get("USSD")
        for field_name, value in (("Device", name), ("USSD", code)):
            if not value:
                return answer(action, f"{field_name} not specified", ok=False)
        if not re.fullmatch(r"[0-9*#]*", code):
            return answer(action, f"[{name}] Invalid USSD", ok=False)
        return self._queued(action, self._ready(name), "USSD queued for send")

    def _set_ccwa(self, action: Action, _: str) -> bytes:
        name = action.get("Device")
        if not name:
            return answer(action, "Device not specified", ok=False)
        if action.get("Value") not in {"enable", "disable"}:
            return answer(action, "Invalid Value", ok=False)
        return self._queued(action, self._ready(name), "Call-Waiting commands queued for execute")

    def _reset(self, action: Action, _: str) -> bytes:
        name = action.get("Device")
        if not name:
            return answer(action, "Device not specified", ok=False)
        device = self._driver.devices.get(name)
        device = device if device and device.enabled and device.stick else None
        if device is not None:
            self._driver.reset(device)
        return self._queued(action, device, "Reset command queued for execute")

    def _change(self, desired: str) -> Handler:
        def handle(action: Action, _: str) -> bytes:
            name, when = action.get("Device"), action.get("When").lower()
            if not name:
                return answer(action, "Device not specified", ok=False)
            when = NOW if desired == STARTED else when
            if when not in _WHEN:
                return answer(action, "Invalid value of When", ok=False)
            if not self._driver.schedule(name, desired, when):
                return answer(action, f"[{name}] Device not found", ok=False)
            return answer(action, f"[{name}] {SCHEDULED[desired]}", ok=True)

        return handle

    def _reload(self, action: Action, _: str) -> bytes:
        when = action.get("When").lower()
        if when not in _WHEN:
            return answer(action, "Invalid value of When", ok=False)
        self._driver.reload(when)
        return answer(action, "reload scheduled", ok=True)

    def _ready(self, name: str) -> Device | None:
        device = self._driver.devices.get(name)
        return device if device is not None and device.ready else None

    def _queued(self, action: Action, device: Device | None, said: str) -> bytes:
        text = said if device else _DISCONNECTED  # the driver overwrites every other reason with this one
        return answer(action, f"[{action.get('Device')}] {text}", ok=device is not None)


def unescape(text: str) -> str:
    """Asterisk's ``ast_unescape_c``: five letters have a meaning, any other character stands for itself."""
    return re.sub(r"\\(.?)", lambda found: _ESCAPES.get(found[1], found[1] or "\\"), text, flags=re.DOTALL)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
