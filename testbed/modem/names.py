"""The two drivers' names for the same things."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """One driver's names.

    Attributes:
        module: file name of the Asterisk module.
        prefix: of actions and events.
        variable: of channel variables.
    """

    module: str
    prefix: str
    variable: str


DRIVERS = {
    "chan_dongle": Names("chan_dongle.so", "Dongle", "DONGLE"),
    "chan_quectel": Names("chan_quectel.so", "Quectel", "QUECTEL"),
}
