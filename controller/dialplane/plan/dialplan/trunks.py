"""Trunks: one call over one carrier, and how numbers are written there."""

from dialplane.plan.dialplan.contexts import TRUNKS, context, entry
from dialplane.plan.dialplan.routine import listed, routine
from dialplane.plan.objects import DialplanContext
from dialplane.plan.pjsip.uri import server_address
from dialplane.plan.site import Site
from dialplane.resources.sip_trunk import CallerIdPolicy, SipTrunkSpec

NORTH_AMERICA = "1"

# A number without a prefix is taken for an international one without its `+` if it begins with the country code and is
# longer than 9 digits, and for a national one only in countries without a national prefix, from 7 digits on: shorter
# ones are internal or service numbers and stay as they are.
WRITTEN_NUMBER = routine(
    "written_number",
    ("number", "format", "country", "prefix", "international"),
    """
          GotoIf($["<format>" = "asIs" | "x<number>" = "x"]?same)
          Set(LOCAL(number)=<number>)
          GotoIf($["x${number:0:1}" = "x+"]?plus)
          GotoIf($["x${number:0:${LEN(<international>)}}" = "x<international>"]?foreign)
          GotoIf($["x<prefix>" != "x" & "x${number:0:${LEN(<prefix>)}}" = "x<prefix>"]?national)
          GotoIf($["x${number:0:${LEN(<country>)}}" = "x<country>" & ${LEN(${number})} > 9]?bare)
          GotoIf($["x<prefix>" = "x" & ${LEN(${number})} > 6]?national)
    same: Return(<number>)
    plus: Set(LOCAL(number)=${number:1})
          Goto(bare)
    foreign: Set(LOCAL(number)=${number:${LEN(<international>)}})
          Goto(bare)
    national: Set(LOCAL(number)=<country>${number:${LEN(<prefix>)}})
    bare: GotoIf($["<format>" = "national"]?spoken)
          Return(+${number})
    spoken: GotoIf($["x${number:0:${LEN(<country>)}}" = "x<country>"]?here)
          Return(<international>${number})
    here: Return(<prefix>${number:${LEN(<country>)}})
    """,
)
"""Returns the number as the trunk's `callerIdPolicy` wants it; what it cannot tell it leaves alone."""

# Runs on the carrier's channel before it is called. The count belongs to this channel, so that it stays right when the
# caller's own is transferred away. What is connected to it is what it shows as From: the caller's own channel keeps its
# identity for the next trunk, for recordings and for call records.
LEG = routine(
    "leg",
    ("trunk", "caller"),
    """
          Set(GROUP(trunk)=<trunk>)
          GotoIf($["x<caller>" = "x"]?done)
          Set(CONNECTEDLINE(name,i)=)
          Set(CONNECTEDLINE(num,i)=<caller>)
    done: Return()
    """,
)

# `i`: a carrier cannot send the call elsewhere by 302.
TRUNK_CALL = routine(
    "trunk_call",
    ("trunk", "number", "caller", "emergency"),
    """
          GotoIf(${DIALPLAN_EXISTS(dp-trunks,<trunk>,1)}?:failed)
          Gosub(dp-trunks,<trunk>,1)
          Set(LOCAL(row)=${GOSUB_RETVAL})
          Set(LOCAL(most)=${CUT(row,:,1)})
          GotoIf($["<emergency>" != "no" | "x${most}" = "x"]?caller)
          GotoIf($[${GROUP_COUNT(<trunk>@trunk)} >= ${most}]?failed)
    caller: Set(LOCAL(caller)=${IF($["x<caller>" = "x"]?${CUT(row,:,6)}:<caller>)})
          Gosub(<written_number>,s,1(${caller},${CUT(row,:,2)},${CUT(row,:,3)},${CUT(row,:,4)},${CUT(row,:,5)}))
          Set(LOCAL(shown)=${GOSUB_RETVAL})
          Set(LOCAL(callee)=<number>@<trunk>)
          GotoIf($["<emergency>" = "again"]?:call)
          Set(LOCAL(callee)=<trunk>/sip:<number>@${CUT(row,:,7-)})
    call: Dial(PJSIP/${callee},,ib(<leg>^s^1(<trunk>^${shown})))
          GotoIf($["${DIALSTATUS}" = "CHANUNAVAIL" | "${DIALSTATUS}" = "CONGESTION"]?failed)
          GotoIf($["<emergency>" = "no"]?:failed)
          Hangup(${HANGUPCAUSE})
    failed: Return()
    """,
    calls=(WRITTEN_NUMBER, LEG),
)
"""Returns only if the trunk failed: it is gone, full, unreachable or congested. An emergency call (`yes`) ignores the
limit and returns whenever nobody answered; `again` calls the carrier's address itself: Asterisk does not even try a
carrier that left the last OPTIONS unanswered."""

ROUTINES = (WRITTEN_NUMBER, LEG, TRUNK_CALL)


def trunk_table(site: Site) -> DialplanContext:
    """One row per trunk: channels, format, country code, national and international prefix, caller id, address."""
    rows = [entry(key.name, "Return", _row(site, spec), key) for key, spec in site.trunks]
    return context(TRUNKS, site.asterisk_key, rows)


def _row(site: Site, spec: SipTrunkSpec) -> str:
    most = str(spec.max_channels) if spec.max_channels else ""
    columns = listed([most, *_writing(spec.caller_id_policy), spec.caller_id or ""], separator=":")
    # The last column may hold colons, and `;` or brackets, as only a checked host and port can.
    return f"{columns}:{server_address(site.asterisk, spec)}"


def _writing(policy: CallerIdPolicy) -> list[str]:
    international = "011" if policy.country_code == NORTH_AMERICA else "00"
    return [policy.format, policy.country_code or "", policy.national_prefix, international]
