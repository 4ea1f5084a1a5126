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

# Runs on the carrier's channel before it is called. The count belongs to this channel, so that it stays right when the
# caller's own is transferred away. What is connected to it is what it shows as From: the caller's own channel keeps its
# identity for the next trunk, for recordings and for call records.
LEG = routine(
    "leg",
    ("trunk", "caller", "hidden", "asserted"),
    """
          Set(GROUP(trunk)=<trunk>)
          GotoIf($["x<caller>" = "x"]?privacy)
          Set(CONNECTEDLINE(name,i)=)
          Set(CONNECTEDLINE(num,i)=<caller>)
    privacy: Set(CONNECTEDLINE(pres,i)=${IF($["<hidden>" = "yes"]?prohib:allowed)})
          GotoIf($["<hidden>" = "yes"]?:done)
          Set(PJSIP_HEADER(add,Privacy)=id)
          Set(LOCAL(number)=${FILTER(0-9+,${CONNECTEDLINE(num)})})
          GotoIf($["x<asserted>" = "x" | "x${number}" = "x"]?done)
          Set(PJSIP_HEADER(add,P-Asserted-Identity)=<sip:${number}@<asserted>>)
    done: Return()
    """,
)

REFUSED = routine(
    "refused",
    ("code",),
    """
          GotoIf($["${CHANNEL(channeltype)}" = "PJSIP" & "${CHANNEL(state)}" != "Up"]?:other)
          PJSIPHangup(<code>)
    other: Hangup(${HANGUPCAUSE})
    """,
)
"""Ends the call with the very SIP code that the carrier answered. Asterisk's own way over a Q.850 cause makes 404 of
604 and 403 of 603; it is left to callers who cannot be answered with a SIP code, or have been."""

# `i`: a carrier cannot send the call elsewhere by 302. The seconds behind `^` end an attempt that brought neither 180
# nor 183 nor voice: Dial counts them itself, without a channel beside the call. Asterisk's own limit is Timer B, 32 s
# for every call alike, and only for a carrier that says nothing at all. A caller who was transferred has a cause of his
# own among those that Dial leaves behind.
TRUNK_CALL = routine(
    "trunk_call",
    ("trunk", "number", "caller", "emergency", "hidden", "patience"),
    r"""
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
    call: Set(LOCAL(patience)=${IF($["<patience>" = "own"]?${CUT(policy,:,1)}:<patience>)})
          HangupCauseClear()
          Dial(PJSIP/${callee},^${patience},ib(<leg>^s^1(<trunk>^${shown}^${hide}^${CUT(policy,:,4-)})))
          Set(LOCAL(channels)=${HANGUPCAUSE_KEYS()})
          Set(LOCAL(called)=${FILTER(A-Za-z0-9_.@+/\x2d,${STRREPLACE(channels,${CHANNEL(name)})})})
          GotoIf($["<emergency>" != "no" | "x${called}" = "x"]?failed)
          Set(LOCAL(answer)=${HANGUPCAUSE(${called},tech)})
          Set(LOCAL(code)=0${FILTER(0-9,${answer:4:3})})
          GotoIf($[${code} < 400 | ${code} > 699 | ${code} = 401 | ${code} = 407]?failed)
          Set(LOCAL(code)=${code:1})
          GotoIf(${REGEX("-(${code}|${code:0:1}xx)-" -${CUT(policy,:,2)}-)}?next)
          Gosub(<refused>,s,1(${code}))
    next: Return(${IF(${REGEX("^(408|5..)$" ${code})}?:${code})})
    failed: Return()
    """,
    calls=(WRITTEN_NUMBER, LEG, REFUSED),
)
"""Returns only if the trunk failed: it is gone, full or unreachable, it did not ring within the patience (`own`: its
`answerSeconds`; empty: no limit), it takes no account of ours, sends the call elsewhere, or answers with a code of its
`failoverOn`. Any other answer is the callee's, and the caller hears it as it is. An emergency call (`yes`) ignores the
limit of channels and returns whenever nobody answered; `again` calls the carrier's address itself: Asterisk does not
even try a carrier that left the last OPTIONS unanswered. Returns the code if it says something of the number (404, …),
and nothing where the carrier spoke of itself or not at all."""

ROUTINES = (WRITTEN_NUMBER, LEG, REFUSED, TRUNK_CALL)


def trunk_table(site: Site) -> DialplanContext:
    """One row per trunk: channels, format, country code, national and international prefix, caller id, address."""
    rows = [entry(key.name, "Return", _row(site, spec), key) for key, spec in site.trunks]
    return context(TRUNKS, site.asterisk_key, rows)


def trunk_policies(site: Site) -> DialplanContext:
    """One row per trunk: seconds until it rings, answers that mean the next trunk, and for hidden callers.

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
