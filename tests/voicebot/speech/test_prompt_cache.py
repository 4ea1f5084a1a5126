"""Prompts by content: spoken once, bounded, and only fixed texts on the disk."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialplane.services.voicebot.speech import prompt_cache
from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.speech.prompt_cache import PromptCache


class Speaker:
    """Speaks letters as audio, a piece for each word, when it may."""

    def __init__(self, identity: str = "speaker") -> None:
        self.identity = identity
        self.spoken: list[str] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.fault: SpeechError | None = None

    async def check(self) -> None:
        pass

    async def speak(self, text: str, language: str) -> AsyncIterator[bytes]:
        self.spoken.append(text)
        for number, word in enumerate(text.split()):
            if number:
                await self.may_go_on.wait()
            if self.fault is not None:
                raise self.fault
            yield f"{language}{word}".encode()

    async def close(self) -> None:
        pass


async def said(cache: PromptCache, speaker: Speaker, text: str, language: str = "en") -> list[bytes]:
    return [piece async for piece in cache.speak(speaker, text, language)]


async def test_a_text_is_spoken_once_and_then_comes_at_once() -> None:
    cache, speaker = PromptCache(), Speaker()
    assert await said(cache, speaker, "one two") == [b"enone", b"entwo"]
    assert await said(cache, speaker, "one two") == [b"enoneentwo"]
    assert await said(cache, speaker, "one two", "de") == [b"deone", b"detwo"]
    assert await said(cache, Speaker("another voice"), "one two") == [b"enone", b"entwo"]
    assert speaker.spoken == ["one two", "one two"]


async def test_what_is_being_spoken_comes_to_all_and_outlives_who_began_it() -> None:
    cache, speaker = PromptCache(), Speaker()
    speaker.may_go_on.clear()
    first = cache.speak(speaker, "one two", "en")
    assert await anext(first) == b"enone"
    await first.aclose()  # a barge-in
    second = cache.speak(speaker, "one two", "en")
    assert await anext(second) == b"enone"
    speaker.may_go_on.set()
    assert await anext(second) == b"entwo"
    assert await said(cache, speaker, "one two") == [b"enoneentwo"]
    assert speaker.spoken == ["one two"]


async def test_a_fault_is_everybody_s_and_the_next_tries_again() -> None:
    cache, speaker = PromptCache(), Speaker()
    speaker.fault = SpeechError(SpeechFault.QUOTA, "used up")
    for _ in range(2):
        with pytest.raises(SpeechError, match="used up"):
            await said(cache, speaker, "one")
    speaker.fault = None
    assert await said(cache, speaker, "one") == [b"enone"]


async def test_closing_ends_what_is_being_spoken() -> None:
    cache, speaker = PromptCache(), Speaker()
    speaker.may_go_on.clear()
    speaking = cache.speak(speaker, "one two", "en")
    await anext(speaking)
    await cache.close()
    with pytest.raises(SpeechError, match="not spoken to its end"):
        await anext(speaking)


async def test_memory_is_bounded() -> None:
    cache, speaker = PromptCache(memory=12), Speaker()
    for text in ("one", "two", "six"):  # of 5 bytes each
        await said(cache, speaker, text)
    await said(cache, speaker, "two")
    await said(cache, speaker, "one")
    assert speaker.spoken == ["one", "two", "six", "one"]


async def test_only_fixed_texts_are_on_the_disk_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    cache, speaker = PromptCache(folder), Speaker()
    await cache.warm(speaker, [("good morning", "en"), ("good morning", "en")])
    await said(cache, speaker, "your number is 5550101")
    (file,) = folder.iterdir()
    assert file.read_bytes() == b"engoodenmorning"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    later = Speaker()
    again = PromptCache(folder)
    await again.warm(later, [("good morning", "en")])
    assert await said(again, later, "good morning") == [b"engoodenmorning"]
    assert later.spoken == []


async def test_the_disk_is_bounded_and_a_folder_that_cannot_be_is_no_fault(tmp_path: Path) -> None:
    speaker = Speaker()
    await PromptCache(tmp_path, disk=12).warm(speaker, [("one", "en"), ("two", "en"), ("six", "en")])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 10
    (tmp_path / "file").touch()
    cache = PromptCache(tmp_path / "file")
    await cache.warm(speaker, [("one", "en")])
    assert await said(cache, speaker, "one") == [b"enone"]


async def test_a_synthesizer_that_does_not_stop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_cache, "LONGEST", 20)
    cache, speaker = PromptCache(), Speaker()
    with pytest.raises(SpeechError, match="does not stop speaking"):
        await said(cache, speaker, "word " * 1000)
    assert not cache._flights
