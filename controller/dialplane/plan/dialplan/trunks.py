"""Trunks: one call over one carrier, and how numbers are written there."""

from dialplane.plan.dialplan.contexts import TRUNK_POLICIES, TRUNKS, context, entry
from dialplane.plan.dialplan.endpoints import hidden_endpoint
from dialplane.plan.dialplan.routine import listed, routine
from dialplane.plan.objects import DialplanContext
from dialplane.plan.pjsip.uri import bracketed, server_address
from dialplane.plan.site import Site
from dialplane.resources.key import Key
from dialplane.resources.numbering import Numbering
from dialplane.resources.sip_trunk import CallerIdPolicy, SipTrunkSpec

NORTH_AMERICA = "1"
EMERGENCY_PATIENCE_SECONDS = 4
"""For how long an emergency call waits for a trunk's first answer of any kind."""

# In North America a number has ten digits, or eleven with the country code; any other is left alone. Elsewhere a number
# without a prefix is taken for an international one without its `+` if it begins with the country code and is longer
# than 9 digits, and for a national one only in countries without a national prefix, from 7 digits on: shorter ones are
# internal or service numbers and stay as they are.
WRITTEN_NUMBER = routine(
    "written_number",
    ("number", "format", "country", "prefix", "international"),
    """
          GotoIf($["<format>" = "asIs" | "x<number>" = "x"]?same)
          Set(LOCAL(number)=<number>)
          GotoIf($["x${number:0:1}" = "x+"]?plus)
          GotoIf($["x${number:0:${LEN(<international>)}}" = "x<international>"]?foreign)
          GotoIf($["<country>" = "1"]?american)
          GotoIf($["x<prefix>" != "x" & "x${number:0:${LEN(<prefix>)}}" = "x<prefix>"]?national)
          GotoIf($["x${number:0:${LEN(<country>)}}" = "x<country>" & ${LEN(${number})} > 9]?bare)
          GotoIf($["x<prefix>" = "x" & ${LEN(${number})} > 6]?national)
    same: Return(<number>)
    plus: Set(LOCAL(number)=${number:1})
          Goto(bare)
    foreign: Set(LOCAL(number)=${number:${LEN(<international>)}})
          Goto(bare)
    american: GotoIf($[${LEN(${number})} = 11 & "x${number:0:1}" = "x1"]?bare)
          GotoIf($[${LEN(${number})} = 10]?:same)
          Set(LOCAL(number)=<country>${number})
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

# Asterisk's own limit on silence is Timer B, 32 s for every call alike. So each call to a carrier is watched: any
# answer at all, 100 Trying included, leaves a hangup cause on the carrier's channel (measured, Asterisk 22.10.1).
WATCH = routine(
    "watch",
    (),
    """
          Set(CDR_PROP(disable)=1)
          Wait(${DIALPLANE_PATIENCE})
          GotoIf($["x${IMPORT(${DIALPLANE_WATCHED},HANGUPCAUSE_KEYS())}" = "x"]?:over)
          SoftHangup(${DIALPLANE_WATCHED})
    over: Hangup()
    """,
)
"""Runs on a Local channel beside the call: hangs up on a carrier that has sent no answer of any kind in time."""

# `TryExec`, because older base files do not load app_originate: the call is made without a watch then.
# Runs on the carrier's channel before it is called. The count belongs to this channel, so that it stays right when the
# caller's own is transferred away. What is connected to it is what it shows as From: the caller's own channel keeps its
# identity for the next trunk, for recordings and for call records.
LEG = routine(
    "leg",
    ("trunk", "caller", "patience", "hidden", "asserted"),
    """
          Set(GROUP(trunk)=<trunk>)
          GotoIf($["x<caller>" = "x"]?privacy)
          Set(CONNECTEDLINE(name,i)=)
          Set(CONNECTEDLINE(num,i)=<caller>)
    privacy: Set(CONNECTEDLINE(pres,i)=${IF($["<hidden>" = "yes"]?prohib:allowed)})
          GotoIf($["<hidden>" = "yes"]?:watch)
          Set(PJSIP_HEADER(add,Privacy)=id)
          Set(LOCAL(number)=${FILTER(0-9+,${CONNECTEDLINE(num)})})
          GotoIf($["x<asserted>" = "x" | "x${number}" = "x"]?watch)
          Set(PJSIP_HEADER(add,P-Asserted-Identity)=<sip:${number}@<asserted>>)
    watch: Set(LOCAL(told)=av(DIALPLANE_WATCHED=${CHANNEL(name)}^DIALPLANE_PATIENCE=<patience>))
          TryExec(Originate(Local/s@<watch>/n,app,NoOp,,,60,${told}))
          Return()
    """,
    calls=(WATCH,),
)

# `i`: a carrier cannot send the call elsewhere by 302.
TRUNK_CALL = routine(
    "trunk_call",
    ("trunk", "number", "caller", "emergency", "hidden"),
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
          Gosub(dp-trunk-policies,<trunk>,1)
          Set(LOCAL(policy)=${GOSUB_RETVAL})
          Set(LOCAL(own)=${IF($["x${shown}" = "x" & "${CALLERID(pres)}" =~ "^prohib"]?yes:<hidden>)})
          Set(LOCAL(hide)=${IF($["<emergency>" = "no"]?${own}:no)})
          Set(LOCAL(anonymous)=${IF($["${hide}" = "yes"]?${CUT(policy,:,3)})})
          Set(LOCAL(callee)=<number>@${IF($["x${anonymous}" = "x"]?<trunk>:${anonymous})})
          GotoIf($["<emergency>" = "again"]?:call)
          Set(LOCAL(callee)=<trunk>/sip:<number>@${CUT(row,:,7-)})
    call: HangupCauseClear()
          Set(LOCAL(patience)=${CUT(policy,:,1)})
          Set(LOCAL(patience)=${IF($["<emergency>" = "no" | ${patience} < EMERGENCY]?${patience}:EMERGENCY)})
          Dial(PJSIP/${callee},,ib(<leg>^s^1(<trunk>^${shown}^${patience}^${hide}^${CUT(policy,:,4-)})))
          GotoIf($["<emergency>" = "no"]?:failed)
          Set(LOCAL(answer)=${HANGUPCAUSE(${HANGUPCAUSE_KEYS()},tech)})
          Set(LOCAL(code)=0${FILTER(0-9,${answer:4:3})})
          GotoIf($[${code} < 400 | ${code} > 699]?failed)
          GotoIf($["-${CUT(policy,:,2)}-" =~ "-(${code:1}|${code:1:1}xx)-"]?failed)
          GotoIf($["${CHANNEL(channeltype)}" = "PJSIP" & "${CHANNEL(state)}" != "Up"]?:plain)
          PJSIPHangup(${code:1})
    plain: Hangup(${HANGUPCAUSE})
    failed: Return()
    """.replace("EMERGENCY", str(EMERGENCY_PATIENCE_SECONDS)),
    calls=(WRITTEN_NUMBER, LEG),
)
"""Returns only if the trunk failed: it is gone, full, unreachable, silent, or answers with a code of its `failoverOn`.
Any other answer is the callee's, and the caller hears it as it is. An emergency call (`yes`) ignores the limit and
returns whenever nobody answered; `again` calls the carrier's address itself: Asterisk does not even try a carrier that
left the last OPTIONS unanswered."""

ROUTINES = (WRITTEN_NUMBER, WATCH, LEG, TRUNK_CALL)


def trunk_table(site: Site) -> DialplanContext:
    """One row per trunk: channels, format, country code, national and international prefix, caller id, address."""
    rows = [entry(key.name, "Return", _row(site, spec), key) for key, spec in site.trunks]
    return context(TRUNKS, site.asterisk_key, rows)


def trunk_policies(site: Site) -> DialplanContext:
    """One row per trunk: seconds until its first answer, answers that mean the next trunk, and for hidden callers.

    Of the last two columns one is their endpoint where it is another, one the host at which their number is asserted. A
    table apart: a call that began before an upgrade goes on reading `dp-trunks` by its columns of then.
    """
    rows = [entry(key.name, "Return", _policy(key, spec), key) for key, spec in site.trunks]
    return context(TRUNK_POLICIES, site.asterisk_key, rows)


def _policy(key: Key, spec: SipTrunkSpec) -> str:
    answers = listed(spec.failover_on, separator="-")
    columns = listed([str(spec.answer_seconds), answers, hidden_endpoint(key, spec) or ""], separator=":")
    # The last column may hold colons and brackets, as only a checked host can.
    return f"{columns}:{bracketed(spec.from_domain or spec.host) if spec.caller_id_policy.assert_hidden else ''}"


def _row(site: Site, spec: SipTrunkSpec) -> str:
    most = str(spec.max_channels) if spec.max_channels else ""
    columns = listed([most, *writing_columns(spec.caller_id_policy), spec.caller_id or ""], separator=":")
    # The last column may hold colons, and `;` or brackets, as only a checked host and port can.
    return f"{columns}:{server_address(site.asterisk, spec)}"


def writing_columns(policy: CallerIdPolicy) -> list[str]:
    """How numbers are written on a trunk, as `written_number` takes it: format, country, national, international."""
    country = policy.country_code
    if country is None:
        return [policy.format, "", policy.national_prefix or "", "00"]
    numbering = Numbering(country_code=country, national_prefix=policy.national_prefix)
    bare = country == NORTH_AMERICA and policy.national_prefix is None  # ten digits are how it is written there
    prefix = "" if bare else numbering.national
    return [policy.format, country, prefix, numbering.international]
