"""What a call leaves behind: the interface between the call and the tables."""

from typing import Protocol

from dialplane.services.voicebot.tables.calls import BotCall, CallOutcome
from dialplane.services.voicebot.tables.turns import Turn


class CallLog(Protocol):
    """Writes calls and their turns. It never waits and never raises: a call goes on without a database."""

    def begin(self, call: BotCall) -> None:
        """A call began."""

    def turn(self, call: str, number: int, turn: Turn) -> None:
        """Something was said or done; it is written within a second, so that a crash loses no more."""

    def end(
        self,
        call: str,
        outcome: CallOutcome,
        *,
        reason: str = "",
        state: str = "",
        target: str = "",
        variables: dict[str, str] | None = None,
        recording: str | None = None,
    ) -> None:
        """A call ended."""

    async def run(self) -> None:
        """Write until cancelled; what is left then is written first, for a second at most."""
