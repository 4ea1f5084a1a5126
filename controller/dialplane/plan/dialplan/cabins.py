"""Cabins: the emergency telephones of lifts, calls from them and calls to them.

Whatever happens here is spooled to Asterisk's own database, so that it is known even if nobody listens: a test call is
recorded, and an alarm lasts, while the controller is down. The lines, by family; `|` separates, and is in no part:

- `dpelev/UNIQUEID-EVENT`: time (seconds since 1970), name of the ElevatorDevice, event, detail. Events are `test` (the
  number dialled), `alarm` (likewise) and `answered`: somebody spoke with the cabin. Its time is when they began, though
  the line is written when they have ended. Its detail is who answered (an extension's number, `NUMBER@TRUNK`, or a
  trunk's name), or the number that called the cabin back.
- `dpcabin/NUMBER`: there as long as that telephone is in alarm, with the time at which it called. It goes when the
  alarm is ended.

Which device a call is from says a variable of the telephone's endpoint, never a caller's number. A call that somebody
is transferred to from the cabin's context has no such variable, and raises no alarm.
"""

from collections.abc import Iterator

from dialplane.plan.cabins import Cabin
from dialplane.plan.dialplan import internal
from dialplane.plan.dialplan.contexts import context
from dialplane.plan.dialplan.endpoints import cabin_context, extension_context
from dialplane.plan.dialplan.internal import EXTENSION
from dialplane.plan.dialplan.outbound import DIALLED, LENGTH
from dialplane.plan.dialplan.routine import listed, routine
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key

SPOOL = "dpelev"
"""The family of Asterisk's database for test calls and alarms."""
ALARMS = "dpcabin"
"""The family whose keys are the numbers of the telephones in alarm."""

ANY_NUMBER = "_[+0-9*#]!"

# Dial() leaves ANSWER, who it was, and how long they spoke, on the caller's channel. A blind transfer leaves
# the channel that transferred, `PJSIP/101-0000002a`, and the next Dial() another end. What names the other party
# is filtered: a phone chooses the address that it registers.
CABIN_ANSWERED = routine(
    "cabin_answered",
    (),
    r"""
          GotoIf($["${DIALSTATUS}" = "ANSWER" | "x${BLINDTRANSFER}" != "x"]?:done)
          Set(LOCAL(at)=$[${EPOCH} - 0${FILTER(0-9,${ANSWEREDTIME})}])
          Set(LOCAL(who)=${IF($["x${BLINDTRANSFER}" = "x"]?${CUT(DIALEDPEERNUMBER,/,1)}:${BLINDTRANSFER:6:-9})})
          Set(LOCAL(who)=${FILTER(0-9A-Za-z.@+_\x2d,${who})})
          Set(DB(dpelev/${UNIQUEID}-answered)=${at}|${DIALPLANE_DEVICE}|answered|${who:0:80})
    done: Return()
    """,
)
"""Runs when a telephone that raised an alarm hangs up, or is hung up."""

CABIN_CALLED_BACK = routine(
    "cabin_called_back",
    ("device",),
    """
          GotoIf($["${DIALSTATUS}" = "ANSWER"]?:done)
          Set(LOCAL(at)=$[${EPOCH} - 0${FILTER(0-9,${ANSWEREDTIME})}])
          Set(LOCAL(who)=${FILTER(0-9+,${CALLERID(num)})})
          Set(DB(dpelev/${UNIQUEID}-answered)=${at}|<device>|answered|${who:0:40})
    done: Return()
    """,
)
"""Runs when a caller of a cabin in alarm hangs up, or is hung up."""

# Nothing up to the last Goto can end the call, or wait. The alarm comes before the number is looked at: who
# pressed the button of a telephone that dials wrong is in need all the same.
CABIN_CALL = routine(
    "cabin_call",
    ("context", "number", "length"),
    """
          GotoIf($["x${DIALPLANE_DEVICE}" = "x"]?dial)
          GotoIf($["x<number>" = "x${DIALPLANE_TEST_NUMBER}"]?test)
          Set(DB(dpcabin/${CHANNEL(endpoint)})=${EPOCH})
          Set(DB(dpelev/${UNIQUEID}-alarm)=${EPOCH}|${DIALPLANE_DEVICE}|alarm|<number>)
          Set(CHANNEL(hangup_handler_push)=<cabin_answered>,s,1)
    dial: GotoIf($[${LEN(<number>)} != <length>]?malformed)
          GotoIf(${DIALPLAN_EXISTS(<context>,<number>,1)}?:nowhere)
          Goto(<context>,<number>,1)
    test: Answer()
          Set(DB(dpelev/${UNIQUEID}-test)=${EPOCH}|${DIALPLANE_DEVICE}|test|<number>)
          PlayTones(1004/1000)
          Wait(1)
          Hangup(16)
    malformed: Hangup(28)
    nowhere: Hangup(1)
    """,
    calls=(CABIN_ANSWERED,),
)
"""Takes the telephone's test call; any other call raises the alarm and goes on as if it had been dialled in `context`,
where the emergency numbers come first."""

CABIN = routine(
    "cabin",
    ("device", "operators", "number", "seconds", "waiting", "record", "context"),
    """
          GotoIf(${DB_EXISTS(dpcabin/<number>)}?alarm)
          GotoIf($["${CHANNEL(channeltype)}" = "PJSIP"]?:refused)
          Set(LOCAL(operators)=<operators>)
          GotoIf($[${FIELDNUM(operators,&,${CHANNEL(endpoint)})} > 0]?ring)
    refused: Hangup(21)
    alarm: Set(CHANNEL(hangup_handler_push)=<cabin_called_back>,s,1(<device>))
    ring: Gosub(<extension>,s,1(<number>,<seconds>,<waiting>,<record>,no,,,,<context>,,no))
    """,
    calls=(EXTENSION, CABIN_CALLED_BACK),
)
"""Rings a cabin's telephone in alarm, for any caller, or at any time for an operator's phone; others are refused:
nobody listens to people in a lift. It has neither a mailbox nor forwards: the call is for the cabin."""

ROUTINES = (CABIN_ANSWERED, CABIN_CALL, CABIN_CALLED_BACK, CABIN)
"""Rendered only where there is a cabin: they need modules that nothing else does."""


def number_line(site: Site, key: Key, spec: ExtensionSpec) -> DialplanEntry:
    """What a call to an extension's number does, in `dp-internal`."""
    cabin = site.cabins.get(spec.number)
    return internal.number_line(site, key, spec) if cabin is None else _cabin_line(cabin, key, spec)


def cabin_contexts(site: Site) -> Iterator[DialplanContext]:
    """The routines, and the contexts that calls from cabins start in, one for each class of service."""
    if not site.cabins:
        return
    owner = site.asterisk_key
    for each in ROUTINES:
        yield each.rendered(owner)
    classes = {spec.permissions: spec for _, spec in site.extensions if spec.number in site.cabins}
    for name, leads in sorted({(cabin_context(spec), extension_context(spec)) for spec in classes.values()}):
        yield context(name, owner, [CABIN_CALL.entry(ANY_NUMBER, owner, leads, DIALLED, LENGTH)])


def _cabin_line(cabin: Cabin, key: Key, spec: ExtensionSpec) -> DialplanEntry:
    return CABIN.entry(
        spec.number,
        key,
        cabin.device,
        listed(cabin.operators),
        spec.number,
        str(spec.ring_seconds),
        "yes" if spec.call_waiting else "no",
        spec.record,
        extension_context(spec),
    )
