"""``python -m testbed.bot_replica``: a replica of bots as a process, whose bots speak in tones.

It is the product's own replica, with its ARI, its media sockets and its proofs. Only the talk is ours, but with a
store it is the product's, too: a bot plays a tone until the caller presses a key, which says how the call goes on
(:data:`KEYS`), and notes the pitch that it hears. Events are what the replica reports and what it writes down of calls.
"""

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import SecretStr

from dialplane.asterisk.media import MediaSocket
from dialplane.asterisk.media_events import MediaFrame, MediaKey
from dialplane.asterisk.media_protocol import BYTES_PER_SECOND
from dialplane.logs import configure_logs
from dialplane.services.contract import ReplicaContext, ReplicaSuperseded
from dialplane.services.voicebot.bot.call_context import Ended
from dialplane.services.voicebot.bot.external_bot import ExternalBot
from dialplane.services.voicebot.bot.replica import VoiceBotReplica
from dialplane.services.voicebot.bot.served_bot import Engine
from dialplane.services.voicebot.desired import AriAddress, DesiredBot
from dialplane.services.voicebot.tables.calls import BotCall, CallOutcome
from dialplane.services.voicebot.tables.turns import Turn
from dialplane.store import Store
from testbed.audio import slin16, slin16_hz
from testbed.control import Answer, emit, serve

HZ = 523
"""What a bot plays."""
KEYS = {
    "1": Ended("sales", CallOutcome.TRANSFERRED, state="sales"),
    "2": Ended("hangup", CallOutcome.COMPLETED),
    "3": Ended("", CallOutcome.FALLBACK, "a key was pressed"),
}
"""How a call goes on by the key that is pressed; `4` is an error nobody foresaw, `5` flushes and is silent, `6` speaks
again."""


class Events:
    """Writes calls down as events; implements `CallLog`."""

    def begin(self, call: BotCall) -> None:
        """See `CallLog.begin`."""
        emit({"event": "began", "call": call.id, "bot": call.bot, "caller": call.caller})

    def turn(self, call: str, number: int, turn: Turn) -> None:
        """See `CallLog.turn`."""

    def end(self, call: str, outcome: CallOutcome, *, reason: str = "", **_: Any) -> None:
        """See `CallLog.end`."""
        emit({"event": "ended", "call": call, "outcome": outcome.value, "reason": reason})

    async def run(self) -> None:
        """See `CallLog.run`."""
        await asyncio.Event().wait()


class Tones:
    """An engine without a voice; implements `Engine`."""

    recognizer = None
    synthesizer = None
    realtime = None

    def speak(self, text: str, language: str) -> AsyncIterator[bytes]:
        """See `BotSpeech.speak`: its bots play tones, and no text is ever spoken."""
        raise AssertionError((text, language))

    async def check(self) -> None:
        """See `Engine.check`."""

    async def close(self) -> None:
        """See `Engine.close`."""


@dataclass
class TonesParts:
    """What the replica speaks with; implements `ReplicaParts`."""

    secrets: "Secrets"
    log: Events = field(default_factory=Events)
    ari: AriAddress | None = None
    is_busy: bool = False
    is_quiet: bool = False
    """Not to say what it hears: that costs more than the call."""

    def engine(self, name: str, bot: DesiredBot) -> Engine:
        """See `ReplicaParts.engine`."""
        engine = bot.spec.engine
        return Tones() if engine is None else ExternalBot(name, engine.external, self.secrets)

    def busy(self) -> bool:
        """See `ReplicaParts.busy`."""
        return self.is_busy

    async def talk(  # noqa: C901 -- one key after the other
        self, name: str, bot: DesiredBot, engine: Engine, caller: str, media: MediaSocket, call_id: str
    ) -> Ended:
        """See `ReplicaParts.talk`."""
        del name, bot
        if isinstance(engine, ExternalBot):
            return await engine.talk(media, call_id, caller)
        playing = asyncio.create_task(_play(media))
        heard, ended = bytearray(), Ended("", CallOutcome.HUNG_UP)
        try:
            async for event in media.events():
                if isinstance(event, MediaFrame):
                    if not self.is_quiet:
                        heard += event.audio
                    if not self.is_quiet and len(heard) >= BYTES_PER_SECOND // 2:
                        emit({"event": "heard", "call": call_id, "hz": slin16_hz(bytes(heard))})
                        heard.clear()
                elif isinstance(event, MediaKey):
                    emit({"event": "key", "call": call_id, "key": event.digit})
                    if event.digit == "4":
                        raise ValueError("4")
                    if event.digit == "5":
                        playing.cancel()
                        await media.flush()
                        emit({"event": "flushed", "call": call_id, "at": time.monotonic()})
                    if event.digit == "6":
                        emit({"event": "plays", "call": call_id, "at": time.monotonic()})
                        playing = asyncio.create_task(_play(media))
                    if event.digit in KEYS:
                        ended = KEYS[event.digit]
                        break
        finally:
            playing.cancel()
        return ended

    async def run(self) -> None:
        """See `ReplicaParts.run`."""
        await asyncio.Event().wait()

    async def settle(self) -> None:
        """See `ReplicaParts.settle`."""

    async def close(self) -> None:
        """See `ReplicaParts.close`."""


async def _play(media: MediaSocket) -> None:
    while not media.ended:
        await media.play(slin16(HZ))


class Secrets:
    """The account of ARI, and a token; implements `SecretSource`."""

    def value(self, name: str, key: str) -> SecretStr | None:
        """See `SecretSource.value`: it comes in the environment."""
        text = os.environ.get(f"SECRET_{name}_{key}")
        return None if text is None else SecretStr(text)


class ReplicaCommands:
    """What a test may ask."""

    def __init__(self, replica: VoiceBotReplica, parts: TonesParts) -> None:
        self._replica = replica
        self._parts = parts

    async def observe(self, *, view: Any) -> Answer:
        """Serve this view."""
        self._replica.observe(view)
        return {}

    async def busy(self, *, is_busy: bool) -> Answer:
        """Have no time for more calls."""
        self._parts.is_busy = is_busy
        return {}

    async def freeze(self, *, seconds: float) -> Answer:
        """Hold the event loop up."""
        time.sleep(seconds)  # noqa: ASYNC251 -- what is asked for
        return {}

    async def usage(self) -> Answer:
        """Return processor seconds and resident bytes of this process."""
        with open("/proc/self/statm") as file:  # noqa: ASYNC230, PTH123 -- not of a disk
            pages = int(file.read().split()[1])
        return {"cpu": time.process_time(), "rss": pages * os.sysconf("SC_PAGE_SIZE")}


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True, help="of the replica")
    parser.add_argument("--quiet", help="anything: say nothing of what bots hear")
    parser.add_argument("--store", help="URL of a database: its bots then speak as their manifests say")
    given = parser.parse_args()
    configure_logs("INFO")
    secrets = Secrets()
    parts = TonesParts(secrets, is_quiet=bool(given.quiet))
    nothing = cast("Any", None)  # of the store its own parts need nothing

    def report(subject: str, state: Any) -> None:
        emit({"event": "report", "subject": subject, "state": state})

    store = Store.open(given.store) if given.store else nothing
    context = ReplicaContext(store, "test", given.id, report, nothing, asyncio.Event(), secrets=secrets)
    replica = VoiceBotReplica(context, None if given.store else parts)
    emit({"event": "ready", "port": 0})
    commands = ReplicaCommands(replica, parts)
    serving = asyncio.create_task(
        serve(
            {
                "observe": commands.observe,
                "busy": commands.busy,
                "freeze": commands.freeze,
                "usage": commands.usage,
            }
        )
    )
    running = asyncio.create_task(replica.run())
    await asyncio.wait({serving, running}, return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    running.cancel()
    (result,) = await asyncio.gather(running, return_exceptions=True)
    if isinstance(result, ReplicaSuperseded):
        emit({"event": "superseded", "reason": str(result)})


if __name__ == "__main__":
    asyncio.run(_main())
