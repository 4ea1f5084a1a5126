"""Callers who hide their number: who wishes it, and the code that wishes it for one call.

The wish is the extension's (`hideCallerId`), the phone's (`Privacy: id` or an anonymous From, RFC 3323 and 3325) or the
call's (`*67` before the number). It concerns calls over trunks; the emergency centre always sees the number.
"""

from dialplane.plan.dialplan.contexts import PRIVACY, context
from dialplane.plan.dialplan.routine import Trusted, routine
from dialplane.plan.objects import DialplanContext
from dialplane.plan.site import Site

HIDE_CODE = "*67"
"""Dialled before a number, it hides the caller's own from whom the call goes to."""

# What a phone sends is filtered before it is compared. Only a PJSIP channel has headers.
WISHES_PRIVACY = routine(
    "wishes_privacy",
    (),
    """
          GotoIf($["${DIALPLANE_HIDE_CALLER_ID}" = "yes"]?hidden)
          GotoIf($["${CHANNEL(channeltype)}" = "PJSIP"]?:shown)
          Set(LOCAL(from)=${FILTER(a-z:@,${TOLOWER(${PJSIP_HEADER(read,From)})})})
          GotoIf($["${from}" =~ "sips?:anonymous@"]?hidden)
          Set(LOCAL(privacy)=${FILTER(a-z,${TOLOWER(${PJSIP_HEADER(read,Privacy)})})})
          GotoIf($["${privacy}" =~ "(id|user|header)"]?hidden)
    shown: Return(no)
    hidden: Return(yes)
    """,
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

ROUTINES = (WISHES_PRIVACY, HIDE_CALLER)

_NUMBER = Trusted("${FILTER(0-9*#+,${EXTEN:3})}")
_LENGTH = Trusted("${LEN(${EXTEN:3})}")


def privacy(site: Site) -> DialplanContext:
    """The code before any number that the caller may dial."""
    entry = HIDE_CALLER.entry(f"_{HIDE_CODE}.", site.asterisk_key, Trusted("${CONTEXT}"), _NUMBER, _LENGTH)
    return context(PRIVACY, site.asterisk_key, [entry])
