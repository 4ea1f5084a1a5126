"""`dialplane` as a process of its own, which is a fork of one that has imported the product already.

A command that starts Python takes half a second of CPU time, of which its imports are nearly all. What tests the start
itself (`tests/cli/test_imports.py`), or signals, starts Python.
"""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryFile

from dialplane.cli.app import main
from testbed import fork

LIMIT = 60
"""Seconds for a command that ends by itself."""


def start(
    arguments: Sequence[str], streams: Sequence[int], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> BaseProcess:
    """Start `dialplane` with these file descriptors as its input, output and errors, and this whole environment."""
    ends = [Connection(os.dup(stream)) for stream in streams]
    around = dict(os.environ if env is None else env)
    started = fork.server().Process(target=_run, args=(arguments, ends, str(cwd or Path.cwd()), around), daemon=True)
    started.start()
    for end in ends:
        end.close()
    return started


def dialplane(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run `dialplane` to its end."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        started = start(arguments, [file.fileno() for file in (given, out, err)], cwd=cwd, env=env)
        started.join(LIMIT)
        if started.exitcode is None:
            started.kill()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        assert started.exitcode is not None, (arguments, *texts)
        return subprocess.CompletedProcess(arguments, started.exitcode, *texts)


def on_a_terminal(*arguments: str, cwd: Path, **env: str) -> str:
    """What a person sees, control sequences included."""
    master, slave = pty.openpty()
    around = {**{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, "TERM": "xterm-256color"}
    started = start(arguments, [slave] * 3, cwd=cwd, env={**around, **env})
    os.close(slave)
    seen = b""
    while select.select([master], [], [], LIMIT)[0]:
        try:
            seen += os.read(master, 65_536)
        except OSError:
            break
    started.join(LIMIT)
    started.kill()
    os.close(master)
    return seen.decode()


def _run(arguments: Sequence[str], streams: Sequence[Connection], cwd: str, env: Mapping[str, str]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 -- for as long as the process runs
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 -- likewise
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115 -- likewise
    main([*arguments])
