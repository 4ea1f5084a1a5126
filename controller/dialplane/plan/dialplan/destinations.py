"""Destinations: what a manifest's `to` is as an address in the dialplan, and the ring groups behind it."""

from dataclasses import dataclass

from dialplane.plan.dialplan.contexts import ENDED, INTERNAL, MEMBERS, SCHEDULES, VOICE_BOTS, VOICEMAIL, Address
from dialplane.plan.dialplan.outbound import ALL_OUTBOUND, outbound_context
from dialplane.plan.dialplan.patterns import any_matches
from dialplane.plan.dialplan.privacy import without_codes
from dialplane.plan.dialplan.recording import RECORDING
from dialplane.plan.dialplan.routine import listed, routine
from dialplane.plan.objects import DialplanEntry
from dialplane.plan.site import Site
from dialplane.resources.destination import Destination, FinalDestination, RingGroup
from dialplane.resources.key import Key

RING_ALL = routine(
    "ring_all",
    ("members", "seconds", "context", "extension"),
    """
          GotoIf($["x<members>" = "x"]?nobody)
          GosubIf($["${DIALPLANE_RECORD}" = "always"]?<recording>,s,1(0))
          Dial(<members>,<seconds>,i)
    nobody: GotoIf($["x<context>" = "x"]?over)
          Goto(<context>,<extension>,1)
    over: Hangup(${IF($["${DIALSTATUS}" = "BUSY"]?17:19)})
    """,
    calls=(RECORDING,),
)

RING_SEQUENCE = routine(
    "ring_sequence",
    ("members", "seconds", "context", "extension"),
    """
          GosubIf($["${DIALPLANE_RECORD}" = "always"]?<recording>,s,1(0))
          Set(LOCAL(left)=<members>)
    next: GotoIf($["x${left}" = "x"]?nobody)
          Dial(${CUT(left,&,1)},<seconds>,i)
          Set(LOCAL(left)=${CUT(left,&,2-)})
          Goto(next)
    nobody: GotoIf($["x<context>" = "x"]?over)
          Goto(<context>,<extension>,1)
    over: Hangup(19)
    """,
    calls=(RECORDING,),
)

ROUTINES = (RING_ALL, RING_SEQUENCE)


@dataclass(frozen=True, slots=True)
class Destinations:
    """What can be reached at a site. A destination that is not there has no address: its number is refused."""

    numbers: frozenset[str]
    mailboxes: frozenset[str]
    schedules: frozenset[str]
    bots: frozenset[str]
    """Those that are not served too: their callers go to their fallback."""
    patterns: frozenset[str]
    emergency: frozenset[str]

    @classmethod
    def of(cls, site: Site) -> "Destinations":
        """All that the site serves."""
        specs = [spec for _, spec in site.extensions]
        return cls(
            numbers=frozenset(spec.number for spec in specs),
            mailboxes=frozenset(spec.number for spec in specs if spec.has_mailbox),
            schedules=frozenset(key.name for key, _ in site.schedules),
            bots=frozenset(bot.key.name for bot in site.voice_bots),
            patterns=frozenset(route.pattern for _, spec in site.trunks for route in spec.outbound),
            emergency=frozenset(site.asterisk.emergency.dialled if site.asterisk.emergency else ()),
        )

    def address(self, to: Destination | FinalDestination, group: Address | None = None) -> Address | None:
        """Where `to` is; None if it is not served. A ring group is at `group`, made by `group_entry`."""
        found = self._final(to)
        if isinstance(to, Destination):
            if to.schedule in self.schedules:
                found = Address(SCHEDULES, str(to.schedule))
            elif to.ring_group is not None:
                found = group
        return found

    def dials(self, number: str) -> bool:
        """Whether a number in a manifest may be dialled: a route takes it, and it is no emergency number."""
        return without_codes(number) not in self.emergency and any_matches(self.patterns, number)

    def group_entry(self, group: RingGroup, place: Address, owner: Key) -> DialplanEntry:
        """The ring group at its place; members that are not served are left out."""
        members = [f"Local/{number}@{MEMBERS}" for number in group.members if number in self.numbers]
        after = self._final(group.no_answer) if group.no_answer else None
        ring = RING_ALL if group.strategy == "all" else RING_SEQUENCE
        rest = (after.context, after.extension) if after else ("", "")
        return ring.entry(place.extension, owner, listed(members), str(group.ring_seconds), *rest)

    def _final(self, to: Destination | FinalDestination) -> Address | None:
        if to.extension in self.numbers:
            return Address(INTERNAL, str(to.extension))
        if to.voicemail in self.mailboxes:
            return Address(VOICEMAIL, str(to.voicemail))
        if to.voice_bot in self.bots:
            return Address(VOICE_BOTS, str(to.voice_bot))
        # Only numbers that stand in a manifest come here, never one that a caller chose: every route may be used.
        if to.number is not None and self.dials(to.number):
            return Address(outbound_context(ALL_OUTBOUND), to.number)
        return ENDED if to.hangup else None
