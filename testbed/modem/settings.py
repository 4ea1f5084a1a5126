r"""``dongle.conf`` or ``quectel.conf`` as the driver reads it: sections, defaults, and what it does with bad values.

Source: chan_dongle's ``dc_config.c`` and Asterisk's configuration format (``;`` comments, ``\;`` a semicolon,
``[name](template)``, ``#include``/``#tryinclude``).
"""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_SECTION = re.compile(r"^\[([^\]]+)\](?:\(([^)]*)\))?")
_INCLUDE = re.compile(r'^#(try)?include\s+[<"]?([^>"]+)[>"]?$')
_IDENTITY_DIGITS = 15
_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
_PRESENTATIONS = {
    "allowed_not_screened": "Presentation Allowed, Not Screened",
    "allowed_passed_screen": "Presentation Allowed, Passed Screen",
    "allowed_failed_screen": "Presentation Allowed, Failed Screen",
    "allowed": "Presentation Allowed, Network Number",
    "prohib_not_screened": "Presentation Prohibited, Not Screened",
    "prohib_passed_screen": "Presentation Prohibited, Passed Screen",
    "prohib_failed_screen": "Presentation Prohibited, Failed Screen",
    "prohib": "Presentation Prohibited, Network Number",
    "unavailable": "Number Unavailable",
}
DEFAULT_INTERVAL = 60
_RENAMED = {"resetdongle": "reset", "resetquectel": "reset", "initstate": "initial_state"}

Section = dict[str, str]


@dataclass(frozen=True)
class DeviceSettings:
    """One device's settings; the names are the file's own, except ``reset`` (resetdongle) and ``initial_state``."""

    id: str
    audio: str = ""
    data: str = ""
    imei: str = ""
    imsi: str = ""
    context: str = "default"
    exten: str = ""
    language: str = "en"
    group: int = 0
    rxgain: int = 0
    txgain: int = 0
    u2diag: int = -1
    callingpres: str = "<Not set>"
    usecallingpres: bool = False
    autodeletesms: bool = False
    reset: bool = True
    disablesms: bool = False
    initial_state: str = "start"
    callwaiting: str = "auto"
    dtmf: str = "relax"
    mindtmfgap: int = 45
    mindtmfduration: int = 80
    mindtmfinterval: int = 200


@dataclass(frozen=True)
class Configuration:
    """The whole file: seconds between looks for modems, and the devices in its order."""

    interval: int
    devices: tuple[DeviceSettings, ...]
    complaints: tuple[str, ...]
    """What the driver would write into Asterisk's log."""


def read(path: Path) -> Configuration:
    """Read the file as the driver does: what is wrong is skipped and told in ``complaints``.

    Raises:
        OSError: it cannot be read; the driver keeps what it has.
    """
    sections = _sections(path)
    complaints: list[str] = []
    defaults = _known(sections.pop("defaults", {}), complaints)
    interval = sections.pop("general", {}).get("interval", "")
    devices = []
    for name, section in sections.items():
        ports: dict[str, Any] = {key: section.get(key, "") for key in ("audio", "data", "imei", "imsi")}
        for key in ("imei", "imsi"):
            if ports[key] and len(ports[key]) != _IDENTITY_DIGITS:
                complaints.append(f"[{name}] Ignore invalid {key.upper()} value '{ports[key]}'")
                ports[key] = ""
        found_by_ports = bool(ports["audio"]) and bool(ports["data"])
        if bool(ports["audio"]) != bool(ports["data"]) or not (found_by_ports or ports["imei"] or ports["imsi"]):
            complaints.append(f"Skipping device {name}. Missing required audio and data settings")
            continue
        devices.append(DeviceSettings(id=name[:30], **{**defaults, **_known(section, complaints), **ports}))
    return Configuration(_number(interval, DEFAULT_INTERVAL), tuple(devices), tuple(complaints))


def _known(section: Section, complaints: list[str]) -> dict[str, Any]:
    """The shared settings of a section, each of its field's type."""
    types = {field.name: field.type for field in fields(DeviceSettings)}
    found: dict[str, Any] = {}
    for given, value in section.items():
        name = _RENAMED.get(given, given)
        if name in {"id", "audio", "data", "imei", "imsi"}:
            continue
        if name == "disable":
            found["initial_state"] = "remove" if value.lower() in _TRUE else "start"
        elif name == "initial_state" and value not in {"start", "stop", "remove"}:
            complaints.append(f"Invalid value for 'initstate': '{value}'")
        elif name == "dtmf" and value not in {"off", "inband", "relax"}:
            complaints.append(f"Invalid value for 'dtmf': '{value}', setting default 'relax'")
        elif name == "callwaiting":
            if value.lower() != "auto":
                found[name] = "allowed" if value.lower() in _TRUE else "disabled"
        elif name == "callingpres":
            found[name] = _PRESENTATIONS.get(value, "<Not set>")
        elif name in types:
            kind = types[name]
            found[name] = value.lower() in _TRUE if kind is bool else _number(value, 0) if kind is int else value
    return found


def _number(value: str, otherwise: int) -> int:
    match = re.match(r"\s*[+-]?\d+", value)
    return int(match[0]) if match else otherwise


def _sections(path: Path) -> dict[str, Section]:
    found: dict[str, Section] = {}
    templates: dict[str, Section] = {}
    current: Section = {}
    for line in _lines(path):
        if match := _SECTION.match(line):
            options = [part.strip() for part in (match[2] or "").split(",") if part.strip()]
            place = templates if "!" in options else found
            current = place.setdefault(match[1], {})
            for option in options:
                current |= templates.get(option, found.get(option, {}))
        elif "=" in line:
            name, _, value = line.partition("=")
            current[name.strip().lower()] = value.removeprefix(">").strip()
    return found


def _lines(path: Path) -> list[str]:
    lines: list[str] = []
    text = re.sub(r";--(?!-).*?--;", "", path.read_text(), flags=re.DOTALL)
    for raw in text.splitlines():
        line = re.sub(r"(?<!\\);.*", "", raw).replace("\\;", ";").strip()
        if match := _INCLUDE.match(line):
            included = path.parent / match[2].strip()
            if included.exists() or not match[1]:
                lines += _lines(included)
        elif line:
            lines.append(line)
    return lines
