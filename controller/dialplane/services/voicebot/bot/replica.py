"""The replica: takes calls of bots in an ARI application of its own; implements `contract.Replica`."""

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, Final

import structlog

from dialplane.asterisk.ari_objects import StasisStart
from dialplane.asterisk.errors import ApplicationTaken, AsteriskError, NotThere
from dialplane.asterisk.media import MediaSocket
from dialplane.logs import log_unexpected
from dialplane.services.contract import ReplicaContext, ReplicaSuperseded
from dialplane.services.voicebot import desired
from dialplane.services.voicebot.bot import call, metrics
from dialplane.services.voicebot.bot.call import Arrival
from dialplane.services.voicebot.bot.line import Connector, Line
from dialplane.services.voicebot.bot.metrics import Refused
from dialplane.services.voicebot.bot.parts import BotParts, ReplicaParts
from dialplane.services.voicebot.bot.served_bot import BotVersion, ServedBot
from dialplane.services.voicebot.bot.watchdog import Watchdog
from dialplane.services.voicebot.desired import DesiredBots
from dialplane.services.voicebot.recording_names import recording_name
from dialplane.services.voicebot.reported import APPLICATION, BOT_PREFIX, ApplicationState, BotState, application_name
from dialplane.tasks import run_beside

log = structlog.get_logger(__name__)

MOST_CALLS: Final = 200
"""At a time, in one process: twice what one core bears."""
REPORT_SECONDS: Final = 2.0
"""Between two reports of how many calls go on: each is a write to the database."""
STOP_SECONDS: Final = 0.3
"""For all calls to end when the process stops."""
LISTED_SECONDS: Final = 3.0
"""In which the leader takes an application that is reported no more from the list that the dialplan reads."""
LEFT_SECONDS: Final = 10.0
"""For what drained calls leave behind to be stored."""
SETUPS: Final = 8
"""Callers whose media is set up at a time: each takes some 20 ms, and waits for 2 s. Asterisk 22.10.1 was seen to crash
right after its start, when 36 Local channels came at once and all had theirs set up together; never with SIP."""


class VoiceBotReplica:
    """Serves every bot of a site."""

    def __init__(self, context: ReplicaContext, parts: ReplicaParts | None = None) -> None:
        """Serve a site.

        Args:
            context: of the replica.
            parts: what speaks; by default the product's own.
        """
        self._context = context
        self._parts = parts if parts is not None else BotParts(context)
        self._desired = DesiredBots()
        self._bots: dict[str, ServedBot] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._setups = asyncio.Semaphore(SETUPS)
        self._media: set[MediaSocket] = set()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._taken = False
        application = application_name(context.replica)
        self._connector = Connector(application, context.secrets, self._take, self._connection_changed)
        self._watchdog = Watchdog(self._sever)

    def observe(self, view: Any) -> None:
        """See `Replica.observe`: calls that go on end as they began."""
        self._desired = desired.from_json(view)
        self._news.set()

    async def run(self) -> None:
        """See `Replica.run`."""
        writing = asyncio.create_task(self._parts.log.run())
        try:
            parts = (self._connect(), self._follow(), self._report(), self._watchdog.run(), self._parts.run())
            await run_beside(self._drain(), *parts)
        finally:
            for task in (*self._calls, *self._serving.values()):
                task.cancel()
            if self._calls or self._serving:
                await asyncio.wait([*self._calls, *self._serving.values()], timeout=STOP_SECONDS)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._parts.close()

    async def _connect(self) -> None:
        try:
            await self._connector.run()
        except ApplicationTaken as error:
            log.error("application taken", reason=str(error), calls=len(self._calls))  # noqa: TRY400 -- it says all
            self._taken = True
            self._connection_changed()
            await self._until_idle()  # calls need no application; new ones go elsewhere
            raise ReplicaSuperseded(str(error)) from None

    async def _drain(self) -> None:
        """When the process is to end, take no more calls, and end when the last one is over."""
        await self._context.draining.wait()
        log.info("no more calls are taken", calls=len(self._calls))
        for serving in self._serving.values():  # what speaks in a call stays as long as that
            serving.cancel()
        self._say()
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTED_SECONDS):  # who comes before is sent elsewhere
                await self._until_idle()
        self._connector.retire()
        await self._until_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEFT_SECONDS):
                await self._parts.settle()

    async def _until_idle(self) -> None:
        while self._calls:
            self._idle.clear()
            await self._idle.wait()

    async def _follow(self) -> None:
        """Begin and end bots, as the view says."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._context.draining.is_set():
                return
            wanted, self._parts.ari = self._desired.bots, self._desired.ari
            for name in self._bots.keys() - wanted.keys():
                self._serving.pop(name).cancel()
                del self._bots[name]
                self._context.report(BOT_PREFIX + name, None)
            for name, bot in wanted.items():
                if name in self._bots:
                    self._bots[name].want(bot)
                else:
                    made = ServedBot(name, bot, self._parts.engine, self._connector, self._say)
                    self._bots[name] = made
                    self._serving[name] = asyncio.create_task(made.run())
            self._connector.want(self._desired.ari if wanted else None)
            self._say()

    async def _take(self, line: Line, start: StasisStart) -> None:
        """Serve a caller who has come into the application."""
        arrival = Arrival.of(start)
        if arrival is None:
            return
        task = asyncio.create_task(self._serve(line, arrival))
        self._calls.add(task)
        task.add_done_callback(self._left)

    async def _serve(self, line: Line, arrival: Arrival) -> None:
        served = self._bots.get(arrival.bot)
        version = served.version if served is not None else None
        if self._context.draining.is_set():
            await self._refuse(line, arrival, Refused.UNSERVED, "the process is about to end")
        elif version is None or self._taken:
            await self._refuse(line, arrival, Refused.UNSERVED, "the bot is not served here")
        elif len(self._calls) > MOST_CALLS or self._parts.busy():
            await self._refuse(line, arrival, Refused.BUSY, f"busy with {len(self._calls) - 1} calls")
        else:
            version.calls += 1
            try:
                await self._speak(line, arrival, version)
            finally:
                await version.leave()

    async def _speak(self, line: Line, arrival: Arrival, version: BotVersion) -> None:
        async with AsyncExitStack() as stack:
            try:
                media = await stack.enter_async_context(call.opened_media(line.ari, line.url, arrival, self._setups))
            except NotThere:
                log.info("caller gone", bot=arrival.bot)
                with suppress(AsteriskError):
                    await line.ari.hang_up(arrival.media_id)
                return
            except (AsteriskError, TimeoutError) as error:
                reason = str(error) or "the media was not open in time"
                await self._refuse(line, arrival, Refused.FAILED, reason)
                return
            self._media.add(media)
            stack.callback(self._media.discard, media)
            made = arrival.call(self._context.replica)
            talk = partial(self._parts.talk, arrival.bot, version.bot, version.engine, made.caller)
            recording = None
            if version.bot.spec.recording is not None:
                recording = recording_name(self._context.site, arrival.bot, made.id)
            await call.serve(
                self._connector.ari, media, made, arrival.media_id, talk, self._parts.log, recording=recording
            )

    async def _refuse(self, line: Line, arrival: Arrival, why: Refused, reason: str) -> None:
        metrics.REFUSED.labels(why).inc()
        log.warning("caller refused", bot=arrival.bot, reason=reason)
        await call.refuse(line.ari, arrival)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._idle.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log_unexpected("a call of a bot failed", error)

    def _connection_changed(self) -> None:
        for bot in self._bots.values():
            bot.wake()
        self._say()

    def _say(self) -> None:
        """Report what there is; what has not changed costs nothing."""
        if self._context.draining.is_set():
            self._context.report(APPLICATION, None)
            for name, bot in self._bots.items():
                self._context.report(BOT_PREFIX + name, BotState("", ready=False, calls=bot.state.calls).to_json())
            return
        is_open = self._connector.line is not None and not self._taken
        self._context.report(APPLICATION, ApplicationState(self._connector.application, is_open).to_json())
        for name, bot in self._bots.items():
            self._context.report(BOT_PREFIX + name, bot.state.to_json())

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._say()

    def _sever(self) -> None:
        """Cut all that callers wait on; called from the watchdog's thread."""
        for media in list(self._media):
            media.sever()
        self._connector.sever()
