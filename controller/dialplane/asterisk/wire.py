"""panoramisk's protocol, with what it lacks: exact bytes, time limits, and nothing ever sent twice.

Asterisk works through the actions of one connection one by one and answers in that order (main/manager.c: one thread a
session). So an action's clock starts when the one before it has been answered: a listing that waits behind a long
reload has not timed out. For the same reason an action that never ends blocks all behind it: where nothing at all was
heard during its limit, the connection is given up, and the next one finds a thread of its own.
"""

import asyncio
import re
from collections import deque
from typing import Any, Protocol

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from dialplane.asterisk.decoder import Decoder
from dialplane.asterisk.errors import (
    ActionRefused,
    ActionTimeout,
    ActionUnknown,
    ConnectionLost,
    PermissionMissing,
    ShuttingDown,
    Unreachable,
)
from dialplane.asterisk.message import Event, Response

_KINDS = (("Permission denied", PermissionMissing), ("Invalid/unknown command", ActionUnknown), ("", ActionRefused))
"""How a refusal begins, and what it means (main/manager.c)."""
_STOPPING = "Asterisk is shutting down"
"""The refusal of every action while it stops, gracefully too: then it refuses every call for as long as one is up."""
_EMPTY = re.compile(r"No [A-Za-z ]+ found")
"""How PJSIP's lists say, as an error, that they are empty: `No Contacts found`."""


class Listener(Protocol):
    """Who owns the wire."""

    def dispatch(self, event: Event) -> None:
        """An event that answers no action."""

    def connection_lost(self, reason: Unreachable) -> None:
        """The wire has ended; called once."""


class Pending(Action):  # type: ignore[misc]  # panoramisk is untyped
    """An action on its way: panoramisk's, with an end of lists that tells refusals from answers."""

    def __init__(self, fields: dict[str, Any], limit: float, *, as_list: bool) -> None:
        super().__init__(fields, as_list=as_list)
        self.name: str = fields["Action"]
        self.limit = limit
        self.answered = False
        self._refusal: ActionRefused | None = None
        # A caller that was cancelled never looks: that must not be logged as an exception nobody retrieved.
        self.future.add_done_callback(_look)

    def add_message(self, message: Response | Event) -> bool:
        """Take a part of the answer; True when it was the last (panoramisk then forgets the action)."""
        self.answered = self.as_list is not True or self._ends(message)
        if isinstance(message, Response):
            if not message.succeeded:
                kind = next(kind for begin, kind in _KINDS if message.message.startswith(begin))
                self._refusal = self._refusal or kind(self.name, message.message)
                if self.as_list and self.answered and _EMPTY.fullmatch(message.message):
                    self._refusal = None
            elif not self.as_list:
                self.responses.append(message)
        elif not self.answered:
            self.responses.append(message)
        if self.answered and not self.future.done():
            if self._refusal is not None:
                self._refusal.items = tuple(self.responses) if self.as_list else ()
                self.future.set_exception(self._refusal)
            else:
                self.future.set_result(tuple(self.responses) if self.as_list else message)
        return self.answered

    def _ends(self, message: Response | Event) -> bool:
        if isinstance(message, Response):
            if not message.succeeded:
                # Refused as a whole; one that stands inside a list is followed by the list's end (facts).
                return not self.responses
            # An empty voicemail.conf answers a bare success: no list follows.
            return "eventlist" not in message and "will follow" not in message.message.lower()
        return message.get("eventlist", "").lower() in {"complete", "cancelled"} or message.name.endswith("Complete")

    def __repr__(self) -> str:
        return f"<{self.name}>"


def _look(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()


class Wire(AMIProtocol):  # type: ignore[misc]  # panoramisk is untyped
    """The bytes of one connection."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._decoder = Decoder()
        self._order: deque[Pending] = deque()
        self._clock: asyncio.TimerHandle | None = None
        self._began = 0.0
        self.closed = False
        self.transport: asyncio.Transport | None = None
        self.heard = 0.0
        """Loop time of the last byte received."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep panoramisk's table of actions; its queue of text is not used."""
        super().connection_made(transport)
        self.factory = self._listener
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()

    @property
    def busy(self) -> bool:
        """Whether an action waits for its answer."""
        return bool(self._order)

    def send(self, data: Pending, as_list: bool | None = None) -> "asyncio.Future[Any]":  # noqa: ARG002
        """Write the action, once; its future gets the answer, or one of the errors."""
        future: asyncio.Future[Any] = data.future
        if self.closed:
            future.set_exception(ConnectionLost("the connection to Asterisk has ended"))
            return future
        self.responses[data.id] = data
        self._order.append(data)
        if len(self._order) == 1:
            self._start_clock()
        assert self.transport is not None  # noqa: S101 -- set by connection_made
        self.transport.write(str(data).encode("utf-8", "surrogateescape"))
        return future

    def data_received(self, data: bytes) -> None:
        """Decode whole messages and give each to its action, or to the listener."""
        self.heard = self._loop.time()
        try:
            for message in self._decoder.feed(data):
                self.handle_message(message)
                if isinstance(message, Response) and message.message == _STOPPING:
                    self.connection_lost(ShuttingDown("Asterisk shuts down: it takes no calls"))
                if self.closed:
                    return
        except ConnectionLost as error:
            self.connection_lost(error)
        head = self._order[0] if self._order else None
        while self._order and self._order[0].answered:
            self._order.popleft()
        if head is not None and head.answered:
            self._start_clock()

    def connection_lost(self, exc: object) -> None:
        """Fail whatever waits. `exc` is asyncio's error or None, ours, or panoramisk's Shutdown event."""
        if self.closed:
            return
        if isinstance(exc, Unreachable):
            reason = exc
        elif isinstance(exc, Event):
            reason = ShuttingDown("Asterisk shuts down")
        else:
            reason = ConnectionLost(f"the connection to Asterisk ended: {exc or 'closed by the peer'}")
        self.close()
        for pending in self._order:
            if not pending.future.done():
                pending.future.set_exception(ConnectionLost(f"{pending.name}: no answer, {reason}"))
        self._order.clear()
        self.responses.clear()
        self._listener.connection_lost(reason)

    def close(self) -> None:
        """Close at once; panoramisk would keep the unanswered actions for the next connection."""
        self.closed = True
        if self._clock is not None:
            self._clock.cancel()
        if self.transport is not None:
            self.transport.abort()

    def _start_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if self._order:
            self._began = self._loop.time()
            self._clock = self._loop.call_later(self._order[0].limit, self._time_out)

    def _time_out(self) -> None:
        # It stays in panoramisk's table, so that a late answer is not taken for an event.
        late = self._order.popleft()
        if not late.future.done():
            late.future.set_exception(ActionTimeout(f"{late.name}: no answer within {late.limit:g} s"))
        if self.heard < self._began:
            self.connection_lost(ConnectionLost(f"Asterisk is silent: no answer to {late.name} in {late.limit:g} s"))
            return
        self._clock = None
        self._start_clock()
