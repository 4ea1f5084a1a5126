"""Which reloads a change asks for, and how Asterisk ends them."""

import asyncio

import pytest

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionTimeout, ReloadUnfinished
from dialplane.asterisk.reload import _MODEMS, _MODULE, Reloads, ReloadStatus, reload, reloads_for
from dialplane.plan.objects import Objects
from dialplane.plan.render import FILES
from tests.asterisk.odd_peer import Fields, OddPeer, odd_peer
from tests.asterisk.real_asterisk import Pbx

REGISTRATION, IDENTIFY = "res_pjsip_outbound_registration.so", "res_pjsip_endpoint_identifier_ip.so"


@pytest.mark.parametrize(
    ("changed", "modules", "restart"),
    [
        ([], (), ()),
        (["pjsip_auth.conf", "pjsip_identify.conf", "pjsip_registration.conf"], ("res_pjsip.so",), ()),
        (["pjsip_registration.conf", "pjsip_identify.conf"], (IDENTIFY, REGISTRATION), ()),
        (["extensions.conf", "pjsip_aor.conf"], ("res_pjsip.so", "pbx_config.so"), ()),
        (
            ["quectel.conf", "extensions.conf", "dongle.conf"],
            ("pbx_config.so", "chan_dongle.so", "chan_quectel.so"),
            (),
        ),
        (["voicemail.conf", "rtp.conf"], ("app_voicemail.so", "res_rtp_asterisk.so"), ()),
        (["cdr.conf"], ("cdr",), ()),
        (["pjsip_system.conf"], ("res_pjsip.so",), ("pjsip_system.conf",)),
        (["http.conf"], ("http",), ("http.conf",)),
        (["keys/acme.crt"], (), ("keys/acme.crt",)),
    ],
)
def test_the_fewest_reloads(changed: list[str], modules: tuple[str, ...], restart: tuple[str, ...]) -> None:
    assert reloads_for(changed) == Reloads(modules, restart)


def test_every_file_of_a_plan_is_covered() -> None:
    for name in FILES:
        assert reloads_for([name]).modules, name


def test_an_unknown_file_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"surprise\.conf"):
        reloads_for(["surprise.conf"])


@pytest.mark.asyncio(loop_scope="module")
async def test_asterisk_knows_every_module_and_can_reload_it(pbx: Pbx) -> None:
    results = [await reload(pbx.ami, module) for module in sorted({*_MODULE.values()} - {*_MODEMS})]
    assert {r.module: r.status for r in results if not r.succeeded} == {}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_driver_that_is_not_there_is_not_found(pbx: Pbx) -> None:
    assert [(await reload(pbx.ami, module)).status for module in sorted(_MODEMS)] == [ReloadStatus.NOT_FOUND] * 2


@pytest.mark.parametrize(
    ("refusal", "status"), [("Invalid value of When", ReloadStatus.ERROR), ("", ReloadStatus.DONE)]
)
async def test_a_driver_is_told_by_its_own_action_and_in_its_own_time(refusal: str, status: ReloadStatus) -> None:
    async def driver(peer: OddPeer, action: Fields) -> None:
        if action["Action"] == "QuectelShowDevices":
            await peer.answer(action, "EventList: start", "Message: Device status list will follow")
            end = f"Event: QuectelShowDevicesComplete\r\nActionID: {action['ActionID']}\r\nEventList: Complete\r\n\r\n"
            await peer.send(end.encode())
        else:
            await peer.answer(action, f"Message: {refusal}", kind=f"Response: {'Error' if refusal else 'Success'}")

    async with odd_peer(driver) as (address, seen), Ami.connect(address) as ami:
        assert (await reload(ami, "chan_quectel.so")).status is status
    told = [(a["Action"], a.get("When")) for a in seen]
    assert told[0] == ("QuectelReload", "gracefully")
    assert {action for action, _ in told[1:]} <= {"QuectelShowDevices"}


async def test_a_driver_that_does_not_answer_is_given_up() -> None:
    async def silent(_: OddPeer, __: Fields) -> None:
        """Says nothing."""

    async with odd_peer(silent) as (address, _), Ami.connect(address) as ami:
        with pytest.raises(ReloadUnfinished):
            await reload(ami, "chan_dongle.so", timeout=0.1)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("module", "status"), [("nosuch.so", ReloadStatus.NOT_FOUND), ("app_dial.so", ReloadStatus.UNSUPPORTED)]
)
async def test_other_ends_of_a_reload(pbx: Pbx, module: str, status: ReloadStatus) -> None:
    result = await reload(pbx.ami, module)
    assert (result.status, result.succeeded) == (status, False)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_identify_and_registration_modules_read_their_file_alone(pbx: Pbx) -> None:
    await pbx.hold(Objects())  # without a transport, Asterisk refuses a registration
    uris = "server_uri=sip:127.0.0.1:1\nclient_uri=sip:a@127.0.0.1:1\n"
    pbx.asterisk.write("dialplane/pjsip_registration.conf", f"[r]\ntype=registration\n{uris}")
    await reload(pbx.ami, REGISTRATION)
    assert [e["ObjectName"] for e in await pbx.ami.list("PJSIPShowRegistrationsOutbound")] == ["r"]
    pbx.asterisk.write("dialplane/pjsip_registration.conf", "")
    await reload(pbx.ami, "res_pjsip.so")
    assert await pbx.ami.list("PJSIPShowRegistrationsOutbound") == ()


async def test_one_reload_at_a_time_and_a_hard_limit() -> None:
    running = 0

    async def slow(peer: OddPeer, action: Fields) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.2)
        running -= 1
        if action["Module"] != "stuck.so":
            await peer.send(f"Event: Reload\r\nModule: {action['Module']}\r\nStatus: 1\r\n\r\n".encode())
            await peer.answer(action, "Message: Module Reloaded")

    async with odd_peer(slow) as (address, _), Ami.connect(address) as ami:
        one, two = await asyncio.gather(reload(ami, "a.so"), reload(ami, "b.so"))
        assert one.status == two.status == ReloadStatus.QUEUED
        assert 190 <= one.duration_ms < 1000
        with pytest.raises(ActionTimeout):
            await reload(ami, "stuck.so", timeout=0.1)


async def test_a_reload_under_way_is_waited_for() -> None:
    statuses = iter((4, 4, 0))

    async def busy(peer: OddPeer, action: Fields) -> None:
        await peer.send(f"Event: Reload\r\nModule: x.so\r\nStatus: {next(statuses)}\r\n\r\n".encode())
        await peer.answer(action)

    async with odd_peer(busy) as (address, seen), Ami.connect(address) as ami:
        assert (await reload(ami, "x.so")).succeeded
        assert len(seen) == 3
