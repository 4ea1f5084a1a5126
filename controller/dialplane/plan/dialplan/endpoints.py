"""Where the dialplan meets PJSIP: the context an endpoint starts in, and the variables its channels carry."""

from collections.abc import Iterable, Iterator

from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.fields import Permission
from dialplane.resources.key import Key


def class_of_service(permissions: Iterable[Permission]) -> str:
    """The context of endpoints with these permissions, whatever their order: `dp-cos-internal-local`."""
    return "-".join(("dp-cos", *(sorted(set(permissions)) or ("none",))))


def extension_context(spec: ExtensionSpec) -> str:
    """The context in which a call from this extension starts."""
    return class_of_service(spec.permissions)


def trunk_context(key: Key) -> str:
    """The context in which a call from this trunk starts; it includes nothing."""
    return f"dp-from-{key.name}"


def extension_variables(spec: ExtensionSpec) -> Iterator[tuple[str, str]]:
    """The channel variables of calls from this extension, for the routines to read."""
    if spec.caller_id:
        yield "DIALPLANE_CALLER_ID", spec.caller_id
    if spec.hide_caller_id:
        yield "DIALPLANE_HIDE_CALLER_ID", "yes"
    if spec.emergency_caller_id:
        yield "DIALPLANE_EMERGENCY_CALLER_ID", spec.emergency_caller_id
    if spec.record == "always":
        yield "DIALPLANE_RECORD", "always"
