"""How many long requests there are at a time: each holds one of the connections that everybody shares."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI

from dialplane.api.problems import Refusal


class ConcurrencyLimit:
    """Counts the requests of one sort that are going on."""

    def __init__(self, each: int, total: int, what: str) -> None:
        """Allow `each` of one token and `total` of all; `what` completes the sentence `too many …`."""
        self._each = each
        self._total = total
        self._what = what
        self._open: Counter[str] = Counter()
        self._sum = 0

    @property
    def open(self) -> int:
        """How many are going on."""
        return self._sum

    def check(self, token: str) -> None:
        """Raise a Refusal (429) where one more would be too many."""
        if self._open[token] >= self._each or self.open >= self._total:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"too many {self._what}", Retry_After="5")

    @contextmanager
    def one(self, token: str) -> Iterator[None]:
        """Count one for as long as it goes on."""
        self._open[token] += 1
        self._sum += 1
        try:
            yield
        finally:
            self._sum -= 1
            self._open[token] -= 1
            if not self._open[token]:
                del self._open[token]


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many requests of one sort may go on in an application at a time."""

    name: str
    """Its own in the application."""
    each: int
    """How many of them one token may have."""
    total: int
    what: str
    """Completes the sentence `too many …`."""

    def of(self, app: FastAPI) -> ConcurrencyLimit:
        """Return the application's counter."""
        limits: dict[str, ConcurrencyLimit] = app.state.concurrency
        return limits.setdefault(self.name, ConcurrencyLimit(self.each, self.total, self.what))
