"""A peer of ours as a process: it takes commands and tells events (:mod:`testbed.control` is its other end)."""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.ports import LOOPBACK
from testbed.process import StoppedEarlyError, die_with_parent, tail

_LINE_LIMIT = 64 << 20  # bytes; a list of thousands of messages is one line


class PeerError(RuntimeError):
    """A peer could not do what it was asked."""


class PeerProcess:
    """One ``python -m testbed.MODULE`` and the line to it; start one with :meth:`launch`, end it with :meth:`stop`.

    ``events`` holds every event since the start, ``address`` is where it listens.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.name, self._process, self._errors = name, process, errors
        self.events: list[dict[str, Any]] = []
        self.address: tuple[str, int] = (LOOPBACK, 0)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def launch(
        cls,
        module: str,
        log: Path,
        options: Mapping[str, str],
        *,
        name: str,
        host: str = LOOPBACK,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start ``testbed.MODULE`` with ``options`` and wait until it is ready.

        Args:
            module: below ``testbed``.
            log: file that its stderr is appended to; the folder is made.
            options: long options without the dashes; no secrets, everybody on the machine can read them.
            name: for messages of errors.
            host: where it was told to listen.
            environment: added to this process's environment.

        Raises:
            StoppedEarlyError: it ended by itself.
            TimeoutError: it was not ready within 15 s; it has been stopped.
        """
        await asyncio.to_thread(log.parent.mkdir, parents=True, exist_ok=True)
        given = [f"--{option}={value}" for option, value in options.items()]  # a value may begin with a dash
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"testbed.{module}", *given),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **(environment or {}), "PYTHONPATH": str(Path(__file__).parent.parent)},
                start_new_session=True,
                preexec_fn=die_with_parent,
                limit=_LINE_LIMIT,
            )
        peer = cls(name, process, log)
        try:
            ready = await peer.event("ready", limit_seconds=15)
        except BaseException:
            await peer.stop()
            raise
        peer.address = (host, int(ready["port"]))
        return peer

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def ask(self, command: str, *, limit_seconds: float = 45, **fields: Any) -> dict[str, Any]:
        """Send one command and return its answer.

        Raises:
            PeerError: the command failed.
            StoppedEarlyError: the peer has ended.
            TimeoutError: no answer in time.
        """
        if self._process.stdin is None or self._process.returncode is not None:
            raise StoppedEarlyError(f"{self.name} has ended\n{tail(self._errors)}")
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, "do": command, **fields}).encode() + b"\n")
        try:
            async with asyncio.timeout(limit_seconds):
                answer = dict(await future)
        finally:
            self._waiting.pop(number, None)
        if not answer.pop("ok"):
            raise PeerError(f"{self.name}: {answer['error']}")
        answer.pop("id")
        return answer

    async def event(self, name: str, *, limit_seconds: float = 10, after: int = 0, **fields: Any) -> dict[str, Any]:
        """The first event ``name`` with these fields, at index ``after`` of ``events`` or later."""
        wanted = {"event": name, **fields}
        try:
            async with asyncio.timeout(limit_seconds):
                while True:
                    for event in self.events[after:]:
                        if wanted.items() <= event.items():
                            return event
                    if self._task.done():
                        raise StoppedEarlyError(f"{self.name} has ended\n{tail(self._errors)}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = "\n".join(map(str, self.events[-10:]))
            raise TimeoutError(f"{self.name}: no {wanted} within {limit_seconds:g} s; last events\n{seen}") from None

    async def stop(self) -> None:
        """End it without a word to anybody (no BYE, no un-REGISTER)."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(3):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._task

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 -- it was started with a pipe
        while line := await self._process.stdout.readline():
            message = json.loads(line)
            future = self._waiting.get(message.get("id", 0))
            if future is None:
                self.events.append(message)
            elif not future.done():
                future.set_result(message)
            self._changed.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(StoppedEarlyError(f"{self.name} has ended\n{tail(self._errors)}"))
        self._changed.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
