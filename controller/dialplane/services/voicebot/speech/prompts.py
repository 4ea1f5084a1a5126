"""What a bot says in every call with the same words: the texts that are spoken before anybody calls. Pure."""

from collections.abc import Iterator
from typing import Final

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.bot.fillers import own_utterances

_VARIABLE: Final = "{"


def fixed_texts(spec: VoiceBotSpec) -> tuple[tuple[str, str], ...]:
    """Return the texts without variables, each with its language, each once."""
    return tuple(dict.fromkeys((text, language) for text, language in _texts(spec) if _VARIABLE not in text))


def _texts(spec: VoiceBotSpec) -> Iterator[tuple[str, str]]:
    if spec.dialog is None and spec.recording is None:  # a model's own voice is another one
        return
    for own in own_utterances(spec):
        yield own.text, own.language
    if spec.dialog is None:
        return
    if spec.greeting is not None:
        yield spec.greeting, spec.language
    prompts = {prompt.name: prompt for prompt in spec.prompts}
    for state in spec.dialog.states:
        if state.say is None:
            continue
        prompt = prompts.get(state.say.prompt or "")
        if text := state.say.text or (prompt.text if prompt else None):
            yield text, state.say.language or (prompt.language if prompt else None) or spec.language
