"""Plain REST to an API server, with the server's whole answer.

Tests of what a server refuses need its words, not a client library's exception, and the CRD server
has no discovery root, which kubectl and every client library start from.
"""

import json
import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_FIRST_ERROR = 400
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
    """One user's access to one API server. A connection per request: simple, and right after a restart."""

    def __init__(self, url: str, *, authority: Path, token: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host, self._port = str(parts.hostname), parts.port
        self._tls = ssl.create_default_context(cafile=str(authority))
        # As Python 3.13 does by default: what passes here passes there.
        self._tls.verify_flags |= ssl.VERIFY_X509_STRICT
        self._token = token

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
        connection = HTTPSConnection(self._host, self._port, timeout=limit_seconds, context=self._tls)
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode(errors="replace"))
        except (OSError, HTTPException) as error:
            raise UnreachableError(f"{method} {self.url}{path}: {error}") from error
        finally:
            connection.close()
