"""What a replica speaks with: the engines of its bots, the talk itself, and what is written down of it."""

from collections.abc import AsyncIterator
from typing import Final, Protocol

from dialplane.asterisk.media import MediaSocket
from dialplane.services.contract import ReplicaContext
from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.actions import ActionPool
from dialplane.services.voicebot.bot.call_context import CallContext, Ended
from dialplane.services.voicebot.bot.call_log import CallLog
from dialplane.services.voicebot.bot.call_writer import CallWriter
from dialplane.services.voicebot.bot.conversation import converse
from dialplane.services.voicebot.bot.external_bot import ExternalBot
from dialplane.services.voicebot.bot.recording import Recordings
from dialplane.services.voicebot.bot.served_bot import Engine, SecretsAwaited
from dialplane.services.voicebot.desired import AriAddress, DesiredBot
from dialplane.services.voicebot.secret_digest import secrets_digest
from dialplane.services.voicebot.speech.contract import RealtimeModel, Recognizer, Synthesizer
from dialplane.services.voicebot.speech.prompt_cache import PromptCache
from dialplane.services.voicebot.speech.providers import SpeechProviders
from dialplane.services.voicebot.speech.workers import MOST_JOBS, SpeechWorkers

SPARE: Final = 0.9
"""Of what the workers for speech can do: above it no call is taken."""


class ReplicaParts(Protocol):
    """What a replica needs beside Asterisk."""

    ari: AriAddress | None
    """As the view has it; the replica sets it."""

    @property
    def log(self) -> CallLog:
        """Where calls are written down."""

    def engine(self, name: str, bot: DesiredBot) -> Engine:
        """Make what speaks for a bot.

        Raises:
            SpeechError: it cannot be made here.
            SecretsAwaited: not yet.
        """

    def busy(self) -> bool:
        """Return whether the engines are asked for more than they can do."""

    async def talk(
        self, name: str, bot: DesiredBot, engine: Engine, caller: str, media: MediaSocket, call_id: str
    ) -> Ended:
        """Speak with a caller until the end. Never raises but when it is cancelled."""

    async def run(self) -> None:
        """Do what runs beside the calls, until cancelled."""

    async def settle(self) -> None:
        """Return when what calls that are over left behind is stored."""

    async def close(self) -> None:
        """End all that is open. Never raises."""


class SpokenBot:
    """One version of a bot that speaks by itself; implements `Engine`."""

    def __init__(self, speech: SpeechProviders) -> None:
        """Speak with these."""
        self._speech = speech

    @property
    def recognizer(self) -> Recognizer | None:
        """See `BotSpeech.recognizer`."""
        return self._speech.recognizer

    @property
    def synthesizer(self) -> Synthesizer | None:
        """See `BotSpeech.synthesizer`."""
        return self._speech.synthesizer

    @property
    def realtime(self) -> RealtimeModel | None:
        """See `BotSpeech.realtime`."""
        return self._speech.realtime

    def speak(self, text: str, language: str) -> AsyncIterator[bytes]:
        """See `BotSpeech.speak`."""
        return self._speech.speak(text, language)

    async def check(self) -> None:
        """See `Engine.check`; what it says in every call is spoken then, too."""
        await self._speech.check()
        await self._speech.warm()

    async def close(self) -> None:
        """See `Engine.close`."""
        await self._speech.close()


class BotParts:
    """The product's own; implements `ReplicaParts`."""

    def __init__(self, context: ReplicaContext) -> None:
        """Make what all bots of a replica share."""
        self._context = context
        self._workers = SpeechWorkers()
        self._cache = PromptCache(context.cache)
        self._actions = ActionPool(context.store, context.site, context.secrets, context.queue_text)
        self._recordings = Recordings(context.site, context.storage)
        self._writer = CallWriter(context.store, context.site)
        self.log: CallLog = self._writer
        self.ari: AriAddress | None = None
        """As the view has it: its account is the key of the digests of Secrets."""

    def engine(self, name: str, bot: DesiredBot) -> Engine:
        """See `ReplicaParts.engine`."""
        secrets = self._context.secrets
        if bot.secrets and secrets_digest(bot.spec, self.ari, secrets) != bot.secrets:
            raise SecretsAwaited
        if bot.spec.engine is not None:
            return ExternalBot(name, bot.spec.engine.external, secrets)
        return SpokenBot(SpeechProviders.of(bot, secrets, self._workers, self._cache))

    def busy(self) -> bool:
        """See `ReplicaParts.busy`."""
        most = max(len(self._workers.processes), 1) * MOST_JOBS
        metrics.WAITING.set(self._workers.jobs)
        return self._workers.jobs > SPARE * most

    async def talk(
        self, name: str, bot: DesiredBot, engine: Engine, caller: str, media: MediaSocket, call_id: str
    ) -> Ended:
        """See `ReplicaParts.talk`."""
        if isinstance(engine, ExternalBot):
            return await engine.talk(media, call_id, caller)
        actions = self._actions.of_call(name, call_id, caller)
        recordings = self._recordings if bot.spec.recording is not None else None
        return await converse(CallContext(media, bot, name, call_id, caller, self.log, engine, actions, recordings))

    async def run(self) -> None:
        """See `ReplicaParts.run`."""
        await self._recordings.run()

    async def settle(self) -> None:
        """See `ReplicaParts.settle`: what was said, and recordings."""
        await self._writer.settle()
        await self._recordings.settle()

    async def close(self) -> None:
        """See `ReplicaParts.close`."""
        await self._actions.close()
        await self._cache.close()
        await self._workers.close()
