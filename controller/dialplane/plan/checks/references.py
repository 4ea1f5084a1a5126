"""Everything a manifest refers to by name or number exists.

A route that leads nowhere is a partial problem: that number is refused, the rest of the trunk goes on.
"""

from collections.abc import Iterator, Mapping

from dialplane.plan.checks.ways import ways
from dialplane.plan.draft import Draft, Finding
from dialplane.plan.voice_bots import bots
from dialplane.resources.destination import Destination, FinalDestination
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.sip_trunk import SipTrunkSpec


def transports(draft: Draft) -> Iterator[Finding]:
    """The transport that a trunk or an extension names is one of the Asterisk's, and of a fitting protocol."""
    if draft.asterisk is None:
        return
    known = {t.name: t.protocol for t in draft.asterisk.transports}
    users: list[tuple[Key, ExtensionSpec | SipTrunkSpec]] = [*draft.of(ExtensionSpec), *draft.of(SipTrunkSpec)]
    for key, spec in users:
        if spec.transport is not None and spec.transport not in known:
            message = f"{draft.asterisk_key} has no transport {spec.transport!r}; it has {', '.join(known)}"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.transport")
            continue
        protocol = known[spec.transport] if spec.transport else None
        if isinstance(spec, SipTrunkSpec):
            if protocol == "wss":
                yield key, Problem(Reason.INVALID, "a trunk cannot use a wss transport", "spec.transport")
            elif spec.tls.ca_secret_ref and draft.asterisk.protocol(spec.transport) != "tls":
                message = "certificates are verified over a tls transport alone: name one in spec.transport"
                yield key, Problem(Reason.INVALID, message, "spec.tls.caSecretRef")
        elif protocol == "tls" and draft.asterisk.transport(spec.transport).certificate_secret_ref is None:
            message = f"transport {spec.transport!r} shows no certificate, so that no phone can use it: give it one"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.transport")
        elif spec.webrtc and "wss" not in known.values():
            message = f"webrtc needs a wss transport in {draft.asterisk_key}"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.webrtc")
        elif spec.webrtc and protocol not in {None, "wss"}:
            yield key, Problem(Reason.INVALID, "webrtc works only over a wss transport", "spec.transport")


def mail_servers(draft: Draft) -> Iterator[Finding]:
    """Whoever is to be mailed has a server that takes the mail."""
    if draft.asterisk is None or draft.asterisk.voicemail.mail is not None:
        return
    message = f"{draft.asterisk_key} names no mail server, so messages stay in the mailbox: set spec.voicemail.mail"
    for key, spec in draft.of(ExtensionSpec):
        if spec.mails_to:
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.voicemail.email", partial=True)


def route_targets(draft: Draft) -> Iterator[Finding]:
    """Every `to` leads to something that is served."""
    targets = _Targets(draft)
    for key, path, to in ways(draft):
        yield from ((key, p) for p in targets.missing(to, path))


def schedule_loops(draft: Draft) -> Iterator[Finding]:
    """A schedule that leads to itself, over others too, would never let a call go."""
    leads = {
        key.name: {"whenOpen": spec.when_open.schedule, "whenClosed": spec.when_closed.schedule}
        for key, spec in draft.of(ScheduleSpec)
    }
    for key, _ in draft.of(ScheduleSpec):
        for field, first in leads[key.name].items():
            if key.name in _reached(first, leads):
                message = "the schedule leads back to itself"
                yield key, Problem(Reason.INVALID, message, f"spec.{field}.schedule")


def trunks(draft: Draft) -> Iterator[Finding]:
    """The emergency trunks exist. Partial: those that do exist are used."""
    if draft.asterisk is None or draft.asterisk_key is None or draft.asterisk.emergency is None:
        return
    known = {key.name for key, _ in draft.of(SipTrunkSpec)}
    named = draft.asterisk.emergency.trunks
    rest = "emergency calls use the others" if known.intersection(named) else "emergency calls fail"
    for index, name in enumerate(named):
        if name not in known:
            message = f"no SipTrunk {name!r} is served; {rest}"
            field = f"spec.emergency.trunks[{index}]"
            yield draft.asterisk_key, Problem(Reason.REFERENCE_MISSING, message, field, partial=True)


def _reached(first: str | None, leads: Mapping[str, Mapping[str, str | None]]) -> set[str]:
    """The schedules that a call may get to from `first` on."""
    reached: set[str] = set()
    ahead = [first]
    while ahead:
        name = ahead.pop()
        if name is not None and name not in reached:
            reached.add(name)
            ahead += leads.get(name, {}).values()
    return reached


class _Targets:
    def __init__(self, draft: Draft) -> None:
        extensions = [spec for _, spec in draft.of(ExtensionSpec)]
        self._numbers = {spec.number for spec in extensions}
        self._mailboxes = {spec.number for spec in extensions if spec.has_mailbox}
        self._schedules = {key.name for key, _ in draft.of(ScheduleSpec)}
        self._bots = {bot.key.name for bot in bots(draft)}

    def missing(self, to: Destination | FinalDestination, path: str) -> Iterator[Problem]:
        if to.extension is not None and to.extension not in self._numbers:
            yield _missing(f"no Extension with number {to.extension!r} is served", f"{path}.extension")
        if to.voicemail is not None and to.voicemail not in self._mailboxes:
            yield _missing(f"no Extension with number {to.voicemail!r} has voicemail enabled", f"{path}.voicemail")
        if to.voice_bot is not None and to.voice_bot not in self._bots:
            yield _missing(f"there is no VoiceBot {to.voice_bot!r}", f"{path}.voiceBot")
        if not isinstance(to, Destination):
            return
        if to.schedule is not None and to.schedule not in self._schedules:
            yield _missing(f"no Schedule {to.schedule!r} is served", f"{path}.schedule")
        if to.ring_group is not None:
            for index, member in enumerate(to.ring_group.members):
                if member not in self._numbers:
                    message = f"no Extension with number {member!r} is served"
                    yield _missing(message, f"{path}.ringGroup.members[{index}]")
            if to.ring_group.no_answer is not None:
                yield from self.missing(to.ring_group.no_answer, f"{path}.ringGroup.noAnswer")


def _missing(message: str, field: str) -> Problem:
    return Problem(Reason.REFERENCE_MISSING, message, field, partial=True)
