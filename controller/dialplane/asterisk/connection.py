"""Keeps one connection to an Asterisk for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.errors import NotConnectedYet, Unreachable
from dialplane.tasks import Backoff, keep_running


@dataclass(frozen=True, slots=True)
class Up:
    """Connected, logged in and fully booted."""

    ami: Ami


@dataclass(frozen=True, slots=True)
class Down:
    """Not connected, and why; a new attempt follows by itself."""

    reason: Unreachable


class AsteriskLink:
    """One connection that comes back: exponential backoff with jitter, nothing replayed. `async with` runs it.

    Each connection is a new `Ami`: what was pending on the old one has failed with ConnectionLost, its subscriptions
    have ended. Whoever needs the state anew takes it from the new one.
    """

    def __init__(
        self,
        address: AmiAddress,
        *,
        events: str = "system,security",
        first_wait: float = 0.5,
        longest_wait: float = 4.0,
        connect_within: float = 60.0,
        wait_for_boot: bool = True,
    ) -> None:
        """Name the Asterisk; waits are in seconds. `wait_for_boot` as in `Ami.connect`.

        Short ones, however long Asterisk was away: an attempt costs nothing, and once it is back every second counts.
        """
        self._address = address
        self._events = events
        self._backoff = Backoff(first_wait, longest_wait, least=0.5)
        self._connect_within = connect_within
        self._wait_for_boot = wait_for_boot
        self._state: Up | Down = Down(NotConnectedYet(f"{address}: not connected yet"))
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name=f"asterisk-link-{self._address}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    @property
    def state(self) -> Up | Down:
        """The connection now."""
        return self._state

    @property
    def ami(self) -> Ami:
        """The connection; raises the Down reason (an Unreachable) while there is none."""
        if isinstance(self._state, Down):
            raise self._state.reason
        return self._state.ami

    async def up(self) -> Ami:
        """Wait until connected."""
        async for state in self.changes():
            if isinstance(state, Up):
                return state.ami
        raise AssertionError("changes() never ends")

    async def changes(self) -> AsyncIterator[Up | Down]:
        """The state now, then each change of it, for ever; a slow consumer sees only the newest."""
        seen: Up | Down | None = None
        while True:
            if self._state is not seen:
                seen = self._state
                yield seen
            else:
                await self._changed.wait()

    def _become(self, state: Up | Down) -> None:
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep(self) -> None:
        def note(reason: Unreachable, _: float) -> None:
            self._become(Down(reason))

        await keep_running(self._connect, errors=Unreachable, backoff=self._backoff, on_error=note)

    async def _connect(self) -> None:
        """One connection, until it ends. Raises Unreachable where there is none."""
        try:
            async with Ami.connect(
                self._address, timeout=self._connect_within, events=self._events, wait_for_boot=self._wait_for_boot
            ) as ami:
                self._become(Up(ami))
                self._become(Down(await ami.closed()))
        except asyncio.CancelledError:
            self._become(Down(Unreachable(f"{self._address}: closed by Dialplane")))
            raise
