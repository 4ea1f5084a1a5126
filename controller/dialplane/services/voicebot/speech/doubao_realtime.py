"""Volcengine's realtime dialogue (Doubao): a model that hears and speaks by itself, over one WebSocket for each call.

It hears 16,000 samples a second, in frames of 20 ms just as a call has them. It finds turns by itself, and stops by
itself when it understands a first word of the caller (`input_mod: keep_alive`); a client may interrupt it only in its
push-to-talk mode. It has no functions to call: of what a model may choose it knows the end of the call alone.
Protocol: volcengine.com, document 6561/1594356.
"""

import uuid
from typing import Any, Final

from pydantic import SecretStr

from dialplane.resources.voice_bot import Realtime
from dialplane.services.voicebot.speech.contract import SpeechFault
from dialplane.services.voicebot.speech.doubao_frames import DoubaoEvent, event_frame
from dialplane.services.voicebot.speech.doubao_session import DoubaoSession, frame_of
from dialplane.services.voicebot.speech.provider import LIMITS, PaidProvider, ProviderLimits, socket_url
from dialplane.services.voicebot.speech.provider_socket import ProviderSocket, ProviderSockets
from dialplane.services.voicebot.speech.resampling import MODEL_RATE

DOUBAO_URL: Final = "https://openspeech.bytedance.com/api/v3/realtime/dialogue"
DEFAULT_MODEL: Final = "1.2.1.1"
DEFAULT_VOICE: Final = "zh_female_vv_jupiter_bigtts"
_RESOURCE: Final = "volc.speech.dialog"
_APP_KEY: Final = "PlgvMymc7f3tQnJ6"
"""The same for all the world: the protocol's document prescribes it."""
_SILENCE_MS: Final = 600
"""The end of a turn; theirs is 1,500 by default."""


class DoubaoRealtime:
    """Opens sessions of Volcengine's realtime dialogue; implements `contract.RealtimeModel`."""

    def __init__(self, spec: Realtime, key: SecretStr, limits: ProviderLimits = LIMITS) -> None:
        """Use the model, voice and instructions of a manifest with a key.

        Args:
            spec: the manifest has no transfers then.
            key: the application's id, a colon, and its access key; or one of their new console, without a colon.
            limits: seconds.
        """
        self._provider = PaidProvider("Doubao", "spec.realtime", spec.url or DOUBAO_URL)
        self._spec, self._key, self._limits = spec, key, limits
        self._sockets = ProviderSockets(self._provider, limits)

    async def check(self) -> None:
        """See `RealtimeModel.check`: a session in which nobody speaks is free, and counts among 60 a minute."""
        await (await self._session()).close()

    async def open(self, greeting: str) -> DoubaoSession:
        """See `RealtimeModel.open`."""
        session = await self._session()
        if greeting:
            session.say(greeting)
        return session

    async def close(self) -> None:
        """See `RealtimeModel.close`."""
        await self._sockets.close()

    async def _session(self) -> DoubaoSession:
        socket, session = await self._sockets.open(socket_url(self._provider.url), self._headers()), str(uuid.uuid4())
        try:
            socket.send(event_frame(DoubaoEvent.START_CONNECTION, {}))
            await self._expect(socket, DoubaoEvent.CONNECTION_STARTED)
            socket.send(event_frame(DoubaoEvent.START_SESSION, settings_of(self._spec), session))
            await self._expect(socket, DoubaoEvent.SESSION_STARTED)
        except BaseException:
            self._sockets.end(socket)
            raise
        return DoubaoSession(socket, self._sockets, self._limits, session, truncates=_truncates(self._spec))

    async def _expect(self, socket: ProviderSocket, event: DoubaoEvent) -> None:
        frame = frame_of(self._provider, await socket.receive(self._limits.answer_seconds))
        if frame.event != event:
            raise self._provider.error(SpeechFault.GARBLED, f"no {event.name}")

    def _headers(self) -> dict[str, str]:
        key = self._provider.header_value(self._key)
        application, colon, access = key.rpartition(":")
        if not colon:
            who = {"X-Api-Key": key}
        else:
            who = {"X-Api-App-ID": application, "X-Api-Access-Key": access, "X-Api-App-Key": _APP_KEY}
        return {**who, "X-Api-Resource-Id": _RESOURCE, "X-Api-Connect-Id": str(uuid.uuid4())}


def settings_of(spec: Realtime) -> dict[str, Any]:
    """Return the settings of a session, as `StartSession` takes them."""
    model = spec.model or DEFAULT_MODEL
    role = "character_manifest" if _plays_a_character(model) else "system_role"
    speaker = spec.voice or ("" if _plays_a_character(model) else DEFAULT_VOICE)
    extra: dict[str, Any] = {"model": model, "input_mod": "keep_alive", "enable_user_query_exit": True}
    if _truncates(spec):
        extra["enable_conversation_truncate"] = True
    return {
        "asr": {"extra": {"end_smooth_window_ms": _SILENCE_MS, "enable_custom_vad": True}},
        "tts": {
            **({"speaker": speaker} if speaker else {}),
            "audio_config": {"channel": 1, "format": "pcm_s16le", "sample_rate": MODEL_RATE},
        },
        "dialog": {role: spec.instructions, "extra": extra},
    }


def _plays_a_character(model: str) -> bool:
    """Tell the models that take `character_manifest` (SC) from those that take `system_role` (O)."""
    return model == "SC" or model.startswith("2.")


def _truncates(spec: Realtime) -> bool:
    """Only the models of the second generation, which have numbers."""
    return (spec.model or DEFAULT_MODEL)[:1].isdigit()
