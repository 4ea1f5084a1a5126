"""A command that restarts Asterisk, such as `systemctl restart asterisk`: the supervisor of a site on one box.

It runs without a shell, and without Dialplane's own variables, since those hold passwords. What it prints goes to the
log.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Final

import structlog

from dialplane.reconcile.ports import SupervisorError

_OWN: Final = ("ASTERISK_", "DIALPLANE_")
_SHOWN: Final = 2_000
"""Bytes of its output that are logged, the last ones."""
_END_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.1

_LOG = structlog.get_logger("dialplane.restart")


class RestartCommand:
    """The `ports.Supervisor` that is a command and its arguments."""

    def __init__(self, argv: Sequence[str], *, limit_seconds: float = 110.0) -> None:
        """Run `argv`, and end it (it alone, not what it started) after `limit_seconds`."""
        self._argv = tuple(argv)
        self._limit = limit_seconds

    async def check(self) -> None:
        """See `ports.Supervisor`."""
        if shutil.which(self._argv[0]) is None:
            raise SupervisorError(f"--restart-command: there is no program {self._argv[0]}: correct it, then ask anew")

    async def restart(self) -> None:
        """See `ports.Supervisor`. Asterisk may hold the output open for ever: only the command's own end counts."""
        try:
            code = await self._run()
        except OSError as error:
            raise SupervisorError(f"the restart command cannot be run: {error.strerror}") from error
        if code is None:
            message = f"the restart command did not end within {self._limit:g} s and was ended; the log has its output"
            raise SupervisorError(message)
        if code:
            raise SupervisorError(f"the restart command ended with {code}; the log has its output")

    async def _run(self) -> int | None:
        """The exit code; None where it was ended."""
        with tempfile.TemporaryFile() as output:
            # Not asyncio's: that one kills the command when the controller ends.
            process = subprocess.Popen(  # noqa: ASYNC220, S603 -- waits for nothing; it is the owner's own command
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={k: v for k, v in os.environ.items() if not k.startswith(_OWN)},
                start_new_session=True,
            )
            code = await _end_of(process, self._limit)
            if code is None:
                process.terminate()
                if await _end_of(process, _END_SECONDS) is None:
                    process.kill()
                    await _end_of(process, _END_SECONDS)
            _tell(output, code)
            return code


async def _end_of(process: subprocess.Popen[bytes], limit: float) -> int | None:
    """The exit code; None where it still runs after `limit` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            while process.poll() is None:  # noqa: ASYNC110 -- no event tells of a process that is not asyncio's
                await asyncio.sleep(_LOOK_SECONDS)
    return process.returncode


def _tell(output: IO[bytes], code: int | None) -> None:
    length = output.seek(0, os.SEEK_END)
    output.seek(max(0, length - _SHOWN))
    log = _LOG.warning if code != 0 else _LOG.info
    log("restart command", code=code, output=output.read().decode(errors="replace").strip())
