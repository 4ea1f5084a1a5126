"""Dialogues lead somewhere: every state is there and can be reached, every answer has a way, every text its variables.

Each finding takes the bot out, and its callers go to its fallback: a dialogue that ends nowhere would keep them.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches

from dialplane.plan.checks.dialog_answers import answers
from dialplane.plan.checks.dialog_texts import texts
from dialplane.plan.draft import Draft, Finding
from dialplane.resources.dialog_graph import START_FIELD, STATES_FIELD, DialogGraph, asks
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.voice_bot import VoiceBotSpec

Mistake = tuple[str, str]
"""A field, and what is wrong with it."""


def dialogs(draft: Draft) -> Iterator[Finding]:
    """The dialogue of each bot can be gone through, and understood to its end."""
    for key, spec in draft.of(VoiceBotSpec):
        for field, message in (*mistakes(spec), *_unheard(spec)):
            yield key, Problem(Reason.INVALID, message, field)


def mistakes(spec: VoiceBotSpec) -> Iterator[Mistake]:
    """Yield what is wrong with a dialogue, each mistake once."""
    if spec.dialog is None:
        return
    graph = DialogGraph.of(spec.dialog)
    looks: tuple[Callable[[], Iterator[Mistake]], ...] = (
        lambda: _missing(graph),
        lambda: _unreached(graph),
        lambda: _endless(graph),
        lambda: answers(spec.dialog.states if spec.dialog else ()),
        lambda: texts(spec, graph),
    )
    for look in looks:
        yield from look()


def _missing(graph: DialogGraph) -> Iterator[Mistake]:
    for name, field in [(graph.start, START_FIELD), *((way.target, way.field) for way in graph.ways)]:
        if name not in graph.states:
            near = get_close_matches(name, graph.states, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "name a state of this dialogue"
            yield field, f"there is no state {name!r}: {hint}"


def _unreached(graph: DialogGraph) -> Iterator[Mistake]:
    if graph.start not in graph.states:
        return
    for index, name in enumerate(graph.states):
        if name not in graph.reached:
            field = f"{STATES_FIELD}[{index}].name"
            yield field, f"no call can come to state {name!r}: let another state lead to it, or take it out"


def _endless(graph: DialogGraph) -> Iterator[Mistake]:
    """Find groups of states that lead to each other alone, and to no end; each is one mistake."""
    missing = {way.source for way in graph.ways if way.target not in graph.states}
    noted: set[str] = set()
    for index, name in enumerate(graph.states):
        group = graph.reached_from([name])
        if name not in graph.reached or name in graph.ending or group & (noted | missing):
            continue
        if any(graph.reached_from([other]) < group for other in group):
            continue  # another one, deeper in, is at fault
        noted |= group
        field = f"{STATES_FIELD}[{index}].name"
        members = ", ".join(repr(each) for each in graph.states if each in group)
        if any(asks(graph.states[each]) for each in group):
            yield field, f"from here ({members}) no state transfers the call or hangs up: add a way to one that does"
        else:
            yield field, f"here the dialogue goes round for ever ({members}) and asks nobody: add a way out"


def _unheard(spec: VoiceBotSpec) -> Iterator[Mistake]:
    """Find what the offline recogniser does not understand: other languages, and answers in the callers' own words."""
    if spec.dialog is None or spec.speech_to_text.provider != "offline":
        return
    cure = "set spec.speechToText.provider to elevenlabs"
    asking = any(state.collect is not None for state in spec.dialog.states)
    if asking and spec.language.replace("_", "-").partition("-")[0] != "en":
        yield "spec.language", f"offline understands answers in English alone, not in {spec.language!r}: {cure}"
    for index, state in enumerate(spec.dialog.states):
        field = f"{STATES_FIELD}[{index}]"
        if state.collect is not None and state.collect.grammar == "words":
            yield f"{field}.collect.grammar", f"words takes free speech, which offline does not understand: {cure}"
        if state.action is not None and state.action.llm is not None:
            yield f"{field}.action.llm", f"callers speak freely with it, which offline does not understand: {cure}"
