"""The platform's port: HTTP/1.1 by h11, so that it can be broken wherever a test wants."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Final

import h11

from testbed.infinity.platform import Platform, Verdict
from testbed.infinity.script import Script

_BODY_LIMIT: Final = 64 << 10  # bytes of a request
_ENDLESS: Final = b"x" * 65_536
_JSON: Final = "application/json;charset=utf-8"


@dataclass
class Probing:
    """What a GET is answered."""

    code: int = 200
    after: float = 0.0


class Wire:
    """One port; :meth:`open` it."""

    def __init__(self, platform: Platform, tls: SSLContext | None = None) -> None:
        self.probing = Probing()
        self.cut = 0
        self._platform, self._tls = platform, tls
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._connected, host, port, ssl=self._tls, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and cut every connection."""
        if self._server is not None:
            self._server.close()
        for writer in self._lines:
            writer.transport.abort()
        await asyncio.sleep(0)  # by now the loop has closed the sockets: nobody can send on one any more

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._platform.counts["connections"] += 1
        self._lines.add(writer)
        try:
            if self.cut:
                self.cut -= 1
                return
            with suppress(OSError, h11.RemoteProtocolError):
                await _Connection(reader, writer, self).serve()
        finally:
            self._lines.discard(writer)
            writer.transport.abort()

    async def answer(self, request: h11.Request, body: bytes) -> Verdict:
        """What goes back."""
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        if request.method == b"POST":
            return await self._platform.make_call(headers.get("content-type", ""), body)
        self._platform.counts["probes"] += 1
        await asyncio.sleep(self.probing.after)
        said = {"ret": 400, "data": {}, "msg": "missing: service"}
        if self.probing.code == 200:  # noqa: PLR2004 -- OK
            return Verdict(said, Script())
        return Verdict(said, Script(answer="error", code=self.probing.code))


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: Wire) -> None:
        self._reader, self._writer, self._wire = reader, writer, wire
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Until it is not kept."""
        while (asked := await self._request()) is not None:
            verdict = await self._wire.answer(*asked)
            if not await self._answer(verdict):
                return
            if self._http.our_state is h11.MUST_CLOSE:
                self._writer.close()
                await self._writer.wait_closed()
                return
            self._http.start_next_cycle()

    async def _request(self) -> tuple[h11.Request, bytes] | None:
        request, body = None, b""
        while True:
            event = self._http.next_event()
            match event:
                case h11.NEED_DATA:
                    self._http.receive_data(await self._reader.read(65_536))
                case h11.Request():
                    request = event
                case h11.Data():
                    body += event.data
                    if len(body) > _BODY_LIMIT:
                        return None
                case h11.EndOfMessage():
                    return (request, body) if request is not None else None
                case _:
                    return None

    async def _answer(self, verdict: Verdict) -> bool:
        """Whether the connection is still good."""
        script, body = verdict.script, json.dumps(verdict.body).encode()
        match script.answer:
            case "accept" | "refuse" | "status":
                await self._send(200, body)
            case "error":
                await self._send(script.said, b"<html>the platform is not well</html>", kind="text/html")
            case "garbage":
                await self._send(200, b"\x00\xff{not JSON, and not text")
            case "redirect":
                await self._send(script.said or 307, b"", location="/elsewhere")
            case "half":
                await self._begin(200, len(body))
                await self._write(self._http.send(h11.Data(data=body[: len(body) // 2])))
                return False
            case "endless":
                await self._begin(200, 1 << 40)
                while True:
                    await self._write(self._http.send(h11.Data(data=_ENDLESS)))
            case "silent":
                await self._reader.read()
                return False
            case "cut":
                return False
        return True

    async def _send(self, code: int, body: bytes, kind: str = _JSON, **headers: str) -> None:
        await self._begin(code, len(body), kind, **headers)
        await self._write(self._http.send(h11.Data(data=body)))
        await self._write(self._http.send(h11.EndOfMessage()))

    async def _begin(self, code: int, length: int, kind: str = _JSON, **headers: str) -> None:
        fields: dict[str, Any] = {"Content-Type": kind, "Content-Length": str(length), **headers}
        response = h11.Response(status_code=code, headers=list(fields.items()))
        await self._write(self._http.send(response))

    async def _write(self, data: bytes | None) -> None:
        self._writer.write(data or b"")
        await self._writer.drain()
