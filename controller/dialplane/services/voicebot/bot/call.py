"""One call of a bot: its media is opened, the caller goes back to the dialplan that bridges both, and they speak.

Only the beginning and the end need ARI. Between them the media socket is all that there is: when it goes, by whatever
cause, Asterisk takes the caller to the fallback by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from dialplane.asterisk.ari import Ari
from dialplane.asterisk.ari_objects import AriChannel, StasisStart
from dialplane.asterisk.errors import AsteriskError, NotThere
from dialplane.asterisk.media import MediaSocket
from dialplane.asterisk.media_protocol import FRAME_SECONDS
from dialplane.logs import log_unexpected
from dialplane.plan.dialplan.contexts import MEDIA, MEDIA_WAITS_IN
from dialplane.plan.voice_bots import next_code
from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.call_context import Ended
from dialplane.services.voicebot.bot.call_log import CallLog
from dialplane.services.voicebot.tables.calls import BotCall, CallOutcome
from dialplane.tasks import Backoff, retry

log = structlog.get_logger(__name__)

ADMISSION_SECONDS: Final = 1.5
"""Until the caller is back in the dialplan, which waits 2 s."""
LOOK_SECONDS: Final = 0.005
"""Between two looks whether the media channel is in the dialplan."""
END_SECONDS: Final = 2.0
"""In which Asterisk must take the word where a call goes on; the caller hears nothing meanwhile."""
_AGAIN: Final = Backoff(0.1, 0.5)
LOST: Final = "the bot was stopped, or failed"

Talk = Callable[[MediaSocket, str], Awaitable[Ended]]
"""Speaks with the caller of a call of this id, and says how it ended."""


@asynccontextmanager
async def opened_media(ari: Ari, url: str, arrival: "Arrival", setups: asyncio.Semaphore) -> AsyncIterator[MediaSocket]:
    """Make a caller's media channel, and let the caller go on in the dialplan, where both are bridged then.

    Args:
        ari: has the application where the caller waits.
        url: of Asterisk's HTTP server.
        arrival: of the caller.
        setups: bounds how many are set up at a time; to wait for it counts.

    Raises:
        AsteriskError: it could not be set up, or the caller has hung up (`NotThere`).
        TimeoutError: not in time.
    """
    async with asyncio.timeout(ADMISSION_SECONDS) as admission, AsyncExitStack() as stack:
        async with setups:
            key = await ari.waiting_media(arrival.media_id, MEDIA)
            media = await stack.enter_async_context(MediaSocket.connect(url, key))
            while (await ari.channel(arrival.media_id)).running != MEDIA_WAITS_IN:  # noqa: ASYNC110 -- no event says so
                await asyncio.sleep(LOOK_SECONDS)
            await ari.continue_in_dialplan(arrival.caller.id)
        admission.reschedule(None)
        yield media


async def serve(
    ari: Callable[[], Ari],
    media: MediaSocket,
    call: BotCall,
    media_id: str,
    talk: Talk,
    to: CallLog,
    *,
    recording: str | None = None,
) -> None:
    """Speak with a caller, and take the call to where it goes on.

    Args:
        ari: returns the connection that is open when the call ends.
        media: the caller's.
        call: what is written down of it.
        media_id: the id of the media channel.
        talk: speaks.
        to: where it is written.
        recording: what its recording is called, should there be one though the talk does not come to its end.
    """
    to.begin(call)
    metrics.count_begin()
    ended = Ended("", CallOutcome.LOST, LOST, recording=recording)
    try:
        ended = await talk(media, call.id)
        ended = await _go_on(ari, media, media_id, ended)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the caller goes to the fallback
        log_unexpected("a call of a bot failed", error, bot=call.bot, call=call.id)
    finally:
        metrics.count_end(ended.outcome)
        metrics.STALE.inc(media.stale_frames * FRAME_SECONDS)
        to.end(
            call.id,
            ended.outcome,
            reason=ended.reason,
            state=ended.state,
            target=ended.target,
            variables=dict(ended.variables),
            recording=ended.recording,
        )
        log.info("call ended", bot=call.bot, call=call.id, outcome=ended.outcome.value, reason=ended.reason)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A caller who has come into the application."""

    bot: str
    media_id: str
    """What the media channel is to be called. It is the call's id, too: a caller may come to several bots."""
    caller: AriChannel
    campaign: str = ""
    """Which campaign calls, and whom; empty where somebody calls."""
    destination: str = ""

    @classmethod
    def of(cls, start: StasisStart) -> "Arrival | None":
        """Return what the dialplan says of a caller; None where it says nothing: a channel of our own."""
        if len(start.arguments) != 4:  # noqa: PLR2004 -- as `plan.dialplan.voice_bots` has it
            return None
        bot, campaign, destination, media_id = start.arguments
        return cls(bot, media_id, start.channel, campaign, destination)

    def call(self, replica: str) -> BotCall:
        """Return the call, which begins now."""
        return BotCall(
            id=self.media_id[:64],
            bot=self.bot,
            caller=self.caller.caller[:40],
            replica=replica,
            began_at=datetime.now(UTC),
            campaign=self.campaign or None,
            destination=self.destination or None,
        )


async def _go_on(ari: Callable[[], Ari], media: MediaSocket, media_id: str, ended: Ended) -> Ended:
    """Hang the media channel up with the cause that says where the call goes on; without one it is the fallback."""
    if media.ended:
        return ended
    if not ended.next:
        await media.hang_up()
        return ended
    code = next_code(ended.next)
    try:
        async with asyncio.timeout(END_SECONDS):
            await retry(lambda: ari().hang_up(media_id, code), errors=AsteriskError, backoff=_AGAIN)
    except TimeoutError:
        await media.hang_up()
        reason = "Asterisk's ARI did not answer when the call was to go on"
        return replace(ended, next="", outcome=CallOutcome.FALLBACK, reason=reason)
    return ended


async def refuse(ari: Ari, arrival: Arrival) -> None:
    """Let a caller go on without this bot; Asterisk tries the next application, then the fallback."""
    try:
        await ari.hang_up(arrival.media_id)
        await ari.continue_in_dialplan(arrival.caller.id)
    except NotThere:  # hung up, or the dialplan's own limit was sooner
        pass
    except AsteriskError as error:
        log.warning("caller not let go", reason=str(error), cure="Asterisk does it after 2 s")
