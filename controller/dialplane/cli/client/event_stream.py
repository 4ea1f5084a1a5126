"""The events of an answer, by httpx-sse, within a limit."""

from collections.abc import Iterator
from typing import Final, cast

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

LONGEST: Final = 1_000_000
"""Bytes of one event; a call has about 1,000."""


class BadStream(ValueError):
    """The answer is no stream of events."""


def events(answer: httpx.Response) -> Iterator[ServerSentEvent]:
    """The events of an answer whose body is not read yet, as they come; what keeps the stream alive is none.

    Raises:
        BadStream: the answer has another media type, or one of its events never ends.
        httpx.TransportError: the connection broke off.
    """
    stream = answer.stream = _Limited(cast("httpx.SyncByteStream", answer.stream))
    try:
        for event in EventSource(answer).iter_sse():
            stream.since_event = 0
            if event.data:
                yield event
    except SSEError:
        raise BadStream("there is no stream of events") from None


class _Limited(httpx.SyncByteStream):
    """A body that ends with an error where too much of it came without an event."""

    def __init__(self, body: httpx.SyncByteStream) -> None:
        self._body = body
        self.since_event = 0
        """Bytes that came since the last event."""

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self.since_event += len(chunk)
            if self.since_event > LONGEST:
                raise BadStream("an event without an end")
            yield chunk

    def close(self) -> None:
        self._body.close()
