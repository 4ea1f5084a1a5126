"""WebSockets over real connections: who is admitted, what a socket may take, and how it ends."""

import asyncio
import hashlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Scope
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from dialplane.api import server, socket_server
from dialplane.api.problems import Refusal
from dialplane.api.rate_limit import Rate
from dialplane.api.socket_server import listen_for_sockets, serve_sockets
from dialplane.api.tokens import matches
from dialplane.api.websockets import ABORT, Socket, SocketApplication, SocketClosed, SocketEndpoint, SocketLimits
from tests.eventually import eventually

TOKEN = "cabin-token-0123456789"
UNKNOWN = "nobody-has-this-token-9876"
DIGESTS = {"cabin": hashlib.sha256(TOKEN.encode()).digest()}
OFTEN = Rate(10_000, 60)
LIMITS = SocketLimits(each=10_000, opens=OFTEN)
UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: gateway.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n"
)


@dataclass(frozen=True)
class Device:
    name: str


def admit(_: Scope, token: str) -> Device:
    if not matches(token, DIGESTS["cabin"]):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "this token is not known here")
    return Device("cabin")


async def echo(served: Socket[Device]) -> None:
    while True:
        await served.send(await served.receive())


class Gateway:
    """A running server, and what a client says to it."""

    def __init__(self, app: SocketApplication, listening: socket.socket) -> None:
        self.app = app
        self.port = int(listening.getsockname()[1])
        self.task = asyncio.create_task(serve_sockets(app, listening))

    async def opened(self, token: str = TOKEN) -> ClientConnection:
        return await connect(f"ws://127.0.0.1:{self.port}/ws?token={token}", proxy=None, compression=None)

    async def raw(self, target: str = f"/ws?token={TOKEN}", more: str = "") -> "Raw":
        streams = Raw(*await asyncio.open_connection("127.0.0.1", self.port))
        streams.writer.write(UPGRADE.format(target=target, more=more).encode())
        return streams

    async def refused(self, target: str, more: str = "") -> bytes:
        """Every byte of the answer to an upgrade that is refused."""
        return await (await self.raw(target, more)).rest()


@dataclass
class Raw:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def rest(self) -> bytes:
        async with asyncio.timeout(20):
            answer = await self.reader.read(-1)
        self.writer.close()
        return answer

    async def head(self) -> bytes:
        async with asyncio.timeout(20):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def echoed(self, text: bytes) -> bytes:
        """Send a text (masked with zeros) and return the frame that comes back."""
        self.writer.write(bytes((0x81, 0x80 | len(text))) + bytes(4) + text)
        async with asyncio.timeout(20):
            return await self.reader.readexactly(2 + len(text))


@asynccontextmanager
async def gateway(
    serve: Callable[[Socket[Device]], Awaitable[None]] = echo,
    limits: SocketLimits = LIMITS,
    admission: Callable[[Scope, str], Device] = admit,
    failure_rate: Rate = OFTEN,
) -> AsyncIterator[Gateway]:
    app = SocketApplication([SocketEndpoint("/ws", admission, serve, limits)], failure_rate=failure_rate)
    running = Gateway(app, listen_for_sockets("127.0.0.1:0"))
    try:
        yield running
    finally:
        running.task.cancel()
        with suppress(asyncio.CancelledError):
            await running.task


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("/ws", ""),
        (f"/ws?device_id=cabin&token={UNKNOWN}", ""),
        ("/ws", f"Authorization: Bearer {UNKNOWN}\r\n"),
        ("/ws", f"Authorization: Basic {TOKEN}\r\n"),
        (f"/ws?token={TOKEN}", f"Authorization: Bearer {UNKNOWN}\r\n"),
    ],
)
async def test_without_a_right_token_no_socket_is_accepted(
    target: str, more: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway() as running:
        answer = await running.refused(target, more)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"101" not in head.splitlines()[0]
    assert json.loads(body)["detail"] == "this token is not known here"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("target", "more"),
    [
        (f"/ws?token={TOKEN}", ""),
        (f"/ws?device_id=cabin&token={TOKEN}", ""),
        ("/ws", f"authorization: bearer {TOKEN}\r\n"),
    ],
)
async def test_a_right_token_opens_a_socket(target: str, more: str) -> None:
    async with gateway() as running:
        peer = await running.raw(target, more)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert await peer.echoed(b"here") == b"\x81\x04here"
        peer.writer.close()


async def test_what_is_no_upgrade_or_has_no_endpoint_is_refused() -> None:
    async with gateway() as running:
        assert (await running.refused("/elsewhere")).startswith(b"HTTP/1.1 404 ")
        peer = Raw(*await asyncio.open_connection("127.0.0.1", running.port))
        peer.writer.write(b"GET /ws HTTP/1.1\r\nHost: gateway.example.com\r\n\r\n")
        answer = await peer.rest()
        assert answer.startswith(b"HTTP/1.1 426 ")
        assert b"upgrade: websocket" in answer


@pytest.mark.parametrize(
    "more",
    ["X-Long: " + "x" * 9000 + "\r\n", "".join(f"X-{number}: y\r\n" for number in range(100))],
    ids=["bytes", "fields"],
)
async def test_a_head_that_is_too_large_is_refused(more: str) -> None:
    async with gateway() as running:
        answer = await running.refused(f"/ws?token={TOKEN}", more)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the head has more than 8,192 bytes or 64 fields" in answer


async def test_a_head_that_no_websocket_begins_with_ends_the_connection() -> None:
    async with gateway() as running:
        peer = Raw(*await asyncio.open_connection("127.0.0.1", running.port))
        head = UPGRADE.format(target=f"/ws?token={TOKEN}", more="").replace("AAAAAAAAAAAAAAAAAAAAAA==", "short")
        peer.writer.write(head.encode())
        assert (await peer.rest()).startswith(b"HTTP/1.1 400 ")
        await eventually(lambda: running.app.open == 0)


async def test_what_comes_with_the_head_is_not_lost() -> None:
    async with gateway() as running:
        peer = Raw(*await asyncio.open_connection("127.0.0.1", running.port))
        peer.writer.write(UPGRADE.format(target=f"/ws?token={TOKEN}", more="").encode() + b"\x81\x84\0\0\0\0soon")
        await peer.head()
        async with asyncio.timeout(20):
            assert await peer.reader.readexactly(6) == b"\x81\x04soon"
        peer.writer.close()


async def test_an_address_that_only_guesses_is_slowed_down_and_locks_nobody_out() -> None:
    async with gateway(failure_rate=Rate(3, 60)) as running:
        with capture_logs() as logged:
            answers = [await running.refused(f"/ws?token={UNKNOWN}{number}") for number in range(5)]
        assert [answer.split()[1] for answer in answers] == [b"401"] * 3 + [b"429"] * 2
        assert b"retry-after:" in answers[-1].lower()
        assert [entry["event"] for entry in logged] == ["WebSockets without a valid token"]
        async with await running.opened() as peer:
            await peer.send("still let in")
            assert await peer.recv() == "still let in"


async def test_sockets_are_counted_for_each_name_and_for_all() -> None:
    def anybody(_: Scope, token: str) -> Device:
        return Device(token)

    limits = SocketLimits(total=3, each=2, opens=Rate(100, 60))
    async with gateway(limits=limits, admission=anybody) as running:
        first, _ = await running.opened("a"), await running.opened("a")
        with pytest.raises(InvalidStatus) as refusal:
            await running.opened("a")
        assert refusal.value.response.status_code == 429
        await running.opened("b")
        with pytest.raises(InvalidStatus) as refusal:
            await running.opened("c")
        assert refusal.value.response.status_code == 503
        assert refusal.value.response.headers["Retry-After"] == "5"
        await first.close()
        await eventually(lambda: running.app.open == 2)
        await running.opened("c")


async def test_who_opens_sockets_without_end_is_slowed_down() -> None:
    async with gateway(limits=replace(LIMITS, opens=Rate(2, 60))) as running:
        for _ in range(2):
            await (await running.opened()).close()
        with pytest.raises(InvalidStatus) as refusal:
            await running.opened()
        assert refusal.value.response.status_code == 429


async def test_an_open_socket_outlives_an_hour_and_half_a_head_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    real, moved = loop.time, 0.0
    async with gateway() as running:
        peer = await running.raw()
        await peer.head()
        half = Raw(*await asyncio.open_connection("127.0.0.1", running.port))
        half.writer.write(b"GET /ws HTTP/1.1\r\nHost: gate")
        await half.writer.drain()
        assert await peer.echoed(b"before") == b"\x81\x06before"
        monkeypatch.setattr(loop, "time", lambda: real() + moved)
        moved = 3600.0
        assert await half.reader.read(-1) == b""
        half.writer.close()
        assert await peer.echoed(b"after") == b"\x81\x05after"
        peer.writer.close()


async def test_a_slow_head_is_cut_and_an_idle_socket_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(socket_server, "IDLE_SECONDS", 0.3)
    async with gateway() as running:
        peer = await running.raw()
        await peer.head()
        slow = Raw(*await asyncio.open_connection("127.0.0.1", running.port))
        async with asyncio.timeout(20):
            while not slow.reader.at_eof() and slow.reader.exception() is None:
                slow.writer.write(b"G")  # each byte in time, the whole too late
                await asyncio.sleep(0.1)
        slow.writer.close()
        await asyncio.sleep(0.5)
        assert await peer.echoed(b"alive") == b"\x81\x05alive"
        peer.writer.close()


async def test_of_too_many_half_heads_the_oldest_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_server, "HANDSHAKES", 3)
    async with gateway() as running:
        halves = [Raw(*await asyncio.open_connection("127.0.0.1", running.port)) for _ in range(5)]
        for half in halves[:2]:
            with suppress(ConnectionResetError):
                assert await half.rest() == b""
        async with await running.opened() as peer:
            await peer.send("let in")
            assert await peer.recv() == "let in"
        for half in halves:
            half.writer.close()


async def test_hundreds_of_sockets_leave_the_http_api_its_connections() -> None:
    many = server.CONNECTIONS + 50
    listening = server.listen("127.0.0.1:0")
    http = asyncio.create_task(server.serve(PlainTextResponse("served"), listening))
    async with gateway() as running:
        peers = [await running.raw() for _ in range(many)]
        for peer in peers:
            assert b" 101 " in await peer.head()
        assert running.app.open == many
        asking = Raw(*await asyncio.open_connection(*listening.getsockname()))
        asking.writer.write(b"GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
        answer = await asking.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"served")
        assert await peers[0].echoed(b"first") == b"\x81\x05first"
        assert await peers[-1].echoed(b"last") == b"\x81\x04last"
        for peer in peers:
            peer.writer.close()
    http.cancel()
    with suppress(asyncio.CancelledError):
        await http


async def test_the_http_listener_upgrades_nothing() -> None:
    listening = server.listen("127.0.0.1:0")
    http = asyncio.create_task(server.serve(PlainTextResponse("no socket"), listening))
    peer = Raw(*await asyncio.open_connection(*listening.getsockname()))
    peer.writer.write(UPGRADE.format(target="/ws", more="").encode())
    assert (await peer.head()).startswith(b"HTTP/1.1 200 ")
    peer.writer.close()
    http.cancel()
    with suppress(asyncio.CancelledError):
        await http


@pytest.mark.parametrize("largest", [100, 5000], ids=["the listener's limit", "the endpoint's own limit"])
async def test_a_message_that_is_too_large_closes_with_1009(largest: int) -> None:
    limits = replace(LIMITS, message=100)
    app = SocketApplication(
        [
            SocketEndpoint("/ws", admit, echo, limits),
            SocketEndpoint("/pictures", admit, echo, replace(limits, message=largest)),
        ]
    )
    running = Gateway(app, listen_for_sockets("127.0.0.1:0"))
    async with await running.opened() as peer:
        await peer.send("x" * 100)
        assert await peer.recv() == "x" * 100
        await peer.send("ü" * 51)
        with pytest.raises(ConnectionClosedError) as closed:
            await peer.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),
        (b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 2000, 1009),
        (b"\x01\xfe\xea\x60\0\0\0\0" + bytes(60_000) + b"\x80\xfe\xea\x60\0\0\0\0" + bytes(60_000), 1009),
        (b"\x81\x02hi", 1002),
        (b"\xc1\x82\0\0\0\0hi", 1002),
        (b"\x80\x82\0\0\0\0hi", 1002),
        (b"\x01\x82\0\0\0\0hi" + b"\x81\x82\0\0\0\0hi", 1002),
        (b"\x83\x82\0\0\0\0hi", 1002),
        (b"\x09\x80\0\0\0\0", 1002),
    ],
    ids=[
        "no UTF-8",
        "fragments without end",
        "fragments that are too much",
        "unmasked",
        "compressed",
        "a continuation of nothing",
        "a message within a message",
        "unknown",
        "a fragment of a ping",
    ],
)
async def test_what_breaks_the_protocol_is_closed_without_a_line_in_the_log(
    frames: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway() as running:
        peer = await running.raw()
        await peer.head()
        peer.writer.write(frames)
        async with asyncio.timeout(20):
            answer = await peer.reader.readexactly(4)
        assert answer[0] == 0x88
        assert int.from_bytes(answer[2:]) == code
        peer.writer.close()
        await eventually(lambda: running.app.open == 0)
    assert caplog.records == []


async def test_fragments_are_one_message_and_a_ping_between_them_is_answered() -> None:
    async with gateway() as running:
        peer = await running.raw()
        await peer.head()
        peer.writer.write(b"\x01\x82\0\0\0\0he" + b"\x89\x81\0\0\0\0p" + b"\x80\x82\0\0\0\0re")
        async with asyncio.timeout(20):
            assert await peer.reader.readexactly(9) == b"\x8a\x01p\x81\x04here"
        peer.writer.write(b"\x88\x82\0\0\0\0" + (1001).to_bytes(2))
        assert await peer.rest() == b"\x88\x02" + (1001).to_bytes(2)


async def test_messages_are_handed_on_as_they_come_until_the_socket_is_closed() -> None:
    seen: list[str | bytes] = []
    codes = []

    async def take_each(served: Socket[Device]) -> None:
        def take(message: str | bytes) -> None:
            seen.append(message)
            assert served.send_now("taken")

        try:
            await served.listen(take)
        except SocketClosed as closed:
            codes.append(closed.code)
            assert not served.send_now("late")
            raise

    async with gateway(take_each) as running:
        async with await running.opened() as peer:
            await peer.send("one")
            await peer.send(b"two")
            assert [await peer.recv(), await peer.recv()] == ["taken", "taken"]
        await eventually(lambda: running.app.open == 0)
    assert (seen, codes) == (["one", b"two"], [1000])


def stalled(running: Gateway) -> socket.socket:
    """A peer that never reads what it is sent."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", running.port))
    peer.sendall(UPGRADE.format(target=f"/ws?token={TOKEN}", more="").encode())
    return peer


def transport_of(served: Socket[Device]) -> asyncio.Transport:
    transport: asyncio.Transport = served.scope["state"][ABORT].__self__
    return transport


def is_gone(transport: asyncio.Transport) -> bool:
    return bool(transport.get_extra_info("socket").fileno() == -1)


async def test_a_peer_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()
    sent = 0
    transports = []

    async def push(served: Socket[Device]) -> None:
        nonlocal sent
        transports.append(transport_of(served))
        try:
            while True:
                await served.send(b"x" * 4096)
                sent += 4096
        except SocketClosed:
            ended.set()
            raise

    monkeypatch.setattr(socket_server, "LOST_SECONDS", 60)  # not by the kernel
    async with gateway(push, replace(LIMITS, send_seconds=0.3)) as running:
        with stalled(running):
            async with asyncio.timeout(20):
                await ended.wait()
            await eventually(lambda: is_gone(transports[0]))
            assert running.app.open == 0
    assert sent < 512 * 1024


async def test_the_kernel_ends_a_peer_that_acknowledges_and_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def push(served: Socket[Device]) -> None:
        while True:
            await served.send(b"x" * 4096)

    monkeypatch.setattr(socket_server, "LOST_SECONDS", 1)
    async with gateway(push, replace(LIMITS, send_seconds=3600)) as running:
        with stalled(running):
            await eventually(lambda: running.app.open == 1)
            await eventually(lambda: running.app.open == 0)


async def flood(peer: socket.socket, frame: bytes) -> None:
    peer.setblocking(False)
    async with asyncio.timeout(20):
        while True:
            await asyncio.get_running_loop().sock_sendall(peer, frame * 100)


async def test_a_peer_that_pings_and_does_not_read_is_cut_off() -> None:
    async with gateway() as running:
        with stalled(running) as peer, pytest.raises((ConnectionResetError, BrokenPipeError)):
            await flood(peer, b"\x89\xfd\0\0\0\0" + bytes(125))
        await eventually(lambda: running.app.open == 0)


async def fail_after_a_message(served: Socket[Device]) -> None:
    await served.receive()
    raise ValueError("a bug")


async def fail_with_a_message(served: Socket[Device]) -> None:
    def fail(_: str | bytes) -> None:
        raise ValueError("a bug")

    await served.listen(fail)


@pytest.mark.parametrize("fail", [fail_after_a_message, fail_with_a_message])
async def test_what_fails_in_an_endpoint_closes_with_1011_and_is_logged_once(
    fail: Callable[[Socket[Device]], Awaitable[None]],
) -> None:
    async with gateway(fail) as running:
        with capture_logs() as logged:
            async with await running.opened() as peer:
                await peer.send("x")
                with pytest.raises(ConnectionClosedError) as closed:
                    await peer.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert [entry["event"] for entry in logged] == ["a WebSocket failed"]


async def test_an_endpoint_of_several_tasks_ends_quietly_with_its_socket() -> None:
    async def both(served: Socket[Device]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(echo(served))
            tasks.create_task(asyncio.sleep(3600))

    async with gateway(both) as running:
        with capture_logs() as logged:
            await (await running.opened()).close()
            await eventually(lambda: running.app.open == 0)
    assert logged == []


async def test_a_stop_closes_with_1012_within_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async def push(served: Socket[Device]) -> None:
        while True:
            await served.send(b"x" * 4096)

    async def hang(served: Socket[Device]) -> None:
        with suppress(SocketClosed):
            await served.receive()
        await asyncio.sleep(3600)

    left = []

    async def leave_a_little(served: Socket[Device]) -> None:
        transport = transport_of(served)
        while not transport.get_write_buffer_size():
            await served.send(b"x" * 4096)
            await asyncio.sleep(0.1 if transport.get_write_buffer_size() else 0)  # the kernel may take it yet
        left.append(transport)
        await served.receive()

    endless = replace(LIMITS, send_seconds=3600)
    app = SocketApplication(
        [
            SocketEndpoint("/ws", admit, hang, LIMITS),
            SocketEndpoint("/push", admit, push, endless),
            SocketEndpoint("/little", admit, leave_a_little, endless),
        ]
    )
    running = Gateway(app, listen_for_sockets("127.0.0.1:0"))
    peer = await running.opened()
    unread = [await running.raw(f"{path}?token={TOKEN}") for path in ("/push", "/little")]
    for each in unread:
        each.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await eventually(lambda: app.open == 3 and len(left) == 1)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    assert loop.time() - begun < 1.5  # a second, and what a busy machine adds
    await peer.wait_closed()
    assert peer.close_code == 1012
    assert app.open == 0
    assert is_gone(left[0])
    assert caplog.records == []
    for each in unread:
        each.writer.close()


async def test_no_token_is_logged_or_left_in_the_scope(caplog: pytest.LogCaptureFixture) -> None:
    scopes: list[Scope] = []

    def noting(scope: Scope, token: str) -> Device:
        scopes.append(scope)
        return admit(scope, token)

    async def fail(served: Socket[Device]) -> None:
        raise ValueError(str(served.scope))

    async with gateway(fail, admission=noting) as running:
        await running.refused("/else")
        caplog.set_level(logging.INFO, "uvicorn.error")  # where uvicorn logs paths with their queries
        with capture_logs() as logged:
            await (await running.raw(f"/ws?device_id=cabin&Token=&token={TOKEN}&%74oken={TOKEN}")).rest()
            await (await running.raw("/ws", f"Authorization: Bearer {TOKEN}\r\n")).rest()
            answers = await running.refused(f"/ws?token={UNKNOWN}") + await running.refused(f"/else?token={UNKNOWN}")
            answers += await running.refused("/ws", f"Authorization: Bearer {UNKNOWN}\r\n")
    shown = f"{caplog.text} {[repr(entry) for entry in logged]} {scopes} {answers!r}"
    assert TOKEN not in shown
    assert UNKNOWN not in shown
    assert any(entry["event"] == "a WebSocket failed" for entry in logged)


def test_the_sockets_of_a_listener_keep_little_and_are_probed() -> None:
    with (
        listen_for_sockets("127.0.0.1:0") as listening,
        socket.create_connection(listening.getsockname(), timeout=10),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * socket_server.BUFFER
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == socket_server.LOST_SECONDS * 1000
