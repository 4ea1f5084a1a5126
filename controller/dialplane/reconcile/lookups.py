"""Trunks whose names the running Asterisk will never look up: it decides at its start for which transports it does."""

from collections.abc import Collection

from dialplane.plan.objects import PjsipType
from dialplane.plan.pjsip.placeholders import kinds
from dialplane.plan.pjsip.uri import transport_of
from dialplane.plan.plan import Plan
from dialplane.reconcile.config_dir import Written
from dialplane.reconcile.notes import Notes
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sip_trunk import SipTrunkSpec


def note_transports(notes: Notes, plan: Plan, todo: Written) -> None:
    """Note, before `todo` is written, which kinds of transports the files have from now on."""
    notes.open(kinds(plan.pbx.spec.transports) if plan.pbx else (), anew=PjsipType.TRANSPORT.file in todo.paths)


def without_lookups(plan: Plan, late: Collection[str]) -> dict[Key, Problem]:
    """A problem for each trunk that goes to a name by a transport of a kind (`udp4`) that came after the start."""
    found: dict[Key, Problem] = {}
    if not late or plan.pbx is None:
        return found
    for key, version in plan.versions.items():
        spec = version.resource.spec
        if not isinstance(spec, SipTrunkSpec) or spec.next_hop_is_address:
            continue
        transport = transport_of(plan.pbx.spec, spec)
        if transport is not None and transport.kind in late:
            message = (
                f"Asterisk started without a {transport.protocol} transport on IPv{transport.kind[-1]}, so it never "
                f"asks DNS for {spec.next_hop[0]} and every call fails: restart Asterisk; with the base files of "
                "`dialplane bootstrap` that is needless"
            )
            found[key] = Problem(Reason.RESTART_REQUIRED, message)
    return found
