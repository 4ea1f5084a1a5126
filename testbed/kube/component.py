"""One program of the control plane: etcd, kube-apiserver, or the CRD server.

Unlike :class:`testbed.process.Child` it belongs to no event loop: an API server is started once and
serves many tests, each with a loop of its own. It dies with this process all the same. The kernel's
signal for that is tied to the *thread* that forked (prctl(2), PR_SET_PDEATHSIG), so every program is
forked by one thread that lives as long as the process; whoever calls :meth:`Component.start` may end.
"""

import functools
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from testbed.process import StoppedEarlyError, die_with_parent, tail

_SECONDS_BETWEEN_QUESTIONS = 0.05


@functools.cache
def _forker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="testbed-forker")


# A forked copy of this process has the object but not its thread; it makes its own.
os.register_at_fork(after_in_child=_forker.cache_clear)


class Component:
    """A program that can be started and stopped again and again; its log keeps the whole history."""

    def __init__(self, name: str, argv: Sequence[str | Path], *, directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._argv = [str(part) for part in argv]
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it does not run."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, ready: Callable[[], bool], *, limit_seconds: float = 60) -> None:
        """Start it, unless it runs, and wait until ``ready`` says so.

        Raises:
            StoppedEarlyError: it ended instead; the message carries the end of its log.
            TimeoutError: it was not ready after ``limit_seconds``, and was stopped; likewise.
        """
        if not self.running:
            self._process = _forker().submit(self._fork).result()
        deadline = time.monotonic() + limit_seconds
        while not ready():
            if not self.running:
                code = self._process.returncode if self._process else None
                raise StoppedEarlyError(f"{self.name} ended with {code}\n{self.tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"{self.name} is not ready after {limit_seconds:g} s\n{self.tail()}")
            time.sleep(_SECONDS_BETWEEN_QUESTIONS)

    def stop(self, *, limit_seconds: float = 5) -> None:
        """Ask it to end (SIGTERM), and kill it after ``limit_seconds``. Returns once it has ended."""
        if self._process is not None and self.running:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(limit_seconds)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would. Returns once it has ended."""
        if self._process is not None:
            if self.running:
                self._process.kill()
            self._process.wait()

    def tail(self) -> str:
        """The end of its log, for the message of an error."""
        return tail(self.log)

    def _fork(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                # Ctrl-C at the terminal is for the tests, which then stop their servers in order.
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 -- it makes one system call and takes no lock
            )
