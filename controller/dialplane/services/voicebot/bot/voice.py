"""The bot's voice in one call: says utterances, notes what the caller heard of them, fills silence."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, suppress
from typing import Any, Final, TypeVar

from dialplane.services.voicebot.bot import fillers
from dialplane.services.voicebot.bot.call_context import BotSpeech
from dialplane.services.voicebot.bot.playout import Playout
from dialplane.services.voicebot.bot.transcript import Transcript
from dialplane.services.voicebot.dialogue.steps import Utterance
from dialplane.services.voicebot.speech.contract import FRAME_BYTES, FRAME_SECONDS, SpeechError, SpeechFault

T = TypeVar("T")

FILLER_SECONDS: Final = 2.5
"""After so long a silence of the bot's own the caller is asked for a moment."""
FILLERS_EVERY: Final = 4.5
FIRST_AUDIO_SECONDS: Final = 8.0
"""For the first audio of a text."""
NEXT_AUDIO_SECONDS: Final = 5.0
"""For each further piece."""
APOLOGY_SECONDS: Final = 6.0
_LETTERS_A_SECOND: Final = 15.0
"""Of any voice, where an utterance was cut before it was synthesized."""


class Voice:
    """Speaks in one call."""

    def __init__(self, speech: BotSpeech, playout: Playout, transcript: Transcript, language: str) -> None:
        """Speak `language` where an utterance of its own has to be made."""
        self._speech = speech
        self._playout = playout
        self._transcript = transcript
        self._language = language
        self._items = 0
        self.current: Utterance | None = None
        """What it says now."""
        self.heard_seconds = 0.0
        """How much the caller heard of the last utterance, behind what was left out."""

    async def say(self, utterance: Utterance, *, skip_seconds: float = 0.0) -> None:
        """Say it, and return when the caller has heard it. Cancelled, it falls silent at once.

        Args:
            utterance: what.
            skip_seconds: how much of its beginning is left out.

        Raises:
            SpeechError: the synthesizer does not serve.
        """
        self._items += 1
        item, total, whole = f"say-{self._items}", 0.0, False
        self.current = utterance
        try:
            async for audio in self._audio(utterance, skip_seconds):
                total += len(audio) / FRAME_BYTES * FRAME_SECONDS
                self._playout.add(audio, item)
            self._playout.finish()
            await self._playout.drained()
            whole = True
        except asyncio.CancelledError:
            await self._playout.stop()
            raise
        except SpeechError:  # what was synthesized is heard first
            self._playout.finish()
            await self._playout.drained()
            raise
        finally:
            self.current = None
            self.heard_seconds = heard = self._playout.heard(item)
            text = utterance.text if whole else _heard_text(utterance.text, skip_seconds + heard, skip_seconds + total)
            details: dict[str, Any] = {"heard_seconds": round(heard, 2)}
            if not whole:
                details["interrupted"] = True
            self._transcript.bot(text, heard, self._playout.began_at(item), **details)
            self._playout.forget(item)

    async def _audio(self, utterance: Utterance, skip_seconds: float) -> AsyncIterator[bytes]:
        skip = round(skip_seconds / FRAME_SECONDS) * FRAME_BYTES
        async with aclosing(_closable(self._speech.speak(utterance.text, utterance.language))) as pieces:
            first = True
            while True:
                try:
                    if first:
                        piece = await self.fill(anext(pieces), FIRST_AUDIO_SECONDS)
                        first = False
                    else:
                        async with asyncio.timeout(NEXT_AUDIO_SECONDS):
                            piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise SpeechError(SpeechFault.TIMEOUT, "the synthesizer sends no audio") from None
                skipped = min(skip, len(piece))
                skip -= skipped
                if len(piece) > skipped:
                    yield piece[skipped:]

    async def fill(self, work: Awaitable[T], limit: float) -> T:
        """Wait for some work, and ask the caller for a moment where it takes long.

        Args:
            work: what the caller waits for; it is cancelled at the limit.
            limit: seconds.

        Raises:
            TimeoutError: it was not done in time.
            Exception: what the work raises.
        """
        task = asyncio.ensure_future(work)
        try:
            async with asyncio.timeout(limit):
                wait = FILLER_SECONDS
                while not (await asyncio.wait([task], timeout=wait))[0]:
                    await self.ask_for_a_moment()
                    wait = FILLERS_EVERY
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def ask_for_a_moment(self) -> None:
        """Ask the caller to wait, where that can be said at once."""
        await self._say_briefly(fillers.one_moment(self._language))

    async def apologize(self) -> None:
        """Say that there is trouble, where that can be said at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(APOLOGY_SECONDS):
                await self._say_briefly(fillers.trouble(self._language))

    async def _say_briefly(self, utterance: Utterance) -> None:
        """Say something that is no part of the dialogue, where the synthesizer serves."""
        if self._playout.speaking:
            return
        self._items += 1
        item = f"say-{self._items}"
        with suppress(SpeechError, TimeoutError):
            async with aclosing(_closable(self._speech.speak(utterance.text, utterance.language))) as pieces:
                async with asyncio.timeout(FILLER_SECONDS):
                    async for audio in pieces:
                        self._playout.add(audio, item)
            self._playout.finish()
            await self._playout.drained()
            self._transcript.bot(utterance.text, self._playout.heard(item), None)
        self._playout.forget(item)


async def _closable(pieces: AsyncIterator[bytes]) -> Any:
    try:
        async for piece in pieces:
            yield piece
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


def _heard_text(text: str, heard: float, total: float) -> str:
    """Return the words of a text that were heard, as far as their length says."""
    total = max(total, len(text) / _LETTERS_A_SECOND) if total <= heard else total
    words = text.split()
    some = round(len(words) * min(heard / total, 1.0)) if total > 0 else 0
    return " ".join([*words[:some], "…"])
