"""Proves the media path: what one media channel is sent, another one that Asterisk joins with it must hear."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from typing import Final
from uuid import uuid4

from dialplane.asterisk.ari import Ari
from dialplane.asterisk.errors import AsteriskError
from dialplane.asterisk.media import MediaSocket
from dialplane.asterisk.media_events import MediaFrame
from dialplane.asterisk.media_protocol import BYTES_PER_SECOND, FRAME_BYTES

PREFIX: Final = "dpbot-probe-"
"""Begins the ids of all channels and bridges that a probe makes."""
LONGEST: Final = BYTES_PER_SECOND
"""Bytes of an utterance that are sent: one second says enough."""
SPARE_SECONDS: Final = 3.0
SHARE: Final = 0.8
"""Of the frames that are not silent, what must come out as it was sent."""
QUIET: Final = 512
"""Sixteen bits below which a sample is silence."""


class ProbeFailed(Exception):
    """The media path does not work. Its text is for people."""


async def prove(ari: Ari, url: str, application: str, utterance: bytes) -> None:
    """Send an utterance through Asterisk, and hear it.

    Args:
        ari: with `application` open.
        url: of Asterisk's HTTP server.
        application: that the channels of the probe come into.
        utterance: slin16 that is not silent.

    Raises:
        ProbeFailed: it did not come out, or not as it was sent.
        AsteriskError: Asterisk refused something.
    """
    audio = loud_part(utterance)
    name = f"{PREFIX}{uuid4().hex[:12]}"
    ids = (f"{name}-a", f"{name}-b")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_remove, ari, name, ids)
        sockets = []
        for channel_id in ids:
            passage = stack.enter_context(ari.watch(channel_id))
            _, key = await ari.external_media(application, channel_id)
            sockets.append(await stack.enter_async_context(MediaSocket.connect(url, key)))
            await passage.entered.wait()
        await ari.join(name, ids)
        near, far = sockets
        await near.play(audio)
        wanted = _frames(audio)
        try:
            async with asyncio.timeout(len(audio) / BYTES_PER_SECOND + SPARE_SECONDS):
                heard = await _hear(far, wanted)
        except TimeoutError:
            raise ProbeFailed("an utterance that was sent through Asterisk did not come out") from None
        if heard < SHARE * len(wanted):
            raise ProbeFailed(f"of an utterance sent through Asterisk {heard / len(wanted):.0%} came out")


def loud_part(utterance: bytes) -> bytes:
    """Return up to a second of an utterance from its first sound on, in whole frames."""
    start = next((start for start in range(0, len(utterance), FRAME_BYTES) if _is_loud(utterance, start)), 0)
    part = utterance[start : start + LONGEST]
    return part + bytes(-len(part) % FRAME_BYTES)


def _is_loud(audio: bytes, start: int) -> bool:
    frame = audio[start : start + FRAME_BYTES]
    return max(map(abs, memoryview(frame[: len(frame) // 2 * 2]).cast("h")), default=0) > QUIET


def _frames(audio: bytes) -> set[bytes]:
    frames = {audio[start : start + FRAME_BYTES] for start in range(0, len(audio), FRAME_BYTES)}
    return {frame for frame in frames if any(frame)}


async def _hear(far: MediaSocket, wanted: Iterable[bytes]) -> int:
    """Return how many of these frames came, when all have or the channel is gone."""
    missing = set(wanted)
    count = len(missing)
    async for event in far.events():
        if isinstance(event, MediaFrame):
            missing.discard(event.audio)
            if not missing:
                break
    return count - len(missing)


async def _remove(ari: Ari, bridge: str, ids: tuple[str, ...]) -> None:
    with suppress(AsteriskError):  # the sweep finds what is left
        for channel_id in ids:
            await ari.hang_up(channel_id)
        await ari.destroy_bridge(bridge)
