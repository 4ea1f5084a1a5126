"""One bot as this process serves it: the version that was proven takes the calls, until a newer one is."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from dialplane.asterisk.errors import AsteriskError
from dialplane.asterisk.media_protocol import BYTES_PER_SECOND
from dialplane.logs import log_unexpected
from dialplane.resources.problem import Reason
from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.call_context import BotSpeech
from dialplane.services.voicebot.bot.line import Connector
from dialplane.services.voicebot.bot.probe import ProbeFailed, prove
from dialplane.services.voicebot.bot.relay import ExternalEngineError
from dialplane.services.voicebot.desired import DesiredBot
from dialplane.services.voicebot.reported import BotState
from dialplane.services.voicebot.speech.contract import SpeechError
from dialplane.tasks import Backoff, wait_at_most

log = structlog.get_logger(__name__)

PROVEN_SECONDS: Final = 300.0
"""Between two proofs of a bot that works."""
AGAIN: Final = Backoff(1, 60, least=0.7)
PROOF_SECONDS: Final = 20.0
"""For all of a proof."""
_NOT_TRIED: Final = (False, Reason.UNKNOWN.value, "not proven yet")
UTTERANCE: Final = "One, two, three."
"""What a bot without a greeting says in a proof."""


class Engine(BotSpeech, Protocol):
    """What speaks for one version of a bot, and must be closed."""

    async def check(self) -> None:
        """Prove that the providers serve, or the other program.

        Raises:
            SpeechError: they do not.
            ExternalEngineError: it does not.
        """

    async def close(self) -> None:
        """End all that is open. Never raises."""


class SecretsAwaited(Exception):
    """This process does not have the Secrets of this version yet."""


MakeEngine = Callable[[str, DesiredBot], Engine]
"""Makes what speaks for a bot of this name; raises `SecretsAwaited`."""


@dataclass(slots=True)
class BotVersion:
    """A version of a bot, with what speaks for it."""

    bot: DesiredBot
    engine: Engine
    calls: int = 0
    retired: bool = False

    async def leave(self) -> None:
        """Note that a call is over; the last one of a version that is replaced closes it."""
        self.calls -= 1
        await self.close_if_done()

    async def close_if_done(self) -> None:
        """Close what nobody uses any more."""
        if self.retired and not self.calls:
            await self.engine.close()


class ServedBot:
    """Proves a bot again and again, and says how it is."""

    def __init__(
        self, name: str, bot: DesiredBot, make: MakeEngine, connector: Connector, changed: Callable[[], None]
    ) -> None:
        """Serve `bot`; `changed` is called when `state` is another."""
        self._name = name
        self._wanted = bot
        self._make = make
        self._connector = connector
        self._changed = changed
        self._current: BotVersion | None = None
        self._candidate: BotVersion | None = None
        self._ready = False
        self._shown = _NOT_TRIED
        self._wake = asyncio.Event()

    @property
    def version(self) -> BotVersion | None:
        """What takes calls; None where nothing does."""
        return self._current if self._ready else None

    @property
    def state(self) -> BotState:
        """How the wanted version is served."""
        ready, reason, message = self._shown
        calls = self._current.calls if self._current else 0
        return BotState(self._wanted.digest, ready, reason, message, calls)

    def want(self, bot: DesiredBot) -> None:
        """Serve this version from now on, once it is proven."""
        if bot.digest != self._wanted.digest:
            self._wanted, self._shown = bot, _NOT_TRIED
            self._wake.set()

    def wake(self) -> None:
        """Prove it now: the connection to Asterisk is another."""
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled; then close it."""
        failures = 0
        try:
            while True:
                self._wake.clear()
                if self._connector.line is None and not self._connector.reason:
                    await self._wake.wait()  # the connection is being opened
                    continue
                failures = 0 if await self._prove() else failures + 1
                await wait_at_most(self._wake, AGAIN.wait_after(failures) if failures else PROVEN_SECONDS)
        finally:
            self._ready = False
            for version in (self._current, self._candidate):
                if version is not None:
                    version.retired = True
                    await version.close_if_done()

    async def _prove(self) -> bool:
        wanted, version = self._wanted, self._current
        try:
            if version is None or version.bot.digest != wanted.digest:
                version = await self._new_version(wanted)
            async with asyncio.timeout(PROOF_SECONDS):
                await self._check(version)
        except SecretsAwaited:
            return self._failed(wanted, Reason.SPEECH_UNAVAILABLE, "waits for the Secrets of this version")
        except (SpeechError, ExternalEngineError) as error:
            return self._failed(wanted, Reason.SPEECH_UNAVAILABLE, str(error))
        except (ProbeFailed, AsteriskError) as error:
            return self._failed(wanted, Reason.MEDIA_FAILED, str(error))
        except TimeoutError:
            return self._failed(wanted, Reason.MEDIA_FAILED, f"not proven within {PROOF_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 -- whatever it is, the other bots go on
            log_unexpected("a bot was not proven", error, bot=self._name)
            return self._failed(wanted, Reason.MEDIA_FAILED, "an unexpected error; see the log of the bot's process")
        metrics.PROBES.labels("proven").inc()
        if version is not self._current:
            await self._replace(version)
        self._ready = True
        self._say(ready=True)
        return True

    async def _new_version(self, wanted: DesiredBot) -> BotVersion:
        candidate = self._candidate
        if candidate is None or candidate.bot.digest != wanted.digest:
            self._candidate = None
            if candidate is not None:
                await candidate.engine.close()
            candidate = self._candidate = BotVersion(wanted, self._make(self._name, wanted))
        return candidate

    async def _replace(self, version: BotVersion) -> None:
        before, self._current, self._candidate = self._current, version, None
        if before is not None:
            before.retired = True
            await before.close_if_done()

    async def _check(self, version: BotVersion) -> None:
        line = self._connector.line
        if line is None:
            raise ProbeFailed(self._connector.reason)
        await version.engine.check()
        await prove(line.ari, line.url, line.application, await utterance(version))

    def _failed(self, wanted: DesiredBot, reason: Reason, message: str) -> bool:
        """Say so. A newer version that does not work leaves the calls to the one that does."""
        metrics.PROBES.labels("failed").inc()
        if self._current is not None and (self._current.bot.digest == wanted.digest or self._connector.line is None):
            self._ready = False
        self._say(ready=False, reason=reason.value, message=message)
        return False

    def _say(self, *, ready: bool, reason: str = "", message: str = "") -> None:
        if self._shown != (ready, reason, message):
            self._shown = (ready, reason, message)
            write = log.info if ready else log.warning
            write("bot proven" if ready else "bot not proven", bot=self._name, reason=reason, message=message)
        self._changed()


async def utterance(version: BotVersion) -> bytes:
    """Return something in the bot's own voice, or a tone where it has none of its own.

    Raises:
        SpeechError: it does not speak.
    """
    spec, engine = version.bot.spec, version.engine
    if engine.synthesizer is None:
        return tone()
    audio = bytearray()
    async with aclosing(_pieces(engine, spec.greeting or UTTERANCE, spec.language)) as pieces:
        async for piece in pieces:
            audio += piece
            if len(audio) >= 2 * BYTES_PER_SECOND:
                break
    return bytes(audio)


async def _pieces(engine: Engine, text: str, language: str) -> AsyncGenerator[bytes, None]:
    async for piece in engine.speak(text, language):
        yield piece


def tone() -> bytes:
    """Return a second of 1 kHz that grows louder, so that no frame is like another."""
    wave = (0, 98, 181, 237, 256, 237, 181, 98, 0, -98, -181, -237, -256, -237, -181, -98)
    samples = (sample * loudness for loudness in range(8, 58) for _ in range(20) for sample in wave)
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
