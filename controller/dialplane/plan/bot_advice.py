"""Doubtful choices in a VoiceBot: fields that say nothing beside others, and languages that little is known of."""

from collections.abc import Iterator
from typing import Final

from dialplane.resources.voice_bot import VoiceBotSpec

YES_NO_LANGUAGES: Final = frozenset({"de", "en", "es", "fr", "it", "nl", "pt"})
"""Those in which yes, no and single digits are understood."""
DATE_LANGUAGES: Final = frozenset({"de", "en"})
"""Those in which dates are."""

_OF_DIALOGUE: Final = ("speech_to_text", "prompts", "no_match")
_OF_OWN_VOICE: Final = ("greeting", "text_to_speech", "no_input", "recording")


def doubts(spec: VoiceBotSpec) -> Iterator[tuple[str, str]]:
    """Yield fields and what to think of."""
    if spec.engine is not None:
        yield from _without_effect(spec, (*_OF_DIALOGUE, *_OF_OWN_VOICE), "another program speaks with the callers")
    elif spec.realtime is not None:
        yield from _without_effect(spec, _OF_DIALOGUE, "a model hears and speaks by itself")
    else:
        yield from _languages(spec)


def _without_effect(spec: VoiceBotSpec, names: tuple[str, ...], why: str) -> Iterator[tuple[str, str]]:
    for name in names:
        info = VoiceBotSpec.model_fields[name]
        if getattr(spec, name) != info.default:
            yield f"spec.{info.alias}", f"has no effect, for {why}: leave it out"


def _languages(spec: VoiceBotSpec) -> Iterator[tuple[str, str]]:
    language = spec.language.replace("_", "-").partition("-")[0]
    if language == "en" or spec.dialog is None:
        return
    for name in ("no_input", "no_match"):
        if getattr(spec, name).say == VoiceBotSpec.model_fields[name].default.say:
            field = VoiceBotSpec.model_fields[name].alias
            yield f"spec.{field}.say", f"it says this in English to callers who are spoken to in {spec.language!r}"
    for index, state in enumerate(spec.dialog.states):
        grammar = state.collect.grammar if state.collect else ""
        known = DATE_LANGUAGES if grammar == "date" else YES_NO_LANGUAGES
        if grammar in {"date", "digits", "yesNo"} and language not in known:
            message = f"in {spec.language!r} only figures and keys are understood here, no words: use choices"
            yield f"spec.dialog.states[{index}].collect.grammar", message
