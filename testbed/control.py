"""One JSON object a line: how a test, or a person, steers a peer that is a process of its own.

A command is ``{"id": 7, "do": "call", "number": "102"}``; its answer ``{"id": 7, "ok": true, ...}`` or
``{"id": 7, "ok": false, "error": "..."}``. Lines without an id are events. On stdin and stdout
(:func:`serve`) the peer ends when stdin ends, so it never outlives whoever holds the other end;
:func:`listen` takes the same commands on a loopback port, where no events are told.
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from testbed.ports import LOOPBACK

_LINE_LIMIT = 16 << 20  # bytes of one command

Answer = Mapping[str, object]
Command = Callable[..., Awaitable[Answer]]
"""A command's coroutine; its keyword arguments are the fields of the line."""


def emit(message: Answer) -> None:
    """Write one line to stdout."""
    sys.stdout.write(_line(message))
    sys.stdout.flush()


async def serve(commands: Mapping[str, Command]) -> None:
    """Read commands until stdin ends or one is ``quit``; commands run side by side."""
    reader = asyncio.StreamReader(limit=_LINE_LIMIT)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await _serve(commands, reader, emit)


async def listen(commands: Mapping[str, Command], port: int) -> asyncio.Server:
    """Take commands on a TCP port of loopback until the server is closed; 0 takes any port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(commands, reader, lambda answer: writer.write(_line(answer).encode()), to_the_end=True)
        finally:
            writer.close()

    return await asyncio.start_server(connected, LOOPBACK, port, limit=_LINE_LIMIT)


async def _serve(
    commands: Mapping[str, Command],
    reader: asyncio.StreamReader,
    reply: Callable[[Answer], None],
    *,
    to_the_end: bool = False,
) -> None:
    """Run commands as they come; `to_the_end` also those of somebody who leaves without waiting for the answer."""
    running: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        message = json.loads(line)
        if message.get("do") == "quit":
            break
        task = asyncio.create_task(_run(commands, message, reply))
        running.add(task)
        task.add_done_callback(running.discard)
    if not to_the_end:
        for task in running:
            task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _run(commands: Mapping[str, Command], message: dict[str, Any], reply: Callable[[Answer], None]) -> None:
    number, name = message.pop("id", None), message.pop("do", "")
    try:
        command = commands[name]
        inspect.signature(command).bind(**message)
        reply({"id": number, "ok": True, **await command(**message)})
    except (KeyError, TypeError, ValueError, OSError) as error:
        reply({"id": number, "ok": False, "error": f"{name}: {type(error).__name__}: {error}"})


def _line(message: Answer) -> str:
    return json.dumps(message, separators=(",", ":")) + "\n"
