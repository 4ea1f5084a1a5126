"""The site of the system tests, and calls within it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from dialplane.plan.dialplan.cabins import ALARMS, SPOOL
from testbed.manifests import Manifest, manifest
from tests.eventually import eventually
from tests.system.pbx import Pbx, extension

ALL = ("internal", "local", "national", "international")
NAMES = {
    "102": "Müller, Änne",
    "103": 'O\'Brien, "Pat"',
    "105": "semi;colon",
    "106": '\\" <112> a=b => c',
    "107": "${EXTEN} $[1/0] ${SHELL(id)}",
    "108": "back\\slash, 100% sure \U0001f600",
}
"""Names of extensions, as address books hold them and as attackers write them."""
SHARED = "127.0.0.6"
"""Where a carrier is at which the site has two accounts."""
LOCATION = 'Rathaus „Süd“, lift 2; "A"'
"""Where a lift is whose telephone is 801; 101 is its operator."""
BOX = {"pinSecretRef": {"name": "pin", "key": "pin"}}


def site(pbx: Pbx) -> list[Manifest]:
    now = datetime.now(UTC)
    around = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
    if now.hour < 22:
        around |= {"from": f"{now:%H:%M}", "to": f"{now + timedelta(hours=2):%H:%M}"}
    else:
        around |= {"from": f"{now:%H:%M}", "to": "02:00"}
    emergency = {"numbers": ["112"], "prefixes": ["9"], "trunks": ["alpha", "beta"], "callerId": "+4930112"}
    e164 = {"format": "e164", "countryCode": "49"}
    group = {"members": ["101", "102", "108"], "ringSeconds": 5}
    return [
        pbx.pbx(emergency=emergency, ari={"url": pbx.asterisk.ari_url, "credentialsSecretRef": {"name": "ari"}}),
        extension("101", ALL, callerId="+49305550101", emergencyCallerId="+49305550199", maxContacts=3),
        extension("102", voicemail=BOX, ringSeconds=5, displayName=NAMES["102"]),
        extension("103", ("internal", "national"), displayName=NAMES["103"]),
        extension("104", ()),
        extension("105", forward={"noAnswer": "101"}, ringSeconds=5, displayName=NAMES["105"]),
        extension(
            "106",
            ("internal", "national"),
            forward={"unconditional": "0301234567"},
            callerId="030555106",
            displayName=NAMES["106"],
        ),
        extension("107", forward={"unconditional": "0301234567"}, displayName=NAMES["107"]),
        extension("108", callWaiting=False, forward={"busy": "101"}, displayName=NAMES["108"]),
        extension("109", record="always"),
        extension("110", forward={"unconditional": "111"}),
        extension("111", forward={"unconditional": "110"}),
        extension("113", ALL, callerId="+49305550113", hideCallerId=True),
        extension("114", ALL, callerId="+49305550114", hideCallerId=True, forward={"unconditional": "0301234567"}),
        extension("801", ("internal", "national"), displayName="Cabin", voicemail=BOX, forward={"noAnswer": "101"}),
        manifest(
            "ElevatorDevice",
            "lift-2",
            location=LOCATION,
            emergencyExtension="801",
            operators=["101"],
            testCall={"number": "880"},
        ),
        *bots(),
        manifest(
            "Schedule",
            "open",
            open=[around],
            holidays=["2020-01-01"],
            whenOpen={"extension": "101"},
            whenClosed={"hangup": True},
        ),
        manifest(
            "Schedule",
            "holiday",
            open=[around],
            holidays=[f"{now:%m-%d}"],
            whenOpen={"hangup": True},
            whenClosed={"ringGroup": {"members": ["101"], "ringSeconds": 5}},
        ),
        pbx.trunk(
            "alpha",
            callerId="+49301000",
            callerIdPolicy=e164,
            maxChannels=2,
            answerSeconds=2,
            failoverOn=["408", "420", "5xx"],
            inbound=[
                {"did": "+49301000", "to": {"extension": "101"}},
                {"did": "+49301001", "to": {"ringGroup": group | {"noAnswer": {"voicemail": "102"}}}},
                {"did": "+49301002", "to": {"ringGroup": group | {"strategy": "sequence"}}},
                {"did": "+49301003", "to": {"schedule": "open"}},
                {"did": "+49301004", "to": {"schedule": "holiday"}},
                {"did": "+49301005", "to": {"number": "0309999"}},
                {"did": "+49301006", "to": {"voicemail": "102"}},
                {"did": "+49301007", "to": {"extension": "105"}},
                {"did": "+49301008", "to": {"hangup": True}},
                {"did": "+49301009", "to": {"ringGroup": {"members": ["109"]}}},
                {"did": "+49301010", "to": {"extension": "801"}},
                {"did": "+49301011", "to": {"voiceBot": "asleep"}},
                {
                    "did": "+49301012",
                    "to": {"ringGroup": {"members": ["104"], "noAnswer": {"voiceBot": "receptionist"}}},
                },
            ],
            outbound=[
                {"pattern": "_0X.", "strip": 1, "prepend": "+49", "permission": "national", "priority": 10},
                {"pattern": "_00X.", "strip": 2, "prepend": "+", "permission": "international"},
            ],
        ),
        pbx.trunk(
            "beta",
            callerId="0302000",
            callerIdPolicy=e164 | {"format": "national", "assertHidden": True},
            inboundNumberFrom="toHeader",
            inbound=[{"did": "+49302000", "to": {"extension": "101"}}],
            outbound=[{"pattern": "_0X.", "permission": "national", "priority": 20}],
        ),
        *(
            manifest(
                "SipTrunk",
                name,
                host=f"{name}.example.com",
                qualifySeconds=0,
                matchNetworks=[SHARED],
                inbound=[{"did": did, "to": {"extension": "101"}}],
            )
            for name, did in (("acct-a", "+49308000"), ("acct-b", "+49308001"))
        ),
        pbx.trunk(
            "gamma",
            fromUser="15550100",
            fromDomain="tel.example.com",
            answerSeconds=1,
            callerIdPolicy={"trustInbound": True, "assertHidden": True},
            inbound=[
                {"did": "+49303000", "to": {"extension": "101"}},
                {"did": "+49303001", "to": {"number": "70555"}},
                {"did": "+49303002", "to": {"voicemail": "102"}},
                {"did": "+49303003", "to": {"extension": "106"}},
            ],
            outbound=[{"pattern": "_7X.", "permission": "local"}],
        ),
    ]


def bots() -> list[Manifest]:
    """One that sends callers on, one that takes one call, one that takes none."""
    speaks = {"provider": "openai", "secretRef": {"name": "openai", "key": "key"}, "instructions": "Help."}
    ways = {
        "sales": {"extension": "102"},
        "desks": {"ringGroup": {"members": ["102"], "ringSeconds": 5}},
        "partner": {"number": "0309999"},
        "lift": {"extension": "801"},
        "again": {"voiceBot": "receptionist"},
    }
    transfers = [{"name": name, "description": name, "to": to} for name, to in ways.items()]
    to_ada = {"to": {"extension": "101"}}
    to_group = {"to": {"ringGroup": {"members": ["102"], "ringSeconds": 5}}}
    spoken = speaks | {"transfers": transfers}
    return [
        manifest("VoiceBot", "receptionist", number="890", realtime=spoken, fallback=to_ada),
        manifest("VoiceBot", "alone", number="891", realtime=speaks, fallback=to_group, maxConcurrentCalls=1),
        manifest("VoiceBot", "asleep", realtime=speaks, fallback=to_group, enabled=False),
    ]


async def dial(pbx: Pbx, who: str, number: str, *, code: int = 200, **fields: Any) -> dict[str, Any]:
    """Dial and check how it ended; the call stays up if it was answered."""
    phone = await pbx.phone(who)
    call = await phone.ask("call", number=number, **fields)
    assert call["code"] == code, call
    return call


async def hang_up(pbx: Pbx, who: str, call: dict[str, Any]) -> None:
    await (await pbx.phone(who)).ask("hangup", call=call["call"])


async def last_call(pbx: Pbx, name: str) -> dict[str, Any]:
    calls = (await pbx.carriers[name].ask("calls"))["calls"]
    return dict(calls[-1])


async def from_outside(pbx: Pbx, number: str, *, carrier: str = "alpha", **fields: Any) -> dict[str, Any]:
    given = {"uri": "contact+number", "username": carrier, "from_user": "+441234567890"} | fields
    return await pbx.carriers[carrier].ask("call", number=number, **given)


async def transfer(pbx: Pbx, who: str, number: str) -> None:
    """Let a phone transfer its call blindly once Asterisk has connected both sides: it answers them before that."""
    connected = re.compile(r"\b2 +basic ")
    await eventually(lambda: pbx.asterisk.console("bridge show all"), holds=connected.search)
    assert (await (await pbx.phone(who)).ask("transfer", number=number))["code"] == 202


async def spooled(pbx: Pbx) -> dict[str, list[str]]:
    """What calls of cabins have left in Asterisk's database: each event's line without its time, and the alarms."""
    found: dict[str, list[str]] = {}
    for family in (SPOOL, ALARMS):
        rows = (line.split(": ", 1) for line in (await pbx.asterisk.console(f"database show {family}")).splitlines())
        for key, value in (row for row in rows if len(row) > 1 and row[0].startswith("/")):
            what = key.strip().rpartition("/")[2] if family == ALARMS else value.strip().partition("|")[2]
            found.setdefault(family, []).append(what)
    return found


async def forget_spooled(pbx: Pbx) -> None:
    """Leave the cabins out of alarm, with nothing spooled."""
    for family in (SPOOL, ALARMS):
        await pbx.asterisk.console(f"database deltree {family}")
