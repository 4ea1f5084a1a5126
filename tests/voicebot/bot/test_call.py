"""One call, from the moment that its media is open."""

import asyncio
from typing import Any, cast

from dialplane.asterisk.errors import Unreachable
from dialplane.asterisk.media import MediaSocket
from dialplane.services.voicebot.bot import call
from dialplane.services.voicebot.bot.call_context import Ended
from dialplane.services.voicebot.tables.calls import CallOutcome
from tests.voicebot.bot.line import Line
from tests.voicebot.bot.talking import Log
from tests.voicebot.calls_made import call as a_call


class Ends(Log):
    """A log that keeps the ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[CallOutcome, str | None]] = []

    def end(self, call: str, outcome: CallOutcome, **details: Any) -> None:  # noqa: ARG002 -- as the protocol says
        self.ends.append((outcome, details["recording"]))


def no_ari() -> Any:
    raise Unreachable("ARI: it is away")


async def test_the_recording_of_a_call_whose_process_ends_is_named() -> None:
    line, log, talking = Line(), Ends(), asyncio.Event()
    line.stale_frames = 0  # type: ignore[attr-defined]

    async def talk(_: MediaSocket, __: str) -> Ended:
        talking.set()
        await asyncio.Event().wait()
        raise AssertionError

    media = cast(MediaSocket, line)
    serving = asyncio.create_task(call.serve(no_ari, media, a_call("c-1"), "c-1", talk, log, recording="r/c-1.wav"))
    await talking.wait()
    serving.cancel()
    await asyncio.wait([serving])
    assert log.ends == [(CallOutcome.LOST, "r/c-1.wav")]
