"""One Asterisk for the tests of a worker, emptied between them: a start costs more than what most tests do with it."""

import asyncio
import itertools
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from testbed.ami import AmiClient, AmiRefusedError
from testbed.asterisk import AsteriskInstance, Bootstrap

RTP_PORTS: Final = 240
FAMILIES: Final = ("registrar", "dpo", "dpsms", "dpreport", "dpussd")
"""What tests leave in Asterisk's database."""
MODULES: Final = (
    "res_pjsip.so",
    "pbx_config.so",
    "app_voicemail.so",
    "res_rtp_asterisk.so",
    "res_musiconhold.so",
    "app_queue.so",
    "features",
    "cdr",
    "cdr_csv.so",
    "res_ari.so",
)
"""What reads the rendered files."""
WITHIN: Final = 10.0


class KeptError(RuntimeError):
    """An Asterisk still has endpoints that its files do not."""


class SharedAsterisk:
    """Lends an Asterisk with nothing in it; enter it to begin, leave it to stop what is idle."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        self._idle: AsteriskInstance | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def usable(self) -> bool:
        """Whether this is the event loop that its processes belong to."""
        return self._loop is asyncio.get_running_loop()

    async def borrow(self) -> AsteriskInstance:
        """One that runs, and serves nobody."""
        idle, self._idle = self._idle, None
        if idle is not None and idle.running:
            return idle
        fresh = made(self._directory / str(next(self._numbers)))
        await fresh.start()
        return fresh

    async def give_back(self, asterisk: AsteriskInstance) -> None:
        """Empty it for the next test; one that cannot be emptied is closed."""
        if asterisk.running and self._idle is None:
            with suppress(OSError, EOFError, AmiRefusedError, KeptError):  # a TimeoutError is an OSError
                await _empty(asterisk)
                self._idle = asterisk
                return
        await asterisk.close()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._idle is not None:
            await self._idle.close()


def made(directory: Path, bootstrap_files: Bootstrap | None = None) -> AsteriskInstance:
    """An Asterisk with room for the calls of any test here, not started yet."""
    return AsteriskInstance(directory, rtp_ports=RTP_PORTS, bootstrap_files=bootstrap_files)


async def _empty(asterisk: AsteriskInstance) -> None:
    """Leave it as a start with blank files does, but for the sockets of transports, which only a restart closes."""
    config = asterisk.etc / "dialplane"
    if config.is_dir() and not config.is_symlink():
        shutil.rmtree(config)
    else:
        config.unlink(missing_ok=True)
    asterisk.write_blank()
    async with await asterisk.ami() as ami:
        if await _channels(ami):
            await asterisk.console("channel request hangup all")
            async with asyncio.timeout(WITHIN):
                while await _channels(ami):
                    await asyncio.sleep(0.02)
        for family in FAMILIES:
            with suppress(AmiRefusedError):  # there was none
                await ami.action("DBDelTree", Family=family)
        for module in MODULES:
            await ami.action("Reload", Module=module)
        with suppress(AmiRefusedError):  # there is none
            raise KeptError(await ami.listed("PJSIPShowEndpoints", "EndpointListComplete"))


async def _channels(ami: AmiClient) -> int:
    return len(await ami.listed("CoreShowChannels", "CoreShowChannelsComplete"))
