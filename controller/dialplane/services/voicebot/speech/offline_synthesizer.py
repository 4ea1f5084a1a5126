"""Speech without a network: flite for English, espeak-ng for other languages. Robotic, but at once and for nothing."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from dialplane.resources.voice_bot import TextToSpeech
from dialplane.services.voicebot.dialogue.lexicon import primary
from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.speech.programs import ESPEAK_NG, FLITE, require_program
from dialplane.services.voicebot.speech.workers import SpeechWorkers

FLITE_VOICES: Final = ("slt", "rms", "awb", "kal16")
LIMIT: Final = 10.0
"""Seconds for a sentence; 0.1 is usual."""
CHECKED: Final = "Hello."
_SENTENCE: Final = re.compile(r"(?<=[.!?;:。！？])\s+|(?<=[。！？])")  # noqa: RUF001 -- Chinese sentences end so
_LONGEST: Final = 300
"""Characters that are spoken in one piece."""


class OfflineSynthesizer:
    """Speaks by programs of this machine; implements `contract.Synthesizer`."""

    def __init__(self, spec: TextToSpeech, language: str, workers: SpeechWorkers) -> None:
        """Use the voice of a manifest.

        Args:
            spec: the manifest's.
            language: the bot's: what `check` says something in.
            workers: where the programs run.
        """
        self._voice, self._language, self._workers = spec.voice, language, workers

    @property
    def identity(self) -> str:
        """See `Synthesizer.identity`."""
        return f"offline/{self._voice or FLITE_VOICES[0]}"

    async def check(self) -> None:
        """See `Synthesizer.check`: it says a word."""
        async with aclosing(self.speak(CHECKED, self._language)) as audio:
            async for _ in audio:
                return
        raise SpeechError(SpeechFault.UNSUPPORTED, f"nothing is spoken in the language {self._language}")

    async def speak(self, text: str, language: str) -> AsyncGenerator[bytes, None]:
        """See `Synthesizer.speak`: a piece for each sentence."""
        request = {"argv": self._command(language), "sentences": sentences(text)}
        job = await self._workers.open("speak", request, limit=LIMIT)
        try:
            async with aclosing(job.audio(limit=LIMIT)) as pieces:
                async for audio in pieces:
                    yield audio
        finally:
            job.close()

    async def close(self) -> None:
        """See `Synthesizer.close`: what is open ends with its iterator."""

    def _command(self, language: str) -> list[str]:
        if primary(language) == "en" and (self._voice is None or self._voice in FLITE_VOICES):
            return [require_program(FLITE), "-voice", self._voice or FLITE_VOICES[0], "-o", "OUTPUT"]
        if primary(language) == "en" and self._voice is not None and primary(self._voice) != "en":
            raise SpeechError(
                SpeechFault.UNSUPPORTED,
                f"spec.textToSpeech.voice: there is no offline voice {self._voice} for English: "
                f"use one of {', '.join(FLITE_VOICES)}, or one of espeak-ng such as en-gb",
            )
        own = self._voice if self._voice and primary(self._voice) == primary(language) else language.lower()
        return [require_program(ESPEAK_NG), "-v", own, "--stdin", "-w", "OUTPUT"]


def sentences(text: str) -> list[str]:
    """Return a text in pieces that can be spoken one after the other: sentences, long ones in parts."""
    found: list[str] = []
    for sentence in _SENTENCE.split(text):
        rest = sentence
        while len(rest) > _LONGEST:
            space = rest.rfind(" ", 0, _LONGEST)
            cut = space if space > 0 else _LONGEST
            found.append(rest[:cut].strip())
            rest = rest[cut:]
        found.append(rest.strip())
    return [sentence for sentence in found if sentence]
