"""``python -m testbed.speech.doubao``: Volcengine's realtime dialogue; see :mod:`testbed.speech`.

Its frames are written here a second time, after the document, so that a mistake of the product's does not meet itself.
"""

import asyncio
import gzip
import itertools
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import WSMsgType, web

from testbed.speech.server import Ended, SpeechServer, abort
from testbed.speech.sound import Ear, speech

_RATE, _MODEL_RATE = 16_000, 24_000
_PIECE = _MODEL_RATE * 2 // 10
_MODELS = {"O", "SC", "1.2.1.0", "1.2.1.1", "2.2.0.0"}
_VOICES = {"zh_female_vv_jupiter_bigtts": 440, "zh_male_yunzhou_jupiter_bigtts": 330}
_APP_KEY = "PlgvMymc7f3tQnJ6"
_CONNECTION_EVENTS = {1, 2}


class Doubao(SpeechServer):
    """Volcengine's realtime dialogue, over binary frames."""

    def routes(self) -> Sequence[web.RouteDef]:
        """See `SpeechServer.routes`."""
        return [web.get("/api/v3/realtime/dialogue", self._talk)]

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        key = headers.get("X-Api-Key") or f"{headers.get('X-Api-App-ID')}:{headers.get('X-Api-Access-Key')}"
        app_key = headers.get("X-Api-App-Key", "" if "X-Api-Key" not in headers else _APP_KEY)
        if not self.keyed(key) or app_key != _APP_KEY or headers.get("X-Api-Resource-Id") != "volc.speech.dialog":
            return web.json_response({"error": "authenticate request failed"}, status=401)
        socket = await self.socket(request, **{"X-Tt-Logid": "log-of-the-test-bed"})
        session = _Session(self, socket, request)
        try:
            await session.run()
        except Ended:
            abort(request)
        finally:
            session.stop()
        return socket


class _Session:
    def __init__(self, server: Doubao, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._server, self._socket, self._request = server, socket, request
        self._id = ""
        self._ear = Ear(_RATE, 1.5)
        self._hz = 0
        self._numbers = itertools.count(1)
        self._saying: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the other end leaves."""
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY:
                break
            event, session, payload = _parsed(message.data)
            if event == 200:  # noqa: PLR2004 -- TaskRequest
                await self._hear(payload)
                continue
            values = json.loads(payload)
            self._server.record(str(event), **values)
            await self._take(event, session, values)

    def stop(self) -> None:
        """End what it says."""
        if self._saying is not None:
            self._saying.cancel()

    async def _take(self, event: int, session: str, values: dict[str, Any]) -> None:
        match event:
            case 1:
                await self._begin()
            case 100:
                self._id = session
                await self._start(values)
            case 102:
                await self._send(152, {})
            case 300:
                self._say({"text": values["content"]})
            case 513:
                await self._send(570, {"item_id": values["item_id"]})
            case _:
                pass

    async def _begin(self) -> None:
        rule = await self._server.misbehave(self._request, "begin")
        match rule.answer:
            case "refuse":
                await self._send(51, {"error": "requested grant not found in SaaS storage"})
            case "quota":
                await self._send(51, {"error": "quota exceeded for types: concurrency"})
            case "broken":
                await self._fail(55000030)
            case "garbage":
                await self._socket.send_bytes(b"\x11\x94\x10\x00\x00\x00\x00\x32\xff\xff\xff\xff")
                await self._server.fall_silent()
            case _:
                await self._send(50, {})

    async def _start(self, settings: dict[str, Any]) -> None:
        extra, voice = settings["dialog"]["extra"], settings["tts"].get("speaker", "zh_female_vv_jupiter_bigtts")
        if extra.get("model") not in _MODELS or settings["tts"]["audio_config"]["format"] != "pcm_s16le":
            await self._fail(42000020)
        elif voice not in _VOICES:
            await self._send(153, {"error": "ClientError:InvalidSpeaker"})
        else:
            self._hz = _VOICES[voice]
            self._ear = Ear(_RATE, settings["asr"]["extra"]["end_smooth_window_ms"] / 1000)
            await self._send(150, {"dialog_id": "dialog-1"})

    async def _hear(self, audio: bytes) -> None:
        if len(audio) != 640:  # noqa: PLR2004 -- 20 ms, as the document asks for
            await self._fail(45000002)
        turn, question = self._ear.hear(audio), f"question-{next(self._numbers)}"
        if turn == "began":
            self.stop()
            await self._send(450, {"question_id": question})
        elif turn == "ended":
            text = self._server.next_text()
            await self._send(451, {"results": [{"text": text.split()[0], "is_interim": True}]})
            await self._send(451, {"results": [{"text": text, "is_interim": False}]}, packed=True)
            await self._send(459, {})
            self._say(self._server.next_reply())

    def _say(self, reply: dict[str, Any]) -> None:
        self._saying = asyncio.create_task(self._utter(reply))

    async def _utter(self, reply: dict[str, Any]) -> None:
        rule = await self._server.behaves("answer")
        ids = {"question_id": "question-1", "reply_id": f"reply-{next(self._numbers)}"}
        if rule == "silent":
            return
        if rule == "garbage":
            await self._socket.send_bytes(b"\x00" * 12)
            return
        if rule == "quota":
            await self._send(153, {"error": "ExceededConcurrentDurationLimit"})
            return
        text = reply.get("text", "")
        audio = speech(text, _MODEL_RATE, self._hz)
        await self._send(350, {"tts_type": "default", "text": text, **ids})
        for start in range(0, len(audio), _PIECE):
            if rule == "cut" and start > len(audio) // 2:
                abort(self._request)
                return
            await self._send_frame(0xB, 352, 0, audio[start : start + _PIECE])
            await asyncio.sleep(reply.get("pace", 0))
        await self._send(351, ids)
        await self._send(550, {"content": text, **ids})
        await self._send(559, ids)
        leaves = {"status_code": "20000002"} if reply.get("choose") == "hangup" else {}
        await self._send(359, {**ids, **leaves})

    async def _fail(self, code: int) -> None:
        """Say it as they do, and close.

        Raises:
            Ended: always.
        """
        words = json.dumps({"error": "words of the provider"}).encode()
        head = bytes([0x11, 0xF0, 0x10, 0x00]) + code.to_bytes(4, "big")
        await self._socket.send_bytes(head + len(words).to_bytes(4, "big") + words)
        await self._socket.close()
        raise Ended

    async def _send(self, event: int, values: dict[str, Any], *, packed: bool = False) -> None:
        payload = json.dumps(values).encode()
        await self._send_frame(9, event, 0x11 if packed else 0x10, gzip.compress(payload) if packed else payload)

    async def _send_frame(self, kind: int, event: int, encoding: int, payload: bytes) -> None:
        if self._socket.closed:
            return
        head = bytes([0x11, kind << 4 | 4, encoding, 0]) + event.to_bytes(4, "big")
        name = self._id.encode() if event >= 100 else b""  # noqa: PLR2004 -- events of a session
        if name:
            head += len(name).to_bytes(4, "big") + name
        await self._socket.send_bytes(head + len(payload).to_bytes(4, "big") + payload)


def _parsed(frame: bytes) -> tuple[int, str, bytes]:
    """Return event, session and payload of a client's frame."""
    if frame[0] != 0x11 or frame[1] not in {0x14, 0x24} or frame[3]:  # noqa: PLR2004 -- the document's bytes
        raise Ended
    event, rest, session = int.from_bytes(frame[4:8], "big"), frame[8:], ""
    if event not in _CONNECTION_EVENTS:
        size = int.from_bytes(rest[:4], "big")
        session, rest = rest[4 : 4 + size].decode(), rest[4 + size :]
    if int.from_bytes(rest[:4], "big") != len(rest) - 4:
        raise Ended
    return event, session, rest[4:]


if __name__ == "__main__":
    Doubao.main()
