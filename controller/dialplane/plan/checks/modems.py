"""Modems, the messages they send and those they pass on."""

from collections.abc import Hashable, Iterator

from dialplane.plan.checks.conflicts import claimed
from dialplane.plan.dongles import LONGEST_NAME, RESERVED
from dialplane.plan.draft import Draft, Finding
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sms_message import SmsMessageSpec

_IDENTITIES = {"imei": "spec.imei", "imsi": "spec.imsi", "data_port": "spec.dataPort", "audio_port": "spec.audioPort"}


def names(draft: Draft) -> Iterator[Finding]:
    """A Dongle's name can be the name of a section in its driver's file."""
    for key, _ in draft.of(DongleSpec):
        if len(key.name) > LONGEST_NAME:
            message = f"the name of a Dongle has at most {LONGEST_NAME} characters: its driver cuts off the rest"
            yield key, Problem(Reason.INVALID, message, "metadata.name")
        elif key.name in RESERVED:
            message = f"{key.name!r} is a section of its own in the driver's file; choose another name"
            yield key, Problem(Reason.INVALID, message, "metadata.name")


def duplicate_modems(draft: Draft) -> Iterator[Finding]:
    """A modem, a SIM card and a port belong to one Dongle, whatever its driver."""
    for attribute, field in _IDENTITIES.items():
        claims: list[tuple[Key, Hashable, str]] = [
            (key, value, field) for key, spec in draft.of(DongleSpec) if (value := getattr(spec, attribute)) is not None
        ]
        yield from claimed({}, claims, "{what} is the modem of {who}")


def ways_out(draft: Draft) -> Iterator[Finding]:
    """The Dongle, or the group, that a message is to be sent by is served."""
    modems = draft.of(DongleSpec)
    known = {key.name for key, _ in modems}
    groups = {spec.group for _, spec in modems}
    for key, spec in draft.of(SmsMessageSpec):
        if spec.dongle is not None and spec.dongle not in known:
            message = f"no Dongle {spec.dongle!r} is served"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.dongle")
        elif spec.dongle_group is not None and spec.dongle_group not in groups:
            message = f"no Dongle of the group {spec.dongle_group!r} is served"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.dongleGroup")


def forwarding(draft: Draft) -> Iterator[Finding]:
    """The Notifiers of a modem's messages exist. Partial: those that do are told."""
    known = {key.name for key, _ in draft.of(NotifierSpec)}
    for key, spec in draft.of(DongleSpec):
        for index, name in enumerate(spec.sms.forward_to):
            if name not in known:
                message = f"no Notifier {name!r} is served"
                yield key, Problem(Reason.REFERENCE_MISSING, message, f"spec.sms.forwardTo[{index}]", partial=True)
