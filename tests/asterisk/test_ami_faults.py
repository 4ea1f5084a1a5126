"""What a connection guarantees when the peer misbehaves."""

import asyncio
import logging
import socket
import ssl
import subprocess
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from dialplane.asterisk import ami as ami_module
from dialplane.asterisk.ami import IN_FLIGHT, Ami, AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Down, Up
from dialplane.asterisk.errors import (
    ActionRefused,
    ActionTimeout,
    AuthenticationRefused,
    ConnectionLost,
    LineRefused,
    NotBooted,
    PermissionMissing,
    Unreachable,
)
from dialplane.asterisk.message import Event, Gap, Response
from tests.asterisk.odd_peer import SECRET, Fields, OddPeer, odd_peer


async def silent(peer: OddPeer, action: Fields) -> None:
    """Answer nothing."""


async def obliging(peer: OddPeer, action: Fields) -> None:
    await peer.answer(action, f"Message: {action['Action']} done")


def listed(action: Fields, *events: str, end: str = "") -> bytes:
    """The bytes of a list."""
    head = f"ActionID: {action['ActionID']}\r\n"
    blocks = [f"Response: Success\r\n{head}EventList: start\r\n", *(f"{e}\r\n{head}" for e in events)]
    return "\r\n".join([*blocks, *([f"{end}\r\n{head}EventList: Complete\r\n"] if end else []), ""]).encode()


async def test_a_character_split_over_two_packets_survives() -> None:
    async def split(peer: OddPeer, action: Fields) -> None:
        whole = f"Response: Success\r\nActionID: {action['ActionID']}\r\nValue: é€😀\r\n\r\n".encode()
        for byte in whole:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)

    async with odd_peer(split) as (address, _), Ami.connect(address) as ami:
        assert (await ami.action("Getvar", Variable="x"))["Value"] == "é€😀"


async def test_bytes_that_are_not_utf_8_come_back_as_they_were() -> None:
    async def latin(peer: OddPeer, action: Fields) -> None:
        await peer.send(
            b"Response: Success\r\nActionID: " + action["ActionID"].encode() + b"\r\nValue: M\xfcller\r\n\r\n"
        )

    async with odd_peer(latin) as (address, _), Ami.connect(address) as ami:
        value = (await ami.action("Getvar", Variable="x"))["Value"]
        assert value.encode("utf-8", "surrogateescape") == b"M\xfcller"


async def test_an_unanswered_action_fails_in_time_and_others_go_on() -> None:
    async def forgetful(peer: OddPeer, action: Fields) -> None:
        if action["Action"] != "Slow":
            await obliging(peer, action)

    async with odd_peer(forgetful) as (address, _), Ami.connect(address) as ami:
        slow, fast = await asyncio.gather(ami.action("Slow", timeout=1), ami.action("Fast"), return_exceptions=True)
        assert isinstance(slow, ActionTimeout)
        assert str(slow) == "Slow: no answer within 1 s"
        assert isinstance(fast, Response)
        assert fast.message == "Fast done"


async def test_an_unanswered_action_in_a_silence_ends_the_connection() -> None:
    """Asterisk has one thread a connection: what hangs there blocks all that follows; a new connection has a new one."""
    async with odd_peer(silent) as (address, _), Ami.connect(address) as ami:
        stuck, behind = await asyncio.gather(
            ami.action("Reload", timeout=0.1), ami.action("CoreStatus", timeout=5), return_exceptions=True
        )
        assert isinstance(stuck, ActionTimeout)
        assert isinstance(behind, ConnectionLost)
        assert "silent: no answer to Reload" in str(await ami.closed())


async def test_the_clock_of_an_action_starts_when_the_one_before_is_answered() -> None:
    async def slow_first(peer: OddPeer, action: Fields) -> None:
        if action["Action"] == "Reload":
            await asyncio.sleep(1.4)
        await obliging(peer, action)

    async with odd_peer(slow_first) as (address, _), Ami.connect(address) as ami:
        await asyncio.gather(ami.action("Reload", timeout=10), ami.action("CoreStatus", timeout=1))


async def test_a_late_answer_is_neither_an_event_nor_anothers_answer() -> None:
    async def late(peer: OddPeer, action: Fields) -> None:
        if action["Action"] == "Slow":
            await peer.send(b"Event: Registry\r\n\r\n")
            await asyncio.sleep(1.2)
            await peer.send(listed(action, "Event: Item", end="Event: SlowComplete"))
        else:
            await obliging(peer, action)

    async with odd_peer(late) as (address, _), Ami.connect(address) as ami:
        with ami.events("Item", "SlowComplete") as events:
            with pytest.raises(ActionTimeout):
                await ami.list("Slow", timeout=0.8)
            assert (await ami.action("Fast")).message == "Fast done"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.1)


async def test_pending_actions_fail_when_the_connection_ends_and_are_never_sent_again() -> None:
    async def cut_at_third(peer: OddPeer, action: Fields) -> None:
        if action["Action"] == "Originate3":
            peer.cut()

    async with odd_peer(cut_at_third) as (address, seen), AsteriskLink(address, first_wait=0.01) as link:
        ami = await link.up()
        results = await asyncio.gather(*(ami.action(f"Originate{i}") for i in range(1, 4)), return_exceptions=True)
        assert [type(r) for r in results] == [ConnectionLost] * 3
        with pytest.raises(ConnectionLost):
            await ami.action("After")
        again = await link.up()
        assert again is not ami
        await asyncio.sleep(0.1)
        assert [a["Action"] for a in seen] == ["Originate1", "Originate2", "Originate3"]


async def test_a_list_cut_in_the_middle_fails() -> None:
    async def cut(peer: OddPeer, action: Fields) -> None:
        await peer.send(listed(action, "Event: Item\r\nName: 1", "Event: Item\r\nName: 2"))
        peer.cut()

    async with odd_peer(cut) as (address, _), Ami.connect(address) as ami:
        with pytest.raises(ConnectionLost):
            await ami.list("Items")
        assert isinstance(await ami.closed(), ConnectionLost)


async def test_an_error_inside_a_list_is_raised_at_its_end_with_what_came() -> None:
    async def broken(peer: OddPeer, action: Fields) -> None:
        refusal = "Response: Error\r\nMessage: Unable to format 2\n"
        await peer.send(listed(action, "Event: Item\r\nName: 1", refusal, end="Event: ItemsComplete"))

    async with odd_peer(broken) as (address, _), Ami.connect(address) as ami:
        with pytest.raises(ActionRefused, match="Items: Unable to format 2") as refused:
            await ami.list("Items")
        assert [item["Name"] for item in refused.value.items] == ["1"]


@pytest.mark.parametrize(
    ("answer", "items"),
    [("Response: Error\r\nMessage: No Contacts found\n", 0), ("Response: Success\r\nMessage: There are no users", 0)],
)
async def test_an_empty_list_is_no_error(answer: str, items: int) -> None:
    async def empty(peer: OddPeer, action: Fields) -> None:
        kind, *rest = answer.split("\r\n")
        await peer.answer(action, *rest, kind=kind)

    async with odd_peer(empty) as (address, _), Ami.connect(address) as ami:
        assert len(await ami.list("Items")) == items


async def test_a_missing_permission_is_told_apart() -> None:
    async def deny(peer: OddPeer, action: Fields) -> None:
        await peer.answer(action, "Message: Permission denied", kind="Response: Error")

    async with odd_peer(deny) as (address, _), Ami.connect(address) as ami:
        with pytest.raises(PermissionMissing, match="Originate: Permission denied"):
            await ami.action("Originate")


async def test_a_silent_peer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami_module, "_PING_AFTER", 0.1)
    monkeypatch.setattr(ami_module, "_PING_LIMIT", 0.2)
    async with odd_peer(silent) as (address, seen), Ami.connect(address) as ami:
        async with asyncio.timeout(10):
            assert "silent" in str(await ami.closed())
        assert [a["Action"] for a in seen] == ["Ping"]


def test_silence_is_noticed_within_twenty_seconds_but_answers_after_ten_are_none() -> None:
    assert ami_module._PING_AFTER + ami_module._PING_LIMIT <= 20
    assert min(ami_module._PING_LIMIT, ami_module.ANSWER_WITHIN) >= 15


async def test_the_kernel_looks_for_a_dead_peer_while_a_long_action_runs() -> None:
    async with odd_peer(silent) as (address, _), Ami.connect(address) as ami:
        assert ami._wire.transport is not None
        connection = ami._wire.transport.get_extra_info("socket")
        read = [
            connection.getsockopt(socket.IPPROTO_TCP, o)
            for o in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert read[0] + read[1] * read[2] <= 15


async def test_a_silent_login_fails_in_time() -> None:
    async with odd_peer(None) as (address, _):
        with pytest.raises(Unreachable, match=r"no AMI within 0\.2 s"):
            async with Ami.connect(address, timeout=0.2):
                pass


async def test_what_is_no_asterisk_is_refused() -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await reader.read()

    server = await asyncio.start_server(http, "127.0.0.1", 0)
    async with server:
        address = AmiAddress("127.0.0.1", "u", SecretStr("s"), server.sockets[0].getsockname()[1])
        with pytest.raises(Unreachable, match="does not speak AMI"):
            async with Ami.connect(address):
                pass


async def test_nobody_there() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: "):
        async with Ami.connect(AmiAddress("127.0.0.1", "u", SecretStr("s"), 1)):
            pass


async def test_a_refused_login() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = OddPeer(reader, writer)
        await peer.send(b"Asterisk Call Manager/11.0.0\r\n")
        await peer.answer(await peer.read(), "Challenge: 1")
        await peer.answer(await peer.read(), "Message: Authentication failed", kind="Response: Error")

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        address = AmiAddress("127.0.0.1", "bob", SecretStr(SECRET), server.sockets[0].getsockname()[1])
        with pytest.raises(AuthenticationRefused, match="user 'bob': Authentication failed") as refused:
            async with Ami.connect(address):
                pass
        assert SECRET not in repr(refused.value)


async def test_an_asterisk_that_never_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.asterisk.odd_peer.BOOTED", b"")
    async with odd_peer(silent) as (address, _):
        with pytest.raises(NotBooted, match="no FullyBooted within"):
            async with Ami.connect(address, timeout=1):
                pass


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b", "x" * 1_000, "é" * 500])
async def test_what_no_line_can_carry_is_refused_before_it_is_sent(value: str) -> None:
    async with odd_peer(obliging) as (address, seen), Ami.connect(address) as ami:
        with pytest.raises(LineRefused) as refused:
            await ami.action("UserEvent", Value=value)
        assert value not in str(refused.value)
        assert seen == []


async def test_many_actions_are_in_flight_but_not_all() -> None:
    waiting: list[Fields] = []

    async def hoard(peer: OddPeer, action: Fields) -> None:
        waiting.append(action)
        if len(waiting) >= IN_FLIGHT or action["Action"] == "Last":
            assert len(waiting) <= IN_FLIGHT
            for one in waiting:
                await obliging(peer, one)
            waiting.clear()

    async with odd_peer(hoard) as (address, seen), Ami.connect(address) as ami:
        await asyncio.gather(*(ami.action("Getvar", Variable=str(i)) for i in range(4 * IN_FLIGHT)))
        assert len(seen) == 4 * IN_FLIGHT


async def test_a_slow_consumer_gets_a_gap_and_then_the_newest() -> None:
    async def flood(peer: OddPeer, action: Fields) -> None:
        for i in range(100):
            await peer.send(f"Event: Registry\r\nNumber: {i}\r\n\r\nEvent: TestEvent\r\nState: x\r\n\r\n".encode())
        await obliging(peer, action)

    async with odd_peer(flood) as (address, _), Ami.connect(address) as ami:
        with ami.events(limit=10) as events:
            await ami.action("Go")
            got = await events.batch()
        assert got[0] == Gap(90)
        assert [e["Number"] for e in got[1:] if isinstance(e, Event)] == [str(i) for i in range(90, 100)]


async def test_a_flood_neither_grows_memory_nor_stops_answers() -> None:
    async def flood(peer: OddPeer, action: Fields) -> None:
        if action["Action"] != "Go":
            return await obliging(peer, action)
        burst = b"Event: Newchannel\r\nChannel: PJSIP/101-00000001\r\nUniqueid: 1.2\r\n\r\n" * 500
        for _ in range(40):
            await peer.send(burst)
        return await obliging(peer, action)

    async with odd_peer(flood) as (address, _), Ami.connect(address) as ami:
        with ami.events(limit=1000):
            await ami.action("Ping")
            tracemalloc.start()
            began = time.process_time()
            await ami.action("Go", timeout=30)
            taken, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 20_000_000
    assert taken < 4  # seconds of CPU for 20,000 events: at least the 5,000 a second of a busy Asterisk, traced


async def test_subscriptions_end_with_the_connection() -> None:
    async def cut(peer: OddPeer, _: Fields) -> None:
        await peer.send(b"Event: Registry\r\nNumber: 1\r\n\r\nEvent: Shutdown\r\nRestart: False\r\n\r\n")

    async with odd_peer(cut) as (address, _), Ami.connect(address) as ami:
        with ami.events("Registry") as events, pytest.raises(ConnectionLost, match="shuts down"):
            await ami.action("Go")
        assert [e.name async for e in events if isinstance(e, Event)] == ["Registry"]


async def test_a_link_comes_back_and_tells() -> None:
    async def cut(peer: OddPeer, _: Fields) -> None:
        peer.cut()

    async with odd_peer(cut) as (address, _):
        link = AsteriskLink(address, first_wait=0.01, longest_wait=0.05)
        assert isinstance(link.state, Down)
        async with link:
            told: list[type] = []
            async for state in link.changes():
                told.append(type(state))
                if isinstance(state, Up):
                    with pytest.raises(ConnectionLost):
                        await state.ami.action("Go")
                if len(told) >= 5:
                    break
        assert told in ([Down, Up, Down, Up, Down], [Down, Up, Down, Down, Up])
        with pytest.raises(Unreachable):
            _ = link.ami


async def test_no_secret_in_any_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def leak(peer: OddPeer, action: Fields) -> None:
        await peer.answer(action, "Password: hunter2")
        peer.cut()

    caplog.set_level(logging.DEBUG)
    async with odd_peer(leak) as (address, _), Ami.connect(address) as ami:
        answer = await ami.action("PJSIPShowAuths")
        assert answer["Password"] == "hunter2"
        assert "hunter2" not in repr(answer)
        await ami.closed()
        assert SECRET not in repr(address)
    assert SECRET not in caplog.text
    assert "hunter2" not in caplog.text


async def test_tls_is_checked(tmp_path: Path) -> None:
    certificate, key = tmp_path / "peer.crt", tmp_path / "peer.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=asterisk"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*request, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with odd_peer(obliging, tls=context) as (address, _):
        trusting = replace(address, tls=True, certificate_authority=certificate)
        async with Ami.connect(trusting) as ami:
            assert (await ami.action("Over")).message == "Over done"
        with pytest.raises(Unreachable, match="certificate verify failed"):
            async with Ami.connect(replace(address, tls=True)):
                pass
        with pytest.raises(Unreachable, match="No such file"):
            async with Ami.connect(replace(trusting, certificate_authority=tmp_path / "none.crt")):
                pass
