"""One call of OpenAI's Realtime protocol: its events as the call's, and what is sent to it."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from dialplane.services.voicebot.speech.contract import (
    CallerBegan,
    ModelChose,
    ModelSpoke,
    ModelTurnEnded,
    RealtimeEvent,
    SaidText,
    SpeechError,
    SpeechFault,
)
from dialplane.services.voicebot.speech.provider import LEAST_SECONDS, ProviderLimits
from dialplane.services.voicebot.speech.provider_socket import ProviderSocket, ProviderSockets
from dialplane.services.voicebot.speech.resampling import MODEL_RATE, Resampler

FATAL: Final[Mapping[str, SpeechFault]] = {
    "invalid_api_key": SpeechFault.REFUSED,
    "insufficient_quota": SpeechFault.QUOTA,
    "rate_limit_exceeded": SpeechFault.QUOTA,
    "model_not_found": SpeechFault.UNSUPPORTED,
    "server_error": SpeechFault.UNAVAILABLE,
    "session_expired": SpeechFault.UNAVAILABLE,
}
"""Errors after which a session is of no use; after others, such as a cancellation that came too late, it goes on."""
_BYTES_PER_MS: Final = MODEL_RATE * 2 // 1000


class OpenAiSession:
    """A session that has begun; implements `contract.RealtimeSession`."""

    def __init__(
        self, socket: ProviderSocket, sockets: ProviderSockets, limits: ProviderLimits, names: frozenset[str]
    ) -> None:
        """Speak over an open socket.

        Args:
            socket: a session with its settings.
            sockets: where it is closed.
            limits: for the model's answers.
            names: what the model may choose.
        """
        self._socket, self._sockets, self._limits, self._names = socket, sockets, limits, names
        self._upward = Resampler.to_model()
        self._downward = Resampler.from_model()
        self._item = ""
        self._item_bytes: dict[str, int] = {}
        self._cut: set[str] = set()
        self._chosen = ""
        self._responding = False
        self._deadline: float | None = None
        self._closed = False
        self._takers: Mapping[str, Callable[[dict[str, Any]], Iterable[RealtimeEvent]]] = {
            "input_audio_buffer.speech_started": self._caller_began,
            "input_audio_buffer.committed": self._caller_ended,
            "conversation.item.input_audio_transcription.completed": self._caller_said,
            "response.created": self._response_began,
            "response.output_audio.delta": self._spoke,
            "response.output_audio.done": self._spoke_all,
            "response.output_audio_transcript.done": self._said,
            "response.function_call_arguments.done": self._chose,
            "response.done": self._response_ended,
            "error": self._failed,
        }

    def say(self, words: str) -> None:
        """Have the model say these words."""
        instructions = f"Say exactly the following and nothing else, in its own language: {json.dumps(words)}"
        self._send("response.create", response={"instructions": instructions, "tool_choice": "none"})
        self._expect_answer()

    def write(self, audio: bytes) -> None:
        """See `RealtimeSession.write`."""
        if resampled := self._upward.resample(audio):
            self._send("input_audio_buffer.append", audio=base64.b64encode(resampled).decode())

    async def events(self) -> AsyncIterator[RealtimeEvent]:
        """See `RealtimeSession.events`."""
        while (message := await self._next()) is not None:
            for event in self._taken(message):
                yield event

    async def heard(self, item: str, seconds: float) -> None:
        """See `RealtimeSession.heard`."""
        items = list(self._item_bytes)
        later = items[items.index(item) + 1 :] if item in self._item_bytes else []
        self._cut |= {item, *later}
        if self._responding:
            self._send("response.cancel")
        for each in later:  # nothing of them was heard
            self._send("conversation.item.delete", item_id=each)
        milliseconds = min(int(seconds * 1000), self._item_bytes.get(item, 0) // _BYTES_PER_MS)
        if milliseconds > 0:
            self._send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=milliseconds)
        else:
            self._send("conversation.item.delete", item_id=item)

    async def close(self) -> None:
        """See `RealtimeSession.close`."""
        self._closed = True
        self._sockets.end(self._socket)

    async def _next(self) -> dict[str, Any] | None:
        now = asyncio.get_running_loop().time()
        seconds = None if self._deadline is None else max(LEAST_SECONDS, self._deadline - now)
        try:
            return self._socket.provider.parsed(await self._socket.receive(seconds))
        except SpeechError as error:
            if self._closed:
                return None
            if error.fault is SpeechFault.TIMEOUT and seconds is not None:
                raise self._socket.provider.error(SpeechFault.TIMEOUT, "the model says nothing") from None
            raise

    def _taken(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        take = self._takers.get(str(message.get("type")))
        try:
            return take(message) if take is not None else ()
        except (KeyError, TypeError, AttributeError, binascii.Error):
            raise self._socket.provider.error(SpeechFault.GARBLED, "an event without its fields") from None

    def _caller_began(self, _message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        return [CallerBegan()]

    def _caller_ended(self, _message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        self._expect_answer()
        return ()

    def _caller_said(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        text = str(message["transcript"]).strip()
        return [SaidText("caller", text)] if text else ()

    def _response_began(self, _message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        self._responding, self._chosen = True, ""
        self._expect_answer()
        return ()

    def _spoke(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        item, audio = str(message["item_id"]), base64.b64decode(message["delta"], validate=True)
        if item != self._item:
            self._item, self._item_bytes[item] = item, 0
            self._downward = Resampler.from_model()
        self._item_bytes[item] += len(audio)
        self._expect_answer(self._limits.end_seconds)
        return self._spoken(self._downward.resample(audio))

    def _spoke_all(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        if message["item_id"] != self._item:
            return ()
        tail, self._downward = self._downward.resample(b"", last=True), Resampler.from_model()
        return self._spoken(tail)

    def _spoken(self, audio: bytes) -> Iterable[RealtimeEvent]:
        return [ModelSpoke(audio, self._item)] if audio and self._item not in self._cut else ()

    def _said(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        text = str(message["transcript"]).strip()
        return [SaidText("bot", text)] if text else ()

    def _chose(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        if message["name"] in self._names:
            self._chosen = message["name"]
        return ()

    def _response_ended(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        self._responding, self._deadline = False, None
        response = message["response"]
        if response["status"] == "failed":
            error = (response.get("status_details") or {}).get("error") or {}
            raise self._socket.provider.code_error(error.get("code") or error.get("type"))
        # A call of a function is reported as done when the answer that it is in was cancelled, too.
        if response["status"] == "completed" and self._chosen:
            return [ModelChose(self._chosen)]
        return [ModelTurnEnded()]

    def _failed(self, message: dict[str, Any]) -> Iterable[RealtimeEvent]:
        error = message["error"]
        for code in (error.get("code"), error.get("type")):
            if code in FATAL:
                raise self._socket.provider.error(FATAL[code], code)
        return ()

    def _expect_answer(self, seconds: float | None = None) -> None:
        limit = self._limits.answer_seconds if seconds is None else seconds
        self._deadline = asyncio.get_running_loop().time() + limit

    def _send(self, kind: str, **fields: Any) -> None:
        self._socket.send(json.dumps({"type": kind, **fields}))
