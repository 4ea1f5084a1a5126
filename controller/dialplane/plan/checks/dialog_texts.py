"""What a bot says is there: prompts by their names, and variables that something sets before they are said."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from dialplane.resources.dialog import State
from dialplane.resources.dialog_graph import STATES_FIELD, DialogGraph
from dialplane.resources.voice_bot import VoiceBotSpec

CALLER: Final = "caller"
ANY: Final = "*"
"""Stands among the names of variables where a program may have set whatever it likes."""
_IN_BRACES: Final = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")


def texts(spec: VoiceBotSpec, graph: DialogGraph) -> Iterator[tuple[str, str]]:
    """Yield fields of a bot with a dialogue and what is wrong with its texts."""
    prompts = {prompt.name: index for index, prompt in enumerate(spec.prompts)}
    known = _known(graph)
    said = dict.fromkeys(prompts, frozenset[str]())
    for index, (name, state) in enumerate(graph.states.items()):
        field = f"{STATES_FIELD}[{index}]"
        yield from _reserved(state, field)
        for where, text in _of_state(state, field):
            yield from _unknown(where, text, known[name])
        prompt = state.say.prompt if state.say else None
        if prompt in said:
            said[prompt] |= known[name]
        elif prompt is not None:
            near = get_close_matches(prompt, prompts, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "add it to spec.prompts"
            yield f"{field}.say.prompt", f"there is no prompt {prompt!r}: {hint}"
    for prompt, index in prompts.items():
        if said[prompt]:
            yield from _unknown(f"spec.prompts[{index}].text", spec.prompts[index].text, said[prompt])
    ever = frozenset({CALLER}).union(*(_sets(state) for state in graph.states.values()))
    yield from _unknown("spec.noInput.say", spec.no_input.say, ever)
    yield from _unknown("spec.noMatch.say", spec.no_match.say, ever)
    yield from _unknown("spec.greeting", spec.greeting, frozenset({CALLER}))
    consent = spec.recording.consent if spec.recording else None
    yield from _unknown("spec.recording.consent", consent, frozenset())  # said as it stands, before anything else


def _known(graph: DialogGraph) -> Mapping[str, frozenset[str]]:
    """Return the variables that may have been set before each state."""
    known = dict.fromkeys(graph.states, frozenset({CALLER}))
    for name, state in graph.states.items():
        if names := _sets(state):
            for later in graph.reached_from(graph.following[name]):
                known[later] |= names
    return known


def _sets(state: State) -> frozenset[str]:
    if state.collect is not None and state.collect.variable is not None:
        return frozenset({state.collect.variable})
    if state.action is not None and state.action.set_variable is not None:
        return frozenset({state.action.set_variable.name})
    return frozenset({ANY}) if state.action is not None and state.action.webhook is not None else frozenset()


def _of_state(state: State, field: str) -> Iterator[tuple[str, str | None]]:
    if state.say is not None:
        yield f"{field}.say.text", state.say.text
    if state.action is not None and state.action.set_variable is not None:
        yield f"{field}.action.setVariable.value", state.action.set_variable.value
    if state.action is not None and state.action.sms is not None:
        yield f"{field}.action.sms.text", state.action.sms.text


def _reserved(state: State, field: str) -> Iterator[tuple[str, str]]:
    message = f"{CALLER!r} is the number that calls, and cannot be set: choose another name"
    if state.collect is not None and state.collect.variable == CALLER:
        yield f"{field}.collect.variable", message
    if state.action is not None and state.action.set_variable is not None and state.action.set_variable.name == CALLER:
        yield f"{field}.action.setVariable.name", message


def _unknown(field: str, text: str | None, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    if text is None or ANY in known:
        return
    for name in dict.fromkeys(_IN_BRACES.findall(text)):
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "collect or set it in a state before"
            yield field, f"nothing has set the variable {name!r} when this is said: {hint}"
