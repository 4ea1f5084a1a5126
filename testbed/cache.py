"""The user's cache: what was fetched or built once is used for ever, and never half-made.

Three guarantees:

* an artefact is a directory that appears by one ``rename``, after all of it was written and a
  ``.complete`` marker was put inside, so a killed build leaves nothing that looks finished;
* one lock per artefact (``flock``, released by the kernel when its holder dies), so two
  processes never build the same thing, and the second finds the first one's result;
* whoever waits sees why: every step writes a line to stderr, long ones with percent or seconds.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

from testbed.process import die_with_parent

MARKER = ".complete"
_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BEFORE_SILENCE_IS_BROKEN = 10.0
_TAIL_LINES = 25


class BuildError(RuntimeError):
    """A step of the test bed failed; its message carries the end of the program's own output."""


def root() -> Path:
    """The cache directory, ``$XDG_CACHE_HOME/dialplane`` or ``~/.cache/dialplane``, made on demand."""
    base = os.environ.get("XDG_CACHE_HOME")
    path = (Path(base) if base else Path.home() / ".cache") / "dialplane"
    path.mkdir(parents=True, exist_ok=True)
    return path


def progress(message: str) -> None:
    """Tell the person at the terminal, in one line on stderr, what happens."""
    print(f"testbed: {message}", file=sys.stderr, flush=True)


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the lock ``name`` among all processes (and threads) of this user's cache."""
    directory = root() / "locks"
    directory.mkdir(exist_ok=True)
    with (directory / (re.sub(r"[^A-Za-z0-9._+-]", "_", name) + ".lock")).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another process holds {name}, waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def artefact(relative: str, build: Callable[[Path], None]) -> Path:
    """Return the directory ``relative`` of the cache; if it is not complete, ``build`` makes it first.

    ``build`` gets an empty directory beside the final place (same file system) and fills it. It must
    not store that path inside what it writes, for the directory is renamed afterwards.
    """
    path = root() / relative
    if (path / MARKER).exists():
        return path
    with lock(relative):
        if (path / MARKER).exists():
            return path
        partial = path.with_name(f".{path.name}.partial")
        for leftover in (partial, path):
            if leftover.exists():
                _remove(leftover)
        partial.mkdir(parents=True)
        started = time.monotonic()
        build(partial)
        (partial / MARKER).write_text(f"built in {time.monotonic() - started:.0f} s\n")
        partial.rename(path)
        progress(f"{relative}: ready after {time.monotonic() - started:.0f} s")
    return path


def discard(path: Path) -> None:
    """Remove an artefact that only served to make another; the next call that wants it makes it again.

    A process that is killed here leaves nothing that looks complete.
    """
    with lock(str(path.relative_to(root()))):
        doomed = path.with_name(f".{path.name}.partial")
        if path.exists() and not doomed.exists():
            path.rename(doomed)
        if doomed.exists():
            _remove(doomed)


def _remove(path: Path) -> None:
    """Remove a tree even where it holds read-only directories (source packages have them)."""

    def unlock(_function: object, name: str, _error: object) -> None:
        parent = Path(name).parent
        parent.chmod(0o700)
        with suppress(OSError):
            Path(name).chmod(0o700)
        if Path(name).is_dir() and not Path(name).is_symlink():
            shutil.rmtree(name)
        else:
            Path(name).unlink(missing_ok=True)

    shutil.rmtree(path, onerror=unlock)


def run(
    argv: Sequence[str | Path],
    *,
    label: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limit_seconds: float = 1800,
    percent: Callable[[str], float | None] | None = None,
) -> str:
    """Run one program to its end and return what it wrote (stdout and stderr together).

    Args:
        argv: program and arguments, never through a shell.
        label: what the person sees.
        env: the whole environment; by default this process's own.
        cwd: where it runs.
        limit_seconds: after this long the program and its children are killed.
        percent: reads the progress out of one line of output, if the line carries any.

    Raises:
        BuildError: it could not start, failed, or took longer than ``limit_seconds``.
    """
    progress(label)
    started = time.monotonic()
    # A file, not a pipe, takes the output: a child that outlives its parent cannot block the reader.
    with tempfile.TemporaryFile("w+b") as sink:
        try:
            process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 -- it makes one system call and takes no lock
            )
        except OSError as error:
            raise BuildError(f"{label}: {argv[0]} does not start: {error}") from error
        guard = Timer(limit_seconds, lambda: _kill_group(process.pid))
        guard.start()
        try:
            _watch(process, sink.fileno(), label, started, percent)
        except BaseException:
            _kill_group(process.pid)
            process.wait()
            raise
        finally:
            guard.cancel()
        sink.seek(0)
        output = sink.read().decode(errors="replace")
    if process.returncode != 0:
        seconds = time.monotonic() - started
        tail = "\n".join(output.splitlines()[-_TAIL_LINES:])
        raise BuildError(f"{label}: ended with {process.returncode} after {seconds:.0f} s\n{tail}")
    return output


def _watch(
    process: subprocess.Popen[bytes],
    sink: int,
    label: str,
    started: float,
    percent: Callable[[str], float | None] | None,
) -> None:
    """Wait for the end, and say how far it is."""
    offset, last_line, known = 0, started, None
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
            return
        if percent is not None and (fresh := os.pread(sink, 1 << 20, offset)):
            whole = fresh.rfind(b"\n") + 1
            offset += whole
            for line in fresh[:whole].decode(errors="replace").splitlines():
                known = value if (value := percent(line)) is not None else known
        now = time.monotonic()
        pause = _SECONDS_BEFORE_SILENCE_IS_BROKEN if known is None else _SECONDS_BETWEEN_LINES
        if now - last_line >= pause:
            last_line = now
            done = "" if known is None else f"{known:.0f} %, "
            progress(f"{label}: {done}{now - started:.0f} s")


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
