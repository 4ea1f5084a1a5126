"""Answers as a graph of words: what a decoder searches. Pure.

A graph is made of patterns: a phrase, several after one another, one of several, something that may be missing, or
repeated. It has no loops, so that every answer that it takes is of bounded length.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MOST_ARCS: Final = 20_000
"""Of one graph; more than that is no question any more."""


class TooManyAnswersError(ValueError):
    """A graph would have more than `MOST_ARCS` arcs."""


@dataclass
class WordGraph:
    """States, by number, and arcs between them: from, to, a word (empty: none is said), and how likely it is."""

    arcs: list[tuple[int, int, str, float]] = field(default_factory=list)
    states: int = 2
    start: int = 0
    end: int = 1

    @property
    def words(self) -> frozenset[str]:
        """All words in it."""
        return frozenset(word for _, _, word, _ in self.arcs if word)

    def state(self) -> int:
        """Return a new state."""
        self.states += 1
        return self.states - 1

    def arc(self, begin: int, end: int, word: str = "", likely: float = 1.0) -> None:
        """Add an arc.

        Raises:
            TooManyAnswersError: there are too many.
        """
        if len(self.arcs) >= MOST_ARCS:
            raise TooManyAnswersError
        self.arcs.append((begin, end, word, likely))


Pattern = Callable[[WordGraph, int, int], None]
"""Adds arcs to a graph, from one state to another."""


def graph_of(pattern: Pattern) -> WordGraph:
    """Return the graph of a pattern.

    Raises:
        TooManyAnswersError: it is too large.
    """
    graph = WordGraph()
    pattern(graph, graph.start, graph.end)
    return graph


def phrase(text: str) -> Pattern:
    """Take the words of a text, one after the other."""
    words = text.split()

    def add(graph: WordGraph, begin: int, end: int) -> None:
        for word in words[:-1]:
            middle = graph.state()
            graph.arc(begin, middle, word)
            begin = middle
        graph.arc(begin, end, words[-1] if words else "")

    return add


def phrases(*texts: str) -> Pattern:
    """Take one of several texts."""
    return any_of(*(phrase(text) for text in texts))


def in_turn(*patterns: Pattern) -> Pattern:
    """Take several, one after the other."""

    def add(graph: WordGraph, begin: int, end: int) -> None:
        for pattern in patterns[:-1]:
            middle = graph.state()
            pattern(graph, begin, middle)
            begin = middle
        patterns[-1](graph, begin, end)

    return add


def any_of(*patterns: Pattern) -> Pattern:
    """Take one of several."""

    def add(graph: WordGraph, begin: int, end: int) -> None:
        for pattern in patterns:
            pattern(graph, begin, end)

    return add


def perhaps(pattern: Pattern) -> Pattern:
    """Take one, or nothing."""

    def add(graph: WordGraph, begin: int, end: int) -> None:
        # A state of its own: where several follow each other, none may be taken twice.
        middle = graph.state()
        pattern(graph, begin, middle)
        graph.arc(begin, end)
        graph.arc(middle, end)

    return add


def seldom(pattern: Pattern, likely: float = 0.3) -> Pattern:
    """Take what few callers say: it must fit better than its alternatives."""

    def add(graph: WordGraph, begin: int, end: int) -> None:
        middle = graph.state()
        graph.arc(begin, middle, likely=likely)
        pattern(graph, middle, end)

    return add


def repeated(pattern: Pattern, least: int, most: int) -> Pattern:
    """Take something `least` to `most` times; `least` is 1 at least."""

    def add(graph: WordGraph, begin: int, end: int) -> None:
        for count in range(1, most + 1):
            middle = graph.state()
            pattern(graph, begin, middle)
            begin = middle
            if count >= least:
                graph.arc(begin, end)

    return add
