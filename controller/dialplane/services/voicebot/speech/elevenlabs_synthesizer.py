"""ElevenLabs' text to speech: one request for each text, its audio as it comes.

A bot knows each text whole before it says it, so the streaming HTTP request is enough, needs no session, and hears
first audio as soon as the WebSocket does. Protocol: elevenlabs.io, API reference, Text to Speech, Stream.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from pydantic import SecretStr

from dialplane.resources.voice_bot import TextToSpeech
from dialplane.services.voicebot.speech.contract import RATE, SpeechFault
from dialplane.services.voicebot.speech.elevenlabs_recognizer import ELEVENLABS_URL
from dialplane.services.voicebot.speech.provider import (
    LIMITS,
    PaidProvider,
    ProviderError,
    ProviderLimits,
    language_code,
)
from dialplane.services.voicebot.speech.provider_http import ProviderHttp

FASTEST_MODEL: Final = "eleven_flash_v2_5"
DEFAULT_VOICE: Final = "JBFqnCBsd6RMkjVDRZzb"
"""The one of their quick start."""
_NO_LANGUAGE: Final = "eleven_multilingual_v2"
"""It finds the language out by itself, and refuses to be named one."""
_UNSEEN: Final = "missing_permissions"
"""A key for synthesis alone may not list models and voices."""


class ElevenLabsSynthesizer:
    """Speaks by ElevenLabs; implements `contract.Synthesizer`."""

    def __init__(self, spec: TextToSpeech, key: SecretStr, limits: ProviderLimits = LIMITS) -> None:
        """Use the model and voice of a manifest with a key."""
        self._provider = PaidProvider("ElevenLabs", "spec.textToSpeech", spec.url or ELEVENLABS_URL)
        self._model, self._voice = spec.model or FASTEST_MODEL, spec.voice or DEFAULT_VOICE
        self._key, self._limits = key, limits
        self._http_of_key: ProviderHttp | None = None

    @property
    def identity(self) -> str:
        """See `Synthesizer.identity`."""
        return f"elevenlabs/{self._provider.url}/{self._model}/{self._voice}"

    async def check(self) -> None:
        """See `Synthesizer.check`: models and voice are asked for, which is free.

        Only a key that may not look at them has it speak one character.
        """
        try:
            models = self._provider.parsed_list(await self._http.body("GET", "/v1/models"))
            if not any(each.get("model_id") == self._model for each in models):
                raise self._provider.error(SpeechFault.UNSUPPORTED, f"no model {self._model}")
            await self._http.body("GET", f"/v1/voices/{self._voice}")
        except ProviderError as error:
            if error.code != _UNSEEN:
                raise
            async with aclosing(self.speak(".", "en")) as audio:
                await anext(audio)

    async def speak(self, text: str, language: str) -> AsyncGenerator[bytes, None]:
        """See `Synthesizer.speak`."""
        body = {"text": text, "model_id": self._model}
        if self._model != _NO_LANGUAGE:
            body["language_code"] = language_code(language)
        path = f"/v1/text-to-speech/{self._voice}/stream?output_format=pcm_{RATE}"
        spoken, half = False, b""
        async with self._http.answer("POST", path, body, first=self._limits.answer_seconds) as answer:
            if answer.headers.get("content-type", "").startswith(("text/", "application/json")):
                raise self._provider.error(SpeechFault.GARBLED, "no audio")
            async for piece in self._http.pieces(answer):
                samples = half + piece
                whole = len(samples) & ~1
                half = samples[whole:]
                if whole:
                    spoken = True
                    yield samples[:whole]
        if not spoken:
            raise self._provider.error(SpeechFault.GARBLED, "no audio")

    async def close(self) -> None:
        """See `Synthesizer.close`."""
        if self._http_of_key is not None:
            await self._http_of_key.close()

    @property
    def _http(self) -> ProviderHttp:
        if self._http_of_key is None:
            headers = {"xi-api-key": self._provider.header_value(self._key)}
            self._http_of_key = ProviderHttp(self._provider, headers, self._limits)
        return self._http_of_key
