"""Callers who hide their number: who wishes it, and the codes that wish it for one call.

The wish is the extension's (`hideCallerId`), the phone's (`Privacy: id`, `Remote-Party-ID: …;privacy=full` or an
anonymous From: RFC 3323, 3325 and 5876) or the call's (`*67` before the number). It concerns calls over trunks; the
emergency centre always sees the number. A call that was forwarded shows the forwarding extension's number, and hides
it where that extension does.
"""

from dialplane.plan.dialplan.contexts import PRIVACY, context
from dialplane.plan.dialplan.routine import Trusted, routine
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site

HIDE_CODES = ("*67", "*31#")
"""Dialled before a number, they hide the caller's own from whom the call goes to (North America, GSM)."""

# What comes from the network is filtered before it is compared.
ASKS_PRIVACY = routine(
    "asks_privacy",
    (),
    """
          Set(LOCAL(privacy)=${FILTER(a-z,${TOLOWER(${PJSIP_HEADER(read,Privacy)})})})
          GotoIf($["${privacy}" =~ "(id|user|header)"]?hidden)
          Set(LOCAL(party)=${FILTER(a-z=,${TOLOWER(${PJSIP_HEADER(read,Remote-Party-ID)})})})
          GotoIf($["${party}" =~ "privacy=(full|uri)"]?hidden)
          Return(no)
    hidden: Return(yes)
    """,
)
"""Returns `yes` where the INVITE asks that its caller's number be hidden, else `no`. For PJSIP channels."""

# Only the phone's own call has its headers: a call that was forwarded or came in over a trunk has another's.
WISHES_PRIVACY = routine(
    "wishes_privacy",
    (),
    """
          GotoIf($["${DIALPLANE_HIDE_CALLER_ID}" = "yes"]?hidden)
          GotoIf($["${CHANNEL(channeltype)}" = "PJSIP" & "x${DIALPLANE_HOPS}${GROUP(trunk)}" = "x"]?:shown)
          Set(LOCAL(from)=${FILTER(a-z:@,${TOLOWER(${PJSIP_HEADER(read,From)})})})
          GotoIf($["${from}" =~ "sips?:(anonymous|unknown|unavailable|restricted|private|withheld)@"]?hidden)
          GotoIf($["${from}" =~ "@anonymousinvalid"]?hidden)
          Gosub(<asks_privacy>,s,1())
          Return(${GOSUB_RETVAL})
    shown: Return(no)
    hidden: Return(yes)
    """,
    calls=(ASKS_PRIVACY,),
)
"""Returns `yes` where the caller's number is to be hidden, else `no`."""

# The call starts again in the context that the caller is in, so that the code opens no number to anybody.
HIDE_CALLER = routine(
    "hide_caller",
    ("context", "number", "length"),
    """
          GotoIf($[${LEN(<number>)} != <length>]?malformed)
          GotoIf(${DIALPLAN_EXISTS(<context>,<number>,1)}?:nowhere)
          Set(DIALPLANE_HIDE_CALLER_ID=yes)
          Goto(<context>,<number>,1)
    malformed: Hangup(28)
    nowhere: Hangup(1)
    """,
)
"""Dials the rest of the number, with the caller's own hidden."""

ROUTINES = (ASKS_PRIVACY, WISHES_PRIVACY, HIDE_CALLER)


def without_codes(number: str) -> str:
    """The number that is called in the end where `number` is dialled: codes that hide the caller stand before it."""
    while code := next((code for code in HIDE_CODES if number.startswith(code)), ""):
        number = number.removeprefix(code)
    return number


def privacy(site: Site) -> DialplanContext:
    """The codes before any number that the caller may dial."""
    return context(PRIVACY, site.asterisk_key, [_entry(site, code) for code in HIDE_CODES])


def _entry(site: Site, code: str) -> DialplanEntry:
    dialled = f"${{EXTEN:{len(code)}}}"
    number, length = Trusted(f"${{FILTER(0-9*#+,{dialled})}}"), Trusted(f"${{LEN({dialled})}}")
    return HIDE_CALLER.entry(f"_{code}.", site.asterisk_key, Trusted("${CONTEXT}"), number, length)
