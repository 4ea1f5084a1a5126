"""How a call goes: pretended, as its script says (:mod:`testbed.infinity.ringing` has the real ones)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from testbed.infinity.call import Call
from testbed.infinity.script import CAUSES


@dataclass(frozen=True)
class End:
    """How it ended."""

    cause: int
    direction: str


class Lines(Protocol):
    """Where calls go."""

    async def play(self, call: Call, answered: Callable[[], Awaitable[None]]) -> End:
        """One call to its end; `answered` is called when the customer answers."""

    async def hang_up(self, call: Call, direction: str) -> None:
        """Somebody hangs up. Raises ValueError where nobody is in the call."""


class Pretended:
    """Nobody rings."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Future[End]] = {}

    async def play(self, call: Call, answered: Callable[[], Awaitable[None]]) -> End:
        """As the script says."""
        script = call.script
        end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._ends[call.uuid] = end
        try:
            if await _within(end, script.agent_seconds) or script.outcome == "agent_no_answer":
                return end.result() if end.done() else End(CAUSES[script.outcome], "")
            if await _within(end, script.ring_seconds) or script.outcome != "answered":
                return end.result() if end.done() else End(CAUSES[script.outcome], "")
            await answered()
            if await _within(end, script.talk_seconds):
                return end.result()
            return End(CAUSES[script.outcome], "customer")
        finally:
            del self._ends[call.uuid]

    async def hang_up(self, call: Call, direction: str) -> None:
        """End it now."""
        end = self._ends.get(call.uuid)
        if end is None or end.done():
            raise ValueError(f"{call.id} is over")
        end.set_result(End(CAUSES["answered"], direction))


async def _within(end: "asyncio.Future[End]", seconds: float | None) -> bool:
    """Whether it ended in that time; None: however long it takes."""
    done, _ = await asyncio.wait([end], timeout=seconds)
    return bool(done)
