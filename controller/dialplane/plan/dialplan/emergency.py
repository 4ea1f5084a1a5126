"""Emergency calls: any extension, at any time, over whichever trunk takes the call."""

from dialplane.plan.dialplan.contexts import EMERGENCY, context
from dialplane.plan.dialplan.routine import listed, routine
from dialplane.plan.dialplan.trunks import TRUNK_CALL
from dialplane.plan.objects import DialplanContext
from dialplane.plan.site import Site

EMERGENCY_CALL = routine(
    "emergency_call",
    ("number", "trunks", "caller"),
    """
          Set(LOCAL(mode)=yes)
          Set(LOCAL(left)=<trunks>)
          Set(LOCAL(own)=${DIALPLANE_EMERGENCY_CALLER_ID})
          Set(LOCAL(caller)=${IF($["x${own}" = "x"]?<caller>:${own})})
    next: GotoIf($["x${left}" = "x"]?nobody)
          Gosub(<trunk_call>,s,1(${CUT(left,&,1)},<number>,${caller},${mode},no))
          Set(LOCAL(left)=${CUT(left,&,2-)})
          Goto(next)
    nobody: GotoIf($["${mode}" = "again"]?failed)
          Set(LOCAL(mode)=again)
          Set(LOCAL(left)=<trunks>)
          Goto(next)
    failed: Hangup(34)
    """,
    calls=(TRUNK_CALL,),
)
"""Tries the trunks in order until one answers, whatever stopped the others, limits aside; then all of them once more,
even those that Asterisk holds to be unreachable. Looks at no permission, no forward and no recording, so that none of
them can be in its way."""

ROUTINES = (EMERGENCY_CALL,)


def emergency(site: Site) -> DialplanContext:
    """The emergency numbers; empty where the site names none, since every class of service includes it."""
    spec = site.asterisk.emergency
    if spec is None:
        return context(EMERGENCY, site.asterisk_key)
    known = {key.name for key, _ in site.trunks}
    trunks = listed(name for name in spec.trunks if name in known)
    key = site.asterisk_key
    entries = [
        EMERGENCY_CALL.entry(dialled, key, number, trunks, spec.caller_id or "")
        for dialled, number in spec.dialled.items()
    ]
    return context(EMERGENCY, key, entries)
