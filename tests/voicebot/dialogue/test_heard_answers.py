"""Whatever the offline recogniser can hear as an answer is understood: its graph and the grammars are of one mind."""

import random
from collections import defaultdict

import pytest

from dialplane.resources.dialog import Collect
from dialplane.services.voicebot.dialogue import grammar
from dialplane.services.voicebot.dialogue.lexicon import ENGLISH
from dialplane.services.voicebot.dialogue.spoken_numbers import digits_of
from dialplane.services.voicebot.speech.phrases import english_answers
from dialplane.services.voicebot.speech.word_graph import WordGraph
from tests.properties import tries
from tests.voicebot.dialogue.dialogs import TODAY

CHOICES = (
    {"value": "sales", "phrases": ("sales", "buy something")},
    {"value": "support", "phrases": ("technical support", "it's broken")},
)
DAYS_THAT_MAY_NOT_BE = frozenset(word for word, ten in ENGLISH.tens.items() if ten >= 30) | {
    "thirtieth",
    "ninth",
    "nine",
    "niner",
}


def spoken(graph: WordGraph, chance: random.Random) -> str:
    """Return some way through a graph."""
    arcs = defaultdict(list)
    for begin, end, word, _ in graph.arcs:
        arcs[begin].append((end, word))
    at, words = graph.start, []
    while at != graph.end:
        at, word = chance.choice(arcs[at])
        words.append(word)
    return " ".join(filter(None, words))


@pytest.mark.parametrize(
    "collect",
    [
        Collect(grammar="yesNo"),
        Collect(grammar="digits", max_digits=4),
        Collect(grammar="date"),
        Collect.model_validate({"grammar": "choices", "choices": CHOICES}),
    ],
    ids=lambda collect: str(collect.grammar),
)
def test_what_can_be_heard_is_understood(collect: Collect) -> None:
    graph = english_answers(grammar.expected(collect, "en"))
    chance = random.Random(collect.grammar)  # noqa: S311 -- the same ways each time
    for _ in range(tries(300)):
        text = spoken(graph, chance)
        if collect.grammar == "digits":
            assert digits_of(text, ENGLISH), text  # there may be too many of them
        elif collect.grammar != "date" or DAYS_THAT_MAY_NOT_BE.isdisjoint(text.split()):
            assert grammar.understood(collect, text, "en", TODAY), text
