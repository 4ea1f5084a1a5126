"""Processes of the product that start at once: forked from a server that has imported it, once for all.

To import it takes over a second of processor time, again at each start. What is forked is a process all the same, with
an environment, a directory and output of its own: it is stopped and killed, and its exit code read. What runs under
another program, by another loader or with other libraries is started by :class:`testbed.process.Child`.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module, reload
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from testbed.process import Child, die_with_parent

PRELOADED = [
    *("alembic.command", "apprise", "httpx", "psycopg"),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite"),
    *(
        "dialplane.cli.commands.operator",
        "dialplane.cli.commands.run",
        "dialplane.kube.operator",
        "dialplane.reconcile.site",
    ),
]
"""What the server imports, of which a process has one: set before the first is forked. It is what `run` and `operator`
import at their start. Of services the libraries alone: that they bring their modules, with their metrics, is for the
tests to see."""
_ENVIRONMENT_READ_BY = ("kubernetes.aio.config.kube_config",)
"""What reads the environment when it is imported, and shall read that of the new process."""
_LOOK_SECONDS = 0.01

is_on = False
"""Whether the product is forked. Tests turn it on; what measures it, or shows it to a person, does not."""


@dataclass
class ForkedProcess:
    """A forked process, as :class:`Child` sees one."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        """Its process id."""
        pid = self.process.pid
        if pid is None:
            raise RuntimeError("it was not started")
        return pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.process.exitcode

    async def wait(self) -> int:
        """Wait for its end."""
        while self.process.exitcode is None:  # noqa: ASYNC110 -- another process ends: no event of ours
            await asyncio.sleep(_LOOK_SECONDS)
        return self.process.exitcode


async def program(
    name: str,
    module: str,
    arguments: Sequence[str] = (),
    *,
    output: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> Child:
    """Run ``python -m MODULE ARGUMENTS``, as a fork where that is on; the module's `main` takes the arguments."""
    if is_on:
        return await child(name, f"{module}:main", arguments, output=output, env=env or {}, cwd=cwd)
    return await Child.start(name, [sys.executable, "-m", module, *arguments], output=output, env=env, cwd=cwd)


async def child(
    name: str, entry: str, arguments: Sequence[str], *, output: Path, env: Mapping[str, str], cwd: Path
) -> Child:
    """Start it as :func:`start` does, for those who run in an event loop."""
    start_it = partial(start, entry, arguments, output=output, env=env, cwd=cwd)
    return Child(name, ForkedProcess(await asyncio.to_thread(start_it)), output)


def start(
    entry: str, arguments: Sequence[str], *, output: Path, env: Mapping[str, str], cwd: Path
) -> ForkServerProcess:
    """Call ``entry``, such as ``dialplane.cli:main``, with the arguments in a process of its own.

    Its session is its own, and it ends with this process. ``env`` is added to this process's environment.
    """
    task = (entry, list(arguments), str(output), {**os.environ, **env}, str(cwd))
    process = server().Process(target=_run, args=task, daemon=True)
    process.start()
    # Until it has a session of its own it could not be stopped with what it starts.
    while process.exitcode is None and not _leads_its_group(process.pid):
        time.sleep(_LOOK_SECONDS)
    return process


def _leads_its_group(pid: int | None) -> bool:
    try:
        return pid is not None and os.getpgid(pid) == pid
    except ProcessLookupError:
        return True


@cache
def server() -> ForkServerContext:
    """Return what starts forked processes."""
    context = ForkServerContext()
    context.set_forkserver_preload(PRELOADED)
    return context


def _run(entry: str, arguments: list[str], output: str, environment: dict[str, str], cwd: str) -> None:
    die_with_parent()
    sink = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)
    os.setsid()  # after the output is there: who started it waits for the session, and may read at once
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(cwd)
    random.seed()
    for name in _ENVIRONMENT_READ_BY:
        reload(import_module(name))
    sys.argv = [entry, *arguments]
    module, _, function = entry.partition(":")
    getattr(import_module(module), function)(arguments)
