"""What callers experience, on a real Asterisk with real SIP peers."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.plan.dialplan import retained
from tests.system.pbx import Manifest, Pbx, extension, from_user, manifest

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = ("internal", "local", "national", "international")
BOX = {"pinSecretRef": {"name": "pin", "key": "pin"}}


def site(pbx: Pbx) -> list[Manifest]:
    now = datetime.now(UTC)
    around = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
    if now.hour < 22:
        around |= {"from": f"{now:%H:%M}", "to": f"{now + timedelta(hours=2):%H:%M}"}
    else:
        around |= {"from": f"{now:%H:%M}", "to": "02:00"}
    emergency = {"numbers": ["112"], "trunks": ["alpha", "beta"], "callerId": "+4930112"}
    e164 = {"format": "e164", "countryCode": "49"}
    group = {"members": ["101", "102", "108"], "ringSeconds": 5}
    return [
        pbx.pbx(emergency=emergency),
        extension("101", ALL, callerId="+49305550101", emergencyCallerId="+49305550199", maxContacts=3),
        extension("102", voicemail=BOX, ringSeconds=5),
        extension("103", ("internal", "national")),
        extension("104", ()),
        extension("105", forward={"noAnswer": "101"}, ringSeconds=5),
        extension("106", ("internal", "national"), forward={"unconditional": "0301234567"}, callerId="030555106"),
        extension("107", forward={"unconditional": "0301234567"}),
        extension("108", callWaiting=False, forward={"busy": "101"}),
        extension("109", record="always"),
        extension("110", forward={"unconditional": "111"}),
        extension("111", forward={"unconditional": "110"}),
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
            ],
            outbound=[
                {"pattern": "_0X.", "strip": 1, "prepend": "+49", "permission": "national", "priority": 10},
                {"pattern": "_00X.", "strip": 2, "prepend": "+", "permission": "international"},
            ],
        ),
        pbx.trunk(
            "beta",
            callerId="0302000",
            callerIdPolicy=e164 | {"format": "national"},
            inboundNumberFrom="toHeader",
            inbound=[{"did": "+49302000", "to": {"extension": "101"}}],
            outbound=[{"pattern": "_0X.", "permission": "national", "priority": 20}],
        ),
    ]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pbx]:
    async with Pbx(tmp_path_factory.mktemp("pbx")) as pbx:
        for name in ("alpha", "beta"):
            await pbx.carrier(name)
        await pbx.apply(site(pbx))
        for carrier in pbx.carriers.values():
            await carrier.event("register", code=200)
        yield pbx


@pytest_asyncio.fixture(loop_scope="module")
async def pbx(world: Pbx) -> AsyncIterator[Pbx]:
    yield world
    for carrier in world.carriers.values():
        await carrier.ask("answer")
    await world.quiet()


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


async def test_asterisk_has_no_complaint_about_the_dialplan(pbx: Pbx) -> None:
    complaints = [line for line in pbx.asterisk.complaints() if "pbx" in line or "extensions" in line]
    assert complaints == []
    for context in pbx.plan.objects.contexts:
        assert f"'{context.name}'" in await pbx.show(context.name) or not (context.entries or context.includes)


@pytest.mark.parametrize(
    ("who", "number", "code"),
    [
        ("101", "00441234567", 200),
        ("103", "0301234567", 200),
        ("103", "00441234567", 403),
        ("102", "0301234567", 403),
        ("104", "0301234567", 403),
        ("104", "101", 404),
        ("104", "*43", 404),
        ("101", "999", 404),
        ("101", "0301,s,evil", 484),
        ("101", "030&PJSIP", 484),
    ],
)
async def test_a_phone_dials_what_its_class_of_service_allows(pbx: Pbx, who: str, number: str, code: int) -> None:
    call = await dial(pbx, who, number, code=code)
    if code == 200:
        await hang_up(pbx, who, call)


async def test_a_carrier_is_sent_the_number_and_the_caller_as_the_trunk_says(pbx: Pbx) -> None:
    for who, shown in (("101", "+49305550101"), ("103", "+49301000")):
        call = await dial(pbx, who, "0301234567")
        seen = await last_call(pbx, "alpha")
        assert (seen["number"], from_user(seen)) == ("+49301234567", shown)
        await hang_up(pbx, who, call)


@pytest.mark.parametrize("code", [503, 500])
async def test_a_trunk_that_fails_hands_over_to_the_next(pbx: Pbx, code: int) -> None:
    await pbx.carriers["alpha"].ask("answer", code=code)
    call = await dial(pbx, "101", "0301234567")
    seen = await last_call(pbx, "beta")
    assert (seen["number"], from_user(seen)) == ("0301234567", "0305550101")
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize("code", [486, 480])
async def test_a_callee_who_does_not_take_the_call_is_not_called_over_another_trunk(pbx: Pbx, code: int) -> None:
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    await pbx.carriers["alpha"].ask("answer", code=code)
    await dial(pbx, "101", "0301234567", code=code)
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before


async def test_a_full_trunk_hands_over_to_the_next_and_refuses_calls_from_outside(pbx: Pbx) -> None:
    await pbx.phone("101", ring_seconds=0.1)
    calls = [await dial(pbx, "101", f"03012345{n}") for n in range(3)]
    assert (await last_call(pbx, "beta"))["number"] == "030123452"
    assert (await from_outside(pbx, "+49301000"))["code"] == 486
    for call in calls:
        await hang_up(pbx, "101", call)


@pytest.mark.parametrize(("who", "shown"), [("101", "+49305550199"), ("104", "+4930112")])
async def test_any_phone_reaches_an_emergency_number(pbx: Pbx, who: str, shown: str) -> None:
    call = await dial(pbx, who, "112")
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], from_user(seen)) == ("112", shown)
    await hang_up(pbx, who, call)


@pytest.mark.parametrize("code", [486, 503, 404])
async def test_an_emergency_call_goes_on_until_a_trunk_takes_it(pbx: Pbx, code: int) -> None:
    await pbx.carriers["alpha"].ask("answer", code=code)
    call = await dial(pbx, "104", "112")
    assert (await last_call(pbx, "beta"))["number"] == "112"
    await hang_up(pbx, "104", call)


async def test_an_emergency_call_ignores_the_limit_of_the_trunk(pbx: Pbx) -> None:
    calls = [await dial(pbx, "101", f"03012345{n}") for n in range(2)]
    emergency = await dial(pbx, "104", "112")
    assert (await last_call(pbx, "alpha"))["number"] == "112"
    await hang_up(pbx, "104", emergency)
    for call in calls:
        await hang_up(pbx, "101", call)


async def test_a_blind_transfer_has_the_permissions_of_whoever_transfers(pbx: Pbx) -> None:
    await pbx.phone("102")
    for number, reached in (("00441234567", False), ("0301234567", False)):
        before = len((await pbx.carriers["alpha"].ask("calls"))["calls"])
        await dial(pbx, "101", "102")
        callee = await pbx.phone("102")
        assert (await callee.ask("transfer", number=number))["code"] in {202, 404, 403}
        await asyncio.sleep(0.7)
        assert (len((await pbx.carriers["alpha"].ask("calls"))["calls"]) > before) is reached
        for who in ("101", "102"):
            await (await pbx.phone(who)).ask("hangup")
        await pbx.quiet()


async def test_a_transfer_of_a_caller_from_outside_may_go_where_the_extension_may(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49301000"))["code"] == 200
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    await pbx.carriers["alpha"].ask("answer", code=503)
    assert (await phone.ask("transfer", number="0307654321"))["code"] == 202
    await asyncio.sleep(0.7)
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before + 1
    for peer in (phone, pbx.carriers["beta"]):
        await peer.ask("hangup")


@pytest.mark.parametrize("number", ["+49301000", "49301000"])
async def test_a_did_is_reached_with_and_without_plus(pbx: Pbx, number: str) -> None:
    phone = await pbx.phone("101")
    call = await from_outside(pbx, number)
    assert call["code"] == 200
    calls = (await phone.ask("calls"))["calls"]
    assert from_user(calls[-1]) == "+441234567890"
    await phone.ask("hangup")


@pytest.mark.parametrize("number", ["+49309999", "101", "0301234567", "112", "*98"])
async def test_from_outside_nothing_but_the_listed_numbers_exists(pbx: Pbx, number: str) -> None:
    assert (await from_outside(pbx, number))["code"] == 404


async def test_the_called_number_may_stand_in_the_to_header(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49302000", carrier="beta", uri="contact"))["code"] == 200
    await phone.ask("hangup")
    assert (await from_outside(pbx, "+49302001", carrier="beta", uri="contact"))["code"] == 404
    assert (await from_outside(pbx, "101", carrier="beta", uri="contact"))["code"] == 404


async def test_a_ring_group_rings_all_and_the_first_takes_it(pbx: Pbx) -> None:
    phones = [await pbx.phone(n, ring_seconds=s) for n, s in (("101", 3), ("102", 0.5), ("108", 3))]
    assert (await from_outside(pbx, "+49301001"))["code"] == 200
    await asyncio.sleep(0.3)
    calls = [(await phone.ask("calls"))["calls"][-1] for phone in phones]
    assert [call["state"] for call in calls] == ["ended", "answered", "ended"]
    await phones[1].ask("hangup")


async def test_a_ring_group_that_nobody_answers_goes_on(pbx: Pbx) -> None:
    for number in ("101", "102", "108"):
        await pbx.phone(number, ring_seconds=20)
    call = await from_outside(pbx, "+49301001")
    assert call["code"] == 200
    assert any("dp-leave-message" in c and "VoiceMail" in c for c in await pbx.channels())
    await pbx.carriers["alpha"].ask("hangup", call=call["call"])


async def test_a_ring_group_in_sequence_rings_one_after_another(pbx: Pbx) -> None:
    await pbx.phone("101", code=486)
    second = await pbx.phone("102", ring_seconds=0.2)
    last = await pbx.phone("108")
    before = len((await last.ask("calls"))["calls"])
    assert (await from_outside(pbx, "+49301002"))["code"] == 200
    assert (await second.ask("calls"))["calls"][-1]["state"] == "answered"
    assert len((await last.ask("calls"))["calls"]) == before
    await second.ask("hangup")


@pytest.mark.parametrize("number", ["+49301003", "+49301004"])
async def test_a_schedule_sends_calls_by_the_time_of_day(pbx: Pbx, number: str) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, number))["code"] == 200
    await phone.ask("hangup")


async def test_a_number_of_the_site_is_dialled_out(pbx: Pbx) -> None:
    call = await from_outside(pbx, "+49301005", carrier="alpha")
    assert call["code"] == 200
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], from_user(seen)) == ("+49309999", "+49301000")
    await pbx.carriers["alpha"].ask("hangup", call=call["call"])


async def test_a_route_may_end_the_call(pbx: Pbx) -> None:
    assert (await from_outside(pbx, "+49301008"))["code"] == 603


async def test_no_answer_goes_to_the_forward(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    await pbx.phone("105", ring_seconds=20)
    call = await dial(pbx, "103", "105")
    assert (await phone.ask("calls"))["calls"][-1]["state"] == "answered"
    await hang_up(pbx, "103", call)


async def test_a_phone_that_is_not_there_goes_to_the_forward_at_once(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    await (await pbx.phone("105")).ask("register", expires=0)
    call = await dial(pbx, "103", "105", limit_seconds=3)
    assert (await phone.ask("calls"))["calls"][-1]["state"] == "answered"
    await hang_up(pbx, "103", call)


@pytest.mark.parametrize(("code", "greeting"), [(486, "b"), (603, "b"), (480, "u")])
async def test_an_extension_that_does_not_answer_takes_a_message(pbx: Pbx, code: int, greeting: str) -> None:
    await pbx.phone("102", code=code)
    call = await dial(pbx, "101", "102")
    shown = await pbx.asterisk.console("core show channels concise")
    assert f"!VoiceMail!102@default,{greeting}!" in shown
    await hang_up(pbx, "101", call)


async def test_without_call_waiting_the_second_caller_is_sent_on(pbx: Pbx) -> None:
    phone, other = await pbx.phone("108"), await pbx.phone("101")
    first = await dial(pbx, "103", "108")
    second = await dial(pbx, "102", "108")
    assert len([c for c in (await phone.ask("calls"))["calls"] if c["state"] == "answered"]) == 1
    assert (await other.ask("calls"))["calls"][-1]["state"] == "answered"
    await hang_up(pbx, "103", first)
    await hang_up(pbx, "102", second)


async def test_a_forward_has_the_permissions_and_the_caller_id_of_its_extension(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "106")
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], from_user(seen)) == ("+49301234567", "+4930555106")
    await hang_up(pbx, "102", call)
    await dial(pbx, "101", "107", code=403)


async def test_forwards_in_a_circle_end(pbx: Pbx) -> None:
    await dial(pbx, "101", "110", code=480)


async def test_a_recorded_call_leaves_a_file(pbx: Pbx) -> None:
    await pbx.phone("101")
    call = await dial(pbx, "109", "101")
    await asyncio.sleep(0.5)
    await hang_up(pbx, "109", call)
    await pbx.quiet()
    files = list((pbx.directory / "recordings").glob("*/*.wav"))
    assert [path.name.split("-")[1:3] for path in files] == [["109", "101"]]
    assert await asyncio.to_thread(lambda: files[0].stat().st_size) > 1000


async def test_an_address_that_a_phone_registers_cannot_dial(pbx: Pbx) -> None:
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    path = Path(pbx.asterisk.etc, "dialplane", "pjsip_aor.conf")
    text = await asyncio.to_thread(path.read_text)
    # Read as "PJSIP/103/sip:x" and "PJSIP/beta/sip:0900123@…": a call over beta, with beta's account.
    evil = f"contact = sip:x&PJSIP/beta/sip:0900123@127.0.0.1:{pbx.carriers['beta'].address[1]}"
    await asyncio.to_thread(path.write_text, text.replace("[103]\n", f"[103]\n{evil}\n"))
    await pbx.asterisk.console("module reload res_pjsip.so")
    assert "beta" in await pbx.asterisk.console("pjsip show aor 103")
    await dial(pbx, "101", "103", code=480)
    await asyncio.to_thread(path.write_text, text)
    await pbx.asterisk.console("module reload res_pjsip.so")
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before


async def test_the_echo_test_answers(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "*43")
    await hang_up(pbx, "102", call)


async def test_an_emergency_call_is_tried_over_a_trunk_that_seems_to_be_down(pbx: Pbx) -> None:
    for name, carrier in pbx.carriers.items():
        await carrier.ask("answer", deaf=True)
        await pbx.asterisk.console(f"pjsip qualify {name}")
    async with asyncio.timeout(10):
        while (await pbx.asterisk.console("pjsip show contacts")).count("Unavail") < 2:
            await asyncio.sleep(0.2)
    for carrier in pbx.carriers.values():
        await carrier.ask("answer")
    await dial(pbx, "101", "0301234567", code=503)
    call = await dial(pbx, "104", "112")
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], from_user(seen)) == ("112", "+4930112")
    await hang_up(pbx, "104", call)
    for name in pbx.carriers:
        await pbx.asterisk.console(f"pjsip qualify {name}")
    await asyncio.sleep(0.5)


async def test_a_recorded_member_of_a_ring_group_leaves_one_file(pbx: Pbx) -> None:
    before = set((pbx.directory / "recordings").glob("*/*.wav"))
    phone = await pbx.phone("109")
    assert (await from_outside(pbx, "+49301009"))["code"] == 200
    await asyncio.sleep(0.5)
    await phone.ask("hangup")
    await pbx.quiet()
    files = set((pbx.directory / "recordings").glob("*/*.wav")) - before
    assert [path.name.split("-")[1:3] for path in files] == [["441234567890", "109"]]


async def test_own_voicemail_answers_only_who_has_a_box(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "*97")
    assert "!VoiceMailMain!102@default!" in await pbx.asterisk.console("core show channels concise")
    await hang_up(pbx, "102", call)
    await dial(pbx, "101", "*97", code=404)


async def test_a_lamp_is_lit_by_the_pattern_hint(pbx: Pbx) -> None:
    await pbx.phone("101")
    shown = await pbx.asterisk.console("core show hints")
    assert "_1XX@dp-hints" in shown
    assert "PJSIP/${EXTEN}" in shown


async def test_reloads_that_change_everything_leave_live_calls_alone(pbx: Pbx) -> None:
    phone, caller = await pbx.phone("101"), await pbx.phone("103")
    slow = await pbx.phone("102", ring_seconds=3)
    calls = [await dial(pbx, "103", "101") for _ in range(20)]
    ringing = [asyncio.create_task(dial(pbx, "109", "102")) for _ in range(2)]
    await slow.event("call", state="ringing", after=len(slow.events))
    original = site(pbx)
    added = [extension(f"2{n:02}") for n in range(50)]
    rest = [m for m in original if m["metadata"]["name"] not in {"e101", "e102", "e105"}]
    moved = extension("101", ("internal",), ringSeconds=60, forward={"unconditional": "108"})
    slower = extension("102", ringSeconds=7)
    for changed in ([*original, *added], [*rest, moved, slower, *added[:25]], [*rest, slower], [*rest, moved]):
        await pbx.apply(changed)
    answered = [await each for each in ringing]
    await pbx.apply(original)
    assert [call["code"] for call in answered] == [200, 200]
    states = [c["state"] for c in (await caller.ask("calls"))["calls"][-20:]]
    assert states == ["answered"] * 20
    for call in calls:
        await caller.ask("hangup", call=call["call"])
    for call in answered:
        await hang_up(pbx, "109", call)
    assert (await phone.ask("calls"))["calls"][-1]["state"] == "ended"


async def test_an_old_routine_is_kept_until_its_call_is_over(pbx: Pbx) -> None:
    phone = await pbx.phone("102", ring_seconds=3, code=486)
    files = dict(pbx.plan.files)
    new = files["extensions.conf"]
    # What an older version rendered: the same routine by another name.
    (current,) = re.findall(r"^\[(dp-extension_[0-9a-f]{8})\]", new, re.MULTILINE)
    older = new.replace(current, "dp-extension_00000000")
    await asyncio.to_thread((pbx.asterisk.etc / "dialplane/extensions.conf").write_text, older)
    await pbx.asterisk.console("module reload pbx_config.so")
    calling = asyncio.create_task(dial(pbx, "101", "102"))
    await phone.event("call", state="ringing", after=len(phone.events))
    live = {line.split(",")[0] for line in await pbx.channels()}
    assert "dp-extension_00000000" in live
    kept = retained(older, live, {c.name for c in pbx.plan.objects.contexts})
    assert re.findall(r"^\[(.*)\]", kept, re.MULTILINE) == ["dp-extension_00000000"]
    await asyncio.to_thread((pbx.asterisk.etc / "dialplane/extensions.conf").write_text, new + kept)
    await pbx.asterisk.console("module reload pbx_config.so")
    call = await calling
    assert any(line.startswith("dp-extension_00000000,s,25,VoiceMail") for line in await pbx.channels())
    await hang_up(pbx, "101", call)
    await asyncio.to_thread((pbx.asterisk.etc / "dialplane/extensions.conf").write_text, new)
    await pbx.asterisk.console("module reload pbx_config.so")


async def test_asterisk_warned_of_nothing_that_the_dialplan_says(pbx: Pbx) -> None:
    sources = ("pbx", "func_", "ast_expr", "app_stack", "app_mixmonitor", "res_parking")
    assert [line for line in pbx.asterisk.complaints() if any(f" {source}" in line for source in sources)] == []
