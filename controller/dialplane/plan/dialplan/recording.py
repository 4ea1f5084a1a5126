"""Recording: who asked for it, and where it goes."""

from dialplane.plan.dialplan.contexts import SITE, context, entry
from dialplane.plan.dialplan.routine import routine
from dialplane.plan.escape import argument
from dialplane.plan.objects import DialplanContext
from dialplane.plan.site import Site

RECORDING_DIRECTORY = "recording-directory"

# `b`: only while two parties are connected. The day is a directory, so that retention can delete by it. UTC, so that
# names neither repeat nor jump at a change of the clocks.
RECORDING = routine(
    "recording",
    ("called",),
    """
          GotoIf($["${DIALPLANE_RECORDED}" = "yes"]?done)
          GotoIf(${DIALPLAN_EXISTS(dp-site,recording-directory,1)}?:done)
          Gosub(dp-site,recording-directory,1)
          Set(LOCAL(directory)=${GOSUB_RETVAL})
          Set(LOCAL(time)=${STRFTIME(${EPOCH},UTC,%Y-%m-%d/%Y%m%dT%H%M%SZ)})
          Set(LOCAL(caller)=${FILTER(0-9,${CALLERID(num)})})
          Set(LOCAL(called)=${FILTER(0-9,<called>)})
          Set(LOCAL(call)=${FILTER(0-9A-Za-z.,${UNIQUEID})})
          Set(__DIALPLANE_RECORDED=yes)
          MixMonitor(${directory}/${time}-${caller:0:20}-${called:0:20}-${call}.wav,b)
    done: Return()
    """,
)
"""Records the channel it runs on, once per call. `<called>` names the other party in the file's name."""

ROUTINES = (RECORDING,)


def site_table(site: Site) -> DialplanContext:
    """What routines look up about the whole site."""
    path = argument(site.asterisk.recording.path)
    return context(SITE, site.asterisk_key, [entry(RECORDING_DIRECTORY, "Return", path, site.asterisk_key)])
