"""Every answer that a state waits for has a way, and every way an answer."""

from collections.abc import Iterator, Sequence

from dialplane.resources.dialog import Collect, State, Transition
from dialplane.resources.dialog_graph import STATES_FIELD, label_of

YES_NO = ("yes", "no")
_OF_YES_NO = {"1": "yes", "2": "no"}


def answers(states: Sequence[State]) -> Iterator[tuple[str, str]]:
    """Yield fields of a dialogue's states and what is wrong with them."""
    for index, state in enumerate(states):
        field = f"{STATES_FIELD}[{index}]"
        if state.collect is not None:
            yield from _intents(state.collect, state.transitions, field)
            yield from _untaken(state.collect, state.transitions, field)
            yield from _never_taken(state.transitions, field)
            yield from _keys(state.collect, state.transitions, field)
        if state.action is not None and state.action.llm is not None:
            known = [intent.name for intent in state.action.llm.intents]
            led = [outcome.outcome for outcome in state.action.llm.outcomes]
            for at, name in enumerate(led):
                if name not in known:
                    where = f"{field}.action.llm.outcomes[{at}].outcome"
                    yield where, f"{name!r} is none of its intents: they are {_listed(known)}"
            for at, name in enumerate(known):
                if name not in led:
                    yield (
                        f"{field}.action.llm.intents[{at}]",
                        f"the intent {name!r} leads nowhere: add an outcome of it",
                    )


def _values(collect: Collect) -> Sequence[str]:
    """The answers that have a name."""
    return YES_NO if collect.grammar == "yesNo" else [choice.value for choice in collect.choices]


def _intents(collect: Collect, transitions: Sequence[Transition], field: str) -> Iterator[tuple[str, str]]:
    values = _values(collect)
    for index, each in enumerate(transitions):
        where = f"{field}.transitions[{index}]"
        if each.intent is not None and not values:
            cure = "use keyword or answered" if collect.grammar == "words" else "use answered"
            yield f"{where}.intent", f"answers of the grammar {collect.grammar} have no intents: {cure}"
        elif each.intent is not None and each.intent not in values:
            yield f"{where}.intent", f"{each.intent!r} is no answer here: they are {_listed(values)}"
        if each.keyword is not None and collect.grammar != "words":
            cure = "use answered" if not values else "use intent"
            yield f"{where}.keyword", f"keywords are of the grammar words, not of {collect.grammar}: {cure}"


def _untaken(collect: Collect, transitions: Sequence[Transition], field: str) -> Iterator[tuple[str, str]]:
    if any(each.answered for each in transitions):
        return
    if collect.grammar == "words":
        if not any(each.keyword is not None for each in transitions):
            yield f"{field}.transitions", "no transition takes an answer: add one of answered, or of a keyword"
    elif values := _values(collect):
        taken = {each.intent for each in transitions}
        left = [value for value in values if value not in taken]
        if left:
            message = f"no transition takes the answer {_listed(left)}, which would be asked for again: add one of it"
            yield f"{field}.transitions", f"{message}, or of answered"
    else:
        yield f"{field}.transitions", "no transition takes an answer: add one of answered"


def _never_taken(transitions: Sequence[Transition], field: str) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    keywords: list[tuple[str, int]] = []
    for index, each in enumerate(transitions):
        words = f" {each.keyword.casefold()} " if each.keyword else ""
        first = seen.setdefault(label_of(each).casefold(), index)
        hiding = next((at for other, at in keywords if other in words), index) if words else index
        earlier = min(first, hiding)
        if earlier != index:
            yield f"{field}.transitions[{index}]", f"never taken, for transitions[{earlier}] takes the same: leave one"
        if words:
            keywords.append((words, index))


def _keys(collect: Collect, transitions: Sequence[Transition], field: str) -> Iterator[tuple[str, str]]:
    """Find keys that mean two things, or that begin others: after the first it could not be known what is meant."""
    choices = [(each.dtmf, f"{field}.collect.choices[{at}].dtmf") for at, each in enumerate(collect.choices)]
    if not collect.dtmf:
        message = "has no effect, for collect.dtmf is false: set it to true, or leave the keys out"
        yield from ((where, message) for keys, where in choices if keys is not None)
        choices = []
    own = {each.dtmf: f"{field}.transitions[{at}].dtmf" for at, each in reversed(list(enumerate(transitions)))}
    used = {keys: f"{value!r} of yesNo" for keys, value in _OF_YES_NO.items()}
    if collect.grammar != "yesNo" or not collect.dtmf:
        used = {}
    for keys, where in (*choices, *reversed(own.items())):
        if keys is None:
            continue
        plain = keys.rstrip("#") or keys
        if collect.grammar == "digits" and collect.dtmf and plain.isdecimal():
            yield where, f"{keys} may as well begin the digits that are asked for: use keys with * or #"
        other = next((each for each in used if plain.startswith(each) or each.startswith(plain)), None)
        if other is not None:
            relation = "is" if plain == other else "begins like"
            yield where, f"{keys} {relation} {other}, which is {used[other]}: choose others"
        used.setdefault(plain, f"at {where.removeprefix(f'{field}.')}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
