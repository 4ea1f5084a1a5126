"""The audio of a channel on a real Asterisk: what is sent is heard, and taken back by a FLUSH."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk.ari import Ari
from dialplane.asterisk.ari_objects import AriEvent
from dialplane.asterisk.errors import MediaUnavailable
from dialplane.asterisk.media import MediaSocket
from dialplane.asterisk.media_events import MediaDrained, MediaEvent, MediaFrame, MediaMark
from dialplane.asterisk.media_protocol import FRAME_BYTES
from testbed.asterisk import AsteriskInstance
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

APPLICATION = "media"
LOUD = b"\x00\x20" * (FRAME_BYTES // 2)


class Ends:
    """Two media channels in one bridge: what one sends the other hears, as it was sent."""

    def __init__(self, ari: Ari, url: str) -> None:
        self.ari = ari
        self.url = url
        self.heard: list[MediaEvent] = []
        self._stack = AsyncExitStack()

    async def open(self, name: str) -> "Ends":
        self.ids = [f"dpbot-{name}-{end}" for end in "ab"]
        opened = [await self.ari.external_media(APPLICATION, each) for each in self.ids]
        self.near, self.far = [
            await self._stack.enter_async_context(MediaSocket.connect(self.url, key)) for _, key in opened
        ]
        await eventually(lambda: APPLICATION_CHANNELS.issuperset(self.ids))
        await self.ari.join(f"dpbot-{name}", tuple(self.ids))
        self._stack.push_async_callback(self.ari.destroy_bridge, f"dpbot-{name}")
        self.seen: list[MediaEvent] = []
        self._tasks = [
            asyncio.create_task(self._collect(self.near, self.seen)),
            asyncio.create_task(self._collect(self.far, self.heard)),
        ]
        return self

    @staticmethod
    async def _collect(media: MediaSocket, into: list[MediaEvent]) -> None:
        async for event in media.events():
            into.append(event)  # noqa: PERF401 -- each as it comes

    @property
    def loud(self) -> int:
        """Frames that the far end hears of what was played."""
        return sum(1 for each in self.heard if each == MediaFrame(LOUD))

    def saw(self, event: MediaEvent) -> Callable[[], bool]:
        return lambda: event in self.seen

    async def close(self) -> None:
        await self._stack.aclose()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 10)


APPLICATION_CHANNELS: set[str] = set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    directory: Path = tmp_path_factory.mktemp("media")
    async with AsteriskInstance(directory) as instance:
        yield instance


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ari(asterisk: AsteriskInstance) -> AsyncIterator[Ari]:
    async def note(event: AriEvent) -> None:
        APPLICATION_CHANNELS.add(event.channel.id)

    account, opened = asterisk.settings.ari, asyncio.Event()
    async with Ari.connect(asterisk.ari_url, account.name, SecretStr(account.secret)) as connected:
        keeping = asyncio.create_task(connected.keep_open(APPLICATION, note, lambda _: opened.set()))
        await asyncio.wait_for(opened.wait(), 20)
        yield connected
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_what_is_played_is_heard_as_it_was_sent_and_a_mark_says_when(
    asterisk: AsteriskInstance, ari: Ari
) -> None:
    ends = await Ends(ari, asterisk.ari_url).open("heard")
    await ends.near.play(LOUD * 10 + LOUD[:100])
    await ends.near.mark("behind")
    await ends.near.report_drained()
    await eventually(ends.saw(MediaMark("behind")))
    await eventually(ends.saw(MediaDrained()))
    await eventually(lambda: ends.loud >= 10)
    loud = [each for each in ends.heard if isinstance(each, MediaFrame) and any(each.audio)]
    assert loud == [MediaFrame(LOUD)] * 10 + [MediaFrame(LOUD[:100] + bytes(FRAME_BYTES - 100))]
    assert not ends.far.stale_frames
    await ends.close()


async def test_a_flush_takes_back_what_is_queued_and_what_waits_to_be_queued(
    asterisk: AsteriskInstance, ari: Ari
) -> None:
    ends = await Ends(ari, asterisk.ari_url).open("flush")
    playing = asyncio.create_task(ends.near.play(LOUD * 50 * 60))
    await eventually(lambda: ends.loud >= 5)
    assert 13 < ends.near.queued_seconds <= 15
    assert not playing.done()
    await ends.near.flush()
    await asyncio.wait_for(playing, 5)
    assert ends.near.queued_seconds == 0
    await ends.near.mark("after")
    await eventually(ends.saw(MediaMark("after")))
    heard = ends.loud
    await ends.near.play(bytes(FRAME_BYTES) + LOUD)
    await eventually(lambda: ends.loud > heard)
    assert ends.loud <= heard + 3, "nothing of what was flushed"
    await ends.close()


async def test_a_socket_ends_with_its_channel_and_a_channel_with_its_socket(
    asterisk: AsteriskInstance, ari: Ari
) -> None:
    ends = await Ends(ari, asterisk.ari_url).open("ends")
    await ends.near.hang_up()
    await eventually(lambda: ends.near.ended)
    await ends.near.play(LOUD * 3000)  # dropped in silence
    await ends.near.flush()
    ends.far.sever()
    await eventually(lambda: ends.far.ended)

    async def gone() -> bool:
        return not {each.id for each in await ari.channels()} & set(ends.ids)

    await eventually(gone)
    await ends.close()


async def test_a_socket_that_is_not_there_is_one_clear_error(asterisk: AsteriskInstance) -> None:
    with pytest.raises(MediaUnavailable, match="refuses the media socket: 404") as refused:
        async with MediaSocket.connect(asterisk.ari_url, "no-such-key"):
            pass
    assert "no-such-key" not in f"{refused.value!r}{refused.value.__cause__!r}"
    with pytest.raises(MediaUnavailable, match="not open"):
        async with MediaSocket.connect(f"http://127.0.0.1:{asterisk.https_port}", "key"):
            pass
