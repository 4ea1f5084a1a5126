"""What a dialplan needs of Asterisk: applications and functions, and the modules they come from.

Asterisk accepts a line with an unknown application and says nothing until a call gets there (facts), so it is checked
before a reload.
"""

import re
from collections.abc import Iterable, Mapping

from dialplane.plan.objects import DialplanContext

_FUNCTION = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\(")
_SET = re.compile(r"([A-Z][A-Z0-9_]*)\(.*\)=")

_OF_MODULE: Mapping[str, frozenset[str]] = {
    "app_dial.so": frozenset({"Dial"}),
    "app_echo.so": frozenset({"Echo"}),
    "app_mixmonitor.so": frozenset({"MixMonitor"}),
    "app_playback.so": frozenset({"Playback"}),
    "app_playtones.so": frozenset({"PlayTones"}),
    "app_record.so": frozenset({"Record"}),
    "app_stack.so": frozenset({"Gosub", "GosubIf", "Return", "LOCAL"}),
    "app_stasis.so": frozenset({"Stasis"}),
    "app_voicemail.so": frozenset({"VoiceMail", "VoiceMailMain", "VM_INFO"}),
    "chan_pjsip.so": frozenset({"PJSIPHangup", "PJSIP_DIAL_CONTACTS", "PJSIP_PARSE_URI_FROM"}),
    "func_base64.so": frozenset({"BASE64_ENCODE"}),
    "func_callerid.so": frozenset({"CALLERID", "CONNECTEDLINE"}),
    "func_cdr.so": frozenset({"CDR_PROP"}),
    "func_channel.so": frozenset({"CHANNEL", "CHANNEL_EXISTS"}),
    "func_cut.so": frozenset({"CUT"}),
    "func_db.so": frozenset({"DB", "DB_EXISTS"}),
    "func_devstate.so": frozenset({"DEVICE_STATE"}),
    "func_dialplan.so": frozenset({"DIALPLAN_EXISTS"}),
    "func_env.so": frozenset({"FILE", "STAT"}),
    "func_groupcount.so": frozenset({"GROUP", "GROUP_COUNT"}),
    "func_hangupcause.so": frozenset({"HANGUPCAUSE", "HANGUPCAUSE_KEYS", "HangupCauseClear"}),
    "func_logic.so": frozenset({"IF"}),
    "func_rand.so": frozenset({"RAND"}),
    "func_strings.so": frozenset(
        {"FIELDNUM", "FIELDQTY", "FILTER", "LEN", "REGEX", "STRFTIME", "STRREPLACE", "TOLOWER"}
    ),
    "func_timeout.so": frozenset({"TIMEOUT"}),
    "res_pjsip_header_funcs.so": frozenset({"PJSIP_HEADER"}),
}
MODULES: Mapping[str, str] = {name: module for module, names in _OF_MODULE.items() for name in names}
"""The module of each application and function used; what is not here is Asterisk's core."""


def applications_used(contexts: Iterable[DialplanContext]) -> frozenset[str]:
    """The names of all applications and functions."""
    names: set[str] = set()
    for context in contexts:
        for each in context.entries:
            if each.priority != "hint":
                names.add(each.application)
            names.update(_FUNCTION.findall(each.arguments))
            if each.application == "Set" and (written := _SET.match(each.arguments)):
                names.add(written[1])
    return frozenset(names)


def modules_used(contexts: Iterable[DialplanContext]) -> frozenset[str]:
    """The modules that must be loaded for these contexts to work."""
    return frozenset(MODULES[name] for name in applications_used(contexts) if name in MODULES)
