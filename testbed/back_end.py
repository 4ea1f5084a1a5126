"""A program of somebody else's that is told of devices: it takes every `POST` on loopback and remembers it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from testbed.ports import LOOPBACK


class BackEnd:
    """What it was told, in order; `url` is where."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        """Path and body."""
        self.url = ""

    @contextmanager
    def listening(self) -> Iterator["BackEnd"]:
        """Take requests within the block."""
        server = _Server((LOOPBACK, 0), type("BoundListener", (_Listener,), {"told": self.told}))
        server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who tells it may be killed in the middle."""


class _Listener(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.told.append((self.path, json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        pass
