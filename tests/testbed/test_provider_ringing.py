"""The provider peer where it really rings: a real Asterisk, the agent's telephone, then the customer's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from testbed.asterisk import AsteriskInstance, Installation
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from testbed.sip import Peer
from tests.eventually import eventually
from tests.testbed.conftest import phones, write

TOKEN, CALL = "token-of-the-test-bed", "call-0123456789abcdef0123"
AGENT, CUSTOMER = "8001", "5550101"


@dataclass
class Scene:
    asterisk: AsteriskInstance
    peer: InfinityPeer
    agent: Peer
    customer: Peer

    async def call(self, extension: str = AGENT, destination: str = CUSTOMER) -> None:
        fields = {"service": "App.Sip_Call.MakeCall", "token": TOKEN, "extnumber": extension, "memberid": CALL}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                self.peer.url, data={**fields, "destnumber": destination, "disnumber": "5550100"}
            )
        assert answer.json()["ret"] == 200

    async def heard(self, agent_hz: int, customer_hz: int) -> bool:
        """Whether each hears the other's tone."""
        tones = [(await phone.ask("calls"))["calls"][-1]["heard_hz"] for phone in (self.customer, self.agent)]
        return tones == [pytest.approx(hz, abs=15) for hz in (agent_hz, customer_hz)]

    async def over(self) -> tuple[int, str, bool]:
        """Cause, who hung up, and whether the customer had answered."""
        await self.peer.event("call", memberid=CALL, state="ended", limit_seconds=20)
        (call,) = await self.peer.calls()
        states = [event["state"] for event in self.peer.events if event["event"] == "call"]
        return call["cause"], call["direction"], "answered" in states


@pytest.fixture
async def scene(tmp_path: Path, installation: Installation) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        asterisk = AsteriskInstance(tmp_path / "asterisk", installation=installation)
        stack.push_async_callback(asterisk.close)
        write(asterisk, phones(AGENT, CUSTOMER))
        await asterisk.start()
        server = ("127.0.0.1", asterisk.sip_port)
        telephones = []
        for user, hz in ((AGENT, 440), (CUSTOMER, 660)):
            made = Peer.phone(tmp_path, user=user, password=f"secret-{user}", server=server, hz=hz)
            telephones.append(await stack.enter_async_context(await made))
            assert await telephones[-1].ask("register") == {"code": 200}
        started = await InfinityPeer.start(tmp_path, Account(token=TOKEN), asterisk=asterisk)
        yield Scene(asterisk, await stack.enter_async_context(started), *telephones)


async def test_agent_and_customer_speak_and_the_customer_hangs_up(scene: Scene) -> None:
    await scene.call()
    await scene.peer.event("call", memberid=CALL, state="answered", limit_seconds=20)
    await eventually(lambda: scene.heard(440, 660))
    async with await scene.asterisk.ami() as ami:
        legs = await ami.listed("CoreShowChannels", "CoreShowChannelsComplete")
    assert [leg["Linkedid"] for leg in legs] == [CALL, CALL]
    await scene.customer.ask("hangup")
    assert await scene.over() == (16, "customer", True)


async def test_a_customer_who_is_busy_is_told_of(scene: Scene) -> None:
    await scene.customer.ask("answer", code=486)
    await scene.call()
    assert await scene.over() == (17, "customer", False)


async def test_an_agent_who_does_not_answer_gets_no_customer(scene: Scene) -> None:
    await scene.agent.ask("answer", code=480)
    await scene.call()
    cause, _, answered = await scene.over()
    assert cause != 16
    assert not answered
    assert (await scene.customer.ask("calls"))["calls"] == []


async def test_an_extension_that_there_is_not_ends_the_call(scene: Scene) -> None:
    await scene.call("8009")
    assert await scene.over() == (27, "", False)


async def test_the_platform_itself_may_end_a_call(scene: Scene) -> None:
    await scene.call()
    await scene.peer.event("call", memberid=CALL, state="answered", limit_seconds=20)
    await scene.peer.hang_up(CALL, "agent")
    assert await scene.over() == (16, "agent", True)
