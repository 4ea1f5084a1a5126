"""The numbers that callers are shown by can be written as the trunks' `callerIdPolicy` asks.

Partial: a number that cannot is sent as it stands in the manifest.
"""

from collections.abc import Iterator

from dialplane.plan.draft import Draft, Finding
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.numbering import INTERNATIONAL, Numbering
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sip_trunk import CallerIdPolicy, SipTrunkSpec

LONGEST_INTERNAL = 6
"""Digits up to which the dialplan takes a number without a prefix for an internal or service number."""
LONGEST_NATIONAL = 9
"""Digits up to which a number may begin with the country code by accident."""


def caller_ids(draft: Draft) -> Iterator[Finding]:
    """Every number in a manifest can be written for each trunk that it may be shown on."""
    asking = [(key, spec) for key, spec in draft.of(SipTrunkSpec) if spec.caller_id_policy.format != "asIs"]
    if not asking:
        return
    for key, field, number in _numbers(draft):
        for trunk, spec in asking:
            if field == "spec.callerId" and key.kind == "SipTrunk" and key != trunk:
                continue
            policy = spec.caller_id_policy
            if not can_be_written(number, policy):
                message = (
                    f"cannot be written as {policy.format} for {trunk}, which knows country {policy.country_code}: "
                    "give it with + and its country code"
                )
                yield key, Problem(Reason.INVALID, message, field, partial=True)
                break


def _numbers(draft: Draft) -> Iterator[tuple[Key, str, str]]:
    for key, trunk in draft.of(SipTrunkSpec):
        if trunk.caller_id:
            yield key, "spec.callerId", trunk.caller_id
    if draft.asterisk and draft.asterisk_key and draft.asterisk.emergency and draft.asterisk.emergency.caller_id:
        yield draft.asterisk_key, "spec.emergency.callerId", draft.asterisk.emergency.caller_id
    for key, extension in draft.of(ExtensionSpec):
        if extension.caller_id:
            yield key, "spec.callerId", extension.caller_id
        if extension.emergency_caller_id:
            yield key, "spec.emergencyCallerId", extension.emergency_caller_id


def can_be_written(number: str, policy: CallerIdPolicy) -> bool:
    """Whether the dialplan writes the number as the policy asks. It leaves alone what it could mistake for another."""
    if number.startswith("+") or policy.country_code is None:
        return True
    numbering = Numbering(country_code=policy.country_code, national_prefix=policy.national_prefix)
    if numbering.normalise(number) is None:
        return False
    if number.startswith(numbering.international):
        return True
    if number.startswith(INTERNATIONAL):
        return False  # understood by people here, but not dialled
    if numbering.national and number.startswith(numbering.national):
        return True
    bare = numbering.national and number.startswith(numbering.country_code)
    return len(number) > (LONGEST_NATIONAL if bare else LONGEST_INTERNAL)
