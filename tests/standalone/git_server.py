"""Real Git servers on loopback: `git http-backend` behind a slow line, and `git daemon`."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from testbed import ports

MEGABYTE = 1024 * 1024


def repository_with_deleted_history(path: Path, files: dict[str, str], deleted: int) -> str:
    """A bare repository whose one small commit comes after `deleted` of 1 MiB each, all deleted again; its id."""
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(path)], check=True)
    subprocess.run(["git", "-C", str(path), "config", "core.compression", "0"], check=True)
    who = b"committer Test <test@example.com> 1700000000 +0000\n"
    with subprocess.Popen(["git", "-C", str(path), "fast-import", "--quiet"], stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        write = importer.stdin.write
        for number in range(deleted):
            write(b"commit refs/heads/main\n" + who + b"data 1\nx\n")
            write(b"M 100644 inline big%d.bin\ndata %d\n" % (number, MEGABYTE) + os.urandom(MEGABYTE) + b"\n")
        write(b"commit refs/heads/main\n" + who + b"data 1\nx\ndeleteall\n")
        for name, text in files.items():
            write(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(text.encode()), text.encode()))
    assert importer.returncode == 0
    head = subprocess.run(["git", "-C", str(path), "rev-parse", "main"], check=True, capture_output=True, text=True)
    return head.stdout.strip()


@dataclass
class Line:
    """What the server sent, and how: in `pieces` of so many bytes, with a pause of `seconds` before each."""

    pieces: int = MEGABYTE
    seconds: float = 0.0
    stops: bool = False
    """Whether it falls silent after the first piece, until `over`."""
    over: Event = field(default_factory=Event)
    sent: int = 0


@contextmanager
def http_backend(folder: Path, line: Line) -> Iterator[str]:
    """`git http-backend` for the repositories in `folder`; the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            environment = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
            }
            done = subprocess.run(
                ["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=True, timeout=30
            )
            head, _, data = done.stdout.partition(b"\r\n\r\n")
            self.wfile.write(b"HTTP/1.0 200 OK\r\n" + head + b"\r\n\r\n")
            slow = self.command == "POST" and len(data) > line.pieces
            for start in range(0, len(data), line.pieces):
                if slow and start and line.stops:
                    line.over.wait(30)
                    return
                if slow:
                    time.sleep(line.seconds)
                self.wfile.write(data[start : start + line.pieces])
                line.sent += len(data[start : start + line.pieces])

    with _serving(Handler) as address:
        yield address


@contextmanager
def files_over_http(folder: Path) -> Iterator[str]:
    """A web server of files that knows nothing of Git; the address."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(Handler) as address:
        yield address


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    """`git daemon` for the repositories in `folder`; the address."""
    with ports.lease(1) as lease:
        port = lease.take()
        where = [f"--base-path={folder}", "--listen=127.0.0.1", f"--port={port}"]
        # The daemon is a process of its own: `git daemon` would be its parent, and a signal ends that one alone.
        program = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
        with subprocess.Popen([f"{program}/git-daemon", "--export-all", "--reuseaddr", *where]) as daemon:
            try:
                _wait_for(port)
                yield f"git://127.0.0.1:{port}"
            finally:
                daemon.terminate()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)
        else:
            return
