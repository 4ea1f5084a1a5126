"""The telephones of lifts: which Extension is the emergency telephone of a cabin, and what is special about it. Pure.

A telephone is a cabin's whatever its device lacks: one without a token cannot connect, but somebody may be
stuck in the lift.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dialplane.plan.draft import Draft
from dialplane.plan.roll import Share
from dialplane.resources.elevator_device import ElevatorDeviceSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key


@dataclass(frozen=True, slots=True)
class Cabin:
    """The emergency telephone of one lift."""

    device: str
    """The name of the ElevatorDevice, which stands in what the dialplan spools."""
    location: str
    """Shown as the caller's name."""
    test_number: str = ""
    """What it dials for its test calls; empty: nothing, or a number that somebody has: such a call always goes out."""
    operators: tuple[str, ...] = ()
    """Numbers of the served extensions that may call it at any time."""


def cabins(draft: Draft, shares: Mapping[Key, Share]) -> Mapping[str, Cabin]:
    """Return the cabins by the number of their telephone; those alone whose Extension is served.

    Of several devices that name one Extension the telephone is the one's that is served, else the eldest's, an enabled
    one before one that is disabled.

    Args:
        draft: the site, once it is settled who is served.
        shares: what it was made of, eldest first.
    """
    served = [key for key, _ in draft.of(ElevatorDeviceSpec)]
    out = sorted((key for key in draft.problems if key not in draft.resources), key=lambda key: shares[key].age)
    lifts = [(key, shares[key].resource.spec) for key in (*served, *out, *draft.disabled)]
    telephones = [(key, spec) for key, spec in lifts if isinstance(spec, ElevatorDeviceSpec)]
    if not telephones:
        return {}
    numbers = {extension.number for _, extension in draft.of(ExtensionSpec)}
    emergency = draft.asterisk.emergency.dialled if draft.asterisk and draft.asterisk.emergency else ()
    answered = numbers | set(emergency)  # a caller of one of these may be in need, and no tone helps
    found: dict[str, Cabin] = {}
    for key, spec in telephones:
        number = spec.emergency_extension
        if number in numbers and number is not None and number not in found:
            test = spec.test_call.number if spec.test_call else ""
            # An operator is known by the name of its endpoint, which a trunk has where no such extension is served.
            operators = tuple(each for each in spec.operators if each in numbers)
            found[number] = Cabin(key.name, spec.location, "" if test in answered else test, operators)
    return found
