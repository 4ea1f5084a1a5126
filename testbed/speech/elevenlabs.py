"""``python -m testbed.speech.elevenlabs``: see :mod:`testbed.speech`."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import WSMsgType, web

from testbed.speech.server import SpeechServer, close
from testbed.speech.sound import is_loud, speech

_RATE = 16_000
_PIECE = _RATE * 2 // 10
_LEAST_LOUD_MS = 100
_VOICES = {"JBFqnCBsd6RMkjVDRZzb": 440, "21m00Tcm4TlvDq8ikWAM": 660}
_TTS_MODELS = ("eleven_flash_v2_5", "eleven_multilingual_v2")


class ElevenLabs(SpeechServer):
    """ElevenLabs: realtime speech to text, text to speech, models and voices."""

    def routes(self) -> Sequence[web.RouteDef]:
        """See `SpeechServer.routes`."""
        return [
            web.get("/v1/speech-to-text/realtime", self._listen),
            web.post("/v1/text-to-speech/{voice}/stream", self._speak),
            web.get("/v1/models", self._models),
            web.get("/v1/voices/{voice}", self._voice),
        ]

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        socket = await self.socket(request)
        query = request.query
        rule = await self.misbehave(request, "begin")
        if rule.answer == "garbage":
            await socket.send_str("<html>not a message</html>")
            await self.fall_silent()
        if rule.answer == "quota":
            await _error(socket, "quota_exceeded")
        if rule.answer == "refuse" or not self.keyed(request.headers.get("xi-api-key")):
            await _error(socket, "auth_error")
        if rule.answer == "unknown" or query.get("model_id") != "scribe_v2_realtime":
            await _error(socket, "input_error")
        if query.get("audio_format") != f"pcm_{_RATE}" or query.get("commit_strategy") != "manual":
            await _error(socket, "input_error")
        self.record("session", language=query.get("language_code", ""))
        config = {"sample_rate": _RATE, "audio_format": query["audio_format"], "model_id": query["model_id"]}
        await socket.send_json({"message_type": "session_started", "session_id": "s1", "config": config})
        await _Answer(self, socket, request).hear()
        return socket

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        rule, voice = await self.misbehave(request, "begin"), request.match_info["voice"]
        if rule.answer == "refuse" or not self.keyed(request.headers.get("xi-api-key")):
            return _refusal(401, "invalid_api_key")
        if rule.answer == "quota":
            return _refusal(401, "quota_exceeded")
        if rule.answer == "unknown" or voice not in _VOICES:
            return _refusal(404, "voice_not_found")
        if rule.answer == "garbage":
            return web.Response(text="<html>maintenance</html>", content_type="text/html")
        body = await request.json()
        if body["model_id"] not in _TTS_MODELS or request.query.get("output_format") != f"pcm_{_RATE}":
            return _refusal(400, "invalid_parameters")
        self.record("speak", text=body["text"], language=body.get("language_code", ""))
        answer = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        await answer.prepare(request)
        audio = speech(body["text"], _RATE, _VOICES[voice])
        for start in range(0, len(audio), _PIECE):
            await answer.write(audio[start : start + _PIECE - 1])  # a sample may be cut in two
            await answer.write(audio[start + _PIECE - 1 : start + _PIECE])
            await self.misbehave(request, "answer")
        return answer

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if not self.keyed(request.headers.get("xi-api-key")):
            return _refusal(401, "invalid_api_key")
        if self.behaviour.at("begin").answer == "refuse":
            return _refusal(401, "missing_permissions")
        return web.json_response([{"model_id": each, "can_do_text_to_speech": True} for each in _TTS_MODELS])

    async def _voice(self, request: web.Request) -> web.StreamResponse:
        voice = request.match_info["voice"]
        if voice not in _VOICES:
            return _refusal(400, "voice_not_found")
        return web.json_response({"voice_id": voice, "name": "of the test bed"})


class _Answer:
    def __init__(self, server: ElevenLabs, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._server, self._socket, self._request = server, socket, request
        self._loud_ms = self._all_ms = 0
        self._text: list[str] = []

    async def hear(self) -> None:
        """Until the other end leaves."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            chunk = json.loads(message.data)
            if chunk["message_type"] != "input_audio_chunk" or chunk.get("sample_rate") != _RATE:
                await _error(self._socket, "input_error")
            await self._take(base64.b64decode(chunk["audio_base_64"], validate=True))
            if chunk["commit"]:
                await self._commit()

    async def _take(self, audio: bytes) -> None:
        self._all_ms += len(audio) // 32
        if not is_loud(audio):
            return
        if not self._loud_ms:
            self._text = self._server.next_text().split()
        self._loud_ms += len(audio) // 32
        words = self._text[: max(1, min(len(self._text), self._loud_ms // 200))]
        await self._socket.send_json({"message_type": "partial_transcript", "text": " ".join(words)})

    async def _commit(self) -> None:
        self._server.record("commit", audio_ms=self._all_ms, loud_ms=self._loud_ms)
        rule = await self._server.misbehave(self._request, "answer")
        if rule.answer == "garbage":
            await self._socket.send_bytes(b"\x00\x01\x02")
            await self._server.fall_silent()
        if rule.answer == "quota":
            await _error(self._socket, "quota_exceeded")
        if rule.answer == "refuse":
            await _error(self._socket, "auth_error")
        if rule.answer == "broken":
            await _error(self._socket, "transcriber_error")
        if self._loud_ms < _LEAST_LOUD_MS:
            await self._socket.send_json({"message_type": "insufficient_audio_activity", "error": "nobody spoke"})
        else:
            await self._socket.send_json({"message_type": "committed_transcript", "text": " ".join(self._text)})
        self._loud_ms = self._all_ms = 0


async def _error(socket: web.WebSocketResponse, kind: str) -> None:
    """Say it as they do, with words that must not be shown, and close.

    Raises:
        Ended: always.
    """
    await socket.send_json({"message_type": kind, "error": "words of the provider"})
    await close(socket)


def _refusal(status: int, code: str) -> web.Response:
    detail: dict[str, Any] = {"status": code, "message": "words of the provider"}
    return web.json_response({"detail": detail}, status=status)


if __name__ == "__main__":
    ElevenLabs.main()
