"""TCP between the site loop and a real Asterisk's AMI, that misbehaves as told."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from dialplane.reconcile.site import Timing
from testbed.ports import LOOPBACK
from tests.reconcile.site_rig import FAST, Rig

END = b"\r\n\r\n"
TICK = 0.02


class Proxy:
    """Cuts, stalls, delays, swallows, changes and adds; actions pass as bytes, answers and events as whole messages."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        self.cut_on: bytes | None = None
        """Cut every connection, once, after bytes with this in them have passed either way."""
        self.cuts = 0
        self.stall_on: bytes | None = None
        """Stall from these bytes on: connections stay open, nothing passes."""
        self.stalled = False
        self.delay = 0.0
        """Seconds by which every answer and event is late."""
        self.swallow: bytes | None = None
        """Answers to actions with this in them never come; everything else does."""
        self.swallowed = 0
        self.rewrite: tuple[bytes, bytes] | None = None
        """What to replace in what Asterisk says, and by what."""
        self.connections = 0
        self._unwanted: set[bytes] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def flood(self, event: Callable[[int], bytes], rate: int, seconds: float) -> int:
        """Send events of Asterisk's form to every client, at that rate or as fast as they are taken; how many."""
        loop = asyncio.get_running_loop()
        started, sent = loop.time(), 0
        while (passed := loop.time() - started) < seconds:
            due = int(rate * passed)
            burst = b"".join(event(number) for number in range(sent, due))
            for writer in list(self._clients):
                writer.write(burst)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
            sent = due
            await asyncio.sleep(TICK)
        return sent

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        both = {writer, forth}
        self._writers |= both
        self._clients.add(writer)
        ways = [asyncio.create_task(self._forth(reader, forth)), asyncio.create_task(self._back(back, writer))]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for task in ways:
            task.cancel()
        for one in both:
            one.transport.abort()
        self._writers -= both
        self._clients.discard(writer)

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._held(data)
                if self.swallow is not None:
                    for action in data.split(END):
                        if self.swallow in action and (found := re.search(rb"ActionID: (\S+)", action)):
                            self._unwanted.add(found[1])
                writer.write(data)
                await writer.drain()
                self._cut_after(data)

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        rest = await reader.readline()  # the greeting has no end of message
        with contextlib.suppress(OSError):
            writer.write(rest)
            rest = b""
            while data := await reader.read(65536):
                await self._held(data)
                whole, end, rest = (rest + data).rpartition(END)
                said = b"".join(message + END for message in whole.split(END) if self._wanted(message)) if end else b""
                if self.rewrite is not None:
                    said = said.replace(*self.rewrite)
                if self.delay:
                    loop.call_later(self.delay, writer.write, said)
                else:
                    writer.write(said)
                    await writer.drain()
                self._cut_after(data)

    async def _held(self, data: bytes) -> None:
        if self.stall_on is not None and self.stall_on in data:
            self.stalled = True
        while self.stalled:
            await asyncio.sleep(TICK)

    def _wanted(self, message: bytes) -> bool:
        found = re.search(rb"ActionID: (\S+)", message)
        unwanted = found is not None and found[1] in self._unwanted
        self.swallowed += unwanted
        return not unwanted

    def _cut_after(self, data: bytes) -> None:
        if self.cut_on is not None and self.cut_on in data:
            self.cut_on, self.cuts = None, self.cuts + 1
            self.cut()


@asynccontextmanager
async def behind_proxy(directory: Path, timing: Timing = FAST) -> AsyncIterator[tuple[Rig, Proxy]]:
    """A rig whose loop reaches AMI through a proxy; the rig's own ears do not."""
    async with Proxy().run() as proxy, Rig(directory, timing=timing, ami_port=proxy.port) as rig:
        proxy.target = rig.asterisk.settings.ami_port
        yield rig, proxy
