"""Whose number is shown, and who hides it. On a real Asterisk, with real SIP peers."""

from collections.abc import Mapping

import pytest

from tests.system.calls import dial, from_outside, hang_up, last_call
from tests.system.pbx import Pbx

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'

pytestmark = pytest.mark.asyncio(loop_scope="session")


def identity(call: Mapping[str, dict[str, str]]) -> tuple[str, str, str]:
    """From without its tag, Privacy and P-Asserted-Identity, as the other side got them."""
    headers = call["headers"]
    return headers["from"].partition(";tag=")[0], headers.get("privacy", ""), headers.get("p-asserted-identity", "")


@pytest.mark.parametrize(
    ("who", "number", "how"),
    [
        pytest.param("101", "00441234567", {"headers": {"privacy": "id"}}, id="header"),
        pytest.param("101", "00441234567", {"headers": {"privacy": "user;critical"}}, id="other-header"),
        pytest.param("101", "00441234567", {"from_user": "anonymous"}, id="from"),
        pytest.param("101", "*6700441234567", {}, id="code"),
        pytest.param("113", "00441234567", {}, id="field"),
    ],
)
async def test_a_caller_who_hides_the_number_is_anonymous_to_the_carrier(
    pbx: Pbx, who: str, number: str, how: dict[str, str]
) -> None:
    call = await dial(pbx, who, number, **how)
    seen = await last_call(pbx, "alpha")
    assert seen["number"] == "+441234567"
    assert identity(seen) == (ANONYMOUS, "id", "")
    assert "555" not in str(seen["headers"])
    await hang_up(pbx, who, call)


async def test_a_carrier_that_wants_it_is_told_who_hides(pbx: Pbx) -> None:
    await pbx.carriers["alpha"].ask("answer", code=503)
    call = await dial(pbx, "113", "0301234567")
    shown, privacy, asserted = identity(await last_call(pbx, "beta"))
    assert (shown, privacy) == (ANONYMOUS, "id")
    assert "0305550113@" in asserted
    await hang_up(pbx, "113", call)


async def test_privacy_none_hides_nothing(pbx: Pbx) -> None:
    call = await dial(pbx, "101", "00441234567", headers={"privacy": "none"})
    assert (await last_call(pbx, "alpha"))["other"] == "+49305550101"
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize(
    ("who", "number", "how"),
    [
        ("113", "112", {}),
        ("113", "*67112", {}),
        ("113", "112", {"from_user": "anonymous"}),
        ("113", "112", {"headers": {"privacy": "id"}}),
    ],
)
async def test_the_emergency_centre_sees_the_number_of_who_hides_it(
    pbx: Pbx, who: str, number: str, how: dict[str, str]
) -> None:
    call = await dial(pbx, who, number, **how)
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], seen["other"]) == ("112", "+4930112")
    assert "privacy" not in seen["headers"]
    await hang_up(pbx, who, call)


async def test_the_code_opens_no_number_that_may_not_be_dialled(pbx: Pbx) -> None:
    await dial(pbx, "103", "*6700441234567", code=403)
    await dial(pbx, "104", "*67101", code=404)
    await dial(pbx, "101", "*670301,s,evil", code=484)


@pytest.mark.parametrize("user", ["anonymous", "unknown", "102", "alpha"])
async def test_the_password_decides_whose_call_it_is_and_not_the_from(pbx: Pbx, user: str) -> None:
    called = await pbx.phone("102")
    call = await dial(pbx, "101", "102", from_user=user)
    assert (await called.ask("calls"))["calls"][-1]["other"] == "101"
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize(("username", "password"), [("101", "wrong"), ("102", "secret-101"), ("alpha", "secret")])
async def test_an_anonymous_caller_without_the_password_stays_outside(pbx: Pbx, username: str, password: str) -> None:
    phone = await pbx.phone("101")
    await phone.ask("identity", username=username, password=password)
    try:
        assert (await phone.ask("call", number="102", from_user="anonymous"))["code"] == 401
    finally:
        await phone.ask("identity", username="101", password="secret-101")


@pytest.mark.parametrize("from_user", ["anonymous", "unavailable"])
async def test_an_anonymous_caller_from_outside_is_anonymous_on_the_phone(pbx: Pbx, from_user: str) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49301000", from_user=from_user))["code"] == 200
    seen = (await phone.ask("calls"))["calls"][-1]
    assert identity(seen)[0] == ANONYMOUS
    await pbx.carriers["alpha"].ask("hangup")
