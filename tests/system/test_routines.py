"""Routines that calculate, run by a real Asterisk: clocks and numbers."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from dialplane.plan.checks.caller_ids import can_be_written
from dialplane.plan.dialplan.schedules import SCHEDULE
from dialplane.plan.dialplan.trunks import WRITTEN_NUMBER, writing_columns
from dialplane.plan.objects import Objects
from dialplane.plan.render import Renderer
from dialplane.reconcile.template_dir import load
from dialplane.resources.numbering import Numbering
from dialplane.resources.sip_trunk import CallerIdPolicy
from testbed.ami import AmiClient
from testbed.asterisk import AsteriskInstance
from tests.plan.dialplan.sites import EVERY_DAY, contexts, extension, schedule, site

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}
NIGHT = {"days": ["fri"], "from": "22:00", "to": "06:00"}
EARLY = {"days": ["sat", "sun"], "from": "18:00", "to": "03:00"}
SCHEDULES: Mapping[str, dict[str, Any]] = {
    "office": {"open": [OFFICE], "holidays": ["12-25", "2026-04-03"]},
    "tokyo": {"open": [OFFICE], "timeZone": "Asia/Tokyo"},
    "night": {"open": [NIGHT], "holidays": ["2026-04-03", "2026-04-11"]},
    "early": {"open": [EARLY]},
    "always": {"open": [{"days": EVERY_DAY, "from": "00:00", "to": "24:00"}]},
    "never": {},
}

# April 3rd 2026 is a Friday. The clocks go forward on March 29th and back on October 25th, both Sundays.
MOMENTS = [
    ("office", "2026-04-01 08:59", "closed"),
    ("office", "2026-04-01 09:00", "open"),
    ("office", "2026-04-01 16:59", "open"),
    ("office", "2026-04-01 17:00", "closed"),
    ("office", "2026-04-04 10:00", "closed"),
    ("office", "2026-04-03 10:00", "closed"),
    ("office", "2026-12-25 10:00", "closed"),
    ("office", "2030-12-25 10:00", "closed"),
    ("tokyo", "2026-04-01 02:00", "open"),
    ("tokyo", "2026-04-01 10:00", "closed"),
    ("night", "2026-04-17 21:59", "closed"),
    ("night", "2026-04-17 22:00", "open"),
    ("night", "2026-04-18 00:00", "open"),
    ("night", "2026-04-18 05:59", "open"),
    ("night", "2026-04-18 06:00", "closed"),
    ("night", "2026-04-19 01:00", "closed"),
    ("night", "2026-04-03 23:00", "closed"),
    ("night", "2026-04-04 01:00", "closed"),
    ("night", "2026-04-10 23:00", "open"),
    ("night", "2026-04-11 01:00", "closed"),
    ("early", "2026-03-29 01:30", "open"),
    ("early", "2026-03-30 00:30", "open"),
    ("early", "2026-10-25 01:30", "open"),
    ("early", "2026-10-26 00:30", "open"),
    ("early", "2026-10-26 03:00", "closed"),
    ("always", "2026-04-01 00:00", "open"),
    ("always", "2026-04-01 23:59", "open"),
    ("never", "2026-04-01 12:00", "closed"),
]

NUMBERS = [
    ("+49301234567,asIs,,0,00", "+49301234567"),
    ("+49301234567,e164,49,0,00", "+49301234567"),
    ("0301234567,e164,49,0,00", "+49301234567"),
    ("0049301234567,e164,49,0,00", "+49301234567"),
    ("49301234567,e164,49,0,00", "+49301234567"),
    ("00441234567890,e164,49,0,00", "+441234567890"),
    ("101,e164,49,0,00", "101"),
    ("4930,e164,49,0,00", "4930"),
    ("+49301234567,national,49,0,00", "0301234567"),
    ("+441234567890,national,49,0,00", "00441234567890"),
    ("0301234567,national,49,0,00", "0301234567"),
    ("+12125550100,national,1,1,011", "12125550100"),
    ("+442012345678,national,1,1,011", "011442012345678"),
    ("612345678,e164,34,,00", "+34612345678"),
    ("+34612345678,national,34,,00", "612345678"),
    (",e164,49,0,00", ""),
    ("5555550100,e164,1,,011", "+15555550100"),
    ("15555550100,e164,1,,011", "+15555550100"),
    ("5550100,e164,1,,011", "5550100"),
    ("5555550100,e164,1,1,011", "+15555550100"),
    ("+15555550100,national,1,,011", "5555550100"),
    ("5555550100,national,1,1,011", "15555550100"),
]

MANIFEST_NUMBERS = (
    "+4930555010", "004930555010", "01144205550100", "81044205550100", "0305550100", "4930555010", "49305550", "4955501",
    "84955550100", "0615550100", "612345678", "34612345678", "5512345678", "525512345678", "5555550100", "15555550100",
    "5550100", "555010", "101", "20",
)  # fmt: skip
"""Numbers as manifests hold them, right for one country or the other."""

POLICIES = [
    CallerIdPolicy.model_validate({"format": "e164", "countryCode": code})
    for code in ("1", "7", "34", "36", "49", "52")
]


NUMBERS += [
    (
        ",".join((number, *writing_columns(policy))),
        str(Numbering(country_code=str(policy.country_code)).normalise(number)),
    )
    for policy in POLICIES
    for number in MANIFEST_NUMBERS
    if can_be_written(number, policy)
]
"""What `validate` has no finding for."""


def dialplan() -> str:
    made = [schedule(name, **spec) for name, spec in SCHEDULES.items()]
    found = contexts(site([extension("101")], schedules=made, timeZone="Europe/Berlin"))
    text = Renderer(load()).files(Objects(contexts=tuple(found.values())))[0]["extensions.conf"]
    text = text.replace("Set(LOCAL(now)=${EPOCH})", "Set(LOCAL(now)=${CLOCK})")
    text = text.replace("dp-internal,101,dp-end,s))", "test-open,s,test-closed,s))")
    lines = [
        "[test-open]",
        "exten => s,1,Log(NOTICE,case ${CASE} is open)",
        "[test-closed]",
        "exten => s,1,Log(NOTICE,case ${CASE} is closed)",
        "[test-numbers]",
    ]
    for case, (arguments, _) in enumerate(NUMBERS):
        lines += [
            f"exten => {case},1,Gosub({WRITTEN_NUMBER.context},s,1({arguments}))",
            f" same => n,Log(NOTICE,case {case} is <${{GOSUB_RETVAL}}>)",
        ]
    return "\n".join([text, *lines, ""])


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def calls(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[AsteriskInstance, AmiClient]]:
    directory = tmp_path_factory.mktemp("routines")
    asterisk = AsteriskInstance(directory, dialplane_files={"extensions.conf": dialplan()})
    try:
        async with asterisk, await asterisk.ami(asterisk.settings.calls) as ami:
            yield asterisk, ami
    finally:
        await asterisk.close()


async def answer(calls: tuple[AsteriskInstance, AmiClient], case: str, channel: str, variables: str = "") -> str:
    asterisk, ami = calls
    asked = {"Channel": channel, "Application": "Wait", "Data": "1", "Async": "true"}
    await ami.action("Originate", **asked, Variable=f"CASE={case}{variables}")
    async with asyncio.timeout(5):
        while True:
            if found := re.search(rf"case {case} is (.*)", asterisk.log()):
                return found[1]
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("name", "moment", "expected"), MOMENTS)
async def test_a_schedule_knows_the_time(
    calls: tuple[AsteriskInstance, AmiClient], name: str, moment: str, expected: str
) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    case = f"{name}-{moment.replace(' ', 'T')}"
    variables = f",CLOCK={at.timestamp():.0f}"
    assert await answer(calls, case, f"Local/{name}@dp-schedules", variables) == expected


@pytest.mark.parametrize(("case", "expected"), [(case, number) for case, (_, number) in enumerate(NUMBERS)])
async def test_a_number_is_written_as_the_trunk_wants_it(
    calls: tuple[AsteriskInstance, AmiClient], case: int, expected: str
) -> None:
    assert await answer(calls, str(case), f"Local/{case}@test-numbers") == f"<{expected}>"


async def test_the_schedule_reads_the_clock_once() -> None:
    assert [arguments for _, _, arguments in SCHEDULE.steps if "EPOCH" in arguments] == ["LOCAL(now)=${EPOCH}"]
