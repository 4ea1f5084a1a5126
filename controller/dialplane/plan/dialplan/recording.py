"""Recording: who asked for it, and where it goes."""

from collections.abc import Iterator

from dialplane.plan.dialplan.contexts import SITE, context, entry
from dialplane.plan.dialplan.routine import Trusted, routine
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

PROOF = "dp-recording-proof"
"""The context of the two ends of a proof, called `TIME` and `*TIME` (seconds since 1970) by `asterisk.recording`."""
PROOFS = "dprecording"
"""The family of Asterisk's database where its outcome stands, under `proof`: `TIME|` and how many bytes were written;
`TIME|no` where there was no file; `TIME|busy` while an elder proof hangs."""
PROOF_BYTES = 1_024_000
"""What must fit: a minute of one call. On a disk that is nearly full a small file says nothing."""

_TEXT = "0" * 400
_TEN_TIMES = "${text}" * 10

# One end records as a call would, into the folder of the day in TIME, so that folder and file are made; the other fills
# the file, looks how long it is, and hangs up. Then Record() deletes the file, and nothing is left of it.
PROOF_RECORD = routine(
    "recording_proof",
    ("time",),
    """
          Set(CDR_PROP(disable)=1)
          GotoIf($[${GROUP_COUNT(proof@dprecording)} > 0]?busy)
          Set(GROUP(dprecording)=proof)
          Gosub(dp-site,recording-directory,1)
          Set(LOCAL(directory)=${GOSUB_RETVAL})
          Record(${directory}/${STRFTIME(<time>,UTC,%Y-%m-%d)}/.dialplane-proof.wav,0,10,q)
          GotoIf($["${RECORD_STATUS}" = "ERROR"]?no:end)
    busy: Set(DB(dprecording/proof)=<time>|busy)
          Goto(end)
    no: Set(DB(dprecording/proof)=<time>|no)
    end: Hangup()
    """,
)
PROOF_FILL = routine(
    "recording_proof_fill",
    ("time",),
    f"""
          Set(CDR_PROP(disable)=1)
          Gosub(dp-site,recording-directory,1)
          Set(LOCAL(directory)=${{GOSUB_RETVAL}})
          Set(LOCAL(file)=${{directory}}/${{STRFTIME(<time>,UTC,%Y-%m-%d)}}/.dialplane-proof.wav)
          Set(LOCAL(text)={_TEXT})
          Set(LOCAL(text)={_TEN_TIMES})
          Set(LOCAL(count)=0)
    look: GotoIf(${{STAT(e,${{file}})}}?fill)
          Set(LOCAL(count)=$[${{count}} + 1])
          GotoIf($[${{count}} > 100]?end)
          Wait(0.02)
          Goto(look)
    fill: Set(LOCAL(count)=0)
    more: Set(FILE(${{file}},,,a)=${{text}})
          Set(LOCAL(count)=$[${{count}} + 1])
          GotoIf($[${{count}} < {PROOF_BYTES // 4000}]?more)
          Set(DB(dprecording/proof)=<time>|${{STAT(s,${{file}})}})
    end: Hangup()
    """,
)

PROOF_ROUTINES = (PROOF_RECORD, PROOF_FILL)
"""Rendered only where a call is recorded: they need modules that nothing else does."""


def site_table(site: Site) -> DialplanContext:
    """What routines look up about the whole site."""
    path = argument(site.asterisk.recording.path)
    return context(SITE, site.asterisk_key, [entry(RECORDING_DIRECTORY, "Return", path, site.asterisk_key)])


def proof(site: Site) -> Iterator[DialplanContext]:
    """What proves that recordings can be written; nothing where no call is recorded."""
    if not any(spec.record == "always" for _, spec in site.extensions):
        return
    owner = site.asterisk_key
    for each in PROOF_ROUTINES:
        yield each.rendered(owner)
    ends = (
        PROOF_RECORD.entry("_X.", owner, Trusted("${EXTEN}")),
        PROOF_FILL.entry("_*X.", owner, Trusted("${EXTEN:1}")),
    )
    yield context(PROOF, owner, ends)
