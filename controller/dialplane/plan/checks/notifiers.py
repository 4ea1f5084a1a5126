"""Notifiers tell something, of resources that are there. Partial, all of it: what can be told is told."""

from collections.abc import Iterator

from dialplane.plan.draft import Draft, Finding
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.problem import Problem, Reason


def filters(draft: Draft) -> Iterator[Finding]:
    """Whatever a filter lets through is there, though it may be disabled or have problems."""
    for key, spec in draft.of(NotifierSpec):
        only = spec.filter
        for kind, field, names in (("Dongle", "dongles", only.dongles), ("SipTrunk", "trunks", only.trunks)):
            for index, name in enumerate(names):
                if not draft.has(Key(kind, name)):
                    message = f"there is no {kind} {name!r}: name one that there is, or take it out"
                    path = f"spec.filter.{field}[{index}]"
                    yield key, Problem(Reason.REFERENCE_MISSING, message, path, partial=True)


def silent(draft: Draft) -> Iterator[Finding]:
    """Events, or the messages of a Dongle, are told. A Dongle that cannot be read may be the one."""
    if any(each.kind == "Dongle" and each not in draft.resources for each in draft.problems):
        return
    modems = [spec for _, spec in draft.of(DongleSpec)] + [r.spec for r in draft.disabled.values()]
    forwarded = {name for spec in modems if isinstance(spec, DongleSpec) for name in spec.sms.forward_to}
    for key, spec in draft.of(NotifierSpec):
        if not spec.events and key.name not in forwarded:
            message = "tells nothing: list events, or name it in a Dongle's sms.forwardTo"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.events", partial=True)
