"""A dialogue as a graph: its states, and the ways between them. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from dialplane.resources.dialog import Dialog, Outcome, State, Transition

START_FIELD: Final = "spec.dialog.start"
STATES_FIELD: Final = "spec.dialog.states"


@dataclass(frozen=True, slots=True)
class Way:
    """One state may follow another."""

    source: str
    target: str
    label: str
    """On what, in a few words; empty where it always follows."""
    field: str
    """Where the manifest says so, such as `spec.dialog.states[3].transitions[0].to`."""


@dataclass(frozen=True)
class DialogGraph:
    """States by name, and all ways between them, also those to states that there are not."""

    start: str
    states: Mapping[str, State]
    ways: tuple[Way, ...]

    @classmethod
    def of(cls, dialog: Dialog) -> "DialogGraph":
        """Return the graph of a dialogue."""
        ways = (way for index, state in enumerate(dialog.states) for way in _ways(state, f"{STATES_FIELD}[{index}]"))
        return cls(dialog.start, {state.name: state for state in dialog.states}, tuple(ways))

    @cached_property
    def following(self) -> Mapping[str, frozenset[str]]:
        """The states that may follow each one at once; those that there are not are left out."""
        after: dict[str, set[str]] = {name: set() for name in self.states}
        for way in self.ways:
            if way.target in self.states:
                after[way.source].add(way.target)
        return {name: frozenset(names) for name, names in after.items()}

    @cached_property
    def reached(self) -> frozenset[str]:
        """The states that a call can come to."""
        return self.reached_from([self.start] if self.start in self.states else [])

    @cached_property
    def ending(self) -> frozenset[str]:
        """The states from which a call may be transferred or hung up, at once or later."""
        before: dict[str, set[str]] = {name: set() for name in self.states}
        for source, targets in self.following.items():
            for target in targets:
                before[target].add(source)
        ends = [name for name, state in self.states.items() if ends_call(state)]
        return self._spread(ends, {name: frozenset(names) for name, names in before.items()})

    def reached_from(self, names: Iterable[str]) -> frozenset[str]:
        """Return these states and all that may follow them."""
        return self._spread(names, self.following)

    @staticmethod
    def _spread(names: Iterable[str], ways: Mapping[str, frozenset[str]]) -> frozenset[str]:
        ahead, seen = list(names), set(names)
        while ahead:
            new = ways[ahead.pop()] - seen
            seen |= new
            ahead += new
        return frozenset(seen)


def ends_call(state: State) -> bool:
    """Return whether a state transfers the call or hangs up."""
    return state.action is not None and (state.action.transfer is not None or state.action.hangup is not None)


def asks(state: State) -> bool:
    """Return whether a state waits for the caller."""
    return state.collect is not None or (state.action is not None and state.action.llm is not None)


def label_of(transition: Transition) -> str:
    """Return what an answer must be to take a transition, in a few words."""
    if transition.intent is not None:
        return transition.intent
    if transition.keyword is not None:
        return f"\N{LEFT DOUBLE QUOTATION MARK}{transition.keyword}\N{RIGHT DOUBLE QUOTATION MARK}"
    if transition.dtmf is not None:
        return f"key {transition.dtmf}"
    if transition.answered:
        return "any answer"
    return "silence" if transition.no_input else "not understood"


def _ways(state: State, field: str) -> Iterator[Way]:
    for index, each in enumerate(state.transitions):
        yield Way(state.name, each.to, label_of(each), f"{field}.transitions[{index}].to")
    if state.next is not None:
        yield Way(state.name, state.next, "", f"{field}.next")
    for name, outcomes, otherwise in _asked(state):
        for index, outcome in enumerate(outcomes):
            yield Way(state.name, outcome.to, outcome.outcome, f"{field}.action.{name}.outcomes[{index}].to")
        yield Way(state.name, otherwise, "otherwise", f"{field}.action.{name}.otherwise")


def _asked(state: State) -> Iterator[tuple[str, Sequence[Outcome], str]]:
    if state.action is not None and state.action.webhook is not None:
        yield "webhook", state.action.webhook.outcomes, state.action.webhook.otherwise
    if state.action is not None and state.action.llm is not None:
        yield "llm", state.action.llm.outcomes, state.action.llm.otherwise
