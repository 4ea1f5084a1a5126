"""``python -m testbed.receiver``: where notifications arrive: a process steered by JSON lines (``testbed/control.py``).

On one port a webhook that takes JSON (``POST /hook/NAME``), a Bark server (``POST /push``), and a proxy (``CONNECT``)
behind which ``api.telegram.org`` is: the Bot API over TLS, with a certificate of our own. Whoever is to reach it sets
HTTPS_PROXY and REQUESTS_CA_BUNDLE, as behind any company's proxy. Each checks what it gets as the real one does.

A program that hears of devices takes any JSON (``POST /callback/NAME``); a code of 300 to 399 leads to
``callback/elsewhere``.

Places are named ``hook/NAME``, ``bark/KEY``, ``telegram/CHAT``, ``callback/NAME``. ``behave`` sets what one does with
the next requests. Events: ``received`` (place, title, text, delivery, answer), told before a held answer goes out; of a
callback the body is the text, and ``headers`` has those that begin with ``X-``.
"""

import argparse
import asyncio
import html
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from testbed.control import Answer, emit, serve
from testbed.ports import LOOPBACK

TELEGRAM: Final = "api.telegram.org"
BOT_TOKEN: Final = "123456789:AAExample-token_of_the_test_bed_012345"  # noqa: S105 -- nobody's
_TAGS: Final = re.compile(r"</?(?:b|strong|i|em|u|s|code|pre|a|blockquote)(?: [^<>]*)?>")
_TELEGRAM_LIMIT: Final = 4096
_PUSH_LIMIT: Final = 4096
_TELLING: Final = threading.Lock()


@dataclass
class Behaviour:
    """What a place does with requests: refuses so many with a code, holds each answer, or hangs up instead."""

    refuse: int = 0
    code: int = 503
    hang: float = 0.0
    cut: int = 0


class Places:
    """What was asked of each place, shared by all threads."""

    def __init__(self) -> None:
        self.keys = {"device-key"}
        self._behaviours: dict[str, Behaviour] = {}
        self._lock = threading.Lock()

    def behave(self, place: str, behaviour: Behaviour) -> None:
        """From now on."""
        with self._lock:
            self._behaviours[place] = behaviour

    def take(self, place: str) -> Behaviour:
        """What to do with one request; counts it."""
        with self._lock:
            found = self._behaviours.setdefault(place, Behaviour())
            now = Behaviour(min(found.refuse, 1), found.code, found.hang, min(found.cut, 1))
            found.refuse -= now.refuse
            found.cut -= now.cut and not now.refuse
            return now


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    places: Places
    secure_port: int = 0

    def do_CONNECT(self) -> None:
        """Lead to the Bot API, and nowhere else."""
        if self.path != f"{TELEGRAM}:443":
            self.send_error(403)
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        with socket.create_connection((LOOPBACK, self.secure_port), timeout=10) as other:
            other.settimeout(None)
            back = threading.Thread(target=_pump, args=(other, self.connection), daemon=True)
            back.start()
            _pump(self.connection, other)
            back.join()
        self.close_connection = True

    def do_POST(self) -> None:
        """Take a notification."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            fields = json.loads(body)
        except ValueError:
            self._answer(400, {"error": "not JSON"})
            return
        if self.path.startswith("/hook/"):
            self._hook(fields)
        elif self.path.startswith("/callback/"):
            headers = {name: value for name, value in self.headers.items() if name.startswith("X-")}
            self._take(self.path[1:], "", body.decode(), {}, headers=headers)
        elif self.path == "/push":
            self._bark(fields)
        elif match := re.fullmatch(r"/bot([^/]+)/sendMessage", self.path):
            self._telegram(match[1], fields)
        else:
            self._answer(404, {"error": "no such place"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        """Stay quiet."""

    def _hook(self, fields: dict[str, Any]) -> None:
        missing = {"version", "title", "message", "type"} - fields.keys()
        if missing or self.headers.get("Content-Type") != "application/json":
            self._answer(400, {"error": f"missing: {sorted(missing)}"})
            return
        self._take(self.path[1:], fields["title"], fields["message"], {"taken": True})

    def _bark(self, fields: dict[str, Any]) -> None:
        key = fields.get("device_key", "")
        if key not in self.places.keys:
            self._answer(400, {"code": 400, "message": "failed to get device token", "timestamp": int(time.time())})
            return
        pushed = json.dumps(
            {"aps": {"alert": {"title": fields.get("title"), "body": fields["body"]}}}, ensure_ascii=False
        )
        if len(pushed.encode()) > _PUSH_LIMIT:
            self._answer(500, {"code": 500, "message": "push failed: PayloadTooLarge"})
            return
        done = {"code": 200, "message": "success", "timestamp": int(time.time())}
        self._take(f"bark/{key}", fields.get("title", ""), fields["body"], done)

    def _telegram(self, token: str, fields: dict[str, Any]) -> None:
        if token != BOT_TOKEN:
            self._answer(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
            return
        text = fields["text"]
        if fields.get("parse_mode") == "HTML":
            bare = _TAGS.sub("", text)
            if "<" in bare or ">" in bare:
                wrong = "Bad Request: can't parse entities: Unsupported start tag"
                self._answer(400, {"ok": False, "error_code": 400, "description": wrong})
                return
            text = html.unescape(bare)
        if len(text.encode("utf-16-le")) // 2 > _TELEGRAM_LIMIT:
            self._answer(400, {"ok": False, "error_code": 400, "description": "Bad Request: message is too long"})
            return
        sent = {"message_id": 1, "chat": {"id": fields["chat_id"], "type": "private"}, "date": int(time.time())}
        self._take(f"telegram/{fields['chat_id']}", "", text, {"ok": True, "result": sent})

    def _take(self, place: str, title: str, text: str, done: dict[str, Any], **more: Any) -> None:
        now = self.places.take(place)
        code = now.code if now.refuse else 0 if now.cut else 200
        told = {
            "place": place,
            "title": title,
            "text": text,
            "delivery": self.headers.get("X-Dialplane-Delivery"),
            **more,
        }
        with _TELLING:
            emit({"event": "received", **told, "answer": code, "at": time.time()})
        time.sleep(now.hang)
        if not code:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._answer(code, done if code == 200 else {"ok": False, "error_code": code, "description": "not now"})  # noqa: PLR2004 -- OK

    def _answer(self, code: int, fields: dict[str, Any]) -> None:
        body = json.dumps(fields).encode()
        self.send_response(code)
        if 300 <= code < 400:  # noqa: PLR2004 -- HTTP's redirects
            self.send_header("Location", "/callback/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def certificate(directory: Path) -> Path:
    """A new key with its certificate for the Bot API's name, in one file, which is its own authority."""
    key, made = directory / "telegram.key", directory / "telegram.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    names = ["-subj", f"/CN={TELEGRAM}", "-addext", f"subjectAltName=DNS:{TELEGRAM}", "-days", "2"]
    subprocess.run([*argv, "-keyout", key, "-out", made, *names], check=True, capture_output=True, timeout=30)
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one side has gone: so does the other


def _listen(places: Places, secure: Path) -> int:
    """Serve in threads; returns the port."""
    handler = type("BoundHandler", (Handler,), {"places": places})
    telegram = ThreadingHTTPServer((LOOPBACK, 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secure)
    telegram.socket = context.wrap_socket(telegram.socket, server_side=True, do_handshake_on_connect=False)
    plain = ThreadingHTTPServer((LOOPBACK, 0), type("FrontHandler", (handler,), {"secure_port": telegram.server_port}))
    for server in (telegram, plain):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return plain.server_port


async def _main(directory: Path) -> None:
    places = Places()
    secure = await asyncio.to_thread(certificate, directory)

    async def behave(place: str, **wanted: Any) -> Answer:
        places.behave(place, Behaviour(**wanted))
        return {}

    emit({"event": "ready", "port": _listen(places, secure), "certificate": str(secure)})
    await serve({"behave": behave})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    asyncio.run(_main(parser.parse_args().directory))
