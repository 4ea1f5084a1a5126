"""One JSON object a line on stdin and stdout: how a test steers a peer that is a process of its own.

A command is ``{"id": 7, "do": "call", "number": "102"}``; its answer ``{"id": 7, "ok": true, ...}`` or
``{"id": 7, "ok": false, "error": "..."}``. Lines without an id are events. The peer ends when stdin ends,
so it never outlives whoever holds the other end.
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol

Answer = Mapping[str, object]


class Command(Protocol):
    """A command's coroutine; its keyword arguments are the fields of the line."""

    async def __call__(self, **fields: Any) -> Answer:
        """Do it."""


def emit(message: Answer) -> None:
    """Write one line to stdout."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


async def serve(commands: Mapping[str, Command]) -> None:
    """Read commands until stdin ends or one is ``quit``; commands run side by side."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        message = json.loads(line)
        if message.get("do") == "quit":
            break
        task = asyncio.create_task(_run(commands, message))
        running.add(task)
        task.add_done_callback(running.discard)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _run(commands: Mapping[str, Command], message: dict[str, Any]) -> None:
    number, name = message.pop("id", None), message.pop("do", "")
    try:
        command = commands[name]
        inspect.signature(command).bind(**message)
        emit({"id": number, "ok": True, **await command(**message)})
    except (KeyError, TypeError, ValueError, OSError) as error:
        emit({"id": number, "ok": False, "error": f"{name}: {type(error).__name__}: {error}"})
