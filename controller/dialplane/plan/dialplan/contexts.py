"""Names of contexts, addresses in the dialplan, and the only shape an entry of the site's own may have.

A reload hits live calls: a priority that moved sends a waiting call to the wrong step (facts). So every entry that is
made from a manifest has one priority, which hands over at once to a routine (`routine.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.resources.key import Key

EMERGENCY = "dp-emergency"
"""First in every class of service: whoever dials an emergency number gets there."""
PRIVACY = "dp-privacy"
"""The code that hides the caller's number, before any number that may be dialled."""
FEATURES = "dp-features"
INTERNAL = "dp-internal"
"""The extensions' numbers, with forwards and voicemail."""
MEMBERS = "dp-members"
"""The same numbers as members of a ring group: the phones alone."""
VOICEMAIL = "dp-voicemail"
SCHEDULES = "dp-schedules"
SCHEDULE_GROUPS = "dp-schedule-groups"
VOICE_BOTS = "dp-voicebots"
"""The bots, by name."""
MEDIA = "dp-voicebot-media"
"""Where the media channel of a bot waits for the caller, who takes it from there."""
MEDIA_WAITS_IN = "Wait"
VOICE_BOT_GROUPS = "dp-voicebot-groups"
VOICE_BOT_NUMBERS = "dp-voicebot-numbers"
"""The numbers that bots have inside; behind those of the extensions."""
TRUNKS = "dp-trunks"
"""A table, not for calls: `Return()` of one row per trunk, looked up at the moment of the call."""
TRUNK_POLICIES = "dp-trunk-policies"
"""A table likewise: how long to wait for a trunk, and which answers mean that it failed."""
SITE = "dp-site"
"""A table of what concerns the whole site."""
HINTS = "dp-hints"
END = "dp-end"
"""Nobody to call here: the context of SIP messages too, which Asterisk would otherwise send through the dialplan as if
they were calls."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A place in the dialplan that a call can be sent to; its priority is 1."""

    context: str
    extension: str


ENDED = Address(END, "s")
"""The call ends: declined if nobody answered it."""


def entry(extension: str, application: str, arguments: str, owner: Key) -> DialplanEntry:
    """The one priority of one extension."""
    return DialplanEntry(extension, 1, application, arguments, owner)


def context(
    name: str, owner: Key, entries: Iterable[DialplanEntry] = (), includes: tuple[str, ...] = ()
) -> DialplanContext:
    """A context with its entries in a fixed order: one priority each, so that only the extension decides."""
    return DialplanContext(name, includes, tuple(sorted(entries, key=lambda e: e.extension)), owner)
