"""A carrier whose host is a name, on an Asterisk that was started before it had any transport. Through both doors."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from testbed.kube.server import ApiServer
from testbed.manifests import condition
from testbed.name_server import NameServer
from tests.system.doors import Seen, is_true
from tests.system.world import CARRIER_HOST, World, phones, start

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "sip.example.com"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def names(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NameServer]:
    async with await NameServer.start(tmp_path_factory.mktemp("names")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def named(
    door_kind: str,
    names: NameServer,
    tmp_path_factory: pytest.TempPathFactory,
    api_server: Callable[[], ApiServer],
) -> AsyncIterator[World]:
    """A site with one phone and one carrier that is known by its name alone."""
    async with start(door_kind, tmp_path_factory.mktemp(door_kind), api_server, names=names) as world:
        await world.carrier()
        await names.put(NAME, f"A {CARRIER_HOST}")
        extensions, secrets = phones(["101"], permissions=["national"])
        secrets["carrier"] = {"username": "carrier", "password": "secret-of-carrier"}
        trunk = world.trunk(
            host=NAME,
            qualifySeconds=1,
            inbound=[{"did": "+15550100", "to": {"extension": "101"}}],
            outbound=[{"pattern": "_0Z.", "permission": "national"}],
        )
        emergency = {"numbers": ["112"], "trunks": ["carrier"], "callerId": "+15550100"}
        await world.door.apply([world.pbx(emergency=emergency), *extensions, trunk], secrets)
        await world.door.wait_ready()
        yield world


async def test_it_registers_and_answers_at_the_first_start(named: World, names: NameServer) -> None:
    registered = await named.carriers["carrier"].event("register", code=200)
    assert registered["right"]
    await named.door.until("SipTrunk", "carrier", is_true("Registered"))
    await named.door.until("SipTrunk", "carrier", is_true("Reachable"))
    assert (NAME, "A") in names.questions()


@pytest.mark.parametrize("number", ["0301234567", "112"])
async def test_calls_go_out_to_it(named: World, number: str) -> None:
    phone, carrier = await named.registered("101"), named.carriers["carrier"]
    call = await phone.ask("call", number=number)
    assert call["code"] == 200
    assert (await carrier.ask("calls"))["calls"][-1]["number"] == number
    await phone.ask("hangup", call=call["call"])


async def test_calls_come_in_and_leave_by_the_sites_own_address(named: World) -> None:
    """And not from the placeholder on loopback, which Asterisk opened before any transport of the site."""
    phone, carrier = await named.registered("101"), named.carriers["carrier"]
    call = await carrier.ask("call", number="+15550100", uri="contact+number", username="carrier")
    assert call["code"] == 200
    told = (await phone.ask("calls"))["calls"][-1]
    assert told["headers"]["contact"].endswith(f":{named.asterisk.sip_port}>")
    await carrier.ask("hangup", call=call["call"])


async def test_a_name_that_goes_is_told_as_what_it_is_and_heals(named: World, names: NameServer) -> None:
    await names.put(NAME)

    def says(seen: Seen) -> bool:
        found = condition(seen, "Reachable")
        return found["status"] == "False" and found["message"] == f"DNS says that {NAME} does not exist"

    await named.door.until("SipTrunk", "carrier", says)
    assert (await (await named.registered("101")).ask("call", number="0301234567"))["code"] == 503
    await names.put(NAME, f"A {CARRIER_HOST}")
    await named.door.until("SipTrunk", "carrier", is_true("Reachable"))
    phone = await named.registered("101")
    call = await phone.ask("call", number="0301234567")
    assert call["code"] == 200
    await phone.ask("hangup", call=call["call"])
