"""A SIP message is no call: Asterisk would send it through the dialplan, where it dials. On a real Asterisk."""

import pytest

from tests.system.pbx import Pbx

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("number", ["112", "0301234567", "102"])
async def test_a_message_dials_nobody(pbx: Pbx, number: str) -> None:
    before = {name: len((await each.ask("calls"))["calls"]) for name, each in pbx.carriers.items()}
    phone = await pbx.phone("101")
    assert (await phone.ask("message", number=number))["code"] == 404
    assert await pbx.channels() == []
    assert {name: len((await each.ask("calls"))["calls"]) for name, each in pbx.carriers.items()} == before
