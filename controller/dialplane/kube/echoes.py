"""The stream of a watch as kopf reads it: without the echoes of our own patches, and without an end that kopf dies of.

Why: kopf spends half a millisecond on each event, and every status patch comes back as one. The status writer has taken
the patch's answer by then, so the echo says nothing. Guarantees:

- an event is left out only where the inventory has that very version of that very object; a bookmark takes its place,
  so that the watch goes on from there;
- where the server has forgotten the version, kopf gets a 410 and lists again, whichever way the server said it; any
  other error, and a line that is no event, ends the stream, and kopf watches on from the last version.

Of kopf this asks more than it documents: that it reads a watch by `content.iter_chunked`, takes a bookmark's version,
and lists again at a 410. `tests/kube/test_kopf_session.py` has a test for each.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp

from dialplane.kube.api import BOOKMARK, read_available
from dialplane.kube.errors import ApiError, GoneError, UnavailableError, api_error

JSON = Any

FORGOTTEN = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'
"""The event that makes kopf list again."""


class Forgotten:
    """Stands in for the `content` of a refusal: as if the server had begun the watch, and then forgot its version."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """See `aiohttp.StreamReader.iter_chunked`."""
        yield FORGOTTEN


class Stream(Forgotten):
    """Stands in for the `content` of the answer to a watch; whatever else aiohttp asks of it, the real one does."""

    def __init__(
        self,
        content: aiohttp.StreamReader,
        *,
        is_echo: Callable[[str, Mapping[str, JSON]], bool],
        ended: Callable[[ApiError | None], None],
        lasts: float,
        silence: float,
    ) -> None:
        """Wrap the real content.

        Args:
            content: of the answer.
            is_echo: whether an event (its type and object) can be left out; asked once for each that is no bookmark.
            ended: called with the reason at the end, unless kopf closes the stream itself; None where the server did.
            lasts: seconds without a word after which the server counts as lost.
            silence: the same, once it has sent a bookmark (it sends one a minute).
        """
        super().__init__(content)
        self._is_echo = is_echo
        self._ended = ended
        self._limit = lasts
        self._silence = silence

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """See `aiohttp.StreamReader.iter_chunked`; whole lines only."""
        error: ApiError | None = None
        begun = b""
        try:
            while error is None and (chunk := await read_available(self._content, self._limit)):
                *whole, begun = (begun + chunk).split(b"\n")
                passed, error = self._sift(whole)
                yield b"".join(passed)
        except TimeoutError:
            error = UnavailableError(0, "the watch is silent")
        except (aiohttp.ClientError, OSError) as broken:
            error = UnavailableError(0, f"the watch broke: {broken}")
        self._ended(error)
        if is_forgotten(error):
            yield FORGOTTEN

    def _sift(self, lines: Iterable[bytes]) -> tuple[list[bytes], ApiError | None]:
        """What kopf gets of these lines, up to an error among them."""
        passed: list[bytes] = []
        for line in filter(None, lines):
            try:
                event = json.loads(line)
                type_, obj = event["type"], event["object"]
                if type_ == "ERROR":
                    return passed, api_error(obj.get("code", 0), str(obj.get("message", ""))[:500])
                version = obj["metadata"]["resourceVersion"]
            except (ValueError, LookupError, TypeError, AttributeError):
                return passed, UnavailableError(0, "the watch sent what is no event")
            if type_ == BOOKMARK:
                self._limit = self._silence
            passed.append(_bookmark(version) if type_ != BOOKMARK and self._is_echo(type_, obj) else line + b"\n")
        return passed, None


def _bookmark(version: str) -> bytes:
    return b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"%s"}}}\n' % version.encode()


def is_forgotten(error: ApiError | None) -> bool:
    """Whether the server does not have the version that a watch goes on from: 410, or 504 (its version is younger)."""
    return isinstance(error, GoneError) or (error is not None and error.status == HTTPStatus.GATEWAY_TIMEOUT)
