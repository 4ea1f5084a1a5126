"""The two drivers' names for the same things."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """One driver's names.

    Attributes:
        module: file name of the Asterisk module.
        prefix: of actions and events.
        variable: of channel variables.
        file: that it reads in ``astetcdir``.
    """

    module: str
    prefix: str
    variable: str
    file: str


DRIVERS = {
    "chan_dongle": Names("chan_dongle.so", "Dongle", "DONGLE", "dongle.conf"),
    "chan_quectel": Names("chan_quectel.so", "Quectel", "QUECTEL", "quectel.conf"),
}
