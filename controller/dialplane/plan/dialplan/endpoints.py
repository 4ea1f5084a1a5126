"""Where the dialplan meets PJSIP: the context an endpoint starts in, and the variables its channels carry."""

from collections.abc import Iterable, Iterator

from dialplane.plan.cabins import Cabin
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.fields import Permission
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import SipTrunkSpec


def class_of_service(permissions: Iterable[Permission]) -> str:
    """The context of endpoints with these permissions, whatever their order: `dp-cos-internal-local`."""
    return "-".join(("dp-cos", *(sorted(set(permissions)) or ("none",))))


def extension_context(spec: ExtensionSpec) -> str:
    """The context in which a call from this extension starts."""
    return class_of_service(spec.permissions)


def cabin_context(spec: ExtensionSpec) -> str:
    """The context in which a call from this extension starts where it is a cabin's telephone: `dp-cabin-internal`."""
    return f"dp-cabin{extension_context(spec).removeprefix('dp-cos')}"


def trunk_context(key: Key) -> str:
    """The context in which a call from this trunk starts; it includes nothing."""
    return f"dp-from-{key.name}"


def hidden_endpoint(key: Key, spec: SipTrunkSpec) -> str | None:
    """The endpoint for calls whose caller hides the number; None where the trunk's own does.

    Asterisk's `from_user` and `from_domain` win over an anonymous From, so these calls need one without them. No name
    in a manifest holds `_`.
    """
    return f"dp_hidden_{key.name}" if spec.from_user or spec.from_domain else None


def extension_variables(spec: ExtensionSpec, cabin: Cabin | None = None) -> Iterator[tuple[str, str]]:
    """The channel variables of calls from this extension, for the routines to read."""
    if cabin:
        yield "DIALPLANE_DEVICE", cabin.device
        if cabin.test_number:
            yield "DIALPLANE_TEST_NUMBER", cabin.test_number
    if spec.caller_id:
        yield "DIALPLANE_CALLER_ID", spec.caller_id
    if spec.hide_caller_id:
        yield "DIALPLANE_HIDE_CALLER_ID", "yes"
    if spec.emergency_caller_id:
        yield "DIALPLANE_EMERGENCY_CALLER_ID", spec.emergency_caller_id
    if spec.record == "always":
        yield "DIALPLANE_RECORD", "always"
