"""A command that restarts Asterisk, such as `systemctl restart asterisk`: the supervisor of a site on one box.

It runs without a shell, and without Dialplane's own variables, since those hold passwords. What it prints goes to the
log.
"""

import asyncio
import os
import shutil
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

_LOG = structlog.get_logger("dialplane.restart")


class RestartCommand:
    """The `ports.Supervisor` that is a command and its arguments."""

    def __init__(self, argv: Sequence[str], *, limit_seconds: float = 90.0) -> None:
        """Run `argv`, and end it (it alone, not what it started) after `limit_seconds`."""
        self._argv = tuple(argv)
        self._limit = limit_seconds

    async def check(self) -> None:
        """See `ports.Supervisor`."""
        if shutil.which(self._argv[0]) is None:
            raise SupervisorError(f"--restart-command: there is no program {self._argv[0]}: correct it, then ask anew")

    async def restart(self) -> None:
        """See `ports.Supervisor`. Asterisk may hold the output open for ever: only the command's own end counts."""
        with tempfile.TemporaryFile() as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={k: v for k, v in os.environ.items() if not k.startswith(_OWN)},
                    start_new_session=True,
                )
            except OSError as error:
                raise SupervisorError(f"the restart command cannot be run: {error.strerror}") from error
            try:
                async with asyncio.timeout(self._limit):
                    code = await process.wait()
            except TimeoutError:
                await _end(process)
                _tell(output, None)
                raise SupervisorError(
                    f"the restart command did not end within {self._limit:g} s and was ended; the log has its output"
                ) from None
            _tell(output, code)
        if code:
            raise SupervisorError(f"the restart command ended with {code}; the log has its output")


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
                return
        process.kill()
        await process.wait()


def _tell(output: IO[bytes], code: int | None) -> None:
    length = output.seek(0, os.SEEK_END)
    output.seek(max(0, length - _SHOWN))
    log = _LOG.warning if code != 0 else _LOG.info
    log("restart command", code=code, output=output.read().decode(errors="replace").strip())
