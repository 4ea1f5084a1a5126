"""Recordings: what both said, stored when the call is over, or when its process is gone."""

import asyncio
import struct
from pathlib import Path

import numpy as np
import pytest

from dialplane.services.voicebot.bot.recording import CallRecording, Recordings
from dialplane.services.voicebot.recording_names import recording_name
from dialplane.storage.options import StorageOptions
from tests.eventually import eventually
from tests.voicebot import sounds

SITE, BOT, CALL = "site", "reception", "1732999999.17"
NAME = "site/bot-recordings/reception/1732999999-17.wav"


def options(folder: Path) -> StorageOptions:
    """Return a storage and a spool in a folder."""
    return StorageOptions((folder / "storage").as_uri(), folder / "spool")


async def recorded(recordings: Recordings, seconds: float) -> CallRecording:
    """Record a caller of 400 Hz and a bot of 1,000 Hz."""
    recording = recordings.begin(BOT, CALL)
    assert recording is not None
    time = np.arange(round(seconds * sounds.RATE)) / sounds.RATE
    sides = [sounds.frames(8000 * np.sin(2 * np.pi * hertz * time)) for hertz in (400, 1000)]
    for caller, bot in zip(*sides, strict=True):
        recording.write(caller, bot)
    return recording


def sides(wav: bytes) -> tuple[sounds.Samples, sounds.Samples]:
    """Return the caller's and the bot's side of a recording, by G.711's rule."""
    form, channels, rate, *_, bits = struct.unpack_from("<HHIIHH", wav, 20)
    assert (wav[:4], wav[8:16], form, channels, rate, bits) == (b"RIFF", b"WAVEfmt ", 7, 2, 8000, 8)
    assert struct.unpack_from("<I", wav, 4)[0] == len(wav) - 8
    assert (wav[50:54], struct.unpack_from("<I", wav, 54)[0]) == (b"data", len(wav) - 58)
    codes = ~np.frombuffer(wav[58:], np.uint8)
    size = (((codes & 0x0F).astype(int) << 3) + 132 << ((codes >> 4) & 7)) - 132
    both = np.where(codes & 0x80, -size, size).astype(float)
    return both[::2], both[1::2]


def pitch(sound: sounds.Samples) -> float:
    """Return the loudest frequency in Hz."""
    return float(np.fft.rfftfreq(len(sound), 1 / 8000)[np.abs(np.fft.rfft(sound)).argmax()])


async def test_both_sides_are_stored_when_the_call_is_over(tmp_path: Path) -> None:
    recordings = Recordings(SITE, options(tmp_path))
    running = asyncio.create_task(recordings.run())
    recording = await recorded(recordings, 2.5)
    assert recording.end() == NAME == recording_name(SITE, BOT, CALL)
    stored = tmp_path / "storage" / NAME
    await eventually(stored.exists)
    caller, bot = sides(stored.read_bytes())
    assert len(caller) == len(bot) == pytest.approx(2.5 * 8000, abs=2)
    assert pitch(caller) == pytest.approx(400, abs=1)
    assert pitch(bot) == pytest.approx(1000, abs=1)
    assert np.abs(caller[4000:16000]).max() == pytest.approx(8000, rel=0.05)
    await eventually(lambda: not [each for each in (tmp_path / "spool").rglob("*") if each.is_file()])
    running.cancel()


async def test_a_process_that_is_to_end_can_wait_until_all_is_stored(tmp_path: Path) -> None:
    recordings = Recordings(SITE, options(tmp_path))
    running = asyncio.create_task(recordings.run())
    (await recorded(recordings, 1.2)).end()
    await recordings.settle()
    assert (tmp_path / "storage" / NAME).exists()
    running.cancel()


async def test_what_a_process_left_behind_is_stored_by_the_next(tmp_path: Path) -> None:
    going_on = await recorded(Recordings(SITE, options(tmp_path)), 2.0)
    (file,) = await eventually(lambda: [*(tmp_path / "spool").rglob("*.part")])
    await eventually(lambda: file.stat().st_size > 58 + 16_000)
    left = tmp_path / "spool" / SITE / "bot-recordings" / BOT / "1-18.part"
    left.write_bytes(file.read_bytes())  # the same, unlocked: as after the end of its process
    running = asyncio.create_task(Recordings(SITE, options(tmp_path)).run())
    stored = tmp_path / "storage" / "site/bot-recordings/reception/1-18.wav"
    await eventually(stored.exists)
    caller, _ = sides(stored.read_bytes())
    assert pitch(caller) == pytest.approx(400, abs=2)
    assert file.exists()  # it goes on
    assert going_on.end() == NAME
    running.cancel()


async def test_a_storage_that_is_away_costs_no_recording(tmp_path: Path) -> None:
    (tmp_path / "storage").write_text("no folder")
    recordings = Recordings(SITE, options(tmp_path))
    running = asyncio.create_task(recordings.run())
    (await recorded(recordings, 1.2)).end()
    (file,) = await eventually(lambda: [*(tmp_path / "spool").rglob("*.wav")])
    (tmp_path / "storage").unlink()
    await eventually((tmp_path / "storage" / NAME).exists)
    await eventually(lambda: not file.exists())
    running.cancel()


async def test_a_file_that_cannot_be_stored_keeps_no_other_one_back(tmp_path: Path) -> None:
    (tmp_path / "spool" / SITE / "bot-recordings" / BOT / "0.wav").mkdir(parents=True)
    recordings = Recordings(SITE, options(tmp_path))
    running = asyncio.create_task(recordings.run())
    (await recorded(recordings, 1.2)).end()
    await eventually((tmp_path / "storage" / NAME).exists)
    running.cancel()


async def test_without_a_storage_nothing_is_recorded() -> None:
    recordings = Recordings(SITE, StorageOptions())
    assert recordings.begin(BOT, CALL) is None
    assert recordings.refusal == "nothing says where recordings are stored: set --storage-url"
