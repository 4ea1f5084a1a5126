"""A second, independent pair of eyes on Asterisk: the smallest AMI client that can ask and listen.

The product has its own wrapper; tests that used it to check itself would prove little. Protocol: lines of
``Key: value`` ended by CRLF, a blank line ends a message, the banner is one line (Asterisk's
documentation, "AMI v2 Specification").
"""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

Message = dict[str, str]


class AmiRefusedError(RuntimeError):
    """Asterisk answered ``Response: Error``; the message is Asterisk's own."""


class AmiClient:
    """One logged-in connection; ``events`` fills with everything that answers no action of ours.

    Who sets ``heard`` gets each of these instead, as it comes; who keeps a connection for long must.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Queue[Message]] = {}
        self.events: list[Message] = []
        self.heard: Callable[[Message], None] | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def login(
        cls,
        host: str,
        port: int,
        username: str,
        secret: str,
        *,
        events: bool = True,
        limit_seconds: float = 5,
    ) -> Self:
        """Connect and log in.

        Raises:
            OSError: nobody listens.
            AmiRefusedError: wrong name or secret.
        """
        async with asyncio.timeout(limit_seconds):
            reader, writer = await asyncio.open_connection(host, port)
            client = cls(reader, writer)
            try:
                await reader.readline()
                client._task = asyncio.create_task(client._read())
                await client.action("Login", Username=username, Secret=secret, Events="on" if events else "off")
            except BaseException:
                await client.close()
                raise
        return client

    async def action(self, name: str, *, limit_seconds: float = 10, **fields: str) -> Message:
        """Send one action and return its response; refusals raise AmiRefusedError."""
        return (await self._ask(name, fields, "", limit_seconds))[0]

    async def listed(self, name: str, complete: str, *, limit_seconds: float = 10, **fields: str) -> list[Message]:
        """Send an action that answers with a list; ``complete`` names the event that ends it."""
        return (await self._ask(name, fields, complete, limit_seconds))[1:-1]

    async def event(self, name: str, *, limit_seconds: float = 10, **fields: str) -> Message:
        """Return the first event ``name`` with these fields, past or to come."""
        wanted = {"Event": name, **fields}
        async with asyncio.timeout(limit_seconds):
            while True:
                for message in self.events:
                    if wanted.items() <= message.items():
                        return message
                self._changed.clear()
                await self._changed.wait()

    async def ended(self) -> None:
        """Return when Asterisk is gone."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _ask(self, name: str, fields: dict[str, str], complete: str, limit: float) -> list[Message]:
        number = f"testbed-{next(self._numbers)}"
        queue = self._waiting[number] = asyncio.Queue()
        lines = [
            f"Action: {name}",
            f"ActionID: {number}",
            *(f"{key}: {value}" for key, value in fields.items()),
        ]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        try:
            async with asyncio.timeout(limit):
                answers = [await queue.get()]
                if answers[0].get("Response") == "Error":
                    raise AmiRefusedError(answers[0].get("Message", "no reason given"))
                while complete and answers[-1].get("Event") != complete:
                    answers.append(await queue.get())
                return answers
        finally:
            del self._waiting[number]

    async def _read(self) -> None:
        message: Message = {}
        while line := await self._reader.readline():
            text = line.decode(errors="replace").rstrip("\r\n")
            if text:
                key, _, value = text.partition(": ")
                # Repeated keys (variables, console output) are kept, one to a line.
                message[key] = f"{message[key]}\n{value}" if key in message else value
                continue
            if not message:
                continue  # chan_dongle writes a blank line too many
            queue = self._waiting.get(message.get("ActionID", ""))
            # It bears its action's id, and is no part of its answer: with no telephone it comes right behind.
            if queue is None or message.get("Event") == "OriginateResponse":
                if self.heard is not None:
                    self.heard(message)
                else:
                    self.events.append(message)
                    self._changed.set()
            else:
                queue.put_nowait(message)
            message = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
