"""ElevenLabs' realtime speech to text: one WebSocket for each answer, opened while the bot waits for it.

The end of an answer is ours to find (`commit_strategy=manual`): the turn detector hears it sooner than a service behind
a network, and knows what the dialogue expects. Audio goes up as it comes, in pieces of 100 ms, so that after the end of
the answer only the last piece is still to be understood. Protocol: elevenlabs.io, API reference, Speech to Text,
Realtime.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from pydantic import SecretStr

from dialplane.resources.voice_bot import SpeechToText
from dialplane.services.voicebot.speech.contract import RATE, Expected, SpeechError, SpeechFault, Transcript
from dialplane.services.voicebot.speech.provider import LIMITS, PaidProvider, ProviderLimits, language_code, socket_url
from dialplane.services.voicebot.speech.provider_socket import ProviderSocket, ProviderSockets

ELEVENLABS_URL: Final = "https://api.elevenlabs.io"
NEWEST_MODEL: Final = "scribe_v2_realtime"
_PIECE_BYTES: Final = RATE * 2 // 10
_NOTHING: Final = "insufficient_audio_activity"
"""An error by its name, and no fault: nobody spoke."""


class ElevenLabsRecognizer:
    """Understands callers by ElevenLabs; implements `contract.Recognizer`."""

    def __init__(self, spec: SpeechToText, key: SecretStr, limits: ProviderLimits = LIMITS) -> None:
        """Use the model of a manifest with a key."""
        self._provider = PaidProvider("ElevenLabs", "spec.speechToText", spec.url or ELEVENLABS_URL)
        self._model = spec.model or NEWEST_MODEL
        self._key, self._limits = key, limits
        self._sockets = ProviderSockets(self._provider, limits)

    async def check(self) -> None:
        """See `Recognizer.check`: a session begins only with a key and a model that serve; without audio it is free."""
        self._sockets.end(await self._session(None))

    async def open(
        self,
        expected: Expected,  # noqa: ARG002 -- it hears free speech; the dialogue finds the answer in it
        language: str,
        on_partial: Callable[[Transcript], None] = lambda _: None,
    ) -> "ElevenLabsStream":
        """See `Recognizer.open`. It takes two ways there and back: open it before the caller speaks."""
        socket = await self._session(language_code(language))
        return ElevenLabsStream(socket, self._sockets, self._limits, on_partial)

    async def close(self) -> None:
        """See `Recognizer.close`."""
        await self._sockets.close()

    async def _session(self, language: str | None) -> ProviderSocket:
        query = {"model_id": self._model, "audio_format": f"pcm_{RATE}", "commit_strategy": "manual"}
        if language is not None:
            query["language_code"] = language
        url = f"{socket_url(self._provider.url)}/v1/speech-to-text/realtime?{urlencode(query)}"
        socket = await self._sockets.open(url, {"xi-api-key": self._provider.header_value(self._key)})
        try:
            _expect_session(self._provider, await socket.receive(self._limits.answer_seconds))
        except BaseException:
            self._sockets.end(socket)
            raise
        return socket


class ElevenLabsStream:
    """One answer; implements `contract.RecognitionStream`."""

    def __init__(
        self,
        socket: ProviderSocket,
        sockets: ProviderSockets,
        limits: ProviderLimits,
        on_partial: Callable[[Transcript], None],
    ) -> None:
        """Begin to listen to a session that has begun."""
        self._socket, self._sockets, self._limits, self._on_partial = socket, sockets, limits, on_partial
        self._piece = bytearray()
        self._texts: list[str] = []
        self._fault: SpeechError | None = None
        self._committed = False
        self._over = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    def write(self, audio: bytes) -> None:
        """See `RecognitionStream.write`."""
        self._piece += audio
        if len(self._piece) >= _PIECE_BYTES:
            self._send()

    async def finish(self) -> Transcript:
        """See `RecognitionStream.finish`."""
        self._committed = True
        self._send()
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._over.wait()
        except TimeoutError:
            detail = f"no transcript within {self._limits.answer_seconds:g} s"
            raise self._socket.provider.error(SpeechFault.TIMEOUT, detail) from None
        finally:
            await self.close()
        if self._fault is not None:
            raise self._fault
        return Transcript(" ".join(self._texts))

    async def close(self) -> None:
        """See `RecognitionStream.close`."""
        self._reader.cancel()
        self._sockets.end(self._socket)

    def _send(self) -> None:
        audio, self._piece = base64.b64encode(self._piece).decode(), bytearray()
        chunk = {
            "message_type": "input_audio_chunk",
            "audio_base_64": audio,
            "commit": self._committed,
            "sample_rate": RATE,
        }
        self._socket.send(json.dumps(chunk))

    async def _read(self) -> None:
        try:
            while not self._over.is_set():
                self._take(await self._socket.receive())
        except SpeechError as fault:
            self._fault = fault
            self._over.set()

    def _take(self, received: str | bytes) -> None:
        message = self._socket.provider.parsed(received)
        kind, text = message.get("message_type"), message.get("text", "")
        if not isinstance(text, str):
            raise self._socket.provider.error(SpeechFault.GARBLED, "a transcript without text")
        if kind == "partial_transcript":
            self._on_partial(Transcript(" ".join([*self._texts, text]).strip(), final=False))
        elif kind in {"committed_transcript", _NOTHING}:
            self._texts += [text.strip()] if text.strip() else []
            if self._committed:
                self._over.set()
        else:
            raise _fault(self._socket.provider, message)


def _expect_session(provider: PaidProvider, received: str | bytes) -> None:
    message = provider.parsed(received)
    if message.get("message_type") != "session_started":
        raise _fault(provider, message)


def _fault(provider: PaidProvider, message: dict[str, object]) -> SpeechError:
    """Return what an error message stands for: its kind is its code, or else its field `error` is."""
    if "error" not in message:
        return provider.error(SpeechFault.GARBLED, "an unknown message")
    kind = message.get("message_type")
    return provider.code_error(message["error"] if kind == "error" else kind)
