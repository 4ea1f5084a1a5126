"""GSM modems: what a Dongle is in the file of its driver.

Both drivers read the same options but for one name (chan_dongle's `dc_config.c`). What decides how a modem behaves is
written out, so that no `[defaults]` of the base file changes it.
"""

from dialplane.plan.dialplan.modems import NO_NUMBER, modem_context
from dialplane.plan.objects import Dongle, Driver
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key

LONGEST_NAME = 30
"""Characters of a section's name that the drivers keep (`DEVNAMELEN`); they would cut the rest off without a word."""
RESERVED = frozenset({"general", "defaults"})
"""Sections that are no modem's."""


def dongle(key: Key, spec: DongleSpec) -> Dongle:
    """The section of one modem. Its `group` is not in it: the driver's groups are numbers, and only for dialling."""
    driver = Driver(spec.driver.removeprefix("chan_"))
    which = [("audio", spec.audio_port), ("data", spec.data_port), ("imei", spec.imei), ("imsi", spec.imsi)]
    options = (
        *((name, value) for name, value in which if value is not None),
        ("context", modem_context(key)),
        ("exten", NO_NUMBER),
        ("language", spec.language),
        ("rxgain", str(spec.rx_gain)),
        ("txgain", str(spec.tx_gain)),
        ("initstate", spec.initial_state),
        # What is read is spooled at once (`dialplan.modems`); a full SIM card takes no further message.
        ("autodeletesms", "yes"),
        ("disablesms", "no"),
        (f"reset{driver}", "yes"),
        ("u2diag", "-1"),  # leave the ports that USB shows as they are
    )
    return Dongle(driver, key.name, options, key)
