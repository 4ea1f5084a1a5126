"""One simulated device: it connects, sends heartbeats, answers commands, and comes back when its connection ends."""

import asyncio
import random
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from websockets.uri import parse_uri

from testbed.devices.behaviour import ACK, Behaviour
from testbed.devices.connection import Connection
from testbed.devices.messages import frame, heartbeat
from testbed.devices.records import Records, message

CONNECT_SECONDS: Final = 30.0
"""How long a connection may take until it is let in or refused."""
_UNSAID: Final = 64
"""Answers that a device keeps until it is connected again."""
_ROOM: Final = 2048
"""Bytes that the kernel takes in for a device that reads nothing; it doubles them."""
_END_STATES: Final = {"results": "succeeded", "rejects": "rejected", "fails": "failed"}


@dataclass
class Surroundings:
    """What all devices share."""

    records: Records
    beat: Callable[["Device", Connection, float], None]
    """Has a connection send its next heartbeat after so many seconds."""
    targets: list[tuple[str, int]] = field(default_factory=list)
    """Where gateways listen; each connection goes to one of them by chance."""
    tls: ssl.SSLContext | None = None
    chance: random.Random = field(default_factory=random.Random)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Device:
    """One device. `wanted` says whether it is to be connected."""

    __slots__ = (
        "_around",
        "_asked_at",
        "_attempts",
        "_beat",
        "_connecting",
        "_connection",
        "_host",
        "_late",
        "_timer",
        "_unsaid",
        "behaviour",
        "codes",
        "name",
        "statuses",
        "token",
        "wanted",
    )

    def __init__(self, around: Surroundings, name: str, token: str, behaviour: Behaviour, host: str) -> None:
        """`host` is the address that it connects from; empty: any."""
        self._around = around
        self._attempts = 0
        self._asked_at = 0.0
        self._beat = heartbeat(name)
        self._connecting = False
        self._connection: Connection | None = None
        self._host = host
        self._late: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsaid: list[bytes] = []
        self.name = name
        self.token = token
        self.behaviour = behaviour
        self.codes: list[int] = []
        """The close codes of its connections."""
        self.statuses: list[int] = []
        """Why it was not let in."""
        self.wanted = False

    @property
    def open(self) -> bool:
        """Whether it is connected."""
        return self._connection is not None and self._connection.open

    def connect(self, after: float) -> None:
        """Connect after so many seconds, unless it is connected then."""
        self.wanted = True
        self._later(after)

    def disconnect(self, how: str, after: float | None) -> None:
        """End the connection by `close`, `abort` or `vanish`; come back after so many seconds, or not at all (None)."""
        self.wanted = False
        connection = self._connection
        if connection is not None:
            if how == "vanish":
                connection.vanish()
                self._connection, self._late = None, connection
            else:
                connection.close() if how == "close" else connection.abort()
        if after is not None:
            self.wanted = True
            self._later(after)

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._connection is not None:
            self._connection.write(data)

    def beat(self, connection: Connection) -> None:
        """Send a heartbeat over a connection that is still its own, and see to the next one."""
        if connection is not self._connection or not connection.open or not self.behaviour.interval:
            return
        self._around.records.heartbeats += 1
        self._asked_at = asyncio.get_running_loop().time()
        connection.write(self._beat)
        behaviour = self.behaviour
        swing = 1 + behaviour.jitter * (2 * self._around.chance.random() - 1)
        self._around.beat(self, connection, behaviour.interval * swing)

    def opened(self) -> None:
        """See `Owner`."""
        self._attempts = 0
        self._around.records.connects += 1
        behaviour, connection = self.behaviour, self._connection
        if not self.wanted and connection is not None:
            connection.abort()  # it was to disconnect meanwhile
            return
        if behaviour.hello is not None:
            self.write(frame({"type": "hello", "firmware": behaviour.firmware, "capabilities": list(behaviour.hello)}))
        while self._unsaid:
            self.write(self._unsaid.pop(0))
        if behaviour.interval and connection is not None:
            self._around.records.heartbeats += 1
            self._asked_at = asyncio.get_running_loop().time()
            connection.write(self._beat)
            self._around.beat(self, connection, behaviour.interval * self._around.chance.random())

    def ponged(self) -> None:
        """See `Owner`."""
        self._around.records.pongs += 1
        self._around.records.answers.append(asyncio.get_running_loop().time() - self._asked_at)

    def received(self, text: str) -> None:
        """See `Owner`."""
        kind, fields = message(text)
        if kind == "pong":
            self.ponged()
        elif kind == "command":
            self._around.records.arrived(self.name, fields)
            self._answer(fields)
        else:
            self._around.records.other[kind] += 1

    def ended(self, connection: Connection, *, status: int | None, code: int) -> None:
        """See `Owner`."""
        if status is None:
            self._around.records.closed[code] += 1
            self.codes.append(code)
        else:
            self._around.records.refused[status] += 1
            self.statuses.append(status)
        if connection is self._connection:
            self._connection = None
            self._back_off()

    def _back_off(self) -> None:
        behaviour = self.behaviour
        if self.wanted and behaviour.reconnects:
            pause = min(behaviour.back_off * 2**self._attempts, behaviour.back_off_most)
            self._attempts = min(self._attempts + 1, 16)
            self._later(pause * (0.5 + self._around.chance.random()))

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        if self.wanted and self._connection is None and not self._connecting:
            self._connecting = True
            task = asyncio.create_task(self._connect())
            self._around.tasks.add(task)
            task.add_done_callback(self._around.tasks.discard)

    async def _connect(self) -> None:
        around, loop = self._around, asyncio.get_running_loop()
        host, port = around.chance.choice(around.targets)
        secret = "" if self.behaviour.header else f"&token={quote(self.token, safe='')}"
        uri = parse_uri(f"ws://{host}:{port}/ws?device_id={quote(self.name, safe='')}{secret}")
        token = self.token if self.behaviour.header else ""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if not self.behaviour.reads:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            if self._host:
                sock.bind((self._host, 0))
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(sock, (host, port))
                connection = Connection(self, uri, token, reads=self.behaviour.reads)
                self._connection = connection
                name = host if around.tls else None
                await loop.create_connection(lambda: connection, sock=sock, ssl=around.tls, server_hostname=name)
        except OSError:
            sock.close()
            around.records.unreachable += 1
            self._connection = None
            self._back_off()
        else:
            loop.call_later(CONNECT_SECONDS, _give_up, connection)
        finally:
            self._connecting = False

    def _answer(self, command: dict[str, Any]) -> None:
        behaviour = self.behaviour
        if behaviour.hello is not None and ACK in behaviour.hello and behaviour.answers != "nothing":
            number = command.get("id")
            self._say({"type": "command_ack", "id": number})
            if state := _END_STATES.get(behaviour.answers):
                self._say({"type": "command_result", "id": number, "state": state, "result": {"uptime": 7}})
        if behaviour.picture and command.get("payload") == "SNAPSHOT":
            self._say({"type": "snapshot", "device_id": self.name, "payload": behaviour.picture})

    def _say(self, fields: dict[str, Any]) -> None:
        """Send it in a while."""
        if self.behaviour.after:
            asyncio.get_running_loop().call_later(self.behaviour.after, self._tell, frame(fields))
        else:
            self._tell(frame(fields))

    def _tell(self, data: bytes) -> None:
        """Send it now, or as soon as it is connected again."""
        if self.open:
            self.write(data)
        elif len(self._unsaid) < _UNSAID:
            self._unsaid.append(data)


def _give_up(connection: Connection) -> None:
    if connection.waits:
        connection.abort()
