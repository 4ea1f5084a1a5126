"""What each resource's status should say: pure, from a plan, the verdicts on it, and the live state."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dialplane.asterisk.contacts import Contact
from dialplane.asterisk.live import LiveState
from dialplane.asterisk.status import OLDEST, AsteriskStatus
from dialplane.plan.authorities import verifies
from dialplane.plan.plan import Plan
from dialplane.reconcile.restart_request import RestartRequest
from dialplane.reconcile.verified import Refusal
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.conditions import Condition, ConditionType, Kept, Report, Since, Truth
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS, is_rendered
from dialplane.resources.manifest import Resource
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import MANIFEST_MUST_CHANGE, Problem, Reason
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.snapshot import Snapshot

_TOO_OLD = f"this is Asterisk {{}}, Dialplane needs {OLDEST} or newer: what was rendered may not do what it says"
_CERTIFICATE = "; or its certificate is not taken, which `dialplane doctor` tells"
"""Asterisk says so in its log alone."""
UNREACHABLE = frozenset({"Unreachable", "Removed"})
"""Asterisk's words for a contact that does not answer."""


_AWAY = frozenset({Reason.ASTERISK_UNREACHABLE, Reason.RESTARTING})
NOT_SERVED_YET = Condition(
    ConditionType.READY, Truth.UNKNOWN, Reason.UNKNOWN, "not served yet: the service that looks after it has not said"
)
"""Of a resource that Asterisk knows nothing of, until its service says more."""


@dataclass(frozen=True, slots=True)
class LastReload:
    """The last reload, as `Asterisk.status.lastReload` shows it."""

    at: datetime
    modules: tuple[str, ...]
    duration_millis: int
    result: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that is known about a site at one moment, beside the snapshot and the plan made of it."""

    fault: Problem | None = None
    """Why nothing can be verified: Asterisk unreachable, no answer in time, config directory unusable."""
    verified: frozenset[Key] = frozenset()
    refused: Mapping[Key, Refusal] = field(default_factory=dict)
    unproven: Mapping[Key, Problem] = field(default_factory=dict)
    """Why it was not proven, by resource: a deletion or a dialplan that did not take, a module that is missing."""
    unresolved: Mapping[Key, str] = field(default_factory=dict)
    """Why the name that a trunk goes to leads nowhere, by trunk: for messages, the verdict is Asterisk's."""
    restart_for: tuple[str, ...] = ()
    revision: str = ""
    """Of the plan that Asterisk verifiably runs as a whole; empty where it runs none."""
    live: LiveState | None = None
    asterisk: AsteriskStatus | None = None
    registrations: int | None = None
    """Phones that are registered, counted by contact."""
    state: str = "Unknown"
    last_reload: LastReload | None = None
    restart: RestartRequest | None = None
    """The restart that the manifest asks for, and what became of it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What belongs together: a snapshot, the plan made of it, and the verdict on that very plan."""

    snapshot: Snapshot
    plan: Plan
    findings: Findings


class Reporter:
    """Makes the reports of one site again and again: a phone's that would say the same is the very same object.

    Each phone that registers makes all reports due, and nearly all of them say what they said.
    """

    def __init__(self) -> None:
        self._beside: tuple[object, ...] = ()
        self._phones: dict[Key, tuple[Resource, tuple[object, ...], Report]] = {}

    def reports(self, judged: Judged) -> dict[Key, Report]:
        """One report for every resource of the snapshot."""
        plan, findings = judged.plan, judged.findings
        beside = (findings.fault, findings.live is None)
        known, self._phones = self._phones if beside == self._beside else {}, {}
        self._beside = beside
        found = {}
        for key, resource in judged.snapshot.resources.items():
            if not isinstance(resource.spec, ExtensionSpec):
                found[key] = _report(resource, plan, findings)
                continue
            basis = (
                plan.problems.get(key),
                key in plan.versions,
                key in plan.disabled,
                key in findings.verified,
                findings.refused.get(key),
                findings.unproven.get(key),
                _contacts(findings.live, resource.spec.number),
            )
            before = known.get(key)
            if before is None or before[0] is not resource or before[1] != basis:
                before = resource, basis, _report(resource, plan, findings)
            self._phones[key] = before
            found[key] = before[2]
        return found


def carried(
    before: Judged | None,
    snapshot: Snapshot,
    plan: Plan,
    refused: Mapping[Key, Refusal],
    fault: Problem | None = None,
) -> Judged:
    """What an old verdict is worth for a plan that Asterisk has not been asked about: only what did not change."""
    if before is None:
        return Judged(snapshot, plan, Findings(fault=fault, refused=refused))
    old, known = before.findings, before.plan.versions
    same = {key for key, version in plan.versions.items() if key in known and known[key].revision == version.revision}
    findings = replace(
        old,
        fault=fault,
        verified=old.verified & same,
        refused=refused,
        unproven={key: message for key, message in old.unproven.items() if key in same},
    )
    return Judged(snapshot, plan, findings)


def _report(resource: Resource, plan: Plan, findings: Findings) -> Report:
    problems = plan.problems.get(resource.key, ())
    conditions = [_accepted(problems)]
    if resource.spec is None or problems or is_rendered(resource.key.kind) or resource.key in plan.disabled:
        conditions.append(_ready(resource.key, problems, plan, findings))
    else:
        conditions.append(NOT_SERVED_YET)
    if any(problem.reason in MANIFEST_MUST_CHANGE for problem in problems):
        worst = next(problem for problem in problems if problem.reason in MANIFEST_MUST_CHANGE)
        conditions.append(Condition(ConditionType.STALLED, Truth.TRUE, worst.reason, str(worst)))
    kind = KINDS.get(resource.key.kind)
    fields: Mapping[str, Any] = dict.fromkeys(kind.kept_fields, Kept.KEPT) if kind else {}
    served = resource.key in plan.versions
    match resource.spec:
        case AsteriskSpec() if plan.pbx and plan.pbx.key == resource.key:
            fields = _asterisk_fields(findings)
            if findings.restart and (restarted := findings.restart.condition()):
                conditions.append(restarted)
        case ExtensionSpec() as spec if served:
            contacts = _contacts(findings.live, spec.number)
            conditions.append(_phone_registered(contacts, findings))
            fields = {
                "contacts": [
                    {"uri": c.uri, **({"userAgent": c.user_agent} if c.user_agent else {})} for c in sorted(contacts)
                ]
            }
        case SipTrunkSpec() as spec if served:
            verified = plan.pbx is not None and verifies(plan.pbx.spec, spec)
            conditions += _trunk_conditions(resource.key, spec, findings, _CERTIFICATE if verified else "")
            fields = _trunk_fields(resource.key, spec, findings)
        case _:
            pass
    return Report(resource.key, resource.uid, resource.generation, tuple(conditions), fields)


def _accepted(problems: Iterable[Problem]) -> Condition:
    found = tuple(problems)
    if not found:
        return Condition(ConditionType.ACCEPTED, Truth.TRUE, Reason.ACCEPTED)
    return Condition(ConditionType.ACCEPTED, Truth.FALSE, found[0].reason, _sentences(found))


def _ready(key: Key, problems: tuple[Problem, ...], plan: Plan, findings: Findings) -> Condition:
    status, reason, message = next(_verdicts(key, problems, plan, findings))
    return Condition(ConditionType.READY, status, reason, message)


def _verdicts(
    key: Key, problems: tuple[Problem, ...], plan: Plan, findings: Findings
) -> Iterator[tuple[Truth, Reason, str]]:
    """What can be said of Ready, the strongest first; True only where Asterisk itself was asked."""
    if any(not problem.partial for problem in problems):
        yield Truth.FALSE, problems[0].reason, _sentences(problems)
    if key in findings.refused:
        yield Truth.FALSE, Reason.REJECTED_BY_ASTERISK, findings.refused[key].message
    if findings.fault is not None:
        yield Truth.UNKNOWN, findings.fault.reason, findings.fault.message
    if key in findings.unproven:
        yield Truth.FALSE, findings.unproven[key].reason, findings.unproven[key].message
    if problems:
        yield Truth.FALSE, problems[0].reason, f"{_sentences(problems)}; the rest is served"
    if plan.pbx and plan.pbx.key == key and findings.asterisk and findings.asterisk.too_old:
        yield Truth.FALSE, Reason.UNSUPPORTED_VERSION, _TOO_OLD.format(findings.asterisk.version)
    if plan.pbx and plan.pbx.key == key and findings.restart_for:
        message = f"only a restart of Asterisk brings into effect: {', '.join(findings.restart_for)}"
        yield Truth.FALSE, Reason.RESTART_REQUIRED, message
    if key in plan.disabled:
        yield Truth.TRUE, Reason.DISABLED, "disabled, and not in Asterisk"
    if key in findings.verified:
        yield Truth.TRUE, Reason.VERIFIED, "Asterisk was asked and runs this version"
    yield Truth.UNKNOWN, Reason.UNKNOWN, "not verified yet"


def _phone_registered(contacts: tuple[Contact, ...], findings: Findings) -> Condition:
    if findings.live is None:
        return _unknown(ConditionType.REGISTERED)
    if any(contact.status not in UNREACHABLE for contact in contacts):
        return Condition(ConditionType.REGISTERED, Truth.TRUE, Reason.REGISTERED)
    message = "a phone registered but does not answer" if contacts else "no phone has registered"
    return Condition(ConditionType.REGISTERED, Truth.FALSE, Reason.NO_CONTACT, message)


def _trunk_conditions(key: Key, spec: SipTrunkSpec, findings: Findings, hint: str) -> Iterable[Condition]:
    if spec.registers:
        yield _trunk_registered(key, findings, hint)
    if spec.qualify_seconds:
        yield _trunk_reachable(key, findings, hint)


def _trunk_registered(key: Key, findings: Findings, hint: str) -> Condition:
    registration = findings.live.registrations.get(key.name) if findings.live else None
    if registration is None:
        return _unknown(ConditionType.REGISTERED)
    unresolved = findings.unresolved.get(key)
    match registration.state:
        case "Registered":
            return Condition(ConditionType.REGISTERED, Truth.TRUE, Reason.REGISTERED)
        case "Rejected" if unresolved:
            message = f"{registration.server_uri} is not asked: {unresolved}"
            return Condition(ConditionType.REGISTERED, Truth.FALSE, Reason.REGISTRATION_REJECTED, message)
        case "Rejected":
            cure = f"check host and account{hint}"
            message = f"{registration.server_uri} refuses the registration or is not found: {cure}"
            return Condition(ConditionType.REGISTERED, Truth.FALSE, Reason.REGISTRATION_REJECTED, message)
        case state:
            why = f": {unresolved}" if unresolved else hint
            message = f"{registration.server_uri} has not confirmed the registration ({state}){why}"
            return Condition(ConditionType.REGISTERED, Truth.FALSE, Reason.UNREGISTERED, message)


def _trunk_reachable(key: Key, findings: Findings, hint: str) -> Condition:
    contacts = _contacts(findings.live, key.name)
    if not contacts:
        return _unknown(ConditionType.REACHABLE)
    if any(contact.status == "Reachable" for contact in contacts):
        return Condition(ConditionType.REACHABLE, Truth.TRUE, Reason.REACHABLE)
    if any(contact.status in UNREACHABLE for contact in contacts):
        message = findings.unresolved.get(key) or f"no answer to OPTIONS{hint}"
        return Condition(ConditionType.REACHABLE, Truth.FALSE, Reason.UNREACHABLE, message)
    return Condition(ConditionType.REACHABLE, Truth.UNKNOWN, Reason.NOT_QUALIFIED, "not asked yet")


def _trunk_fields(key: Key, spec: SipTrunkSpec, findings: Findings) -> Mapping[str, Any]:
    fields: dict[str, Any] = {}
    if spec.registers:
        registration = findings.live.registrations.get(key.name) if findings.live else None
        fields["registration"] = {
            "state": registration.state if registration else "Unknown",
            "serverUri": registration.server_uri if registration else Kept.KEPT,
            "lastRegisteredAt": Since(ConditionType.REGISTERED),
        }
    if contacts := _contacts(findings.live, key.name):
        fields["contact"] = {"state": contacts[0].status}
    return fields


def _asterisk_fields(findings: Findings) -> Mapping[str, Any]:
    facts, last = findings.asterisk, findings.last_reload
    # While it cannot be asked, the last numbers are no longer true; before it was asked, they may be.
    unsaid = None if findings.fault and findings.fault.reason in _AWAY else Kept.KEPT
    numbers = facts if unsaid else None
    return {
        "state": findings.state,
        "version": facts.version if facts else Kept.KEPT,
        "startedAt": timestamp(facts.start.at) if facts and facts.start.at else Kept.KEPT,
        "activeChannels": numbers.active_channels if numbers else unsaid,
        "activeCalls": numbers.active_calls if numbers else unsaid,
        "registrations": unsaid if findings.registrations is None else findings.registrations,
        "lastReload": {
            "at": timestamp(last.at),
            "modules": list(last.modules),
            "durationMillis": last.duration_millis,
            "result": last.result,
        }
        if last
        else Kept.KEPT,
        **({"restart": findings.restart.fields()} if findings.restart else {}),
        "configRevision": findings.revision or Kept.KEPT,
    }


def _contacts(live: LiveState | None, aor: str) -> tuple[Contact, ...]:
    return live.contacts.get(aor, ()) if live else ()


def _unknown(kind: ConditionType) -> Condition:
    return Condition(kind, Truth.UNKNOWN, Reason.UNKNOWN, "Asterisk has not said yet")


def _sentences(problems: Iterable[Problem]) -> str:
    return "; ".join(str(problem) for problem in problems)
