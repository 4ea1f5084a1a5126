"""Whose number is shown, and who hides it. On a real Asterisk, with real SIP peers."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.calls import dial, from_outside, hang_up, last_call
from tests.system.pbx import Pbx

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'

FULL = '"Ada" <sip:101@192.0.2.1>;party=calling;privacy=full'

pytestmark = pytest.mark.asyncio(loop_scope="session")


def identity(call: Mapping[str, dict[str, str]]) -> tuple[str, str, str]:
    """From without its tag, Privacy and P-Asserted-Identity, as the other side got them."""
    headers = call["headers"]
    return headers["from"].partition(";tag=")[0], headers.get("privacy", ""), headers.get("p-asserted-identity", "")


WISHES: list[tuple[str, str, dict[str, Any]]] = [
    ("101", "00441234567", {"headers": {"privacy": "id"}}),
    ("101", "00441234567", {"headers": {"privacy": "user;critical"}}),
    ("101", "00441234567", {"headers": {"remote-party-id": FULL}}),
    ("101", "00441234567", {"from_user": "anonymous"}),
    ("101", "00441234567", {"from_user": "unknown"}),
    ("101", "*6700441234567", {}),
    ("101", "*31#00441234567", {}),
    ("113", "00441234567", {}),
]
"""Who hides the number, what is dialled, and how the phone says so."""


async def test_a_caller_who_hides_the_number_is_anonymous_to_the_carrier(pbx: Pbx) -> None:
    for who, number, how in WISHES:
        call = await dial(pbx, who, number, **how)
        seen = await last_call(pbx, "alpha")
        assert seen["number"] == "+441234567"
        assert identity(seen) == (ANONYMOUS, "id", ""), how
        assert "+4930555" not in str(seen["headers"])
        await hang_up(pbx, who, call)


async def test_a_carrier_that_wants_it_is_told_who_hides(pbx: Pbx) -> None:
    await pbx.carriers["alpha"].ask("answer", code=503)
    call = await dial(pbx, "113", "0301234567")
    shown, privacy, asserted = identity(await last_call(pbx, "beta"))
    assert (shown, privacy, asserted) == (ANONYMOUS, "id", "<sip:0305550113@127.0.0.1>")
    await hang_up(pbx, "113", call)


async def test_the_account_in_from_does_not_show_who_hides(pbx: Pbx) -> None:
    call = await dial(pbx, "101", "70123")
    assert (await last_call(pbx, "gamma"))["headers"]["from"].startswith("<sip:15550100@tel.example.com>")
    await hang_up(pbx, "101", call)
    call = await dial(pbx, "113", "70123")
    seen = await last_call(pbx, "gamma")
    assert identity(seen) == (ANONYMOUS, "id", "<sip:+49305550113@tel.example.com>")
    assert "15550100" not in str(seen["headers"])
    await hang_up(pbx, "113", call)


async def test_a_phone_asserts_no_identity_of_its_own(pbx: Pbx) -> None:
    claimed = "<sip:+49309999@192.0.2.1>"
    headers = {"p-asserted-identity": claimed, "p-preferred-identity": claimed, "remote-party-id": claimed}
    call = await dial(pbx, "101", "00441234567", headers=headers)
    seen = await last_call(pbx, "alpha")
    assert seen["other"] == "+49305550101"
    assert "+49309999" not in str(seen["headers"])
    await hang_up(pbx, "101", call)


async def test_a_forwarded_call_hides_the_number_where_its_extension_does(pbx: Pbx) -> None:
    call = await dial(pbx, "101", "114")
    assert identity(await last_call(pbx, "alpha")) == (ANONYMOUS, "id", "")
    await hang_up(pbx, "101", call)
    call = await dial(pbx, "113", "106", headers={"privacy": "id"})
    assert (await last_call(pbx, "alpha"))["other"] == "+4930555106"
    await hang_up(pbx, "113", call)


async def test_privacy_none_hides_nothing(pbx: Pbx) -> None:
    call = await dial(pbx, "101", "00441234567", headers={"privacy": "none"})
    assert (await last_call(pbx, "alpha"))["other"] == "+49305550101"
    await hang_up(pbx, "101", call)


async def test_the_emergency_centre_sees_the_number_of_who_hides_it(pbx: Pbx) -> None:
    hidden: list[tuple[str, dict[str, Any]]] = [
        ("112", {}),
        ("*67112", {}),
        ("112", {"from_user": "anonymous"}),
        ("112", {"headers": {"privacy": "id"}}),
    ]
    for number, how in hidden:
        call = await dial(pbx, "113", number, **how)
        seen = await last_call(pbx, "alpha")
        assert (seen["number"], seen["other"]) == ("112", "+4930112")
        assert "privacy" not in seen["headers"]
        await hang_up(pbx, "113", call)


async def test_the_code_opens_no_number_that_may_not_be_dialled(pbx: Pbx) -> None:
    await dial(pbx, "103", "*6700441234567", code=403)
    await dial(pbx, "104", "*67101", code=404)
    await dial(pbx, "101", "*670301,s,evil", code=484)


@pytest.mark.parametrize("user", ["anonymous", "unknown", "alpha", "gamma", "dp_hidden_gamma", "dp_witness_udp"])
async def test_the_password_decides_whose_call_it_is_and_not_the_from(pbx: Pbx, user: str) -> None:
    called = await pbx.phone("102")
    call = await dial(pbx, "101", "102", from_user=user)
    assert (await called.ask("calls"))["calls"][-1]["other"] == "101"
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize("number", ["102", "112", "00441234567"])
async def test_nobody_calls_in_the_name_of_another_extension(pbx: Pbx, number: str) -> None:
    await dial(pbx, "101", number, from_user="102", code=401)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("101", "wrong"),
        ("102", "secret-101"),
        ("alpha", "secret"),
        ("dp_hidden_gamma", "secret"),
        ("999", "secret-101"),
    ],
)
async def test_a_caller_without_the_password_stays_outside(pbx: Pbx, username: str, password: str) -> None:
    phone = await pbx.phone("101")
    await phone.ask("identity", username=username, password=password)
    try:
        for user in ("anonymous", "101", "102"):
            assert (await phone.ask("call", number="102", from_user=user))["code"] == 401
    finally:
        await phone.ask("identity", username="101", password="secret-101")


async def test_of_two_credentials_only_those_that_are_right_count(pbx: Pbx) -> None:
    other = 'Digest username="102", realm="asterisk", nonce="0", uri="sip:102", response="0"'
    call = await (await pbx.phone("101")).ask(
        "call", number="109", from_user="anonymous", headers={"authorization": other}
    )
    assert call["code"] == 401


async def test_nobody_registers_in_the_name_of_another_extension(pbx: Pbx) -> None:
    phone = await pbx.phone("102")
    await phone.ask("identity", username="101", password="secret-101")
    try:
        assert (await phone.ask("register"))["code"] == 401
    finally:
        await phone.ask("identity", username="102", password="secret-102")


ASSERTED = {"privacy": "id", "p-asserted-identity": "<sip:+441234567890@192.0.2.1>"}
HIDDEN = [
    pytest.param("alpha", {"from_user": "anonymous"}, id="untrusted"),
    pytest.param("alpha", {"from_user": "unavailable"}, id="no-number"),
    pytest.param("alpha", {"from_user": "anonymous", "headers": ASSERTED}, id="asserted-to-who-does-not-trust"),
    pytest.param("alpha", {"headers": {"privacy": "id"}}, id="number-and-header"),
    pytest.param("alpha", {"headers": {"remote-party-id": FULL}}, id="number-and-older-header"),
    pytest.param("gamma", {"from_user": "anonymous", "headers": ASSERTED}, id="asserted-to-who-trusts"),
]
NUMBER_OF = {"alpha": "+49301000", "gamma": "+49303000"}


@pytest.mark.parametrize(("carrier", "how"), HIDDEN)
async def test_an_anonymous_caller_from_outside_is_anonymous_on_the_phone(
    pbx: Pbx, carrier: str, how: dict[str, Any]
) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, NUMBER_OF[carrier], carrier=carrier, **how))["code"] == 200
    seen = (await phone.ask("calls"))["calls"][-1]
    assert identity(seen)[0] == ANONYMOUS
    assert "1234567890" not in str(seen["headers"])
    await pbx.carriers[carrier].ask("hangup")


async def test_who_hides_leaves_no_number_in_a_mailbox(pbx: Pbx) -> None:
    for headers, left in (({}, "+441234567890"), (ASSERTED, "")):
        await from_outside(pbx, "+49303002", carrier="gamma", headers=headers)
        rows = (await pbx.asterisk.console("core show channels concise")).splitlines()
        assert [row.split("!")[7] for row in rows if "!VoiceMail!" in row] == [left]
        await pbx.carriers["gamma"].ask("hangup")
        await pbx.quiet()


async def test_a_hidden_caller_who_is_sent_on_is_hidden_there_too(pbx: Pbx) -> None:
    """A trunk without a number of its own shows the caller's."""
    await from_outside(pbx, "+49303001", carrier="gamma")
    assert "+441234567890" in identity(await last_call(pbx, "gamma"))[2]
    await pbx.carriers["gamma"].ask("hangup")
    await from_outside(pbx, "+49303001", carrier="gamma", from_user="anonymous")
    assert identity(await last_call(pbx, "gamma")) == (ANONYMOUS, "id", "")
    await pbx.carriers["gamma"].ask("hangup")


async def test_a_forward_shows_its_own_number_for_a_caller_who_hides(pbx: Pbx) -> None:
    await from_outside(pbx, "+49303003", carrier="gamma", from_user="anonymous")
    assert identity(await last_call(pbx, "alpha"))[:2] == ("<sip:+4930555106@127.0.0.1>", "")
    await pbx.carriers["gamma"].ask("hangup")


async def test_these_calls_leave_no_warning(pbx: Pbx) -> None:
    lines = [line for line in pbx.asterisk.log().splitlines() if "WARNING" in line or "ERROR" in line]
    lines = [line for line in lines if "Function DB not registered" not in line]  # a test of cabins takes it away
    assert [line for line in lines if "func" in line or "header" in line.lower()] == []
