"""The simulated devices, at a server of the `websockets` library: what they do, and what they say they lived through."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from testbed.certificates import Authority
from testbed.devices.garbage import frames
from testbed.devices.peer import Devices
from testbed.peer import PeerError
from testbed.ports import LOOPBACK
from tests.eventually import eventually

TOKEN = "token-of-{name}"
UNACKNOWLEDGED, RETRANSMITS = 24, 2
"""Where they stand in `struct tcp_info`."""


class Gateway:
    """What the devices connect to: it answers heartbeats, and keeps what it was told."""

    def __init__(self) -> None:
        self.sockets: dict[str, ServerConnection] = {}
        self.said: list[dict[str, Any]] = []
        self.mute = False

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        query = parse_qs(urlsplit(request.path).query)
        name = query["device_id"][0]
        shown = query.get("token", [request.headers.get("Authorization", "").removeprefix("Bearer ")])[0]
        if shown != TOKEN.replace("{name}", name):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "who are you?\n")
        self.sockets[name] = connection
        return None

    async def serve(self, connection: ServerConnection) -> None:
        try:
            async for text in connection:
                message = json.loads(text)
                if message["type"] == "heartbeat":
                    if not self.mute:
                        await connection.send('{"type":"pong"}')
                else:
                    self.said.append(message)
        except (ConnectionClosed, ValueError):
            pass

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.said if message["type"] == kind]

    async def command(self, device: str, number: str, name: str = "REBOOT", seconds: float = 30) -> None:
        deadline = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        fields = {"type": "command", "id": number, "payload": name, "data": {}, "deadline": deadline}
        await self.sockets[device].send(json.dumps(fields))


@asynccontextmanager
async def listening(gateway: Gateway, **options: Any) -> AsyncIterator[Server]:
    options = {"ping_interval": None, "compression": None, "close_timeout": 1, **options}
    async with serve(gateway.serve, LOOPBACK, 0, process_request=gateway.admit, **options) as server:
        yield server


def address(server: Server) -> str:
    return f"{LOOPBACK}:{next(iter(server.sockets)).getsockname()[1]}"


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[tuple[Gateway, Devices]]:
    gateway = Gateway()
    async with listening(gateway) as server, await Devices.start(directory, address(server)) as devices:
        yield gateway, devices


async def counted(devices: Devices, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    look: Callable[[], Awaitable[dict[str, Any]]] = devices.counts
    return await eventually(look, holds=holds)


async def test_devices_connect_and_send_heartbeats(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        await devices.add("lift", token=TOKEN, count=50, interval=0.2)
        await devices.add("shy", ["shy"], token=TOKEN, interval=0.2, header=True)
        await devices.connect(within=0.2)
        figures = await counted(devices, lambda seen: seen["pongs"] > 150)
        assert figures["open"] == figures["connects"] == 51
        assert figures["closed"] == figures["refused"] == figures["other"] == {}
        latency = await devices.latency()
        assert 0 < latency["p50"] <= latency["p99"]
        assert sorted(gateway.sockets)[:2] == ["lift-00000", "lift-00001"]


async def test_commands_are_counted_by_id_and_answered_as_the_behaviour_says(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        for group, fields in {
            "new": {"hello": ["ack"]},
            "old": {},
            "deaf": {"hello": ["ack"], "answers": "nothing"},
            "stubborn": {"hello": ["ack"], "answers": "rejects"},
        }.items():
            await devices.add(group, [group], token=TOKEN, **fields)
        await devices.connect()
        await counted(devices, lambda seen: seen["pongs"] == 4)
        for device in ("new", "old", "deaf", "stubborn"):
            await gateway.command(device, f"cmd-{device}")
        await gateway.command("old", "cmd-late", seconds=-1)
        await gateway.command("deaf", "cmd-deaf")
        figures = await counted(devices, lambda seen: seen["commands"] == 6)
        assert (figures["repeated"], figures["late"]) == (["cmd-deaf"], 1)
        results = await eventually(lambda: gateway.of("command_result"), holds=lambda seen: len(seen) == 2)
        assert {each["id"]: each["state"] for each in results} == {"cmd-new": "succeeded", "cmd-stubborn": "rejected"}
        assert [each["id"] for each in gateway.of("command_ack")] == ["cmd-new", "cmd-stubborn"]
        assert len(gateway.of("hello")) == 3
        arrivals = await devices.arrivals()
        assert {(each["id"], each["device"], each["name"]) for each in arrivals[1:]} <= {
            *((f"cmd-{device}", device, "REBOOT") for device in ("new", "old", "deaf", "stubborn")),
            ("cmd-late", "old", "REBOOT"),
        }
        assert await devices.arrivals(since=4) == arrivals[4:]


async def test_a_device_says_what_it_is_made_to_say_and_shows_its_picture(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        await devices.add("lift", ["lift"], token=TOKEN, picture="aGVsbG8=")
        await devices.connect()
        await counted(devices, lambda seen: seen["open"] == 1)
        await devices.say("lift", {"type": "alarm"})
        await gateway.command("lift", "cmd-1", "SNAPSHOT")
        said = await eventually(lambda: gateway.said, holds=lambda seen: len(seen) == 2)
        assert said == [
            {"device_id": "lift", "type": "alarm"},
            {"type": "snapshot", "device_id": "lift", "payload": "aGVsbG8="},
        ]


async def test_a_device_comes_back_after_a_close_and_the_code_is_counted(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        await devices.add("lift", ["lift"], token=TOKEN, back_off=0.01)
        await devices.connect()
        await counted(devices, lambda seen: seen["open"] == 1)
        await gateway.sockets["lift"].close(4001, "superseded")
        figures = await counted(devices, lambda seen: seen["connects"] == 2)
        assert figures["closed"] == {"4001": 1}
        await devices.ask("behave", group="lift", reconnects=False)
        gateway.sockets["lift"].transport.abort()
        figures = await counted(devices, lambda seen: seen["closed"].get("1006"))
        assert (figures["open"], figures["connects"]) == (0, 2)
        assert await devices.devices("lift") == [{"name": "lift", "open": False, "closed": [4001, 1006], "refused": []}]


async def test_an_answer_that_found_no_connection_is_given_over_the_next_one(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        await devices.add("lift", ["lift"], token=TOKEN, hello=["ack"], after=0.2, back_off=0.5)
        await devices.connect()
        await counted(devices, lambda seen: seen["pongs"] == 1)
        await gateway.command("lift", "cmd-1")
        await counted(devices, lambda seen: seen["commands"] == 1)
        gateway.sockets["lift"].transport.abort()
        results = await eventually(lambda: gateway.of("command_result"), holds=bool)
        assert ([each["id"] for each in results], (await devices.counts())["connects"]) == (["cmd-1"], 2)


async def test_a_wrong_token_is_a_refusal_that_is_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, devices):
        await devices.add("liar", ["lift"], token="another", back_off=0.01)
        await devices.connect()
        figures = await counted(devices, lambda seen: seen["refused"].get("401", 0) >= 3)
        assert (figures["open"], figures["connects"]) == (0, 0)


async def test_devices_whose_gateway_restarts_are_back(tmp_path: Path) -> None:
    gateway = Gateway()
    async with listening(gateway) as server, await Devices.start(tmp_path, address(server)) as devices:
        await devices.add("lift", token=TOKEN, count=20, back_off=0.05, back_off_most=0.1)
        await devices.connect()
        await counted(devices, lambda seen: seen["open"] == 20)
        server.close(close_connections=False)
        for each in list(server.connections):
            each.transport.abort()
        await server.wait_closed()
        await counted(devices, lambda seen: seen["unreachable"] >= 20)
        async with listening(gateway) as another:
            await devices.targets(address(another))
            figures = await counted(devices, lambda seen: seen["open"] == 20)
            assert (figures["connects"], figures["closed"]) == (40, {"1006": 20})


async def test_a_device_that_reads_nothing_lets_the_server_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        gateway.mute = True
        await devices.add("lift", ["lift"], token=TOKEN, reads=False, interval=0.05)
        await devices.connect()
        await counted(devices, lambda seen: seen["heartbeats"] > 2)
        connection = gateway.sockets["lift"]
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for _ in range(20):
            waiting = asyncio.create_task(connection.send("x" * 100_000))
            await asyncio.wait([waiting], timeout=0.2)
            if not waiting.done():
                break
        assert not waiting.done()
        connection.transport.abort()
        await asyncio.wait([waiting])
        figures = await counted(devices, lambda seen: seen["closed"].get("1006"))  # noticed as it sends
        assert (figures["pongs"], figures["commands"]) == (0, 0)


async def test_a_cut_cable_acknowledges_nothing_and_closes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        await devices.add("lift", ["lift"], token=TOKEN, interval=0.05)
        await devices.connect()
        await counted(devices, lambda seen: seen["pongs"] > 2)
        connection = gateway.sockets["lift"]
        sock = connection.transport.get_extra_info("socket")
        await devices.disconnect("lift", how="vanish")
        await connection.send("are you there?")

        def told() -> tuple[int, int]:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            return struct.unpack_from("I", info, UNACKNOWLEDGED)[0], info[RETRANSMITS]

        await eventually(told, holds=lambda seen: all(count > 0 for count in seen))
        assert not connection.transport.is_closing()
        figures = await devices.counts()
        assert (figures["open"], figures["closed"], figures["other"]) == (0, {}, {})
        await devices.connect("lift")  # mended
        await counted(devices, lambda seen: seen["connects"] == 2)


async def test_two_devices_may_have_one_id_and_addresses_of_their_own(tmp_path: Path) -> None:
    async with world(tmp_path) as (gateway, devices):
        await devices.add("one", ["lift"], token=TOKEN, hosts=["127.0.0.2"])
        await devices.add("two", ["lift"], token=TOKEN, hosts=["127.0.0.3"])
        seen = []
        for group in ("one", "two"):
            await devices.connect(group)
            await eventually(lambda group=group: devices.counts(group), holds=lambda figures: figures["open"] == 1)
            seen.append(gateway.sockets["lift"].remote_address[0])
        assert seen == ["127.0.0.2", "127.0.0.3"]


async def test_random_frames_are_sent_by_devices_that_come_back_for_more(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, devices):
        await devices.add("lift", token=TOKEN, count=3, back_off=0.01, back_off_most=0.02)
        await devices.connect()
        await counted(devices, lambda seen: seen["open"] == 3)
        assert await devices.ask("garbage", group="lift", frames=60) == {"sent": 60}
        figures = await counted(devices, lambda seen: seen["connects"] > 3)
        assert sum(figures["closed"].values()) > 0


def test_random_frames_are_the_same_ones_for_the_same_seed() -> None:
    first, again, other = (list(islice(frames(seed), 200)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


async def test_devices_speak_tls_with_a_gateway_that_is_vouched_for(tmp_path: Path) -> None:
    authority, gateway = Authority.create("test"), Gateway()
    (tmp_path / "authority.pem").write_text(authority.certificate)
    context = authority.vouch(f"IP:{LOOPBACK}").context()
    async with (
        listening(gateway, ssl=context) as server,
        await Devices.start(tmp_path, address(server), authority=tmp_path / "authority.pem") as devices,
    ):
        await devices.add("lift", token=TOKEN, count=3)
        await devices.connect()
        await counted(devices, lambda seen: seen["pongs"] == 3)


async def test_a_wrong_command_is_an_error_that_names_it(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, devices):
        with pytest.raises(PeerError, match="disconnect: ValueError: how=gently: it must be close, abort or vanish"):
            await devices.disconnect(how="gently")
        with pytest.raises(PeerError, match="speed"):
            await devices.add("lift", ["lift"], token=TOKEN, speed=3)
