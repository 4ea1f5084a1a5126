"""What a bot says by itself while a caller waits, and when it cannot go on. Pure."""

from collections.abc import Mapping
from typing import Final

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.dialogue.steps import Utterance

_ONE_MOMENT: Final[Mapping[str, str]] = {
    "de": "Einen Moment, bitte.",
    "en": "One moment, please.",
    "es": "Un momento, por favor.",
    "fr": "Un moment, s'il vous plaît.",
    "it": "Un momento, per favore.",
    "nl": "Een ogenblik, alstublieft.",
    "pl": "Chwileczkę, proszę.",
    "pt": "Um momento, por favor.",
    "ru": "Одну минуту, пожалуйста.",
    "zh": "请稍等。",
}
_TROUBLE: Final[Mapping[str, str]] = {
    "de": "Es tut mir leid, es gibt ein technisches Problem.",
    "en": "I am sorry, there is a technical problem.",
    "es": "Lo siento, hay un problema técnico.",
    "fr": "Je suis désolé, il y a un problème technique.",
    "it": "Mi dispiace, c'è un problema tecnico.",
    "nl": "Het spijt me, er is een technisch probleem.",
    "pl": "Przepraszam, wystąpił problem techniczny.",
    "pt": "Desculpe, há um problema técnico.",
    "ru": "Извините, возникла техническая проблема.",
    "zh": "抱歉。出现了技术问题。",
}


def one_moment(language: str) -> Utterance:
    """Return what is said while the caller waits; in English where the language has none."""
    return _in(language, _ONE_MOMENT)


def trouble(language: str) -> Utterance:
    """Return what is said before the call goes to the fallback."""
    return _in(language, _TROUBLE)


def own_utterances(spec: VoiceBotSpec) -> tuple[Utterance, ...]:
    """Return all that a bot may say by itself, without a dialogue: worth being synthesized before it is needed."""
    consent = [spec.recording.consent] if spec.recording is not None else []
    texts = [*consent, spec.no_input.say, spec.no_match.say]
    return (
        *(Utterance(text, spec.language, barge_in=False) for text in texts),
        one_moment(spec.language),
        trouble(spec.language),
    )


def _in(language: str, texts: Mapping[str, str]) -> Utterance:
    primary = language.partition("-")[0]
    if primary in texts:
        return Utterance(texts[primary], language, barge_in=False)
    return Utterance(texts["en"], "en", barge_in=False)
