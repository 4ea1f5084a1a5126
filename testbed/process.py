"""Child processes that never outlive the test that started them.

A child asks the kernel for SIGKILL at its parent's death (prctl(2), PR_SET_PDEATHSIG), so even a killed
test run leaves nothing behind. The kernel means the *thread* that forked: start children from a thread
that lives as long as they shall.
"""

import asyncio
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Run in the child between fork and exec (``preexec_fn``)."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class StoppedEarlyError(RuntimeError):
    """A child ended although it was needed; the message carries the end of its output."""


def tail(output: Path, lines: int = 20) -> str:
    """The last lines a program wrote, for the message of an error; empty before it wrote any."""
    with suppress(FileNotFoundError):
        return "\n".join(output.read_text(errors="replace").splitlines()[-lines:])
    return ""


class Running(Protocol):
    """A process, as asyncio starts it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """Its exit code; None while it runs."""

    async def wait(self) -> int:
        """Wait for its end."""


@dataclass
class Child:
    """One running program whose output goes to a file."""

    name: str
    process: Running
    output: Path

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        output: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Self:
        """Start ``argv`` in a session of its own; ``env`` is added to this process's environment."""
        with output.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        return cls(name, process, output)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    def tail(self, lines: int = 20) -> str:
        """The end of what it wrote."""
        return tail(self.output, lines)

    def check(self) -> None:
        """Raise StoppedEarlyError if it has ended."""
        if not self.running:
            raise StoppedEarlyError(f"{self.name} ended with {self.process.returncode}\n{self.tail()}")

    async def wait(self, limit_seconds: float) -> int:
        """Wait for its own end, and kill it when that takes longer; return the exit status."""
        try:
            async with asyncio.timeout(limit_seconds):
                return await self.process.wait()
        except TimeoutError:
            await self.stop(limit_seconds=0)
            raise TimeoutError(f"{self.name} still ran after {limit_seconds:g} s\n{self.tail()}") from None

    async def stop(self, *, limit_seconds: float = 10, politely: signal.Signals = signal.SIGTERM) -> int:
        """SIGTERM (or ``politely``), after ``limit_seconds`` SIGKILL; the exit status is negative for a signal."""
        if self.running:
            if limit_seconds > 0:
                self._signal(politely)
                with suppress(TimeoutError):
                    async with asyncio.timeout(limit_seconds):
                        return await self.process.wait()
            self._signal(signal.SIGKILL)
        return await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
