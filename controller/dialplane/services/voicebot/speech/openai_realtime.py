"""OpenAI's Realtime protocol: a model that hears and speaks by itself, over one WebSocket for each call.

Audio is PCM at 24,000 samples a second both ways. µ-law would need no resampling, but a caller with a wideband
telephone would get a narrowband bot for the sake of 0.1 % of a core. The model finds turns by itself; interrupting is
ours: it only reports that the caller began (`interrupt_response` is off), and `heard` cancels the answer and cuts the
conversation at what the caller heard. Protocol: developers.openai.com, Realtime client and server events, as of 2026.
"""

import json
from typing import Any, Final
from urllib.parse import urlencode

from pydantic import SecretStr

from dialplane.resources.voice_bot import NamedTransfer, Realtime
from dialplane.services.voicebot.speech.contract import SpeechFault
from dialplane.services.voicebot.speech.openai_session import OpenAiSession
from dialplane.services.voicebot.speech.provider import LIMITS, PaidProvider, ProviderLimits, socket_url
from dialplane.services.voicebot.speech.provider_socket import ProviderSocket, ProviderSockets
from dialplane.services.voicebot.speech.resampling import MODEL_RATE

OPENAI_URL: Final = "https://api.openai.com/v1"
DEFAULT_MODEL: Final = "gpt-realtime"
DEFAULT_VOICE: Final = "marin"
HANGUP: Final = "hangup"
_TRANSCRIBER: Final = "gpt-4o-mini-transcribe"
_SILENCE_MS: Final = 500
_EVENTS_BEFORE: Final = 8
"""Events that may come before an expected one."""


class OpenAiRealtime:
    """Opens sessions of OpenAI's Realtime protocol; implements `contract.RealtimeModel`."""

    def __init__(self, spec: Realtime, key: SecretStr, limits: ProviderLimits = LIMITS) -> None:
        """Use the model, voice, instructions and transfers of a manifest with a key."""
        self._provider = PaidProvider("OpenAI", "spec.realtime", spec.url or OPENAI_URL)
        self._spec, self._key, self._limits = spec, key, limits
        self._sockets = ProviderSockets(self._provider, limits)

    async def check(self) -> None:
        """See `RealtimeModel.check`: a session with the settings of a call, in which nobody speaks, is free."""
        self._sockets.end(await self._session())

    async def open(self, greeting: str) -> OpenAiSession:
        """See `RealtimeModel.open`."""
        names = frozenset({HANGUP, *(each.name for each in self._spec.transfers)})
        session = OpenAiSession(await self._session(), self._sockets, self._limits, names)
        if greeting:
            session.say(greeting)
        return session

    async def close(self) -> None:
        """See `RealtimeModel.close`."""
        await self._sockets.close()

    async def _session(self) -> ProviderSocket:
        url = f"{socket_url(self._provider.url)}/realtime?{urlencode({'model': self._spec.model or DEFAULT_MODEL})}"
        headers = {"Authorization": f"Bearer {self._provider.header_value(self._key)}"}
        socket = await self._sockets.open(url, headers)
        try:
            await self._expect(socket, "session.created")
            socket.send(json.dumps({"type": "session.update", "session": session_of(self._spec)}))
            await self._expect(socket, "session.updated")
        except BaseException:
            self._sockets.end(socket)
            raise
        return socket

    async def _expect(self, socket: ProviderSocket, kind: str) -> None:
        for _ in range(_EVENTS_BEFORE):
            message = self._provider.parsed(await socket.receive(self._limits.answer_seconds))
            if message.get("type") == kind:
                return
            if message.get("type") == "error":
                error = message.get("error")
                code = error.get("code") or error.get("type") if isinstance(error, dict) else None
                raise self._provider.code_error(code, SpeechFault.UNSUPPORTED)
        raise self._provider.error(SpeechFault.GARBLED, f"no {kind}")


def session_of(spec: Realtime) -> dict[str, Any]:
    """Return the settings of a session, as `session.update` takes them."""
    pcm = {"type": "audio/pcm", "rate": MODEL_RATE}
    turns = {
        "type": "server_vad",
        "silence_duration_ms": _SILENCE_MS,
        "create_response": True,
        "interrupt_response": False,
    }
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": spec.instructions,
        "audio": {
            "input": {"format": pcm, "turn_detection": turns, "transcription": {"model": _TRANSCRIBER}},
            "output": {"format": pcm, "voice": spec.voice or DEFAULT_VOICE},
        },
        "tools": [_tool(HANGUP, "End the call, after goodbye was said."), *map(_transfer, spec.transfers)],
        "tool_choice": "auto",
    }


def _transfer(transfer: NamedTransfer) -> dict[str, Any]:
    return _tool(transfer.name, f"Send the call on, for good. {transfer.description}")


def _tool(name: str, description: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    return {"type": "function", "name": name, "description": description, "parameters": parameters}
