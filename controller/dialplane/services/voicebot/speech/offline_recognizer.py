"""Recognition without a network: pocketsphinx with a graph of just the answers that a state expects, in English."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from dialplane.services.voicebot.dialogue.lexicon import primary
from dialplane.services.voicebot.speech.contract import Expected, Grammar, SpeechError, SpeechFault, Transcript
from dialplane.services.voicebot.speech.phrases import english_answers
from dialplane.services.voicebot.speech.programs import FLITE, find_program
from dialplane.services.voicebot.speech.word_graph import TooManyAnswersError
from dialplane.services.voicebot.speech.workers import SpeechWorkers, WorkerJob

FINISH_LIMIT: Final = 5.0
"""Seconds from the end of an answer to what was understood; 0.1 is usual."""


class OfflineStream:
    """One answer; implements `contract.RecognitionStream`."""

    def __init__(self, job: WorkerJob) -> None:
        """Hear an answer by a job of a worker."""
        self._job = job

    def write(self, audio: bytes) -> None:
        """See `RecognitionStream.write`."""
        self._job.write(audio)

    async def finish(self) -> Transcript:
        """See `RecognitionStream.finish`."""
        self._job.finish()
        try:
            _, payload = await self._job.receive(limit=FINISH_LIMIT)
        finally:
            self._job.close()
        heard = json.loads(payload)
        return Transcript(heard["text"], heard["confidence"])

    async def close(self) -> None:
        """See `RecognitionStream.close`."""
        self._job.close()


class OfflineRecognizer:
    """Understands the answers that are expected, and no free speech; implements `contract.Recognizer`."""

    def __init__(self, workers: SpeechWorkers, language: str, answers: Iterable[Expected] = ()) -> None:
        """Prepare for a bot.

        Args:
            workers: where it decodes.
            language: the bot's; it has English only.
            answers: what the bot's dialogue will ask for: `check` tries all of them.
        """
        self._workers, self._language, self._answers = workers, language, tuple(answers)

    async def check(self) -> None:
        """See `Recognizer.check`: each question of the bot can be listened to."""
        for expected in self._answers or (Expected(Grammar.YES_NO, {"yes": ("yes",), "no": ("no",)}),):
            await (await self.open(expected, self._language)).close()

    async def open(
        self, expected: Expected, language: str, on_partial: Callable[[Transcript], None] = lambda _: None
    ) -> OfflineStream:
        """See `Recognizer.open`."""
        if primary(language) != "en":
            raise SpeechError(
                SpeechFault.UNSUPPORTED,
                f"the offline recogniser understands English only, not {language}: choose another "
                "spec.speechToText.provider",
            )
        if expected.grammar is Grammar.WORDS:
            raise SpeechError(
                SpeechFault.UNSUPPORTED,
                "the offline recogniser understands only answers that are expected: choose another grammar than words, "
                "or another spec.speechToText.provider",
            )
        try:
            graph = english_answers(expected)
        except TooManyAnswersError:
            raise SpeechError(
                SpeechFault.UNSUPPORTED,
                "a question has more answers than the offline recogniser can search: ask for less",
            ) from None
        request = {"arcs": graph.arcs, "start": graph.start, "end": graph.end, "flite": find_program(FLITE)}

        def hear(partial: Any) -> None:
            on_partial(Transcript(partial["text"], final=False))

        return OfflineStream(await self._workers.open("recognise", request, on_partial=hear))

    async def close(self) -> None:
        """See `Recognizer.close`: what is open ends with its stream, or with the workers."""
