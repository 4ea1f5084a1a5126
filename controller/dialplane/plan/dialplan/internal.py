"""Internal calls: an extension's phones, its forwards, its mailbox."""

from dialplane.plan.dialplan.contexts import MEMBERS, context
from dialplane.plan.dialplan.endpoints import extension_context
from dialplane.plan.dialplan.privacy import without_codes
from dialplane.plan.dialplan.recording import RECORDING
from dialplane.plan.dialplan.routine import Trusted, routine
from dialplane.plan.dialplan.voicemail import NAMELESS
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key

# The caller's channel goes on as if the extension had dialled: its class of service, its caller id, its wish to be
# recorded. Returns only where the number leads nowhere or calls go round in circles.
FORWARD = routine(
    "forward",
    ("number", "context", "caller", "record", "hide"),
    """
          Set(__DIALPLANE_HOPS=$[0${DIALPLANE_HOPS} + 1])
          GotoIf($[${DIALPLANE_HOPS} > 10]?refused)
          GotoIf(${DIALPLAN_EXISTS(<context>,<number>,1)}?:refused)
          Set(DIALPLANE_CALLER_ID=<caller>)
          Set(DIALPLANE_RECORD=<record>)
          Set(DIALPLANE_HIDE_CALLER_ID=<hide>)
          Goto(<context>,<number>,1)
    refused: Return()
    """,
)

# The addresses that phones register are theirs to choose, and may hold `&` and `,`: "sip:x&PJSIP/0900…@carrier" would
# make whoever calls this extension dial a carrier. Every part must be an address of this very extension.
# `i`: a phone cannot send calls elsewhere by 302; forwards stand in the manifest.
EXTENSION = routine(
    "extension",
    ("number", "seconds", "waiting", "record", "mailbox", "always", "busy", "missed", "context", "caller", "hide"),
    r"""
          GotoIf($["${DIALPLANE_MEMBER}" = "yes" | "x<always>" = "x"]?phones)
          Gosub(<forward>,s,1(<always>,<context>,<caller>,<record>,<hide>))
    phones: Set(LOCAL(state)=${DEVICE_STATE(PJSIP/<number>)})
          GotoIf($["<waiting>" = "no" & "${state}" =~ "^(INUSE|BUSY|RINGING|RINGINUSE|ONHOLD)$"]?busy)
          Set(LOCAL(phones)=${PJSIP_DIAL_CONTACTS(<number>)})
          GotoIf(${REGEX("^(PJSIP/<number>/sips?:[^&,]+(&|$))+$" ${phones})}?:away)
          GosubIf($["<record>" = "always" | "${DIALPLANE_RECORD}" = "always"]?<recording>,s,1(<number>))
          Dial(${phones},${IF($["${DIALPLANE_MEMBER}" = "yes"]?:<seconds>)},i)
          GotoIf($["${DIALSTATUS}" = "BUSY" | "${HANGUPCAUSE}" = "21"]?busy)
          GotoIf($["${DIALSTATUS}" = "NOANSWER"]?missed)
    away: Set(LOCAL(cause)=20)
          Goto(absent)
    missed: Set(LOCAL(cause)=19)
    absent: GotoIf($["${DIALPLANE_MEMBER}" = "yes"]?over)
          GotoIf($["x<missed>" = "x"]?mailbox)
          Gosub(<forward>,s,1(<missed>,<context>,<caller>,<record>,<hide>))
    mailbox: GotoIf($["<mailbox>" = "yes"]?:over)
          Gosub(<nameless>,s,1())
          VoiceMail(<number>@default,u)
          Hangup()
    busy: Set(LOCAL(cause)=17)
          GotoIf($["${DIALPLANE_MEMBER}" = "yes"]?over)
          GotoIf($["x<busy>" = "x"]?engaged)
          Gosub(<forward>,s,1(<busy>,<context>,<caller>,<record>,<hide>))
    engaged: GotoIf($["<mailbox>" = "yes"]?:over)
          Gosub(<nameless>,s,1())
          VoiceMail(<number>@default,b)
          Hangup()
    over: Hangup(${cause})
    """,
    calls=(FORWARD, RECORDING, NAMELESS),
)
"""Rings every phone of an extension. As a member of a ring group the phones alone count: no forward, no mailbox, and
the group's own time."""

# A variable on the caller's channel would outlive the group: it would still be there after a transfer.
MEMBER = routine(
    "member",
    ("number",),
    """
          Set(DIALPLANE_MEMBER=yes)
          Goto(dp-internal,<number>,1)
    """,
)
"""Runs on the Local channel that a ring group dials."""

ROUTINES = (FORWARD, EXTENSION, MEMBER)


def members(site: Site) -> DialplanContext:
    """One pattern: only ring groups dial here, and only numbers from the manifests."""
    return context(MEMBERS, site.asterisk_key, [MEMBER.entry("_X!", site.asterisk_key, Trusted("${EXTEN}"))])


def number_line(site: Site, key: Key, spec: ExtensionSpec) -> DialplanEntry:
    """What a call to an extension's number does, in `dp-internal`."""
    emergency = site.asterisk.emergency.dialled if site.asterisk.emergency else ()

    def forward(number: str | None) -> str:
        # Nobody is there to tell the emergency centre what happened: the checks report it, here it is left out.
        return "" if number is None or without_codes(number) in emergency else number

    return EXTENSION.entry(
        spec.number,
        key,
        spec.number,
        str(spec.ring_seconds),
        "yes" if spec.call_waiting else "no",
        spec.record,
        "yes" if spec.has_mailbox else "no",
        forward(spec.forward.unconditional),
        forward(spec.forward.busy),
        forward(spec.forward.no_answer),
        extension_context(spec),
        spec.caller_id or "",
        "yes" if spec.hide_caller_id else "no",
    )
