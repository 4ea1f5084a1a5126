"""``python -m testbed.speech.chat``: OpenAI's chat completions and models; see :mod:`testbed.speech`."""

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from testbed.speech.server import GARBAGE, SpeechServer, abort

_MODELS = ("gpt-5-mini", "local/small")


class Chat(SpeechServer):
    """A language model that says what a test scripted."""

    def routes(self) -> Sequence[web.RouteDef]:
        """See `SpeechServer.routes`."""
        return [
            web.post("/v1/chat/completions", self._complete),
            web.get("/v1/models", self._models),
            web.get("/v1/models/gpt-5-mini", self._model),
        ]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if not self._allowed(request):
            return _refusal(401, "invalid_api_key", f"Incorrect API key provided: {request.headers['Authorization']}")
        body = await request.json()
        if body["model"] not in _MODELS:
            return _refusal(404, "model_not_found")
        self.record("complete", messages=body["messages"], tools=body["tools"])
        rule = await self.misbehave(request, "answer")
        if rule.answer == "garbage":
            return web.Response(body=GARBAGE, content_type="application/json")
        if rule.answer == "quota":
            return _refusal(429, "insufficient_quota")
        if rule.answer == "refuse":
            return _refusal(401, "invalid_api_key")
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        text = json.dumps(_completion(self.next_reply())).encode()
        answer.content_length = len(text)
        await answer.prepare(request)
        await answer.write(text[: len(text) // 2])
        if rule.answer == "broken":
            abort(request)
        await answer.write(text[len(text) // 2 :])
        return answer

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if not self._allowed(request):
            return _refusal(401, "invalid_api_key")
        return web.json_response({"object": "list", "data": [{"id": each, "object": "model"} for each in _MODELS]})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        if not self._allowed(request):
            return _refusal(401, "invalid_api_key")
        return web.json_response({"id": "gpt-5-mini", "object": "model"})

    def _allowed(self, request: web.Request) -> bool:
        return self.keyed(request.headers.get("Authorization", "").removeprefix("Bearer "))


def _completion(reply: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.get("text")}
    if "choose" in reply:
        function = {"name": "choose_intent", "arguments": json.dumps({"intent": reply["choose"]})}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _refusal(status: int, code: str, words: str = "words of the provider") -> web.Response:
    return web.json_response({"error": {"code": code, "type": "error", "message": words}}, status=status)


if __name__ == "__main__":
    Chat.main()
