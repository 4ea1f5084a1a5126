import asyncio
import socket
from pathlib import Path

import pytest

from testbed.asterisk import AsteriskInstance
from testbed.sip import Address, Peer, SippPhone

PACKETS_A_SECOND = 50
# By default Asterisk waits up to ten seconds, by chance, before a new registration: max_random_initial_delay.
REGISTRATION = """\
[trunk]
type=registration
transport=udp
server_uri=sip:127.0.0.1:{port}
client_uri=sip:customer@127.0.0.1:{port}
contact_user=customer
outbound_auth=trunk-{word}
expiration=60
max_random_initial_delay=0
retry_interval=1
forbidden_retry_interval=1
fatal_retry_interval=1
max_retries=1000
auth_rejection_permanent=no
line=yes
endpoint=trunk
"""
TRUNK_ENDPOINT = """\
[trunk]
type=endpoint
context=from-trunk
disallow=all
allow=ulaw
outbound_auth=trunk-{word}
aors=trunk
direct_media=no
identify_by=ip
"""
TRUNK_AUTH = "[trunk-{word}]\ntype=auth\nauth_type=digest\nusername=customer\npassword={word}\n"
TRUNK_AOR = "[trunk]\ntype=aor\ncontact=sip:127.0.0.1:{port}\n"


def sip_address(asterisk: AsteriskInstance) -> Address:
    return "127.0.0.1", asterisk.sip_port


def sipp_phone(asterisk: AsteriskInstance, directory: Path, number: str, *, password: str = "") -> SippPhone:
    word = password or f"secret-{number}"
    return SippPhone(directory / f"sipp-{number}-{word}", user=number, password=word, server=sip_address(asterisk))


def write_trunk(asterisk: AsteriskInstance, carrier: Peer, word: str) -> None:
    asterisk.write("dialplane/pjsip_registration.conf", REGISTRATION.format(port=carrier.address[1], word=word))
    for name, text in (("endpoint", TRUNK_ENDPOINT), ("auth", TRUNK_AUTH), ("aor", TRUNK_AOR)):
        path = asterisk.etc / "dialplane" / f"pjsip_{name}.conf"
        kept = path.read_text().partition("[trunk")[0]
        path.write_text(kept + text.format(port=carrier.address[1], word=word))


async def test_two_sipp_phones_register_and_talk_with_rtp_counted_at_both_ends(
    asterisk: AsteriskInstance, tmp_path: Path
) -> None:
    with sipp_phone(asterisk, tmp_path, "101") as caller, sipp_phone(asterisk, tmp_path, "102") as callee:
        assert (await caller.register()).ok
        assert (await callee.register()).ok
        answering = await callee.answer()
        called = await caller.call("102", talk_seconds=2)
        answered = await answering.result()
        assert called.ok, called.errors
        assert answered.ok, answered.errors
        for heard in (called.rtp_received, answered.rtp_received):
            assert heard is not None
            assert 1.5 * PACKETS_A_SECOND < heard < 2.6 * PACKETS_A_SECOND


def ask_by_options(sock: socket.socket, call: str) -> str:
    """The first line of what a phone answers to a server that asks whether it is there."""
    here, there = sock.getsockname(), sock.getpeername()
    lines = (
        f"OPTIONS sip:102@{there[0]}:{there[1]} SIP/2.0",
        f"Via: SIP/2.0/UDP {here[0]}:{here[1]};branch=z9hG4bK{call}",
        f"From: <sip:asterisk@{here[0]}>;tag={call}",
        f"To: <sip:102@{there[0]}>",
        f"Call-ID: {call}",
        "CSeq: 7 OPTIONS",
        "Max-Forwards: 70",
        "Content-Length: 0",
    )
    sock.send("\r\n".join((*lines, "", "")).encode())
    return sock.recv(2000).decode().partition("\r\n")[0]


async def test_a_phone_that_waits_for_a_call_answers_whoever_asks_whether_it_is_there(
    asterisk: AsteriskInstance, tmp_path: Path
) -> None:
    with (
        sipp_phone(asterisk, tmp_path, "101") as caller,
        sipp_phone(asterisk, tmp_path, "102") as callee,
        socket.socket(type=socket.SOCK_DGRAM) as sock,
    ):
        assert (await caller.register()).ok
        assert (await callee.register()).ok
        answering = await callee.answer()
        sock.bind(("127.0.0.1", 0))
        sock.connect(("127.0.0.1", callee.port))
        sock.settimeout(5)
        for call in ("first", "second"):
            assert await asyncio.to_thread(ask_by_options, sock, call) == "SIP/2.0 200 OK"
        called = await caller.call("102", talk_seconds=1)
        assert called.ok, called.errors
        answered = await answering.result()
        assert answered.ok, answered.errors
        assert (answered.rtp_received or 0) > PACKETS_A_SECOND / 2


async def test_an_unregistered_phone_is_not_reached(asterisk: AsteriskInstance, tmp_path: Path) -> None:
    with sipp_phone(asterisk, tmp_path, "101") as caller, sipp_phone(asterisk, tmp_path, "102") as callee:
        assert (await callee.register()).ok
        assert (await callee.unregister()).ok
        refused = await caller.call_refused("102", 404)
        assert refused.ok, refused.errors


async def test_a_wrong_password_neither_registers_nor_calls(asterisk: AsteriskInstance, tmp_path: Path) -> None:
    with sipp_phone(asterisk, tmp_path, "101", password="wrong") as phone:
        assert (await phone.register(final=401)).ok
        assert not (await phone.register(final=200)).ok
        assert (await phone.call_refused("102", 401)).ok


async def test_a_number_that_is_not_there_is_refused(asterisk: AsteriskInstance, tmp_path: Path) -> None:
    with sipp_phone(asterisk, tmp_path, "101") as phone:
        assert (await phone.call_refused("999", 404)).ok
        assert (await phone.options("102", 401)).ok


async def test_two_of_our_phones_hear_each_others_tone(asterisk: AsteriskInstance, tmp_path: Path) -> None:
    server = sip_address(asterisk)
    async with (
        await Peer.phone(tmp_path, user="101", password="secret-101", server=server, hz=440) as one,
        await Peer.phone(tmp_path, user="102", password="secret-102", server=server, hz=660) as two,
    ):
        assert (await one.ask("register"))["code"] == 200
        assert (await two.ask("register"))["code"] == 200
        call = await one.ask("call", number="102")
        assert call["code"] == 200
        await asyncio.sleep(1.5)
        ended = await one.ask("hangup")
        other = await two.event("call", state="ended")
        assert ended["bye"] == 200
        assert ended["heard_hz"] == pytest.approx(660, abs=15)
        assert other["heard_hz"] == pytest.approx(440, abs=15)
        assert other["ended_by"] == "them"
        for each in (ended, other):
            assert each["rtp_sent"] > PACKETS_A_SECOND
            assert each["rtp_received"] > PACKETS_A_SECOND


@pytest.mark.parametrize(("code", "seen"), [(486, 486), (603, 403), (480, 480)])
async def test_a_phone_that_refuses_is_heard_by_the_caller(
    asterisk: AsteriskInstance, tmp_path: Path, code: int, seen: int
) -> None:
    server = sip_address(asterisk)
    async with (
        await Peer.phone(tmp_path, user="101", password="secret-101", server=server) as one,
        await Peer.phone(tmp_path, user="102", password="secret-102", server=server) as two,
    ):
        await two.ask("register")
        await two.ask("answer", code=code)
        assert (await one.ask("call", number="102"))["code"] == seen


async def test_a_caller_who_gives_up_cancels(asterisk: AsteriskInstance, tmp_path: Path) -> None:
    server = sip_address(asterisk)
    async with (
        await Peer.phone(tmp_path, user="101", password="secret-101", server=server) as one,
        await Peer.phone(tmp_path, user="102", password="secret-102", server=server) as two,
    ):
        await two.ask("register")
        await two.ask("answer", ring_seconds=20)
        assert (await one.ask("call", number="102", give_up_seconds=1))["code"] == 487
        assert (await two.event("call", state="ended"))["code"] == 487


async def test_a_trunk_registers_and_is_later_refused(asterisk: AsteriskInstance, tmp_path: Path) -> None:
    async with (
        await Peer.carrier(tmp_path, server=sip_address(asterisk)) as carrier,
        await asterisk.ami() as ami,
    ):
        await carrier.ask("account", username="customer", password="first")
        write_trunk(asterisk, carrier, "first")
        await ami.action("Reload", Module="res_pjsip.so")
        assert (await carrier.event("register"))["right"]
        await ami.event("Registry", Status="Registered")

        await carrier.ask("account", username="customer", password="second")
        seen = len(carrier.events)
        await ami.action("PJSIPRegister", Registration="trunk")
        refused = await carrier.event("register", after=seen)
        assert (refused["right"], refused["code"]) == (False, 403)
        await ami.event("Registry", Status="Rejected")

        seen = len(carrier.events)
        write_trunk(asterisk, carrier, "second")
        await ami.action("Reload", Module="res_pjsip.so")
        assert (await carrier.event("register", after=seen, right=True))["code"] == 200

        await carrier.ask("refuse", code=403)
        seen = len(carrier.events)
        await ami.action("PJSIPRegister", Registration="trunk")
        assert (await carrier.event("register", after=seen))["code"] == 403


async def test_calls_through_the_trunk_in_both_directions(asterisk: AsteriskInstance, tmp_path: Path) -> None:
    server = sip_address(asterisk)
    async with (
        await Peer.carrier(tmp_path, server=server, hz=660) as carrier,
        await Peer.phone(tmp_path, user="101", password="secret-101", server=server, hz=440) as phone,
        await asterisk.ami() as ami,
    ):
        await carrier.ask("account", username="customer", password="word")
        write_trunk(asterisk, carrier, "word")
        await ami.action("Reload", Module="res_pjsip.so")
        await carrier.event("register", code=200)
        await phone.ask("register")

        outbound = await phone.ask("call", number="049123456")
        assert outbound["code"] == 200
        assert (await carrier.event("call", outgoing=False))["number"] == "49123456"
        await asyncio.sleep(1)
        assert (await phone.ask("hangup"))["heard_hz"] == pytest.approx(660, abs=15)

        inbound = await carrier.ask("call", number="4955501", uri="contact+number", username="customer")
        assert inbound["code"] == 200
        await asyncio.sleep(1)
        assert (await carrier.ask("hangup"))["heard_hz"] == pytest.approx(440, abs=15)
        unknown = await carrier.ask("call", number="4955599", uri="contact+number", username="customer")
        assert unknown["code"] == 404
        stranger = await carrier.ask("call", number="4955501", uri="number", from_user="trunk")
        assert stranger["code"] == 401
