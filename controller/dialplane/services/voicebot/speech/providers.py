"""What understands and what speaks for one bot, as its manifest says. A provider is imported only where it is used."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from pydantic import SecretStr

from dialplane.resources.fields import SecretKeyRef
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.contract import SecretSource
from dialplane.services.voicebot.desired import DesiredBot
from dialplane.services.voicebot.dialogue.grammar import expected
from dialplane.services.voicebot.speech.contract import (
    RealtimeModel,
    Recognizer,
    SpeechError,
    SpeechFault,
    Synthesizer,
)
from dialplane.services.voicebot.speech.prompt_cache import PromptCache
from dialplane.services.voicebot.speech.prompts import fixed_texts
from dialplane.services.voicebot.speech.workers import SpeechWorkers

if TYPE_CHECKING:
    from dialplane.services.voicebot.speech.language_model import LanguageModel

_MISTAKES: Final = {SpeechFault.REFUSED, SpeechFault.UNSUPPORTED}
"""Faults that only another manifest or Secret heals."""


@dataclass(frozen=True, slots=True)
class SpeechProviders:
    """The providers of one bot; implements `bot.call_context.BotSpeech`."""

    spec: VoiceBotSpec
    cache: PromptCache
    recognizer: Recognizer | None
    """For a dialogue."""
    synthesizer: Synthesizer | None
    """For a dialogue, and for what a realtime bot says by itself."""
    realtime: RealtimeModel | None
    """Instead of a dialogue."""
    language_models: "tuple[LanguageModel, ...]" = ()
    """Of the dialogue's states, each once: they are proven here, and asked by `bot.actions`."""

    @classmethod
    def of(cls, bot: DesiredBot, secrets: SecretSource, workers: SpeechWorkers, cache: PromptCache) -> Self:
        """Return those of a manifest; none is asked for anything yet.

        Raises:
            SpeechError: a Secret lacks its key, or this installation lacks the provider.
        """
        spec = bot.spec
        return cls(
            spec,
            cache,
            recognizer=_recognizer(spec, secrets, workers) if spec.dialog else None,
            synthesizer=_synthesizer(spec, secrets, workers) if spec.dialog or spec.realtime else None,
            realtime=_realtime(spec, secrets) if spec.realtime else None,
            language_models=_language_models(spec, secrets),
        )

    async def check(self) -> None:
        """Prove that each of them serves.

        A language model that is away for a while is no reason to take no calls: a state has an `otherwise` for it.

        Raises:
            SpeechError: one does not.
        """
        speaks = self.spec.dialog is not None or self.spec.recording is not None
        needed = (self.recognizer, self.synthesizer if speaks else None, self.realtime)
        # One after the other: what is wrong first is what is said, and nothing goes on behind an error.
        for provider in needed:
            if provider is not None:
                await provider.check()
        for model in self.language_models:
            try:
                await model.check()
            except SpeechError as error:
                if error.fault in _MISTAKES:
                    raise

    async def warm(self) -> None:
        """Have what it says in every call spoken before anybody calls.

        Raises:
            SpeechError: the synthesizer does not serve.
        """
        if self.synthesizer is not None:
            await self.cache.warm(self.synthesizer, fixed_texts(self.spec))

    async def speak(self, text: str, language: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio of a text, at once where it is cached.

        Raises:
            SpeechError: the synthesizer does not serve.
        """
        if self.synthesizer is None:
            raise SpeechError(SpeechFault.UNSUPPORTED, "this bot has nothing that speaks")
        async with aclosing(self.cache.speak(self.synthesizer, text, language)) as pieces:
            async for audio in pieces:
                yield audio

    async def close(self) -> None:
        """End all that is open. Never raises."""
        providers = (self.recognizer, self.synthesizer, self.realtime, *self.language_models)
        closing = (each.close() for each in providers if each is not None)
        await asyncio.gather(*closing, return_exceptions=True)


def _recognizer(spec: VoiceBotSpec, secrets: SecretSource, workers: SpeechWorkers) -> Recognizer:
    match spec.speech_to_text.provider:
        case "elevenlabs":
            from dialplane.services.voicebot.speech.elevenlabs_recognizer import (  # noqa: PLC0415 -- most bots have none
                ElevenLabsRecognizer,
            )

            key = _secret(secrets, spec.speech_to_text.secret_ref, "spec.speechToText.secretRef")
            return ElevenLabsRecognizer(spec.speech_to_text, key)
        case "offline":
            from dialplane.services.voicebot.speech.offline_recognizer import (  # noqa: PLC0415 -- as above
                OfflineRecognizer,
            )

            states = spec.dialog.states if spec.dialog else ()
            answers = [expected(state.collect, spec.language) for state in states if state.collect is not None]
            return OfflineRecognizer(workers, spec.language, answers)


def _synthesizer(spec: VoiceBotSpec, secrets: SecretSource, workers: SpeechWorkers) -> Synthesizer:
    if spec.text_to_speech.provider == "elevenlabs":
        from dialplane.services.voicebot.speech.elevenlabs_synthesizer import (  # noqa: PLC0415 -- as above
            ElevenLabsSynthesizer,
        )

        key = _secret(secrets, spec.text_to_speech.secret_ref, "spec.textToSpeech.secretRef")
        return ElevenLabsSynthesizer(spec.text_to_speech, key)
    from dialplane.services.voicebot.speech.offline_synthesizer import OfflineSynthesizer  # noqa: PLC0415 -- as above

    return OfflineSynthesizer(spec.text_to_speech, spec.language, workers)


def _realtime(spec: VoiceBotSpec, secrets: SecretSource) -> RealtimeModel:
    assert spec.realtime is not None  # noqa: S101 -- asked before
    key = _secret(secrets, spec.realtime.secret_ref, "spec.realtime.secretRef")
    if spec.realtime.provider == "openai":
        from dialplane.services.voicebot.speech.openai_realtime import OpenAiRealtime  # noqa: PLC0415 -- as above

        return OpenAiRealtime(spec.realtime, key)
    from dialplane.services.voicebot.speech.doubao_realtime import DoubaoRealtime  # noqa: PLC0415 -- as above

    return DoubaoRealtime(spec.realtime, key)


def _language_models(spec: VoiceBotSpec, secrets: SecretSource) -> "tuple[LanguageModel, ...]":
    states = enumerate(spec.dialog.states if spec.dialog else ())
    asked = [(index, state.action.llm) for index, state in states if state.action and state.action.llm]
    if not asked:
        return ()
    from dialplane.services.voicebot.speech.language_model import LanguageModel  # noqa: PLC0415 -- as above

    models = {
        (llm.url, llm.model, llm.secret_ref): LanguageModel(
            llm, _secret(secrets, llm.secret_ref, f"spec.dialog.states[{index}].action.llm.secretRef")
        )
        for index, llm in asked
    }
    return tuple(models.values())


def _secret(secrets: SecretSource, reference: SecretKeyRef | None, field: str) -> SecretStr:
    if reference is None:
        raise SpeechError(SpeechFault.REFUSED, f"{field}: this provider needs a key: name a Secret")
    if (value := secrets.value(reference.name, reference.key)) is None:
        raise SpeechError(
            SpeechFault.REFUSED, f"{field}: there is no Secret {reference.name} with the key {reference.key}: create it"
        )
    return value
