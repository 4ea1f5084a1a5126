"""How often somebody may ask, by the clock of this process."""

import math
import time
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from fastapi import FastAPI
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from dialplane.api.problems import Refusal


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds, which begin with the first of them."""

    requests: int
    seconds: int


USUAL: Final = Rate(500, 10)
"""50 a second, with bursts."""
GUESSES: Final = Rate(30, 60)
"""Whoever guesses is slowed down."""


class RateLimit:
    """Counts what each one does; whoever did too much waits."""

    def __init__(self, rate: Rate, what: str) -> None:
        """Allow `rate`; `what` completes the sentence `more than N … in M s`."""
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._item = RateLimitItemPerSecond(rate.requests, rate.seconds)
        self._too_many = f"more than {rate.requests} {what} in {rate.seconds} s"

    def count(self, who: str) -> None:
        """One more.

        Raises:
            Refusal: 429; it is one too many.
        """
        if self._limiter.hit(self._item, who):
            return
        left = self._limiter.get_window_stats(self._item, who).reset_time - time.time()
        raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, self._too_many, Retry_After=str(max(1, math.ceil(left))))


@dataclass(frozen=True, slots=True)
class TokenRate:
    """How often one token may do something in an application, beside the rate of all its requests."""

    name: str
    """Its own in the application."""
    rate: Rate
    what: str
    """Completes the sentence `more than N … in M s`."""

    def of(self, app: FastAPI) -> RateLimit:
        """Return the application's counter."""
        token_rates: dict[str, RateLimit] = app.state.token_rates
        return token_rates.setdefault(self.name, RateLimit(self.rate, self.what))


def neighbourhood(address: str) -> str:
    """Whom an address stands for: of IPv6 anybody has a whole /64."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found.packed[:8] + bytes(8), 64)))
    return str(found)
