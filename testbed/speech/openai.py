"""``python -m testbed.speech.openai``: OpenAI's Realtime protocol; see :mod:`testbed.speech`."""

import asyncio
import base64
import itertools
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import WSMsgType, web

from testbed.speech.server import Ended, SpeechServer, abort, close
from testbed.speech.sound import Ear, speech

_RATE = 24_000
_PIECE = _RATE * 2 // 10
_MODELS = {"gpt-realtime", "gpt-realtime-mini"}
_VOICES = {"marin": 440, "cedar": 330}


class OpenAi(SpeechServer):
    """OpenAI's Realtime protocol, as generally available since 2025."""

    def routes(self) -> Sequence[web.RouteDef]:
        """See `SpeechServer.routes`."""
        return [web.get("/v1/realtime", self._talk)]

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        socket = await self.socket(request)
        session = _Session(self, socket, request)
        try:
            await session.run()
        except Ended:
            abort(request)
        finally:
            session.stop()
        return socket


class _Session:
    def __init__(self, server: OpenAi, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._server, self._socket, self._request = server, socket, request
        self._ear: Ear | None = None
        self._hz = 0
        self._numbers = itertools.count(1)
        self._responding: asyncio.Task[None] | None = None
        self._audio_ms: dict[str, int] = {}

    async def run(self) -> None:
        """Until the other end leaves."""
        rule = await self._server.misbehave(self._request, "begin")
        authorization = self._request.headers.get("Authorization", "")
        if rule.answer == "refuse" or not self._server.keyed(authorization.removeprefix("Bearer ")):
            await self._error("invalid_api_key", f"Incorrect API key provided: {authorization}")
            await close(self._socket)
        if rule.answer == "quota":
            await self._error("insufficient_quota")
            await close(self._socket)
        if rule.answer == "unknown" or self._request.query.get("model") not in _MODELS:
            await self._error("model_not_found")
            await close(self._socket)
        if rule.answer == "garbage":
            await self._socket.send_str("{not json")
            await self._server.fall_silent()
        await self._send("session.created", session={"type": "realtime"})
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            await self._take(json.loads(message.data))

    def stop(self) -> None:
        """End what it says."""
        if self._responding is not None:
            self._responding.cancel()

    async def _take(self, event: dict[str, Any]) -> None:
        kind = event.pop("type")
        if kind == "input_audio_buffer.append":
            await self._hear(base64.b64decode(event["audio"], validate=True))
            return
        self._server.record(kind, **event)
        match kind:
            case "session.update":
                await self._configure(event["session"])
            case "response.create":
                await self._respond(event.get("response", {}).get("instructions", ""))
            case "response.cancel":
                if self._responding is None or self._responding.done():
                    await self._error("response_cancel_not_active")
                else:
                    self._responding.cancel()
            case "conversation.item.truncate":
                if event["audio_end_ms"] > self._audio_ms.get(event["item_id"], 0):
                    await self._error("invalid_value")
                else:
                    await self._send("conversation.item.truncated", item_id=event["item_id"])
            case "conversation.item.delete":
                await self._send("conversation.item.deleted", item_id=event["item_id"])
            case _:
                await self._error("invalid_value")

    async def _configure(self, session: dict[str, Any]) -> None:
        sound = session["audio"]
        wanted = {"type": "audio/pcm", "rate": _RATE}
        voice = sound["output"]["voice"]
        if session["type"] != "realtime" or sound["input"]["format"] != wanted or voice not in _VOICES:
            await self._error("invalid_value")
            return
        self._hz = _VOICES[voice]
        self._ear = Ear(_RATE, sound["input"]["turn_detection"]["silence_duration_ms"] / 1000)
        await self._send("session.updated", session=session)

    async def _hear(self, audio: bytes) -> None:
        if self._ear is None:
            await self._error("invalid_value")
            return
        turn = self._ear.hear(audio)
        item = f"item_caller{next(self._numbers)}"
        if turn == "began":
            await self._send("input_audio_buffer.speech_started", audio_start_ms=0, item_id=item)
        elif turn == "ended":
            await self._send("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id=item)
            await self._send("input_audio_buffer.committed", item_id=item)
            transcription = {"item_id": item, "content_index": 0, "transcript": self._server.next_text()}
            await self._send("conversation.item.input_audio_transcription.completed", **transcription)
            await self._respond("")

    async def _respond(self, instructions: str) -> None:
        if self._responding is not None and not self._responding.done():
            await self._error("conversation_already_has_active_response")
            return
        greeting = instructions.partition(": ")[2]
        reply = {"text": json.loads(greeting)} if greeting else self._server.next_reply()
        self._responding = asyncio.create_task(self._say(f"resp_{next(self._numbers)}", reply))

    async def _say(self, response: str, reply: dict[str, Any]) -> None:
        ids = {"response_id": response, "item_id": f"item_bot{next(self._numbers)}", "output_index": 0}
        try:
            await self._send("response.created", response={"id": response, "status": "in_progress"})
            rule = await self._server.behaves("answer")
            if rule == "garbage":
                await self._socket.send_str('{"type": "response.output_audio.delta", "delta": "%%%"}')
                return
            if rule == "quota":
                error = {"type": "insufficient_quota", "code": "insufficient_quota"}
                details = {"type": "failed", "error": error}
                await self._send("response.done", response={"status": "failed", "status_details": details})
                return
            if rule == "silent":
                return
            await self._utter(ids, reply, cut=rule == "cut")
            if "choose" in reply:
                call = {"call_id": "call_1", "name": reply["choose"], "arguments": "{}"}
                await self._send("response.function_call_arguments.done", **ids, **call)
            await self._send("response.done", response={"id": response, "status": "completed"})
        except asyncio.CancelledError:
            if "choose" in reply:
                call = {"call_id": "call_1", "name": reply["choose"], "arguments": "{}"}
                await self._send("response.function_call_arguments.done", **ids, **call)
            await self._send("response.done", response={"id": response, "status": "cancelled"})

    async def _utter(self, ids: dict[str, Any], reply: dict[str, Any], *, cut: bool) -> None:
        text = reply.get("text", "")
        if not text:
            return
        audio = speech(text, _RATE, self._hz)
        await self._send("response.output_item.added", response_id=ids["response_id"], item={"id": ids["item_id"]})
        for start in range(0, len(audio), _PIECE):
            if cut and start > len(audio) // 2:
                abort(self._request)
                return
            piece = audio[start : start + _PIECE]
            self._audio_ms[ids["item_id"]] = (start + len(piece)) * 1000 // (2 * _RATE)
            delta = base64.b64encode(piece).decode()
            await self._send("response.output_audio.delta", **ids, content_index=0, delta=delta)
            await asyncio.sleep(reply.get("pace", 0))
        await self._send("response.output_audio.done", **ids, content_index=0)
        await self._send("response.output_audio_transcript.done", **ids, content_index=0, transcript=text)

    async def _error(self, code: str, words: str = "words of the provider") -> None:
        await self._send("error", error={"type": "invalid_request_error", "code": code, "message": words})

    async def _send(self, kind: str, **fields: Any) -> None:
        if not self._socket.closed:
            await self._socket.send_json({"type": kind, "event_id": f"event_{next(self._numbers)}", **fields})


if __name__ == "__main__":
    OpenAi.main()
