"""Plain REST to an API server, with the server's whole answer.

Tests of what a server refuses need its words, not a client library's exception, and the CRD server
has no discovery root, which kubectl and every client library start from.
"""

import json
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_FIRST_ERROR = 400
_GET = "GET"
_MOST_KEPT = 8
MERGE_PATCH = "application/merge-patch+json"


class UnreachableError(ConnectionError):
    """No API server answers there: it is not started yet, stopped, or too slow. Try again, or look in its log."""


@dataclass(frozen=True)
class Answer:
    """What the server said: the HTTP status and the body, an object or a ``Status`` (Kubernetes' own kind)."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether the request was granted."""
        return self.status < _FIRST_ERROR

    @property
    def body(self) -> dict[str, Any]:
        """The decoded body; empty where the server answered with plain text."""
        try:
            decoded = json.loads(self.text)
        except ValueError:
            return {}
        return decoded if isinstance(decoded, dict) else {}

    @property
    def message(self) -> str:
        """Why it was refused, in the server's words; empty where it was granted."""
        return "" if self.ok else str(self.body.get("message", self.text))


class Rest:
    """One user's access to one API server, from any number of threads.

    Connections are kept for reading, where a request that fails on an old one is sent again on a new one: tests look
    many times a second, and most of what a look costs is a new connection. What writes has a connection of its own, as
    nobody knows after a failure whether the server took it.
    """

    def __init__(self, url: str, *, authority: Path, token: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host, self._port = str(parts.hostname), parts.port
        self._tls = ssl.create_default_context(cafile=str(authority))
        # As Python 3.13 does by default: what passes here passes there.
        self._tls.verify_flags |= ssl.VERIFY_X509_STRICT
        self._token = token
        self._kept: deque[HTTPSConnection] = deque(maxlen=_MOST_KEPT)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        limit_seconds: float = 10,
    ) -> Answer:
        """Send one request; every HTTP status is an answer, none raises.

        Raises:
            UnreachableError: nothing answered within ``limit_seconds``.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        content = None if body is None else json.dumps(body)
        while True:
            connection, is_new = self._connection(method)
            try:
                return self._answer(connection, method, path, content, headers, limit_seconds)
            except (OSError, HTTPException) as error:
                connection.close()
                if is_new or isinstance(error, TimeoutError):
                    raise UnreachableError(f"{method} {self.url}{path}: {error}") from error

    def close(self) -> None:
        """Close the kept connections; the next request makes a new one."""
        while self._kept:
            self._kept.pop().close()

    def _connection(self, method: str) -> tuple[HTTPSConnection, bool]:
        """A connection for a request, and whether it is a new one."""
        if method == _GET:
            with suppress(IndexError):
                return self._kept.pop(), False
        return HTTPSConnection(self._host, self._port, context=self._tls), True

    def _answer(
        self,
        connection: HTTPSConnection,
        method: str,
        path: str,
        content: str | None,
        headers: dict[str, str],
        limit_seconds: float,
    ) -> Answer:
        connection.timeout = limit_seconds
        if connection.sock is not None:
            connection.sock.settimeout(limit_seconds)
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.read().decode(errors="replace"))
        if method == _GET and connection.sock is not None:
            self._kept.append(connection)
        else:
            connection.close()
        return answer
