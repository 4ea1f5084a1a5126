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
    """What it dials for its test calls; empty: nothing, or an emergency number, which always goes out."""
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
    found: dict[str, Cabin] = {}
    numbers: frozenset[str] | None = None
    for key in (*served, *out, *draft.disabled):
        spec = shares[key].resource.spec
        if isinstance(spec, ElevatorDeviceSpec) and spec.emergency_extension is not None:
            if numbers is None:
                numbers = frozenset(extension.number for _, extension in draft.of(ExtensionSpec))
            if spec.emergency_extension in numbers and spec.emergency_extension not in found:
                found[spec.emergency_extension] = _cabin(draft, key, spec, numbers)
    return found


def _cabin(draft: Draft, key: Key, spec: ElevatorDeviceSpec, numbers: frozenset[str]) -> Cabin:
    emergency = draft.asterisk.emergency if draft.asterisk else None
    test = spec.test_call.number if spec.test_call else ""
    return Cabin(
        device=key.name,
        location=spec.location,
        test_number="" if emergency and test in emergency.dialled else test,
        # An operator is known by the name of its endpoint, which a trunk could have where no such extension is served.
        operators=tuple(number for number in spec.operators if number in numbers),
    )
