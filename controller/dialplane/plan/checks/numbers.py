"""Numbers in manifests that are to be dialled by themselves can be, and are no emergency numbers.

Partial: calls to such a route are refused, a forward to an emergency number is left out, one that is not permitted ends
the call; the rest is served.
"""

from collections.abc import Iterator
from functools import cache

from dialplane.plan.checks.ways import ways
from dialplane.plan.dialplan.features import CODES
from dialplane.plan.dialplan.patterns import any_matches
from dialplane.plan.dialplan.privacy import without_codes
from dialplane.plan.draft import Draft, Finding
from dialplane.plan.voice_bots import bots
from dialplane.resources.destination import Destination, FinalDestination
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.fields import Permission
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sip_trunk import SipTrunkSpec

_EMERGENCY = "an emergency number is never dialled without a person"


def dialled_numbers(draft: Draft) -> Iterator[Finding]:
    """Every `to.number` has an outbound route."""
    patterns = [route.pattern for _, trunk in draft.of(SipTrunkSpec) for route in trunk.outbound]
    emergency = _emergency(draft)
    for key, path, to in ways(draft):
        for where, number in _numbers(to, path):
            if without_codes(number) in emergency:
                yield key, Problem(Reason.INVALID, _EMERGENCY, where, partial=True)
            elif not any_matches(patterns, number):
                message = f"no outbound route of a SipTrunk takes {number}"
                yield key, Problem(Reason.REFERENCE_MISSING, message, where, partial=True)


def forwards(draft: Draft) -> Iterator[Finding]:
    """Every forward leads somewhere that its extension may call."""
    emergency = _emergency(draft)
    internal: set[str | None] = {*CODES, *(spec.number for _, spec in draft.of(ExtensionSpec))}
    internal |= {bot.spec.number for bot in bots(draft)}
    routes = [route for _, trunk in draft.of(SipTrunkSpec) for route in trunk.outbound]

    @cache  # a site of many phones has few permissions, and often one number that most forward to
    def outside(permissions: tuple[Permission, ...], number: str) -> bool:
        return any_matches([route.pattern for route in routes if route.permission in permissions], number)

    for key, spec in draft.of(ExtensionSpec):
        forward = spec.forward
        if forward.unconditional is forward.busy is forward.no_answer is None:
            continue
        for name in ("unconditional", "busy", "no_answer"):
            number: str | None = getattr(forward, name)
            field = f"spec.forward.{'noAnswer' if name == 'no_answer' else name}"
            if number is None:
                continue
            called = without_codes(number)
            if called in emergency:
                yield key, Problem(Reason.INVALID, _EMERGENCY, field, partial=True)
            elif not ("internal" in spec.permissions and called in internal) and not outside(spec.permissions, called):
                message = (
                    f"the extension's permissions do not reach {called}: it is no Extension's, or add a permission"
                )
                yield key, Problem(Reason.REFERENCE_MISSING, message, field, partial=True)


def _numbers(to: Destination | FinalDestination, path: str) -> Iterator[tuple[str, str]]:
    if to.number is not None:
        yield f"{path}.number", to.number
    if isinstance(to, Destination) and to.ring_group and to.ring_group.no_answer:
        yield from _numbers(to.ring_group.no_answer, f"{path}.ringGroup.noAnswer")


def _emergency(draft: Draft) -> frozenset[str]:
    spec = draft.asterisk.emergency if draft.asterisk else None
    return frozenset(spec.dialled if spec else ())
