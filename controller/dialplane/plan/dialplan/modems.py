"""GSM modems: the context that their driver sends calls, text messages and delivery reports to.

A text message must not be lost while nobody listens, and the driver deletes it from the SIM card once it was read. So
the dialplan spools it: one line in Asterisk's own database, which the controller reads and clears. What comes from the
network stands there as Base64 alone, so that it is read as nothing else: an expanded text could end an AMI event and
begin another (facts), close a bracket, or be a number to dial. Two things are beyond a line of the dialplan:

- a sender's name with `)` and then `:` in it closes the function, so that his name is spoilt, at worst no Base64 at
  all; it harms nobody else, and the text is whole;
- Asterisk's own channel events show the sender as he is, line breaks included, before any line is run. A network lets
  11 characters through, too few for any event that the controller acts on.

The lines, by family; `|` separates, and is in no part:

- `dpsms`: time (seconds since 1970), name of the Dongle, sender, text. Asterisk expands a variable up to 4,095
  characters, so that one of 3,070 bytes or more has exactly 4,095, which is how a cut one is known: no whole Base64 is
  of that length (of 3,070 and 3,071 bytes only padding is lost). What stands before it takes nothing of this room.
- `dpreport`: time, name, number the message went to, and then what the driver says: `SMS_REPORT_PAYLOAD`, `_SUCCESS`
  (0 or 1), `_TYPE` (`i`: taken by the network, `e`: from end to end), `_TS`, `_DT`, and `SMS_REPORT`.
"""

from collections.abc import Iterator

from dialplane.plan.dialplan.contexts import Address, context, entry
from dialplane.plan.dialplan.destinations import Destinations
from dialplane.plan.dialplan.numbers import PLAIN_NAME, PLAIN_NUMBER
from dialplane.plan.dialplan.routine import routine
from dialplane.plan.escape import argument
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key

MESSAGES = "dpsms"
REPORTS = "dpreport"
"""Families of Asterisk's database."""

NO_NUMBER = "s"
"""The extension that a call comes to where the SIM card does not know its own number."""
ANY_NUMBER = "_[+0-9*#]!"
"""Where it does. No word: `sms`, `report` and `ussd` are what the driver calls things that are no calls."""
GROUP = "group"
"""The place of the ring group that calls go to."""

CALL_REJECTED = "21"
"""Q.850: the caller hears that nobody takes this call."""

_REPORTED = (
    "CALLERID(num)", "SMS_REPORT_PAYLOAD", "SMS_REPORT_SUCCESS", "SMS_REPORT_TYPE", "SMS_REPORT_TS", "SMS_REPORT_DT",
    "SMS_REPORT",
)  # fmt: skip

MODEM_CALL = routine(
    "modem_call",
    ("context", "extension"),
    """
          Set(LOCAL(said)=${CALLERID(num)})
          Gosub(<plain_number>,s,1)
          Set(LOCAL(number)=${GOSUB_RETVAL})
          Set(CALLERID(num)=${number})
          Set(CALLERID(name)=PLAIN_NAME)
          GotoIf($["x${number}" = "x"]?:known)
          Set(CALLERID(pres)=prohib)
    known: Goto(<context>,<extension>,1)
    """.replace("PLAIN_NAME", PLAIN_NAME),
    calls=(PLAIN_NUMBER,),
)
"""Filters what the network says of the caller, and sends the call on. A caller without a number is anonymous."""

ROUTINES = (MODEM_CALL,)


def modem_context(key: Key) -> str:
    """The context of one Dongle; it includes nothing."""
    return f"dp-dongle-{key.name}"


def modems(site: Site, destinations: Destinations) -> Iterator[DialplanContext]:
    """The context of each Dongle: its calls, messages and reports. All else is refused, as nothing matches."""
    for key, spec in site.dongles:
        yield context(modem_context(key), key, _entries(key, spec, destinations))


def _entries(key: Key, spec: DongleSpec, destinations: Destinations) -> Iterator[DialplanEntry]:
    yield _spooled("sms", MESSAGES, key, _base64("CALLERID(num)"), "${SMS_BASE64}")
    yield _spooled("report", REPORTS, key, *map(_base64, _REPORTED))
    place = Address(modem_context(key), GROUP)
    address = destinations.address(spec.inbound.to, place) if spec.inbound else None
    for number in (NO_NUMBER, ANY_NUMBER):
        if address is None:
            yield entry(number, "Hangup", CALL_REJECTED, key)
        else:
            yield MODEM_CALL.entry(number, key, address.context, address.extension)
    if spec.inbound and spec.inbound.to.ring_group:
        yield destinations.group_entry(spec.inbound.to.ring_group, place, key)


def _spooled(extension: str, family: str, key: Key, *parts: str) -> DialplanEntry:
    line = "|".join(("${EPOCH}", argument(key.name), *parts))
    return entry(extension, "Set", f"DB({family}/${{UNIQUEID}})={line}", key)


def _base64(variable: str) -> str:
    return f"${{BASE64_ENCODE(${{{variable}}})}}"
