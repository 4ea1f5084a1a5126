"""A peer that speaks AMI byte for byte and misbehaves as told: for faults that no real Asterisk shows on demand."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress

SECRET = "s3cret-that-nobody-may-see"
BOOTED = b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 61\r\nLastReload: 61\r\n\r\n"
Fields = dict[str, str]
Behaviour = Callable[["OddPeer", Fields], Awaitable[None]]


class OddPeer:
    """One connection as the peer sees it; `behaviour` is called with each action after the login."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, action: Fields, *lines: str, kind: str = "Response: Success") -> None:
        await self.send("\r\n".join([kind, f"ActionID: {action['ActionID']}", *lines, "", ""]).encode())

    async def read(self) -> Fields:
        block = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        return dict(line.split(": ", 1) for line in block.strip().split("\r\n"))

    def cut(self) -> None:
        self.writer.transport.abort()

    async def log_in(self) -> None:
        await self.send(b"Asterisk Call Manager/11.0.0\r\n")
        challenge = await self.read()
        await self.answer(challenge, "Challenge: 4711")
        login = await self.read()
        assert login["Key"] == hashlib.md5(f"4711{SECRET}".encode()).hexdigest()  # noqa: S324 -- AMI's
        await self.answer(login, "Message: Authentication accepted")
        await self.send(BOOTED)


@asynccontextmanager
async def odd_peer(
    behaviour: Behaviour | None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[AmiAddress, list[Fields]]]:
    """Listen; yields the address and the list of every action received after the login. None: not even a greeting."""
    seen: list[Fields] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = OddPeer(reader, writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            if behaviour is None:
                await reader.read()
                return
            await peer.log_in()
            while True:
                action = await peer.read()
                seen.append(action)
                await behaviour(peer, action)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        port = server.sockets[0].getsockname()[1]
        yield AmiAddress("127.0.0.1", "dialplane", SecretStr(SECRET), port), seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
