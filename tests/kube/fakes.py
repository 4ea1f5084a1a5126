"""An API server in thirty lines: answers with what a test tells it to, and remembers what it was asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    method: str
    path: str
    body: Any


@dataclass
class FakeApi:
    """`answer` returns the answer's body, or raises."""

    answer: Callable[[Request], Any] = lambda _: {}
    seconds: float = 0.0
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        request = Request(method, path, body)
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
            return self.answer(request)
        finally:
            self.in_flight -= 1


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Led:
    """Leadership as told."""

    def __init__(self, held: bool = True) -> None:
        self.value = held

    def held(self) -> bool:
        return self.value
