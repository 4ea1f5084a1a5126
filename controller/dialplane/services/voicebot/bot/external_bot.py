"""A bot whose calls another program serves; implements `served_bot.Engine`."""

from collections.abc import AsyncIterator
from typing import Final

from dialplane.asterisk.media import MediaSocket
from dialplane.resources.voice_bot import ExternalEngine
from dialplane.services.contract import SecretSource
from dialplane.services.voicebot.bot.call_context import Ended
from dialplane.services.voicebot.bot.relay import ExternalCall
from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault

CALL_HEADERS: Final = {"bot": "Dialplane-Bot", "call": "Dialplane-Call", "caller": "Dialplane-Caller"}
"""What the program is shown of a call."""


class ExternalBot:
    """One version of such a bot."""

    recognizer = None
    synthesizer = None
    realtime = None

    def __init__(self, name: str, engine: ExternalEngine, secrets: SecretSource) -> None:
        """Serve as the manifest says; the Secret is read at each call."""
        self._name = name
        self._engine = engine
        self._secrets = secrets

    def speak(self, text: str, language: str) -> AsyncIterator[bytes]:  # noqa: ARG002 -- as the protocol says
        """See `BotSpeech.speak`: it has no voice of its own."""
        raise SpeechError(SpeechFault.UNSUPPORTED, "another program speaks for this bot")

    async def check(self) -> None:
        """See `Engine.check`."""
        await self._call({CALL_HEADERS["bot"]: self._name}).check()

    async def close(self) -> None:
        """See `Engine.close`: nothing is open between calls."""

    async def talk(self, media: MediaSocket, call_id: str, caller: str) -> Ended:
        """Let the program speak with a caller until the end."""
        number = "".join(each for each in caller if each.isprintable())  # a network may say anything
        headers = {CALL_HEADERS["bot"]: self._name, CALL_HEADERS["call"]: call_id, CALL_HEADERS["caller"]: number}
        return await self._call(headers).run(media)

    def _call(self, headers: dict[str, str]) -> ExternalCall:
        ref = self._engine.secret_ref
        bearer = None if ref is None else self._secrets.value(ref.name, ref.key)
        return ExternalCall(self._engine, bearer, headers)
