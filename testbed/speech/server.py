"""What the four providers share: a port, a key, rules, scripts, and a record of what they were sent."""

import argparse
import asyncio
import hmac
import os
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, web

from testbed.control import Answer, Command, emit, listen, serve
from testbed.speech.behaviour import Behaviour, Reply, Rule, Stage

GARBAGE = b"\x16\x03\x01\x00this is no protocol of anybody\r\n\r\n"


class Ended(Exception):
    """A connection is over."""


class SpeechServer(ABC):
    """One provider; :meth:`main` runs it."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.behaviour = Behaviour()
        self.texts: list[str] = []
        self.answers: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.connections = self.requests = 0
        self.open: dict[int, web.Request] = {}
        self._runner: web.AppRunner | None = None
        self._address = ("127.0.0.1", 0)
        self._tls: ssl.SSLContext | None = None

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]:
        """Its paths."""

    def keyed(self, given: str | None) -> bool:
        """Whether a request has the key."""
        return given is not None and hmac.compare_digest(given.encode(), self.key.encode())

    def next_text(self) -> str:
        """What the caller will have said."""
        return (self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]) if self.texts else "hello"

    def next_reply(self) -> dict[str, Any]:
        """What the model answers."""
        default = {"text": "how can I help you"}
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]) if self.answers else default

    def record(self, kind: str, **fields: Any) -> None:
        """Keep what came."""
        self.messages.append({"type": kind, **fields})

    async def misbehave(self, request: web.Request, stage: Stage) -> Rule:
        """Do what every provider does in the same way, else return the rule.

        Raises:
            Ended: the connection is over.
        """
        rule = self.behaviour.at(stage)
        match rule.answer:
            case "slow":
                await asyncio.sleep(rule.after)
            case "silent":
                await self.fall_silent()
            case "cut":
                abort(request)
                raise Ended
            case _:
                pass
        return rule

    async def behaves(self, stage: Stage) -> Reply:
        """Return what shall happen, where only the provider knows how; wait where it is slow."""
        rule = self.behaviour.at(stage)
        await asyncio.sleep(rule.after)
        return rule.answer

    async def fall_silent(self) -> None:
        """Say nothing until the other end leaves, which cancels this."""
        await asyncio.Event().wait()

    def commands(self) -> Mapping[str, Command]:
        """By name."""
        return {
            "script": self.script,
            "replies": self.reply_with,
            "behave": self.behave,
            "forget": self.forget,
            "messages": self.sent_messages,
            "counts": self.counts,
            "listening": self.listening,
        }

    async def script(self, texts: Sequence[str]) -> Answer:
        """What callers will have said."""
        self.texts[:] = texts
        return {}

    async def reply_with(self, replies: Sequence[dict[str, Any]]) -> Answer:
        """What the model answers."""
        self.answers[:] = replies
        return {}

    async def behave(self, **fields: Any) -> Answer:
        """Add a rule."""
        self.behaviour.add(Rule(**fields))
        return {}

    async def forget(self) -> Answer:
        """Be as new."""
        self.behaviour.forget()
        for each in (self.texts, self.answers, self.messages):
            each.clear()
        return {}

    async def sent_messages(self, since: int = 0) -> Answer:
        """What came."""
        return {"messages": self.messages[since:]}

    async def counts(self) -> Answer:
        """Figures of the whole run."""
        live = sum(each.transport is not None and not each.transport.is_closing() for each in self.open.values())
        return {"connections": self.connections, "open": live, "requests": self.requests}

    async def listening(self, on: bool) -> Answer:
        """Whether anybody is there."""
        await self._close()
        if on:
            await self._open()
        return {}

    async def run(self, address: tuple[str, int], certificate: Path | None, control_port: int | None) -> None:
        """Serve until stdin ends."""
        self._address = address
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        port = await self._open()
        self._address = (address[0], port)
        control = await listen(self.commands(), control_port) if control_port is not None else None
        emit({"event": "ready", "port": port})
        try:
            await serve(self.commands())
        finally:
            if control is not None:
                control.close()
            await self._close()

    async def _open(self) -> int:
        app = web.Application(client_max_size=1 << 20, middlewares=[self._noted])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, *self._address, ssl_context=self._tls)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _close(self) -> None:
        for request in tuple(self.open.values()):
            abort(request)
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _noted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests += 1
        self.open[id(request)] = request
        try:
            rule = await self.misbehave(request, "connect")
            if rule.answer == "garbage" and request.transport is not None:
                request.transport.write(GARBAGE)
                request.transport.close()
                raise Ended  # noqa: TRY301 -- ends as all others do
            statuses = {"quota": 429, "refuse": 401, "broken": 503, "unknown": 404}
            if rule.answer in statuses:
                return web.json_response({"error": {"message": "no"}}, status=statuses[rule.answer])
            answer: web.StreamResponse = await handler(request)
        except Ended:
            abort(request)
            return web.Response()
        else:
            return answer
        finally:
            del self.open[id(request)]

    async def socket(self, request: web.Request, **headers: str) -> web.WebSocketResponse:
        """Take a WebSocket."""
        self.connections += 1
        made = web.WebSocketResponse(max_msg_size=1 << 20)
        made.headers.update(headers)
        await made.prepare(request)
        return made

    @classmethod
    def main(cls) -> None:
        """Run as a command."""
        parser = argparse.ArgumentParser(description=cls.__doc__)
        parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="port 0: any")
        parser.add_argument("--certificate", type=Path, metavar="FILE", help="speak TLS, with this certificate and key")
        parser.add_argument("--control", type=int, metavar="PORT", help="take control commands on loopback, too")
        given = parser.parse_args()
        host, _, port = given.listen.rpartition(":")
        with suppress(KeyboardInterrupt):
            asyncio.run(cls(os.environ.pop("SPEECH_KEY", "")).run((host, int(port)), given.certificate, given.control))


def abort(request: web.Request) -> None:
    """End a connection without a word."""
    if request.transport is not None:
        request.transport.abort()


async def close(socket: web.WebSocketResponse, code: int = WSCloseCode.POLICY_VIOLATION) -> None:
    """End a WebSocket.

    Raises:
        Ended: always.
    """
    await socket.close(code=code)
    raise Ended
