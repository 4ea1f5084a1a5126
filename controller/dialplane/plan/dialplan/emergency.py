"""Emergency calls: any extension, at any time, over whichever trunk takes the call."""

from dialplane.plan.dialplan.contexts import EMERGENCY, context
from dialplane.plan.dialplan.routine import listed, routine
from dialplane.plan.dialplan.trunks import TRUNK_CALL
from dialplane.plan.objects import DialplanContext
from dialplane.plan.site import Site

PATIENCE_SECONDS = 4
"""For how long a trunk may neither ring nor send voice while there is another one to try."""
_LONG_PATIENCE_SECONDS = 12
"""The same when all of them are tried once more, and for the only trunk: some carriers need more than four seconds."""

EMERGENCY_CALL = routine(
    "emergency_call",
    ("number", "trunks", "caller"),
    """
          Set(LOCAL(mode)=yes)
          Set(LOCAL(left)=<trunks>)
          Set(LOCAL(patience)=${IF($["x${CUT(left,&,2)}" = "x"]?LONG:SHORT)})
          Set(LOCAL(own)=${DIALPLANE_EMERGENCY_CALLER_ID})
          Set(LOCAL(caller)=${IF($["x${own}" = "x"]?<caller>:${own})})
    next: GotoIf($["x${left}" = "x"]?nobody)
          Set(LOCAL(trunk)=${CUT(left,&,1)})
          Set(LOCAL(left)=${CUT(left,&,2-)})
          Set(LOCAL(patience)=${IF($["${mode}" = "again" & "x${left}" = "x"]?:${patience})})
          Gosub(<trunk_call>,s,1(${trunk},<number>,${caller},${mode},no,${patience}))
          Goto(next)
    nobody: GotoIf($["${mode}" = "again"]?failed)
          Set(LOCAL(mode)=again)
          Set(LOCAL(patience)=LONG)
          Set(LOCAL(left)=<trunks>)
          Goto(next)
    failed: Hangup(34)
    """.replace("LONG", str(_LONG_PATIENCE_SECONDS)).replace("SHORT", str(PATIENCE_SECONDS)),
    calls=(TRUNK_CALL,),
)
"""Tries the trunks in order until one answers, whatever stopped the others, limits aside; then all of them once more,
even those that Asterisk holds to be unreachable. One that rings is never left, and the very last attempt goes on for
as long as the caller waits. Looks at no permission, no forward and no recording, so that none of
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
