"""A bounded pool of worker processes for speech: what costs more than a moment of processor time runs there.

A worker is started when it is first needed, and serves several answers and texts at once. Guarantees: `open` refuses at
once when too much is asked; every job ends within its time limit; a worker that dies or hangs fails the jobs that it
had, is started again for the next one, and nothing else notices. What callers say passes only through pipes.
"""

import asyncio
import itertools
import json
import math
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import structlog

from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.speech.worker_frames import HEADER, LONGEST, WorkerFrame, packed, packed_json

log = structlog.get_logger(__name__)

MODULE: Final = "dialplane.services.voicebot.speech.worker"
MOST_JOBS: Final = 32
"""Of one worker: it decodes about that many streams on one core."""
MOST_UNREAD: Final = 1 << 20
"""Bytes of audio that a worker is behind; 32 seconds of one caller."""
START_LIMIT: Final = 10.0
STOP_LIMIT: Final = 2.0
_TOO_MUCH: Final = "this machine has more speech to work on than it can: lower maxConcurrentCalls, or add bot replicas"
_GONE: Final = "the worker process for speech ended; the next answer gets another one"
_LATE: Final = "the worker process for speech did not answer in time: this machine is overloaded"

Message = tuple[WorkerFrame, bytes]


@dataclass(eq=False)
class WorkerJob:
    """One answer that is recognised, or one text that is spoken."""

    _worker: "_Worker"
    number: int
    _messages: asyncio.Queue[Message | SpeechError] = field(default_factory=asyncio.Queue)
    on_partial: Callable[[Mapping[str, Any]], None] = lambda _: None
    _over: bool = False

    def write(self, audio: bytes) -> None:
        """Send audio; a worker that is too far behind fails the job. Never waits."""
        if self._over:
            return
        if self._worker.unsent > MOST_UNREAD:
            self.fail(SpeechError(SpeechFault.BUSY, _TOO_MUCH))
            return
        for start in range(0, len(audio), LONGEST):
            self._worker.send(packed(self.number, WorkerFrame.AUDIO, audio[start : start + LONGEST]))

    def finish(self) -> None:
        """Say that no more audio comes. Never waits."""
        if not self._over:
            self._worker.send(packed(self.number, WorkerFrame.FINISH))

    async def receive(self, *, limit: float) -> Message:
        """Return the next frame of the worker.

        Raises:
            SpeechError: the worker failed, or did not answer within `limit` seconds.
        """
        try:
            async with asyncio.timeout(limit):
                message = await self._messages.get()
        except TimeoutError:
            self._worker.kill()
            raise SpeechError(SpeechFault.TIMEOUT, _LATE) from None
        if isinstance(message, SpeechError):
            raise message
        return message

    async def audio(self, *, limit: float) -> AsyncGenerator[bytes, None]:
        """Yield audio until the job is done, each piece within `limit` seconds.

        Raises:
            SpeechError: as `receive`.
        """
        while True:
            kind, payload = await self.receive(limit=limit)
            if kind is WorkerFrame.DONE:
                return
            yield payload

    def close(self) -> None:
        """Drop it. What is over is left alone. Never waits."""
        if not self._over:
            self._end()
            self._worker.send(packed(self.number, WorkerFrame.CLOSE))

    def fail(self, error: SpeechError) -> None:
        """Let `receive` raise an error."""
        self.close()
        self._messages.put_nowait(error)

    def take(self, kind: WorkerFrame, payload: bytes) -> None:
        """Take a frame of the worker."""
        match kind:
            case WorkerFrame.PARTIAL:
                self.on_partial(json.loads(payload))
            case WorkerFrame.FAULT:
                self._end()
                fault = json.loads(payload)
                self._messages.put_nowait(SpeechError(SpeechFault(fault["fault"]), fault["message"]))
            case _:
                if kind is WorkerFrame.DONE:
                    self._end()
                self._messages.put_nowait((kind, payload))

    def lose(self) -> None:
        """Fail: the worker has ended."""
        if not self._over:
            self._end()
            self._messages.put_nowait(SpeechError(SpeechFault.UNAVAILABLE, _GONE))

    def _end(self) -> None:
        self._over = True
        self._worker.jobs.pop(self.number, None)


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.jobs: dict[int, WorkerJob] = {}
        self.is_alive = True
        self.answers_until = math.inf
        """When an answer is overdue, by the loop's clock: whoever waits for it may have gone."""
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, environment: Mapping[str, str]) -> Self:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", MODULE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
        )
        return cls(process)

    @property
    def unsent(self) -> int:
        assert self._process.stdin is not None  # noqa: S101 -- started with a pipe
        return self._process.stdin.transport.get_write_buffer_size()

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 -- started with a pipe
        if self.is_alive and not self._process.stdin.is_closing():
            self._process.stdin.write(data)

    def kill(self) -> None:
        """End a worker that hangs: its jobs fail, and it gets no other."""
        self.is_alive = False
        with suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        await self._reading

    async def _read(self) -> None:
        output = self._process.stdout
        assert output is not None  # noqa: S101 -- started with a pipe
        try:
            while True:
                length, number, kind = HEADER.unpack(await output.readexactly(HEADER.size))
                payload = await output.readexactly(length)
                self.answers_until = math.inf
                if (job := self.jobs.get(number)) is not None:
                    job.take(WorkerFrame(kind), payload)
        except asyncio.IncompleteReadError:
            pass
        finally:
            self.is_alive = False
            for job in tuple(self.jobs.values()):
                job.lose()
            status = await self._process.wait()
            if status:
                log.warning("speech.worker.ended", status=status)


class SpeechWorkers:
    """The pool. It belongs to one event loop."""

    def __init__(self, size: int | None = None, *, environment: Mapping[str, str] | None = None) -> None:
        """Prepare it; nothing is started yet.

        Args:
            size: processes at most; by default one for two processors.
            environment: further variables of theirs, such as `DIALPLANE_FLITE`.
        """
        self._size = size or max(1, (os.cpu_count() or 1) // 2)
        self._environment = dict(environment or {})
        self._workers: list[_Worker] = []
        self._starting = asyncio.Lock()
        self._numbers = itertools.count(1)

    @property
    def processes(self) -> tuple[int, ...]:
        """The ids of those that run."""
        return tuple(worker._process.pid for worker in self._workers if worker.is_alive)  # noqa: SLF001 -- its own

    @property
    def jobs(self) -> int:
        """How many jobs are open."""
        return sum(len(worker.jobs) for worker in self._workers)

    async def open(
        self,
        work: str,
        request: Mapping[str, Any],
        *,
        on_partial: Callable[[Mapping[str, Any]], None] = lambda _: None,
        limit: float = START_LIMIT,
    ) -> WorkerJob:
        """Begin a job, and return when a worker has begun it.

        Args:
            work: `recognise` or `speak`.
            request: what it needs, as JSON.
            on_partial: hears what is understood so far.
            limit: seconds until it begins.

        Raises:
            SpeechError: too much is asked, the worker cannot do it, or not in time.
        """
        worker = await self._least_busy()
        if len(worker.jobs) >= MOST_JOBS:
            raise SpeechError(SpeechFault.BUSY, _TOO_MUCH)
        job = WorkerJob(worker, next(self._numbers), on_partial=on_partial)
        worker.jobs[job.number] = job
        worker.answers_until = min(worker.answers_until, asyncio.get_running_loop().time() + limit)
        worker.send(packed_json(job.number, WorkerFrame.OPEN, {"work": work, **request}))
        try:
            await job.receive(limit=limit)
        except BaseException:
            job.close()
            raise
        return job

    async def close(self) -> None:
        """End all workers, whatever they do. Never raises."""
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.stop() for worker in workers), return_exceptions=True)

    async def _least_busy(self) -> _Worker:
        async with self._starting:
            for worker in self._workers:
                if worker.answers_until < asyncio.get_running_loop().time():
                    worker.kill()
            self._workers = [worker for worker in self._workers if worker.is_alive]
            least = min(self._workers, key=lambda worker: len(worker.jobs), default=None)
            if least is None or (least.jobs and len(self._workers) < self._size):
                try:
                    least = await _Worker.start(self._environment)
                except OSError as error:
                    raise SpeechError(
                        SpeechFault.UNAVAILABLE, f"no process for speech can be started: {error.strerror}"
                    ) from None
                self._workers.append(least)
            return least

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()
