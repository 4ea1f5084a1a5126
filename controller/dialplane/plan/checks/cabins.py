"""The emergency telephones of lifts.

Whatever is found here, the telephone stays in service as `plan/cabins.py` says.
"""

from collections.abc import Hashable, Iterator

from dialplane.plan.checks.conflicts import claimed
from dialplane.plan.draft import Draft, Finding
from dialplane.resources.elevator_device import ElevatorDeviceSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason


def duplicate_cabins(draft: Draft) -> Iterator[Finding]:
    """An Extension is the telephone of one lift: two would be in alarm together, at one of two places."""
    claims: list[tuple[Key, Hashable, str]] = [
        (key, spec.emergency_extension, "spec.emergencyExtension")
        for key, spec in draft.of(ElevatorDeviceSpec)
        if spec.emergency_extension is not None
    ]
    yield from claimed({}, claims, "{what!r} is the telephone of {who}; name the Extension of this cabin")


def cabin_telephones(draft: Draft) -> Iterator[Finding]:
    """The telephone is served. Partial: without it the terminal keeps its connection."""
    numbers = {spec.number for _, spec in draft.of(ExtensionSpec)}
    for key, spec in draft.of(ElevatorDeviceSpec):
        if spec.emergency_extension is not None and spec.emergency_extension not in numbers:
            message = f"no Extension with number {spec.emergency_extension!r} is served"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.emergencyExtension", partial=True)


def numbers_of_test_calls(draft: Draft) -> Iterator[Finding]:
    """What a telephone dials for its test calls is nobody's number, and no emergency number.

    Partial: either goes out as any other call does, and raises the alarm. Feature codes begin with `*`, which no such
    number does.
    """
    emergency = draft.asterisk.emergency.dialled if draft.asterisk and draft.asterisk.emergency else ()
    owners = {spec.number: key for key, spec in draft.of(ExtensionSpec)}
    for key, spec in draft.of(ElevatorDeviceSpec):
        if spec.test_call is None:
            continue
        number, field = spec.test_call.number, "spec.testCall.number"
        if number in emergency:
            message = f"{number} is an emergency number, where every call goes out: choose a number that nobody has"
            yield key, Problem(Reason.INVALID, message, field, partial=True)
        elif number in owners:
            message = (
                f"{number} is the number of {owners[number]}, where every call goes: choose a number that nobody has"
            )
            yield key, Problem(Reason.CONFLICT, message, field, partial=True)


def operators(draft: Draft) -> Iterator[Finding]:
    """Whoever may call the cabin at any time is there. Partial: the others may."""
    numbers = {spec.number for _, spec in draft.of(ExtensionSpec)}
    for key, spec in draft.of(ElevatorDeviceSpec):
        for index, number in enumerate(spec.operators):
            if number not in numbers:
                message = f"no Extension with number {number!r} is served"
                yield key, Problem(Reason.REFERENCE_MISSING, message, f"spec.operators[{index}]", partial=True)
