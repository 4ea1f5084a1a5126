"""Which providers a manifest gets, and what is said where one cannot be had."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.desired import desired_bot
from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.speech.elevenlabs_recognizer import ElevenLabsRecognizer
from dialplane.services.voicebot.speech.elevenlabs_synthesizer import ElevenLabsSynthesizer
from dialplane.services.voicebot.speech.offline_recognizer import OfflineRecognizer
from dialplane.services.voicebot.speech.offline_synthesizer import OfflineSynthesizer
from dialplane.services.voicebot.speech.prompt_cache import PromptCache
from dialplane.services.voicebot.speech.prompts import fixed_texts
from dialplane.services.voicebot.speech.providers import SpeechProviders
from dialplane.services.voicebot.speech.workers import SpeechWorkers

DIALOG = {
    "start": "ask",
    "states": [
        {
            "name": "ask",
            "say": {"text": "Is it you, {caller}?"},
            "collect": {"grammar": "yesNo"},
            "transitions": [{"answered": True, "to": "end"}],
        },
        {"name": "end", "say": {"prompt": "bye"}, "action": {"hangup": True}},
    ],
}
KEY = {"secretRef": {"name": "eleven", "key": "key"}}


class Secrets:
    def value(self, name: str, key: str) -> SecretStr | None:
        return SecretStr("a-key") if (name, key) == ("eleven", "key") else None


def spec(**fields: Any) -> VoiceBotSpec:
    wanted = {"dialog": DIALOG, "prompts": [{"name": "bye", "text": "Goodbye.", "language": "en-GB"}]}
    value = wanted | {"fallback": {"to": {"hangup": True}}} | fields
    return VoiceBotSpec.model_validate_json(json.dumps(value))


def providers(wanted: VoiceBotSpec) -> SpeechProviders:
    return SpeechProviders.of(desired_bot(wanted, "Europe/Berlin"), Secrets(), SpeechWorkers(1), PromptCache())


def test_a_bot_gets_the_providers_of_its_manifest() -> None:
    offline = providers(spec())
    assert isinstance(offline.recognizer, OfflineRecognizer)
    assert isinstance(offline.synthesizer, OfflineSynthesizer)
    assert offline.realtime is None
    paid = providers(spec(speechToText={"provider": "elevenlabs"} | KEY, textToSpeech={"provider": "elevenlabs"} | KEY))
    assert isinstance(paid.recognizer, ElevenLabsRecognizer)
    assert isinstance(paid.synthesizer, ElevenLabsSynthesizer)
    model = providers(spec(dialog=None, realtime={"provider": "openai", "instructions": "Help."} | KEY))
    assert model.recognizer is None
    assert model.realtime is not None


@pytest.mark.parametrize(
    ("fields", "fault", "words"),
    [
        (
            {"textToSpeech": {"provider": "elevenlabs", "secretRef": {"name": "eleven", "key": "other"}}},
            SpeechFault.REFUSED,
            "textToSpeech.secretRef: there is no Secret eleven with the key other",
        ),
    ],
)
def test_a_provider_that_cannot_be_had_is_named_by_its_field(
    fields: dict[str, Any], fault: SpeechFault, words: str
) -> None:
    with pytest.raises(SpeechError, match=words) as raised:
        providers(spec(**fields))
    assert raised.value.fault is fault


def test_texts_without_variables_are_spoken_before_anybody_calls() -> None:
    texts = fixed_texts(spec(greeting="Hello.", recording={"consent": "This call is recorded."}, language="en-US"))
    assert set(texts) >= {
        ("This call is recorded.", "en-US"),
        ("Hello.", "en-US"),
        ("Goodbye.", "en-GB"),
        ("I did not hear anything.", "en-US"),
        ("I did not understand.", "en-US"),
    }
    assert not [text for text, _ in texts if "{" in text]
    assert len(set(texts)) == len(texts)
